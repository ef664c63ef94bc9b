"""C = A @ B with A in each format, at each level."""
