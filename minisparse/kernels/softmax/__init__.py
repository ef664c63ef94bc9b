"""Softmax of each row over its stored entries, with A in each format, at each level."""
