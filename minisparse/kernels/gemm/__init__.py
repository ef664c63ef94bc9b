"""Y = alpha * A' @ B' + beta * C on plain arrays."""
