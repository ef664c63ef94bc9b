"""What exporters spell out in small ops: each function tells of a node what it is the end of."""
