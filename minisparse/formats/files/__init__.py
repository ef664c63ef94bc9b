"""Files of matrices, one format a file: from outside, so bounded, never unpickled, and checked."""
