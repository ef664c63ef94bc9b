"""a + b element by element, of plain arrays and of sparse matrices."""
