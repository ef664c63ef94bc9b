"""What the textbook loops of a kernel do, counted: arithmetic, traffic by kind, scratch, steps.

A kernel states its counts as a formula of its operands; :mod:`minisparse.kernels.recording` runs
the very loops and measures them. The two agree exactly.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.formats import BSR, NM


@dataclass(frozen=True, slots=True)
class Counts:
    """What one run of a kernel's loops does.

    The traffic is that of a machine whose cache keeps every stream and forgets whatever is fetched
    through an index. An element that the loops reach by counting counts once, however often it
    is used. One that they reach through an index, read from ``indices``, ``row``, ``col`` or
    ``positions``, counts once for each reading of that index, and once more if it is written:
    so one row of B for each stored value of a CSR matrix. The same index read twice in a row is one
    reading, so that a block of BSR is one; and what lies from a gathered pointer on is
    gathered. A widened copy is the operand itself, widened while it is loaded, and takes the
    operand's bytes. What the loops keep in Python's lists and dictionaries takes none.

    Attributes
    ----------
    flops : int
        Additions, subtractions, multiplications, divisions of numbers, and functions such as exp;
        comparisons, maxima and signs are none.
    value_bytes : int
        Of values reached by counting: those stored, those of dense operands, and of arrays that
        the loops make, the result among them, which are zeroed or filled whole.
    index_bytes : int
        Of indices and pointers reached by counting.
    gathered_bytes : int
        Of anything reached through an index, read (gathered) or written (scattered).
    scratch : int
        Of arrays that the loops make beside the result, all together: widened copies, accumulators.
        Where one was given up, the next that is as large takes its place.
    calls : int
        Calls into NumPy that read or write an element, the interpreted steps; an operation on
        whole arrays is one.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> from minisparse.kernels import KERNELS
    >>> A = CSR(np.ones(3, "float32"), [0, 2, 1], [0, 2, 3], (2, 3))
    >>> KERNELS["spmm_csr"].counts(A, np.ones((3, 4), "float32"))  # doctest: +NORMALIZE_WHITESPACE
    Counts(flops=24, value_bytes=44, index_bytes=24, gathered_bytes=48, scratch=80, calls=55)
    """

    flops: int
    value_bytes: int
    index_bytes: int
    gathered_bytes: int
    scratch: int
    calls: int

    def __add__(self, other: "Counts") -> "Counts":
        """Return what one run and then another do together."""
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def moved(self) -> int:
        """Bytes of values, indices and gathered elements together."""
        return self.value_bytes + self.index_bytes + self.gathered_bytes


def widened_bytes(b: Array, dtype: Any, results: int) -> int:
    """Return the scratch of loops that widen B and sum a result in the accumulator's dtype.

    Parameters
    ----------
    b : ndarray
        The operand that is widened.
    dtype : dtype-like
        Of the result.
    results : int
        How many elements the result has.
    """
    return (b.size + results) * accumulator(np.dtype(dtype)).itemsize


def inside_blocks(a: BSR) -> tuple[Array, Array]:
    """Return the height and the width of each stored block, less what lies beyond the matrix.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> inside_blocks(from_dense(np.ones((3, 5)), "bsr", block=(2, 3)))
    (array([2, 2, 1, 1]), array([3, 2, 3, 2]))
    """
    height, width = a.block
    block_rows = np.repeat(np.arange(len(a.indptr) - 1), np.diff(a.indptr))
    heights = np.minimum(height, a.shape[0] - height * block_rows)
    return heights, np.minimum(width, a.shape[1] - width * a.indices.astype(np.int64))


def inside_groups(a: NM) -> Array:
    """Return which stored values ``[M, P]`` lie inside the matrix; the others are padding."""
    columns = np.arange(a.data.shape[1]) // a.n * a.m + a.positions
    inside: Array = columns < a.shape[1]
    return inside
