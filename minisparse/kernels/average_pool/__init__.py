"""The mean of what is under each window."""
