"""The largest element under each window."""
