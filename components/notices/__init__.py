"""Telling people what happened: what is said, to whom, and that it is said once."""
