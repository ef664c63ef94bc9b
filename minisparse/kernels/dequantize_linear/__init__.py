"""Small integers as numbers."""
