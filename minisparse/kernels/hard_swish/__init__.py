"""x * max(0, min(1, x / 6 + 1 / 2)) element by element."""
