"""alpha * (exp(x) - 1) below 0, else x, element by element."""
