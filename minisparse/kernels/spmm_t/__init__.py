"""C = A.T @ B with A in each format, at each level; A is never converted."""
