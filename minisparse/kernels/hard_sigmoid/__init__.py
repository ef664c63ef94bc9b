"""max(0, min(1, alpha * x + beta)) element by element."""
