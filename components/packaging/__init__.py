"""From a served bundle to a Bento, and its trial run."""
