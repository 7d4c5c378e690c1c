"""Great Expectations over ratings, items and images; quarantine for what does not meet them."""
