"""SpGEMM: ``C[m, n] = sum_k A[m, k] * B[k, n]``, A ``[M, K]`` and B ``[K, N]`` both sparse.

C is sparse too, in A's format: a cell is stored where an entry of A meets one of B, whatever the
sum there is. How many these are is known only once they have met.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.tensor_type import TensorType
from minisparse.core.triplets import Triplets
from minisparse.ops.constraints import dtypes_mix, has_ndim
from minisparse.ops.dims import matmul, may_equal, result_dtype
from minisparse.ops.hard_matrices import hard_matrices, random_triplets
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _fit_in_storage(types: Types, attrs: Attrs) -> bool:
    a, b = types
    if a.format == "bsr" and a.block and b.block:
        return b.format == "bsr" and a.block[1] == b.block[0]
    return a.layout == b.layout


def _result(types: Types, attrs: Attrs) -> TensorType:
    a, b = types
    block = (a.block[0], b.block[1]) if a.format == "bsr" and a.block and b.block else a.block
    shape = a.shape[0], b.shape[1]
    return TensorType(shape, result_dtype(types), a.format, block=block)


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    a, b = operands
    return matmul(a, b)


def _flops(types: Types, attrs: Attrs) -> int:
    """Count the multiply-adds to expect: each entry of A meets the mean row of B."""
    a, b = types
    rows = b.dims[0]
    return 2 * a.nnz * b.nnz // rows if rows else 0


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for label, a in hard_matrices(rng):
        columns = int(rng.choice([1, 3, 8]))
        b = random_triplets(rng, (a.shape[1], columns), 0.4, a.data.dtype)
        yield Sample(label, (a, b))
    row, col, data, shape = first = next(hard_matrices(rng))[1]
    for label, b in hard_matrices(rng):
        if b.data.dtype == data.dtype and b.shape[0] == shape[0]:
            turned = Triplets(col, row, data, (shape[1], shape[0]))
            yield Sample(f"B: {label}", (turned, b))
    b = random_triplets(rng, (shape[1], 6), 0.5)
    yield Sample("B without columns", (first, random_triplets(rng, (shape[1], 0), 0.5)))
    yield Sample("B of another dtype", (first, b._replace(data=b.data.astype(np.float64))))
    yield Sample("B wide", (first, random_triplets(rng, (shape[1], 150), 0.3)))
    yield Sample("inf and NaN in B", (first, _with_specials(b)))
    yield Sample("inf and NaN in A", (_with_specials(first), b))
    yield Sample("zeros stored beside inf", (_with_zeros(_with_specials(first)), _with_zeros(b)))
    yield Sample("terms that cancel", _cancelling(first, b))


def _with_specials(t: Triplets) -> Triplets:
    data = t.data.copy()
    data[::5], data[1::7], data[2::9] = np.inf, np.nan, -np.inf
    return t._replace(data=data)


def _with_zeros(t: Triplets) -> Triplets:
    data = t.data.copy()
    data[::4] = 0
    return t._replace(data=data)


def _cancelling(a: Triplets, b: Triplets) -> tuple[Triplets, Triplets]:
    """Return ``[A, A]`` and B above -B: every term meets its opposite, and every cell is 0."""
    k = a.shape[1]
    row, col = np.tile(a.row, 2), np.concatenate([a.col, a.col + k])
    left = Triplets(row, col, np.tile(a.data, 2), (a.shape[0], 2 * k))
    row, col = np.concatenate([b.row, b.row + k]), np.tile(b.col, 2)
    return left, Triplets(row, col, np.concatenate([b.data, -b.data]), (2 * k, b.shape[1]))


SPGEMM = Op(
    "spgemm",
    ("a", "b"),
    (
        has_ndim("C1", "A and B must be 2-D", {0: 2, 1: 2}),
        Constraint(
            "C2",
            "A's columns must equal B's rows",
            lambda types, attrs: may_equal(types[0].shape[1], types[1].shape[0]),
        ),
        Constraint(
            "C3",
            "A and B must be stored in the same format, and blocks of A be as wide as B's are "
            "high: convert one with .to(...), or a plain array with from_dense",
            _fit_in_storage,
            UnsupportedOpError,
        ),
        dtypes_mix("C4"),
    ),
    _result,
    _dense,
    _flops,
    _samples,
    sparse=(0, 1),
    sums_products=True,
    fetches=2,
)
