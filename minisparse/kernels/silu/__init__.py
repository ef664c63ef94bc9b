"""x times its sigmoid, element by element."""
