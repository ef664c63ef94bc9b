"""Numbers as small integers."""
