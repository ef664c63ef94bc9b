"""Dense times sparse by threads: ``C^T = A^T @ B^T``, by the programs of transposed SpMM.

Lanes that stand side by side have neighboring columns of ``B^T``, which are rows of B. So B is
turned first, by one call, for lanes to read neighboring elements; C is written through a view that
is turned. Where threads own what they write, each element is finished before, with the row and
column that it has in C. Not yet run on a GPU.
"""

from collections.abc import Callable
from dataclasses import replace

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.formats import BSR, COO, NM, Pattern
from minisparse.kernels.kernel import Finish, Level, Work
from minisparse.kernels.spmm import threads_bsr, threads_coo, threads_csc, threads_csr
from minisparse.kernels.spmm.threads import new_result, own_elements, why_not
from minisparse.kernels.spmm_t import threads as turned
from minisparse.kernels.spmm_t import threads_nm
from minisparse.kernels.spmm_t.threads import Turned
from minisparse.ops import Attrs


def own_columns(
    b: Array, a: Turned, out: Array | None = None, finish: Finish | None = None
) -> Array:
    """Return ``B @ A`` for B ``[N, M]``, of CSC or BSR; threads own what they write."""
    c = new_result(a, b, (b.shape[0], a.shape[1]), out)
    multiply = threads_bsr.multiply if isinstance(a.matrix, BSR) else threads_csr.multiply
    return own_elements(c, finish, lambda own: multiply(a.matrix, _across(b), c.T, own.turned))


def add_columns(b: Array, a: Turned | NM, out: Array | None = None) -> Array:
    """Return ``B @ A`` for B ``[N, M]``, of COO, CSR or n:m; threads add atomically."""
    c = new_result(a, b, (b.shape[0], a.shape[1]), out)
    if isinstance(a, NM):
        threads_nm.multiply(a, _across(b), c.T)
    elif isinstance(a.matrix, COO):
        threads_coo.multiply(a.matrix, _across(b), c.T)
    else:
        threads_csc.multiply(a.matrix, _across(b), c.T)
    return c


def _across(b: Array) -> Array:
    """Return the transpose of B in C order."""
    found: Array = namespace(b).ascontiguousarray(b.T)
    return found


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product does: that of transposed SpMM, and a pass over B."""
    b, a = types
    of: Callable[..., Work] = threads_nm.work if a.format == NM.format else turned.work
    found = of(pattern, (a, replace(b, shape=b.shape[::-1])))
    moved = float(2 * b.dims[0] * b.dims[1])
    return replace(
        found,
        bytes=found.bytes + moved * b.itemsize,
        gathered=found.gathered + moved / 2,
        calls=found.calls + 1,
    )


OWNED = Level(own_columns, turned.prepare, work, fuses=True, why_not=why_not)
OWNED_CSC = Level(own_columns, turned.prepare_rows, work, fuses=True, why_not=why_not)
ADDED = Level(add_columns, turned.prepare, work, takes_out=True, why_not=why_not)
ADDED_NM = Level(add_columns, None, work, takes_out=True, why_not=why_not)
