"""cuSPARSE through nvmath-python: halves, blocks and samples, which CuPy does not wrap.

Descriptors, workspace and what ``cusparseSpMM_preprocess`` finds out are held for each width of B
that a matrix meets, and each stream. B and C lie row by row, as everywhere here. Products whose
bits depend on the run are not offered: of the library's ways those are taken that its reference
calls deterministic, ``CSR_ALG3`` and ``BSR_ALG1``, of a vector ``CSR_ALG2``.

Not yet run on a GPU.
"""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.formats import Matrix
from minisparse.kernels.kernel import Level
from minisparse.kernels.library.card import LIBRARIES, cupy_here, found, must_lie_on_card, offer
from minisparse.kernels.library.descriptors import PURPOSE, Plan, SamplePlan
from minisparse.kernels.library.provider import (
    Held,
    Provider,
    only_dtypes,
    square_blocks,
    whole_blocks,
)
from minisparse.ops.op import Types

PRODUCTS = "float16 float32 float64 complex64 complex128"
SAMPLES = "float32 float64 complex64 complex128"
"""Of halves the library would round the sums before they are multiplied with A."""
MOST_PLANS = 16
"""Widths of B for which plans are held; the oldest goes first."""
_TITLE = "cuSPARSE"
_FOUND = found("cupy", "nvmath")
_VARIES = "a transposed product adds atomically, so that its bits differ from run to run"


class Plans:
    """The plans of one matrix, made when they are first needed."""

    def __init__(self, a: Matrix) -> None:
        self.matrix = a
        self._lock = threading.Lock()
        self._made: dict[tuple[Any, ...], Any] = {}

    def run(self, kind: type[Plan] | type[SamplePlan], *arrays: Any) -> None:
        """Run a plan for arrays of these sizes on the current stream, made at the first call."""
        self._find(kind, arrays)(*arrays)

    def _find(self, kind: type[Plan] | type[SamplePlan], arrays: tuple[Any, ...]) -> Any:
        cuda = cupy_here(PURPOSE).cuda
        # Calls on one stream follow one another, so that they can share a workspace.
        shapes = tuple(x.shape for x in arrays)
        key = (kind, shapes, cuda.Device().id, cuda.get_current_stream().ptr)
        with self._lock:
            if key not in self._made:
                if len(self._made) >= MOST_PLANS:
                    del self._made[next(iter(self._made))]
                self._made[key] = kind(self.matrix, *arrays)
            return self._made[key]

    def __reduce__(self) -> str:
        """Refuse: an address means nothing in another process, and two owners would free it."""
        raise UsageError(
            "what cuSPARSE holds cannot be pickled or copied: call ms.prepare again there"
        )


def _prepare(a: Matrix, columns: int = 256) -> Held:
    """Check a matrix on a card and hold it; its plans are made for each width of B."""
    must_lie_on_card(_TITLE, *a.arrays.values())
    a.check()
    return Held(Plans(a), a.shape, a.dtype, a.nnz, 0)


def _multiply(a: Held, b: Array, out: Array | None = None) -> Array:
    """Return ``A @ b`` for a matrix or a vector b, which is copied if it has gaps."""
    must_lie_on_card(_TITLE, b)
    cupy = cupy_here(PURPOSE)
    fits = out is not None and out.flags.c_contiguous
    c: Any = out if fits else cupy.empty((a.shape[0], *b.shape[1:]), a.dtype)
    if a.nnz and c.size:
        b = cupy.ascontiguousarray(b)
        a.handle.run(Plan, b, c)
    else:
        c[...] = 0
    if out is None or c is out:
        result: Array = c
        return result
    out[...] = c
    return out


def _sample(a: Held, x: Array, y: Array) -> Matrix:
    """Return ``A * (x @ y)`` where A stores entries."""
    must_lie_on_card(_TITLE, x, y)
    cupy, stored = cupy_here(PURPOSE), a.handle.matrix
    if not (a.nnz and x.shape[1]):
        made: Matrix = stored.with_data(cupy.zeros(stored.arrays["data"].shape, a.dtype))
        return made
    values = cupy.empty(a.nnz, a.dtype)
    a.handle.run(SamplePlan, cupy.ascontiguousarray(x), cupy.ascontiguousarray(y), values)
    values *= stored.arrays["data"]
    found: Matrix = stored.with_data(values)
    return found


def _refuses(dtypes: str, types: Types) -> str:
    wrong = only_dtypes(_TITLE, dtypes, types)
    return wrong or square_blocks(_TITLE, types) or whole_blocks(_TITLE, types)


_PRODUCT = Level(_multiply, _prepare, takes_out=True)
_LEVELS: dict[tuple[str, str], tuple[Level, Callable[[Types], str]]] = {
    **{
        (op, format): (_PRODUCT, partial(_refuses, PRODUCTS))
        for op in ("spmm", "spmv")
        for format in ("csr", "bsr")
    },
    ("sddmm", "csr"): (Level(_sample, _prepare), partial(_refuses, SAMPLES)),
}

CUSPARSE = Provider(
    "cusparse",
    _TITLE,
    "nvmath-python",
    LIBRARIES,
    _FOUND,
    {ways: offer(_TITLE, _FOUND, ways, *level) for ways, level in _LEVELS.items()},
    {(op, "csc"): _VARIES for op in ("spmm", "spmv")},
    place="gpu",
)
