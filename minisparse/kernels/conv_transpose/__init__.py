"""Transposed convolutions: what each element of the images adds to the result."""
