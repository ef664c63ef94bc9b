"""C = B @ A with the right operand A in each format, at each level."""
