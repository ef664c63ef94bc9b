"""Sparse attention: scores, softmax and product of a few rows at a time, at each level."""
