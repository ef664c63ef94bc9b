"""min(max(x, min), max) element by element."""
