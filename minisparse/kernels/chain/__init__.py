"""Several ops, piece by piece, with nothing put down between them."""
