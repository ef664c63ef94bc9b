"""Sums, means and extremes along axes, of plain arrays and of matrices in every format."""
