"""y = A @ x with A in each format, at each level."""
