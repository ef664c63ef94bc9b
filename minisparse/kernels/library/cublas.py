"""cuBLAS: the dense side on a graphics card, by CuPy's own product.

Halves are summed in float32, as our own rule wants it; whether float32 is rounded to TF32 before is
CuPy's setting, ``CUPY_TF32``, which is off unless asked for.

Not yet run on a GPU.
"""

from minisparse.core.dtypes import Array
from minisparse.kernels.kernel import Level
from minisparse.kernels.library.card import EXTRA, cupy_here, found, must_lie_on_card, offer
from minisparse.kernels.library.provider import Provider, only_dtypes
from minisparse.ops.op import Types

DTYPES = "float16 float32 float64 complex64 complex128"
_TITLE = "cuBLAS"
_FOUND = found("cupy")


def _multiply(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return ``A @ b`` for plain arrays on a card."""
    must_lie_on_card(_TITLE, a, b)
    c: Array = cupy_here("the level 'cublas'").matmul(a, b, out=out)
    return c


def _refuses(types: Types) -> str:
    return only_dtypes(_TITLE, DTYPES, types)


_LEVEL = Level(_multiply, takes_out=True)

CUBLAS = Provider(
    "cublas",
    _TITLE,
    "cupy-cuda13x cupy-cuda12x cupy",
    EXTRA,
    _FOUND,
    {
        (op, "dense"): offer(_TITLE, _FOUND, (op, "dense"), _LEVEL, _refuses)
        for op in ("spmm", "spmv")
    },
    place="gpu",
)
