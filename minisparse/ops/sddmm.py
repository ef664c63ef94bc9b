"""SDDMM: ``C[m, n] = A[m, n] * sum_d X[m, d] * Y[d, n]`` where A ``[M, N]`` stores an entry.

The dense product of X ``[M, D]`` and Y ``[D, N]``, sampled where A has entries and scaled by them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.ops.constraints import dtypes_mix, has_ndim
from minisparse.ops.dims import may_equal, result_dtype
from minisparse.ops.hard_matrices import dense_operand, hard_matrices
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _result(types: Types, attrs: Attrs) -> TensorType:
    """Return A's type, in the common dtype: the same positions hold other values."""
    return replace(types[0], dtype=result_dtype(types), known=None)


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    dtype = np.result_type(*operands)
    a, x, y = (operand.astype(accumulator(dtype)) for operand in operands)
    result: Array = (a * np.matmul(x, y)).astype(dtype)
    return result


def _flops(types: Types, attrs: Attrs) -> int:
    """Count a dot of D terms and one product per stored entry."""
    return types[0].nnz * (2 * types[1].dims[1] + 1)


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for label, a in hard_matrices(rng):
        depth = int(rng.choice([1, 3, 8]))
        yield Sample(label, (a, *_factors(rng, a.shape, depth, a.data.dtype)))
    label, a = next(hard_matrices(rng))
    x, y = _factors(rng, a.shape, 5, a.data.dtype)
    yield Sample("no terms", (a, x[:, :0].copy(), y[:0].copy()))
    yield Sample("deep", (a, *_factors(rng, a.shape, 130, a.data.dtype)))
    yield Sample("Y in Fortran order", (a, np.asfortranarray(x), np.asfortranarray(y)))
    yield Sample("strided and backwards", (a, np.repeat(x, 2, 1)[::-1, ::2], y[::-1, ::-1]))
    yield Sample("Y of another dtype", (a, x, y.astype(np.float64)))
    yield Sample("A of another dtype", (a._replace(data=np.sign(a.data).astype("int8")), x, y))
    x, y = x.copy(), y.copy()
    x[2, 1], x[5, 0], y[0, 3], y[2, 7] = np.inf, np.nan, -np.inf, np.inf
    yield Sample("inf and NaN in X and Y", (a, x, y))
    zeros = np.where(np.arange(len(a.data)) % 2, 0, a.data).astype(a.data.dtype)
    yield Sample("explicit zeros beside inf", (a._replace(data=zeros), x, y))


def _factors(
    rng: "np.random.Generator", shape: tuple[int, int], depth: int, dtype: object
) -> tuple[Array, Array]:
    """Return X ``[M, D]`` and Y ``[D, N]``."""
    m, n = shape
    return dense_operand(rng, (m, depth), dtype), dense_operand(rng, (depth, n), dtype)


SDDMM = Op(
    "sddmm",
    ("a", "x", "y"),
    (
        has_ndim("C1", "A, X and Y must be 2-D", {0: 2, 1: 2, 2: 2}),
        Constraint(
            "C2",
            "A must have X's rows and Y's columns",
            lambda types, attrs: all(
                map(may_equal, types[0].shape, (types[1].shape[0], types[2].shape[1]))
            ),
        ),
        Constraint(
            "C3",
            "X's columns must equal Y's rows",
            lambda types, attrs: may_equal(types[1].shape[1], types[2].shape[0]),
        ),
        dtypes_mix("C4"),
    ),
    _result,
    _dense,
    _flops,
    _samples,
    sparse=(0,),
    masked=True,
    sums_products=True,
)
