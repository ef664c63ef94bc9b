"""SpMM on CSR in tiles of registers: ``C = A @ B``, after Sputnik's one-dimensional tiling.

Gale, Zaharia, Young and Elsen, "Sparse GPU kernels for deep learning", SC 2020. Some neighboring
threads own a row of A and a tile of columns of C, and keep its sums in registers: an entry of A is
read once for up to 256 columns, and its row of B in pieces of 16 bytes. Rows are taken longest
first, so that neighbors in a warp are done at about the same time.

The kernel is CUDA C, ``tiled_csr.cu``, because Python's language of threads has neither arrays in
registers nor loads of 16 bytes. Given arrays of NumPy, :func:`follow` does the same steps. Not yet
run on a GPU.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.formats import CSR
from minisparse.gpu.cuda_source import CudaSource
from minisparse.kernels.kernel import Finish, Level
from minisparse.kernels.spmm.cuda_epilogue import InKernel, in_kernel

SOURCE = CudaSource("tiled_csr", Path(__file__).with_suffix(".cu"))
ELEMENTS = {"float16": "u16", "bfloat16": "u16", "float32": "float", "float64": "double"}
"""What the source calls each dtype that it multiplies."""
THREADS = 128
"""Of a block."""
_PIECE = 16
"""Bytes that a thread reads of B at once."""
_LANES = (8, 16, 32)
"""Threads that may share a row."""
_MOST_ALONG_Y = 65535


@dataclass(frozen=True, eq=False)
class SortedRows:
    """A matrix in CSR, and its rows by length.

    Attributes
    ----------
    order : ndarray of int32
        The rows, longest first.
    indptr, indices, data : ndarray
        CSR's own.
    shape : tuple of int
        ``(M, K)``.
    """

    order: Array
    indptr: Array
    indices: Array
    data: Array
    shape: tuple[int, int]

    @property
    def dtype(self) -> DType:
        """Of the values."""
        found: DType = self.data.dtype
        return found

    @property
    def nbytes(self) -> int:
        """Bytes that are not the matrix's own."""
        return self.order.nbytes


@dataclass(frozen=True, slots=True)
class Shape:
    """The constants of the kernel that are sizes; see ``tiled_csr.cu``.

    Attributes
    ----------
    lanes : int
        Threads of a row.
    vector : int
        Neighboring columns that a thread reads at once.
    repeat : int
        Times that it does so.
    """

    lanes: int
    vector: int
    repeat: int

    @property
    def tile_n(self) -> int:
        """Columns of C of a block of threads."""
        return self.lanes * self.vector * self.repeat

    @property
    def rows(self) -> int:
        """Rows of C of a block of threads."""
        return THREADS // self.lanes


