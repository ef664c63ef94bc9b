"""cuSPARSELt: 2:4 matrices on sparse tensor cores, through nvmath-python.

``prepare`` compresses: A is written out as a dense matrix once, and the library makes of it the
half that it multiplies with, and the two bits that say where each value stood. For each width of B
it then tries its own ways and keeps the fastest, as ``cusparseLtMatmulSearch`` does. The functions
are those of the cuSPARSELt reference; nvmath's names are the same without the prefix.

One rule differs from ours where B has infinities: of a group with fewer than two nonzeros the
library itself chooses which zeros it multiplies, and so where ``0 * inf`` is NaN.

Not yet run on a GPU.
"""

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import MinisparseError, UsageError
from minisparse.core.extras import require
from minisparse.formats import Matrix
from minisparse.kernels.kernel import Level
from minisparse.kernels.library.card import LIBRARIES, cupy_here, found, must_lie_on_card, offer
from minisparse.kernels.library.descriptors import TYPES, address
from minisparse.kernels.library.provider import Held, Provider, only_dtypes
from minisparse.ops.op import Types

DTYPES = "float16"
"""CuPy has no bfloat16, and of int8 the result would be int8 too, which sums overflow."""
MULTIPLE = {"A": 16, "B": 8}
"""What sizes of the compressed matrix, and of the dense ones, have to be multiples of."""
MOST_PLANS = 16
_ALIGNMENT = 16
_ROW, _PLAIN = 2, 0
"""``CUSPARSE_ORDER_ROW`` and ``CUSPARSE_OPERATION_NON_TRANSPOSE``, of cuSPARSE's header."""
_TITLE = "cuSPARSELt"
_FOUND = found("cupy", "nvmath")
_PURPOSE = "the level 'cusparselt'"


class CuSparseLtError(MinisparseError, RuntimeError):
    """The library refuses a call, with its own reason."""


def _bindings() -> Any:
    return require("nvmath.bindings.cusparseLt", LIBRARIES, _PURPOSE)


@contextmanager
def _said(what: str) -> Iterator[None]:
    try:
        yield
    except _bindings().cuSPARSELtError as error:
        raise CuSparseLtError(f"cuSPARSELt: {what}: {' '.join(str(error).split())}") from error


@cache
def _handle_of(device: int) -> int:
    with _said("init"):
        made: int = _bindings().init()
    return made


def _handle() -> int:
    """Return the library's handle for the current card."""
    return _handle_of(cupy_here(_PURPOSE).cuda.Device().id)


class Compressed:
    """A 2:4 matrix as the library holds it, with a plan for each width of B that it met."""

    def __init__(self, dense: Array) -> None:
        lib, cupy = _bindings(), cupy_here(_PURPOSE)
        self.shape, self.dtype = dense.shape, dense.dtype
        self._lock = threading.Lock()
        self._plans: dict[tuple[int, int, int], _Plan] = {}
        m, k = dense.shape
        kind, half = TYPES[dense.dtype.name], lib.Sparsity.SPARSITY_50_PERCENT
        with _said("compress"):
            self.descriptor = lib.structured_descriptor_init(
                _handle(), m, k, k, _ALIGNMENT, kind, _ROW, half
            )
            size, room = lib.sp_mma_compressed_size2(_handle(), self.descriptor)
            self.values = cupy.empty(int(size), "uint8")
            buffer = cupy.empty(max(int(room), 1), "uint8")
            places = (address(dense), address(self.values), address(buffer))
            stream = cupy.cuda.get_current_stream()
            lib.sp_mma_compress2(_handle(), self.descriptor, 1, _PLAIN, *places, stream.ptr)
        stream.synchronize()  # the dense matrix and the buffer are given back after this
        weakref.finalize(self, lib.mat_descriptor_destroy, self.descriptor).atexit = False

    def multiply(self, b: Array, c: Array) -> None:
        """Write ``A @ b`` to c, both contiguous."""
        cuda = cupy_here(_PURPOSE).cuda
        key = (b.shape[1], cuda.Device().id, cuda.get_current_stream().ptr)
        with self._lock:
            if key not in self._plans:
                if len(self._plans) >= MOST_PLANS:
                    del self._plans[next(iter(self._plans))]
                self._plans[key] = _Plan(self, b, c)
            self._plans[key](b, c)

    def __reduce__(self) -> str:
        """Refuse: what was compressed lies on this card, in a form that only the library knows."""
        raise UsageError(
            "what cuSPARSELt holds cannot be pickled or copied: call ms.prepare again there"
        )


