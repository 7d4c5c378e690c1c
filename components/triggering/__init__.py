"""When a retraining that was asked for shall run: the policy, and the book of who asked."""
