"""``Y = alpha * A' @ B' + beta * C``: a linear layer, its weights stored dense.

BLAS takes transposed operands as they lie, so that ``transA`` and ``transB`` cost nothing.
"""

from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Finish, Kernel, Level, Work
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.product import product_work
from minisparse.kernels.wide import common_dtype, wide_dtype, widen
from minisparse.ops import GEMM, Attrs


def bytes_moved(a: TensorType, b: TensorType, c: TensorType | None = None) -> int:
    """Count A, B, C and Y once each; Y as large as A and B make it where nothing is transposed."""
    result = a.size * b.size // max(a.dims[1] * b.dims[0], 1) if a.size and b.size else 0
    read = sum(t.size * t.itemsize for t in (a, b, c) if t is not None)
    return read + result * a.itemsize


def loops(
    a: Array,
    b: Array,
    c: Array | None = None,
    *,
    alpha: float,
    beta: float,
    transA: int,
    transB: int,
) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = common_dtype(a, b, c)
    a, b = widen(a.T if transA else a, b.T if transB else b)
    y = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            for k in range(a.shape[1]):
                y[m, n] += a[m, k] * b[k, n]
            y[m, n] *= y.dtype.type(alpha)
    y = y.astype(dtype)
    return y if c is None else np.asarray(y + dtype.type(beta) * c, dtype)


def counts(
    a: Array,
    b: Array,
    c: Array | None = None,
    *,
    alpha: float,
    beta: float,
    transA: int,
    transB: int,
) -> Counts:
    """Count what the loops do; with C, its scaled copy and Y before it is added are in scratch."""
    dtype, wide = np.result_type(*(x for x in (a, b, c) if x is not None)), wide_dtype(a, b)
    (m, k), n = a.T.shape if transA else a.shape, b.shape[0 if transB else 1]
    widened = sum(x.size for x in (a, b) if x.dtype != wide)
    steps, results = m * k * n, m * n
    product = Counts(
        flops=2 * steps + results,
        value_bytes=a.nbytes * (n > 0) + b.nbytes * (m > 0) + results * dtype.itemsize,
        index_bytes=0,
        gathered_bytes=0,
        scratch=(widened + results) * wide.itemsize,
        calls=4 * steps + 2 * results,
    )
    if c is None:
        return product
    scaled = c.size * dtype.itemsize
    return product + Counts(
        flops=c.size + results,
        value_bytes=c.nbytes + scaled + results * wide.itemsize,
        index_bytes=0,
        gathered_bytes=0,
        scratch=scaled + results * dtype.itemsize,
        calls=2,
    )


def vectorized(
    a: Array,
    b: Array,
    c: Array | None = None,
    *,
    alpha: float,
    beta: float,
    transA: int,
    transB: int,
    out: Array | None = None,
    finish: Finish | None = None,
) -> Array:
    """Call BLAS, then scale and add in place; factors of 1 cost nothing."""
    dtype = common_dtype(a, b, c)
    a_wide, b_wide = widen(a.T if transA else a, b.T if transB else b)
    into = out if out is not None and out.dtype == a_wide.dtype else None
    y = np.matmul(a_wide, b_wide, out=into)
    if alpha != 1:
        y *= y.dtype.type(alpha)
    y = y.astype(dtype, copy=False)
    if c is not None:
        y += c if beta == 1 else dtype.type(beta) * c
    if finish is not None:
        finish(y, (slice(0, y.shape[0]), slice(0, y.shape[1])))
    if out is None or y is out:
        return y
    out[...] = y
    return out


def work(pattern: None, types: tuple[TensorType, ...], attrs: Attrs) -> Work:
    """Return the work of one large product; all else passes over its result."""
    (m, k), n = types[0].dims, types[1].dims[0 if attrs["transB"] else 1]
    if attrs["transA"]:
        m, k = k, m
    return replace(product_work(m, k, n, types[0].itemsize), bytes=float(bytes_moved(*types)))


GEMM_DENSE = Kernel(
    GEMM,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, fuses=True, device=by_meaning(GEMM)),
    counts=counts,
)
