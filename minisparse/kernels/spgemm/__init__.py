"""C = A @ B with A and B sparse, each format by its own way, at each level."""
