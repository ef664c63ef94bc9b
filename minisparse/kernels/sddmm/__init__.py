"""C = A * (X @ Y) where A stores entries, with A in each format, at each level."""
