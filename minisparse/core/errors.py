"""The errors that minisparse raises.

Two branches. A :class:`MinisparseError` is the caller's to mend: its message names the op and the
constraint, the values, and the remedy. An :class:`InternalError` is ours: it "cannot happen".
"""


class MinisparseError(Exception):
    """Something that the caller gave cannot be used; the message says what and how to mend it."""


class FormatError(MinisparseError, ValueError):
    """The arrays of a sparse matrix, or a file, break an invariant of their format."""


class ShapeError(MinisparseError, ValueError):
    """Shapes of operands do not fit together."""


class DTypeError(MinisparseError, TypeError):
    """A dtype is not supported, or dtypes do not mix."""


class UnsupportedOpError(MinisparseError, NotImplementedError):
    """A model uses ops, or an op is asked for formats or levels, that minisparse does not have."""


class GraphError(MinisparseError, ValueError):
    """A graph is not well formed: a cycle, a dangling input, a name defined twice."""


class ModelFileError(MinisparseError, ValueError):
    """A model or input file is missing, truncated, or not what its name says."""


class UsageError(MinisparseError, ValueError):
    """A call, or a command line, names something that does not exist or does not fit."""


class MemoryLimitError(MinisparseError, MemoryError):
    """A run would need more memory than the caller allows; nothing has run."""


class SelectionError(MinisparseError, IndexError):
    """A row, a column or a cell is asked for that a matrix does not have."""


class MissingExtraError(MinisparseError, ImportError):
    """A feature needs an optional dependency that is not installed."""


class InternalError(Exception):
    """A bug in minisparse: please report it with the message and the traceback."""
