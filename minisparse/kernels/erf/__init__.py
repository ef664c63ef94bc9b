"""The error function element by element."""
