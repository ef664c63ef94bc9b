"""Softmax of each row of A ``[M, N]`` over its entries: ``exp(a - max) / sum exp(a - max)``.

A cell that is not stored has no weight, as if it were -inf; one that is stored twice has two.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.triplets import Triplets
from minisparse.ops.constraints import has_kind, has_ndim
from minisparse.ops.hard_matrices import hard_matrices, random_triplets
from minisparse.ops.op import Attrs, Op, Sample, Types


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    (a,) = operands
    return softmax_of_rows(a.astype(accumulator(a.dtype))).astype(a.dtype)


def softmax_of_rows(x: Array) -> Array:
    """Return the softmax along the last axis of a plain array, in its own dtype.

    Examples
    --------
    >>> softmax_of_rows(np.array([[0.0, 0.0], [1.0, -np.inf]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    weights = np.exp(x - x.max(axis=-1, keepdims=True, initial=-np.inf))
    result: Array = weights / weights.sum(axis=-1, keepdims=True)
    return result


def _flops(types: Types, attrs: Attrs) -> int:
    """Count comparison, difference, exponential, addition and division per stored entry."""
    return 5 * types[0].nnz


def _samples(rng: np.random.Generator) -> Iterator[Sample]:
    for label, a in hard_matrices(rng):
        if a.data.dtype.kind in "fV":  # V: bfloat16
            yield Sample(label, (a,))
    a = random_triplets(rng, (6, 9), 0.6)
    for label, value in (("NaN", np.nan), ("inf", np.inf), ("-inf", -np.inf)):
        data = a.data.copy()
        data[len(data) // 2] = value
        yield Sample(f"{label} in a row", (a._replace(data=data),))
    only = np.where(a.row == 2, -np.inf, a.data).astype(a.data.dtype)
    yield Sample("a row of -inf", (a._replace(data=only),))
    yield Sample("large values", (a._replace(data=a.data * 1e4 + 3e4),))
    yield Sample("values that overflow if subtracted", (a._replace(data=a.data * 1e38),))
    long = random_triplets(rng, (2, 700), 0.9, "float16")
    yield Sample("long rows of float16", (long,))
    yield Sample("equal values", (Triplets(a.row, a.col, np.ones_like(a.data), a.shape),))


SOFTMAX = Op(
    "softmax",
    ("a",),
    (
        has_ndim("C1", "A must be 2-D", {0: 2}),
        has_kind("C2", "f", "the dtype must be real floating-point"),
    ),
    lambda types, attrs: replace(types[0], known=None),
    _dense,
    _flops,
    _samples,
    sparse=(0,),
)
