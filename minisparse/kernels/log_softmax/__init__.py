"""The logarithm of softmax along an axis."""
