"""The largest or least elements along an axis."""
