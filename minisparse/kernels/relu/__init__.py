"""max(x, 0) element by element."""
