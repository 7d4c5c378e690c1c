"""The families side by side on one split: each trained, measured, ranked, and shown on a page."""
