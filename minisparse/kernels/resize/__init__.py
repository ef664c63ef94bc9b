"""Images made larger or smaller by interpolation."""
