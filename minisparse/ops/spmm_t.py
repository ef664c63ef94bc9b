"""SpMM with A transposed: ``C[k, n] = sum_m A[m, k] * B[m, n]``, A ``[M, K]``, B ``[M, N]`` dense.

The product that gives gradients of a sparse layer's input, without a transposed copy of its weight.
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
    a, b = types
    return TensorType((a.shape[1], b.shape[1]), result_dtype(types))


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    a, b = operands
    return matmul(a.T, b)


def _flops(types: Types, attrs: Attrs) -> int:
    """Count one multiply-add per stored entry and column of B."""
    a, b = types
    return 2 * a.nnz * b.dims[1]


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for label, a in hard_matrices(rng):
        columns = int(rng.choice([1, 3, 8]))
        yield Sample(label, (a, dense_operand(rng, (a.shape[0], columns), a.data.dtype)))
    label, a = next(hard_matrices(rng))
    m = a.shape[0]
    b = dense_operand(rng, (m, 6), a.data.dtype)
    yield Sample("B without columns", (a, b[:, :0].copy()))
    for label, other in rearranged(b):
        yield Sample(f"B {label}", (a, other))
    yield Sample("B wider than a tile", (a, dense_operand(rng, (m, 300), a.data.dtype)))
    extreme = b.copy()
    extreme[::3], extreme[1::5] = np.inf, np.nan
    yield Sample("inf and NaN in B", (a, extreme))


SPMM_T = Op(
    "spmm_t",
    ("a", "b"),
    (
        has_ndim("C1", "A and B must be 2-D", {0: 2, 1: 2}),
        Constraint(
            "C2",
            "A's rows must equal B's rows",
            lambda types, attrs: may_equal(types[0].shape[0], types[1].shape[0]),
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
