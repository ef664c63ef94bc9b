"""Axes in another order."""
