"""Dense times sparse: ``C[n, k] = sum_m B[n, m] * A[m, k]``, B ``[N, M]`` dense, A ``[M, K]``.

What a layer computes whose features are columns: rows of B are examples, A is its weight.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.ops.constraints import dtypes_mix, has_ndim
from minisparse.ops.dims import matmul, may_equal, result_dtype
from minisparse.ops.hard_matrices import dense_operand, hard_matrices, rearranged
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _result(types: Types, attrs: Attrs) -> TensorType:
    b, a = types
    return TensorType((b.shape[0], a.shape[1]), result_dtype(types))


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    b, a = operands
    return matmul(b, a)


def _flops(types: Types, attrs: Attrs) -> int:
    """Count one multiply-add per stored entry and row of B."""
    b, a = types
    return 2 * a.nnz * b.dims[0]


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for label, a in hard_matrices(rng):
        rows = int(rng.choice([1, 3, 8]))
        yield Sample(label, (dense_operand(rng, (rows, a.shape[0]), a.data.dtype), a))
    label, a = next(hard_matrices(rng))
    m = a.shape[0]
    b = dense_operand(rng, (6, m), a.data.dtype)
    yield Sample("B without rows", (b[:0].copy(), a))
    for label, other in rearranged(b):
        yield Sample(f"B {label}", (other, a))
    yield Sample("B taller than a tile", (dense_operand(rng, (300, m), a.data.dtype), a))
    extreme = b.copy()
    extreme[:, ::3], extreme[:, 1::5] = np.inf, np.nan
    yield Sample("inf and NaN in B", (extreme, a))


DSMM = Op(
    "dsmm",
    ("b", "a"),
    (
        has_ndim("C1", "B and A must be 2-D", {0: 2, 1: 2}),
        Constraint(
            "C2",
            "B's columns must equal A's rows",
            lambda types, attrs: may_equal(types[0].shape[1], types[1].shape[0]),
        ),
        dtypes_mix("C3"),
    ),
    _result,
    _dense,
    _flops,
    _samples,
    sparse=(1,),
    sums_products=True,
)
