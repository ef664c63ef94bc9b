"""Normalization of rows by their mean and variance."""
