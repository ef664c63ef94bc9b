"""c + bias[:, None]: one value a row."""
