"""How fast other libraries are: one line of figures for each op and format that they compute.

    t = call + row M + entry nnz + product nnz N + element (K + M) N

Unlike our own levels, whose calls into NumPy can be counted, a library is a closed box: it is
measured, and this is fitted to it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from minisparse.core.dtypes import DType
from minisparse.core.tensor_type import TensorType


@dataclass(frozen=True)
class LibrarySpeed:
    """What one op on one format takes of a library's time, for float32.

    Attributes
    ----------
    call : float
        Microseconds for a call on nothing.
    row : float
        Nanoseconds for a row of A.
    entry : float
        Nanoseconds for a stored entry of A, however many columns B has.
    product : float
        Nanoseconds for a stored entry and a column of B.
    element : float
        Nanoseconds for an element of B, or of C.
    double : float
        How many times as long float64 takes.
    """

    call: float
    row: float
    entry: float
    product: float
    element: float
    double: float = 1.5

    def seconds(self, types: Sequence[TensorType], dtype: DType) -> float:
        """Return the predicted time of one call.

        Parameters
        ----------
        types : sequence of TensorType
            Of A, as it is stored, and of B or x, sizes known; a sparse B has as many columns as a
            row of it has entries, on average.
        dtype : numpy.dtype
            In which the arithmetic is done.
        """
        a, b = types
        m, k = a.dims
        n = math.prod(b.dims[1:]) if b.format == "dense" else b.nnz / max(k, 1)
        each = self.row * m + (self.entry + self.product * n) * a.nnz + self.element * (k + m) * n
        wider = self.double ** max(math.log2(dtype.itemsize / 4), 0.0)
        return float(self.call * 1e-6 + each * 1e-9 * wider)

    def slowed(self, calls: float, work: float) -> "LibrarySpeed":
        """Return the speed where calls, and all else, take so many times as long."""
        row, entry, product, element = (
            x * work for x in (self.row, self.entry, self.product, self.element)
        )
        return LibrarySpeed(self.call * calls, row, entry, product, element, self.double)


Speeds = Mapping[tuple[str, str, str], LibrarySpeed]
"""From the names of provider, op and format; of BSR also with its blocks, as ``"bsr 4x4"``."""


def find_speed(
    speeds: Speeds, provider: str, op: str, types: Sequence[TensorType]
) -> LibrarySpeed | None:
    """Return what is known of a library's speed; that of a vector for a B of one column."""
    ops = ("spmv", op) if op == "spmm" and types[1].dims[1] == 1 else (op,)
    names = ((provider, o, f) for o in ops for f in (str(types[0].layout), types[0].format))
    return next((speeds[name] for name in names if name in speeds), None)
