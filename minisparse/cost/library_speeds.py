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


Speeds = Mapping[tuple[str, str, str], LibrarySpeed]
"""From the names of provider, op and format; of BSR also with its blocks, as ``"bsr 4x4"``."""


def find_speed(
    speeds: Speeds, provider: str, op: str, types: Sequence[TensorType]
) -> LibrarySpeed | None:
    """Return what is known of a library's speed; that of a vector for a B of one column."""
    ops = ("spmv", op) if op == "spmm" and types[1].dims[1] == 1 else (op,)
    names = ((provider, o, f) for o in ops for f in (str(types[0].layout), types[0].format))
    return next((speeds[name] for name in names if name in speeds), None)


# Measured on a 2-core AVX-512 server, one thread, handles held: 64 to 3072 rows, densities 0.3 to
# 0.005, 1 to 256 columns; MKL 2026.2, PyTorch 2.13, SciPy 1.17. Six in seven of the measured
# times are met within a third; where a B of several MB is read, they are up to twice as long.
# PyTorch's small blocks are priced as they are with few columns, where they are slowest.
SERVER_2CORE_LIBRARIES: Speeds = {
    ("mkl", "spmv", "csr"): LibrarySpeed(9.7, 1.3, 0.29, 0, 0, 1.1),
    ("mkl", "spmv", "bsr"): LibrarySpeed(10, 0, 0.26, 0, 0, 1.5),
    ("mkl", "spmv", "bsr 4x4"): LibrarySpeed(9.2, 0, 0.096, 0, 0, 1.5),
    ("mkl", "spmv", "bsr 8x8"): LibrarySpeed(9, 0, 0.083, 0, 0, 1.5),
    ("mkl", "spmv", "bsr 32x32"): LibrarySpeed(10, 0, 0.23, 0, 0, 1.5),
    ("mkl", "spmm", "csr"): LibrarySpeed(9.7, 0.6, 0.29, 0.0375, 0.034, 1.3),
    ("mkl", "spmm", "coo"): LibrarySpeed(9.4, 0, 1.9, 0.0554, 0.057, 1.5),
    ("mkl", "spmm", "bsr"): LibrarySpeed(11, 1.9, 0.26, 0.0337, 0.054, 1.5),
    ("mkl", "spmm", "bsr 4x4"): LibrarySpeed(11, 3.9, 0.18, 0.0172, 0.076, 1.5),
    ("mkl", "spmm", "bsr 8x8"): LibrarySpeed(11, 2.6, 0.22, 0.031, 0.041, 1.5),
    ("mkl", "spmm", "bsr 32x32"): LibrarySpeed(11, 1.2, 0.46, 0.045, 0.053, 1.5),
    ("torch", "spmv", "csr"): LibrarySpeed(8.7, 1.6, 0.3, 0, 0, 1.1),
    ("torch", "spmv", "csc"): LibrarySpeed(31, 63, 49, 0, 0, 1.5),
    ("torch", "spmv", "coo"): LibrarySpeed(8.1, 0, 25, 0, 0, 1.5),
    ("torch", "spmv", "bsr"): LibrarySpeed(9.4, 0.68, 0.34, 0, 0, 1.5),
    ("torch", "spmv", "bsr 4x4"): LibrarySpeed(9.2, 1.6, 24, 0, 0, 1.5),
    ("torch", "spmv", "bsr 8x8"): LibrarySpeed(8.9, 3.7, 12, 0, 0, 1.5),
    ("torch", "spmv", "bsr 32x32"): LibrarySpeed(9.7, 0, 0.31, 0, 0, 1.5),
    ("torch", "spmm", "csr"): LibrarySpeed(8.8, 0.69, 0.27, 0.0428, 0.21, 1.3),
    ("torch", "spmm", "csc"): LibrarySpeed(29, 65, 47, 0.0451, 0.35, 1.5),
    ("torch", "spmm", "coo"): LibrarySpeed(6.6, 4.7, 24, 0.0736, 0.12, 1.5),
    ("torch", "spmm", "bsr"): LibrarySpeed(10, 1.8, 1.2, 0.0436, 0.25, 1.5),
    ("torch", "spmm", "bsr 4x4"): LibrarySpeed(12, 15, 24, 0.0127, 0.17, 1.5),
    ("torch", "spmm", "bsr 8x8"): LibrarySpeed(12, 13, 12, 0.012, 0.18, 1.5),
    ("torch", "spmm", "bsr 32x32"): LibrarySpeed(9.7, 0.83, 1.4, 0.036, 0.29, 1.5),
    ("scipy", "spmv", "csr"): LibrarySpeed(2.7, 1.3, 0.51, 0, 0, 1),
    ("scipy", "spmv", "csc"): LibrarySpeed(2.9, 0.53, 0.57, 0, 0, 1.5),
    ("scipy", "spmv", "coo"): LibrarySpeed(4.1, 0, 1.4, 0, 0, 1.5),
    ("scipy", "spmv", "bsr"): LibrarySpeed(3, 0.18, 0.27, 0, 0, 1.5),
    ("scipy", "spmv", "bsr 4x4"): LibrarySpeed(2.8, 1.8, 0.45, 0, 0, 1.5),
    ("scipy", "spmm", "csr"): LibrarySpeed(3.3, 1.7, 1.3, 0.12, 0.04, 1.5),
    ("scipy", "spmm", "csc"): LibrarySpeed(3.4, 1.9, 0.9, 0.115, 0.062, 1.5),
    ("scipy", "spmm", "bsr"): LibrarySpeed(3.4, 0.21, 0, 0.416, 0.0036, 1.5),
}
