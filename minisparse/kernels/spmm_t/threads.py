"""Transposed SpMM by threads: the programs of SpMM on the transpose, which is stored as it is.

A transposed matrix in CSR has the arrays of CSC, one in CSC those of CSR, and one in COO its own:
so CSC's threads own rows of C here, and CSR's add atomically. The blocks of BSR are sorted the
other way, once. Groups of n:m lie along rows, and their transpose is no n:m matrix: it has a
program of its own, :mod:`minisparse.kernels.spmm_t.threads_nm`. Not yet run on a GPU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minisparse.core.dtypes import Array, DType
from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR, COO, CSC, Matrix, Pattern
from minisparse.kernels.kernel import Finish, Level, Work
from minisparse.kernels.spmm import threads_bsr, threads_coo, threads_csc, threads_csr
from minisparse.kernels.spmm.threads import new_result, own_elements, why_not
from minisparse.kernels.spmm_t.columns import transposed
from minisparse.ops import Attrs


@dataclass(frozen=True, eq=False)
class Turned:
    """The transpose of a matrix, as a program for SpMM takes it.

    Attributes
    ----------
    matrix : Swizzled, BSR, COO or CSC
        ``[K, M]``.
    """

    matrix: Any

    @property
    def shape(self) -> tuple[int, int]:
        """``(M, K)``, as of the matrix itself."""
        k, m = self.matrix.shape
        return m, k

    @property
    def dtype(self) -> DType:
        """The matrix's."""
        found: DType = self.matrix.dtype
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept."""
        return int(self.matrix.nbytes)


def prepare(a: Matrix, columns: int = 256) -> Turned:
    """Turn a matrix: free but for BSR, whose blocks are sorted."""
    return Turned(a.T)


def prepare_rows(a: CSC, columns: int = 256) -> Turned:
    """Turn a matrix by columns, and look at the lengths of its rows then."""
    return Turned(threads_csr.prepare(a.T, columns))


def own_rows(a: Turned, b: Array, out: Array | None = None, finish: Finish | None = None) -> Array:
    """Return ``A.T @ B`` for B ``[M, N]``, of CSC or BSR; threads own what they write."""
    c = new_result(a, b, (a.shape[1], b.shape[1]), out)
    multiply = threads_bsr.multiply if isinstance(a.matrix, BSR) else threads_csr.multiply
    return own_elements(c, finish, lambda own: multiply(a.matrix, b, c, own))


def add_rows(a: Turned, b: Array, out: Array | None = None) -> Array:
    """Return ``A.T @ B`` for B ``[M, N]``, of COO or CSR; threads add atomically."""
    c = new_result(a, b, (a.shape[1], b.shape[1]), out)
    multiply = threads_coo.multiply if isinstance(a.matrix, COO) else threads_csc.multiply
    return multiply(a.matrix, b, c)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product does: that of SpMM on the transpose."""
    a, b = types
    by_format: dict[str, Callable[..., Work]] = {
        "csc": threads_csr.work,
        "csr": threads_csc.work,
        "coo": threads_coo.work,
        "bsr": threads_bsr.work,
    }
    return by_format[a.format](pattern, (transposed(a), b))


OWNED = Level(own_rows, prepare, work, fuses=True, why_not=why_not)
OWNED_CSC = Level(own_rows, prepare_rows, work, fuses=True, why_not=why_not)
ADDED = Level(add_rows, prepare, work, takes_out=True, why_not=why_not)
