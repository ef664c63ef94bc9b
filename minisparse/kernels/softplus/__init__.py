"""log(1 + exp(x)) element by element."""
