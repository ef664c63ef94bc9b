"""Normalization of images by groups of their channels, down to one channel a group."""
