"""a ** b element by element."""
