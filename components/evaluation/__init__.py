"""Measuring recommenders: metrics, intervals, slices and the report with pictures."""
