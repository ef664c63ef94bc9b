"""SpMV: ``y[m] = sum_k A[m, k] * x[k]``, A ``[M, K]`` stored in any format, x ``[K]`` dense."""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.ops.constraints import dtypes_mix, has_ndim
from minisparse.ops.dims import matmul, may_equal, result_dtype
from minisparse.ops.hard_matrices import dense_operand, hard_matrices
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _result(types: Types, attrs: Attrs) -> TensorType:
    return TensorType((types[0].shape[0],), result_dtype(types))


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    a, x = operands
    return matmul(a, x)


def _flops(types: Types, attrs: Attrs) -> int:
    """Count one multiply-add per stored entry."""
    return 2 * types[0].nnz


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for label, a in hard_matrices(rng):
        yield Sample(label, (a, dense_operand(rng, (a.shape[1],), a.data.dtype)))
    label, a = next(hard_matrices(rng))
    x = dense_operand(rng, (a.shape[1],), a.data.dtype)
    yield Sample("x strided backwards", (a, np.repeat(x, 2)[::-2]))
    extreme = x.copy()
    extreme[::3], extreme[1::5] = np.inf, np.nan
    yield Sample("inf and NaN in x", (a, extreme))


SPMV = Op(
    "spmv",
    ("a", "x"),
    (
        has_ndim("C1", "A must be 2-D and x 1-D", {0: 2, 1: 1}),
        Constraint(
            "C2",
            "A's columns must equal x's length",
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
