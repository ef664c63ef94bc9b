"""An account of the bytes of a matrix."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Storage:
    """Where a matrix's bytes go.

    Attributes
    ----------
    values, indices, pointers : int
        Bytes of the stored values (padding included), of their indices or positions, and of
        the pointers to where rows, columns or block rows start.
    dense : int
        Bytes of the same matrix stored dense.
    """

    values: int
    indices: int
    pointers: int
    dense: int

    @property
    def total(self) -> int:
        """All stored bytes."""
        return self.values + self.indices + self.pointers

    @property
    def ratio(self) -> float:
        """Stored bytes over dense bytes; above 1 the format is larger than no format at all."""
        return self.total / self.dense if self.dense else float("nan")