class _Plan:
    """A product with a B of some width: descriptors, the way that was found, its workspace."""

    def __init__(self, a: Compressed, b: Array, c: Array) -> None:
        lib, cupy = _bindings(), cupy_here(_PURPOSE)
        self._a, kind = a, TYPES[a.dtype.name]
        self._one, self._zero = np.ones(1, np.float32), np.zeros(1, np.float32)
        self._stream = np.array([cupy.cuda.get_current_stream().ptr], np.uintp)
        destroy: list[tuple[Callable[[int], None], int]] = []

        def made(value: int, by: Callable[[int], None]) -> int:
            destroy.append((by, value))
            return value

        def dense(x: Array) -> int:
            sizes = (*x.shape, x.shape[1], _ALIGNMENT, kind, _ROW)
            return made(lib.dense_descriptor_init(_handle(), *sizes), lib.mat_descriptor_destroy)

        with _said(f"plan for {b.shape[1]} columns"):
            places = (a.descriptor, dense(b), dense(c))
            product = made(
                lib.matmul_descriptor_init(
                    _handle(), _PLAIN, _PLAIN, *places, places[2], lib.ComputeType.COMPUTE_32F
                ),
                lib.matmul_descriptor_destroy,
            )
            ways = made(
                lib.matmul_alg_selection_init(_handle(), product, lib.MatmulAlg.DEFAULT),
                lib.matmul_alg_selection_destroy,
            )
            self._plan = made(
                lib.matmul_plan_init(_handle(), product, ways), lib.matmul_plan_destroy
            )
            self._workspace = self._room(lib, cupy)
            lib.matmul_search(*self._given(b, c))
            self._workspace = self._room(lib, cupy)  # the way that was found may need more
        weakref.finalize(self, _destroy, destroy).atexit = False

    def _room(self, lib: Any, cupy: Any) -> Any:
        return cupy.empty(max(int(lib.matmul_get_workspace(_handle(), self._plan)), 1), "uint8")

    def _given(self, b: Array, c: Array) -> tuple[int, ...]:
        product = (self._one.ctypes.data, address(self._a.values), address(b))
        added = (self._zero.ctypes.data, address(c), address(c))
        room = (address(self._workspace), self._stream.ctypes.data, 1)
        return (_handle(), self._plan, *product, *added, *room)

    def __call__(self, b: Array, c: Array) -> None:
        with _said("matmul"):
            _bindings().matmul(*self._given(b, c))


def _destroy(made: list[tuple[Callable[[int], None], int]]) -> None:
    for by, value in reversed(made):
        by(value)


def _prepare(a: Matrix, columns: int = 256) -> Held:
    """Compress a 2:4 matrix that lies on a card."""
    must_lie_on_card(_TITLE, *a.arrays.values())
    a.check()
    if not a.nnz:
        return Held(None, a.shape, a.dtype, 0, 0)
    held = Compressed(cupy_here(_PURPOSE).ascontiguousarray(a.to_dense()))
    return Held(held, a.shape, a.dtype, a.nnz, int(held.values.nbytes))


def _multiply(a: Held, b: Array, out: Array | None = None) -> Array:
    """Return ``A @ b``, b being copied if it has gaps."""
    must_lie_on_card(_TITLE, b)
    cupy = cupy_here(_PURPOSE)
    fits = out is not None and out.flags.c_contiguous
    c: Any = out if fits else cupy.empty((a.shape[0], b.shape[1]), a.dtype)
    if a.nnz and c.size:
        a.handle.multiply(cupy.ascontiguousarray(b), c)
    else:
        c[...] = 0
    if out is None or c is out:
        result: Array = c
        return result
    out[...] = c
    return out


def _refuses(types: Types) -> str:
    a = types[0]
    if a.block is not None and a.block != (2, 4):
        return f"{_TITLE} multiplies 2:4 matrices only, not {a.block[0]}:{a.block[1]}"
    wrong = only_dtypes(_TITLE, DTYPES, types)
    if wrong:
        return wrong
    sizes = [("A", d) for d in a.dims] + [("B", t.dims[1]) for t in types[1:]]
    for name, size in sizes:
        if size % MULTIPLE[name]:
            what = "rows and columns of A" if name == "A" else "columns of B"
            return f"{_TITLE} wants {what} in multiples of {MULTIPLE[name]}, not {size}"
    return ""


CUSPARSELT = Provider(
    "cusparselt",
    _TITLE,
    "nvidia-cusparselt-cu13 nvidia-cusparselt-cu12",
    LIBRARIES,
    _FOUND,
    {
        ("spmm", "nm"): offer(
            _TITLE, _FOUND, ("spmm", "nm"), Level(_multiply, _prepare, takes_out=True), _refuses
        )
    },
    place="gpu",
)
