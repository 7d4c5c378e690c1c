"""What a reviewer reads of a version: its verdict, what changed, and whom it serves worse."""
