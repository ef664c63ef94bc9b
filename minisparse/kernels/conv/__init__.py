"""Convolutions of images, with weights in each format."""
