"""Sums of products written as an equation."""