@lru_cache(maxsize=256)  # to choose takes longer than to launch
def shape_for(n: int, itemsize: int, aligned: bool) -> Shape:
    """Return the sizes to use.

    Parameters
    ----------
    n : int
        Columns of B.
    itemsize : int
        Bytes of an element.
    aligned : bool
        Whether rows of B and C begin at multiples of 16 bytes.

    Examples
    --------
    >>> shape_for(64, 4, True), shape_for(1024, 4, True).tile_n
    (Shape(lanes=16, vector=4, repeat=1), 256)
    """
    vector = _PIECE // itemsize if aligned else 1
    pieces = -(-n // vector)
    lanes = next((x for x in _LANES if x >= pieces), _LANES[-1])
    most = 2 if aligned else 4
    return Shape(lanes, vector, min(1 << (-(-pieces // lanes) - 1).bit_length(), most))


@lru_cache(maxsize=256)
def macros(
    shape: Shape, dtype: str, index: str, bias: bool = False, relu: bool = False
) -> Mapping[str, int | str]:
    """Return all constants of the source, by the names of its macros."""
    found: dict[str, int | str] = {
        "LANES": shape.lanes,
        "VECTOR": shape.vector,
        "REPEAT": shape.repeat,
        "THREADS": THREADS,
        "ELEMENT": ELEMENTS[dtype],
        "SUM": "double" if dtype == "float64" else "float",
        "INDEX": "int" if index == "int32" else "long long",
        "BFLOAT": int(dtype == "bfloat16"),
        "BIAS": int(bias),
        "RELU": int(relu),
    }
    return MappingProxyType(found)


def prepare(a: CSR, columns: int = 256) -> SortedRows:
    """Sort the rows by length; the matrix's own arrays are used as they are."""
    xp: Any = namespace(a.data)
    order = xp.argsort(-xp.diff(a.indptr), kind="stable").astype(np.int32)
    return SortedRows(order, a.indptr, a.indices, a.data, a.shape)


def run(
    a: SortedRows, b: Array, *, out: Array | None = None, finish: Finish | None = None
) -> Array:
    """Return ``C [M, N]``, computed where ``b`` lies.

    Parameters
    ----------
    a : SortedRows
        What :func:`prepare` made.
    b : ndarray, shape (K, N)
        Of A's dtype.
    out : ndarray, shape (M, N), optional
        Where the result goes.
    finish : Finish, optional
        The epilogue. Bias and ReLU are fused.
    """
    xp: Any = namespace(b)
    usable = out is not None and out.flags.c_contiguous
    c: Any = out if usable else xp.empty((a.shape[0], b.shape[1]), a.dtype)
    if c.size:
        own = in_kernel(finish, c)
        if xp is np:
            follow(a, b, c, shape_for(b.shape[1], c.itemsize, c.shape[1] % 8 == 0), own)
        else:
            _launch(a, xp.ascontiguousarray(b), c, own)
        own.afterwards(c)
    if out is not None and not usable:
        out[...] = c
        return out
    found: Array = c
    return found


def _launch(a: SortedRows, b: Any, c: Any, own: InKernel) -> None:
    m, n = c.shape
    whole = n * c.itemsize % _PIECE == 0
    shape = shape_for(n, c.itemsize, whole and all(x.data.ptr % _PIECE == 0 for x in (b, c)))
    index = a.indptr.dtype.name
    constants = macros(shape, c.dtype.name, index, own.bias.size > 0, own.relu)
    grid = (-(-m // shape.rows), -(-n // shape.tile_n))
    args = (a.order, a.indptr, a.indices, a.data, b, own.bias, c, np.int32(m), np.int32(n))
    SOURCE.launch(grid, (THREADS,), args, constants)


def follow(a: SortedRows, b: Array, c: Array, shape: Shape, own: InKernel) -> None:
    """Write ``A @ B``, finished, to ``c``, in the steps of ``tiled_csr.cu``.

    All lanes of a row at once; products are rounded before they are added, which a card does in one
    step.
    """
    wide = accumulator(c.dtype).type
    for n0 in range(0, c.shape[1], shape.tile_n):
        tile = slice(n0, n0 + shape.tile_n)
        for m in a.order:
            sums = np.zeros(c[m, tile].shape, wide)
            start, stop = int(a.indptr[m]), int(a.indptr[m + 1])
            for p in range(start, stop, shape.lanes):
                strip = slice(p, min(p + shape.lanes, stop))
                entries = zip(a.data[strip].astype(wide), a.indices[strip], strict=True)
                for value, k in entries:
                    sums += value * b[k, tile].astype(wide)
            c[m, tile] = sums
            if own.bias.size:
                c[m, tile] += own.bias[m]
            if own.relu:
                c[m, tile][c[m, tile] < 0] = 0


def why_not(types: Sequence[TensorType]) -> str:
    """Return why operands of these types cannot be multiplied here, or nothing if they can."""
    odd = sorted({t.dtype.name for t in types} - set(ELEMENTS))
    if odd:
        return f"tiled_csr is used for {', '.join(ELEMENTS)} only, not for {', '.join(odd)}"
    if len({t.dtype for t in types}) > 1:
        return "tiled_csr is used for operands of one dtype only"
    widest = _MOST_ALONG_Y * _LANES[-1]
    if len(types) > 1 and isinstance(types[1].shape[-1], int) and types[1].shape[-1] > widest:
        return f"a grid has room for {widest} columns, and B has {types[1].shape[-1]}"
    return ""


TILED_CSR = Level(run, prepare, fuses=True, why_not=why_not)
"""CSR in tiles of registers."""
