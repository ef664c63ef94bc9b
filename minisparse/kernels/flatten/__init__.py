"""Any array as a matrix."""
