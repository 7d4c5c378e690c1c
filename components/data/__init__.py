"""Batches at the door, the demo data, DVC versions of both, and splits."""
