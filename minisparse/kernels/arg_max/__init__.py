"""Where the largest or the least element lies along an axis."""
