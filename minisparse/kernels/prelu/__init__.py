"""slope * x below 0, else x, element by element."""
