"""What a workspace keeps, what it may let go of, and copies of it elsewhere."""
