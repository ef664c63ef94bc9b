"""What every other room stands on: errors, dtypes, index widths, array namespaces, tensor types.

Nothing here imports anything else of minisparse.
"""
