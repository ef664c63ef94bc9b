"""SpMM: ``C[m, n] = sum_k A[m, k] * B[k, n]``, A ``[M, K]`` in any format, B ``[K, N]`` dense."""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.ops.constraints import dtypes_mix, has_ndim
from minisparse.ops.dims import matmul, may_equal, result_dtype
from minisparse.ops.hard_matrices import dense_operand, hard_matrices, rearranged
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _result(types: Types, attrs: Attrs) -> TensorType:
    a, b = types
    return TensorType((a.shape[0], b.shape[1]), result_dtype(types))


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    a, b = operands
    return matmul(a, b)


def _flops(types: Types, attrs: Attrs) -> int:
    """Count one multiply-add per stored entry and column of B."""
    a, b = types
    return 2 * a.nnz * b.dims[1]


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for label, a in hard_matrices(rng):
        columns = int(rng.choice([1, 3, 8]))
        yield Sample(label, (a, dense_operand(rng, (a.shape[1], columns), a.data.dtype)))
    label, a = next(hard_matrices(rng))
    k = a.shape[1]
    b = dense_operand(rng, (k, 6), a.data.dtype)
    yield Sample("B without columns", (a, b[:, :0].copy()))
    yield Sample("B of one column", (a, b[:, :1].copy()))
    for label, other in rearranged(b):
        yield Sample(f"B {label}", (a, other))
    yield Sample("B wider than a tile", (a, dense_operand(rng, (k, 300), a.data.dtype)))
    extreme = b.copy()
    extreme[::2, 0], extreme[1::3, 1], extreme[::4, 2] = np.inf, np.nan, -np.inf
    yield Sample("inf and NaN in B", (a, extreme))


SPMM = Op(
    "spmm",
    ("a", "b"),
    (
        has_ndim("C1", "A and B must be 2-D", {0: 2, 1: 2}),
        Constraint(
            "C2",
            "A's columns must equal B's rows",
            lambda types, attrs: may_equal(types[0].shape[1], types[1].shape[0]),
        ),
        dtypes_mix("C3"),
    ),
    _result,
    _dense,
    _flops,
    _samples,
    sparse=(0,),
    sums_products=True,
)
