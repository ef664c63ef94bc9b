"""x times the normal distribution function, element by element."""
