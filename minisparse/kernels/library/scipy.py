"""SciPy: products of its sparse arrays, by its public operators alone.

One thread; every dtype but the halves; results of its own, so that ``out=`` is copied to.
"""

from minisparse.core.dtypes import Array
from minisparse.core.extras import is_installed, require
from minisparse.formats import Matrix
from minisparse.kernels.kernel import Level
from minisparse.kernels.library.provider import (
    Held,
    Offer,
    Provider,
    copied_bytes,
    whole_blocks,
)
from minisparse.ops.op import Types


def _prepare(a: Matrix, columns: int = 256) -> Held:
    """Make SciPy's array of the same format around the same memory."""
    a.check()
    sparse = require("scipy.sparse", "peers", "the level 'scipy'")
    make = getattr(sparse, f"{a.format}_array")
    if a.format == "coo":
        s = make((a.arrays["data"], (a.arrays["row"], a.arrays["col"])), shape=a.shape)
        parts = (s.data, s.row, s.col)
    else:
        arrays = (a.arrays["data"], a.arrays["indices"], a.arrays["indptr"])
        s = make(arrays, shape=a.shape)
        parts = (s.data, s.indices, s.indptr)
    return Held(s, a.shape, a.dtype, a.nnz, copied_bytes(a, parts))


def _multiply(a: Held, b: Array) -> Array:
    """Return ``A @ b`` for a matrix or a vector b."""
    c: Array = a.handle @ b
    return c.reshape(a.shape[0], *b.shape[1:])  # coo @ vector gives a number where M is 1


def _refuses(types: Types) -> str:
    for t in types:
        if t.dtype.name in ("float16", "bfloat16"):
            return f"SciPy has no sparse arithmetic for {t.dtype.name}"
    return whole_blocks("SciPy", types)


_OFFER = Offer(Level(_multiply, _prepare), _refuses)
_DROPS = "SciPy drops the cells that cancel, and finding them again takes longer than our own"

SCIPY = Provider(
    "scipy",
    "SciPy",
    "scipy",
    "peers",
    lambda: is_installed("scipy"),
    {
        **{("spmm", format): _OFFER for format in ("csr", "csc", "bsr")},
        **{("spmv", format): _OFFER for format in ("coo", "csr", "csc", "bsr")},
    },
    {
        ("spmm", "coo"): "SciPy skips the zeros that are stored, and their 0 * inf",
        **{(op, format): _DROPS for op in ("spgemm", "add") for format in ("csr", "csc", "bsr")},
    },
)
