"""Scale and shift of each channel."""
