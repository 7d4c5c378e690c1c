"""Choosing a family's options on the valid rows: what is tried, in which order, and what wins."""
