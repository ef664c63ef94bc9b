"""Normalization of rows by their root mean square."""
