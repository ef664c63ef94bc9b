"""Sparse attention: ``C = softmax(scale * mask * (Q @ K.T)) @ V``, only where the mask has entries.

mask ``[M, N]`` says which of M queries looks at which of N keys, and its values multiply the
scores, as in SDDMM: all ones are plain sparse attention (Child et al., "Generating long sequences
with sparse transformers", arXiv:1904.10509, 2019). Q ``[M, D]``, K ``[N, D]``, V ``[N, E]``.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.errors import DTypeError
from minisparse.core.tensor_type import TensorType
from minisparse.core.triplets import Triplets
from minisparse.ops.constraints import dtypes_mix, has_ndim
from minisparse.ops.dims import may_equal, result_dtype
from minisparse.ops.hard_matrices import dense_operand, hard_matrices
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types
from minisparse.ops.softmax import softmax_of_rows


def scale_of(given: float | None, depth: int) -> float:
    """Return the factor of the scores: ``1 / sqrt(D)`` unless one is given.

    Where D is 0 all scores are 0, and so is the factor 1.

    Examples
    --------
    >>> scale_of(None, 64), scale_of(2, 64)
    (0.125, 2.0)
    """
    return 1.0 / math.sqrt(max(depth, 1)) if given is None else float(given)


def _result(types: Types, attrs: Attrs) -> TensorType:
    return TensorType((types[1].shape[0], types[3].shape[1]), result_dtype(types))


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    dtype = np.result_type(*operands)
    mask, q, k, v = (operand.astype(accumulator(dtype)) for operand in operands)
    scores = mask * np.matmul(q, k.T) * mask.dtype.type(scale_of(attrs["scale"], q.shape[1]))
    result: Array = np.matmul(softmax_of_rows(scores), v).astype(dtype)
    return result


def _flops(types: Types, attrs: Attrs) -> int:
    """Count two dots and a softmax per stored entry."""
    mask, q, _, v = types
    return mask.nnz * (2 * q.dims[1] + 2 + 5 + 2 * v.dims[1])


def _shapes_fit(types: Types, attrs: Attrs) -> bool:
    mask, q, k, v = (t.shape for t in types)
    return all(map(may_equal, (*mask, k[0]), (q[0], k[0], v[0])))


def _kinds_fit(types: Types, attrs: Attrs) -> bool:
    kinds = ["f" if t.dtype.name == "bfloat16" else t.dtype.kind for t in types]
    return kinds[0] in "biuf" and all(kind == "f" for kind in kinds[1:])


def _is_scale(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, int | float | np.integer | np.floating) and math.isfinite(value)


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for label, mask in hard_matrices(rng):
        dtype = mask.data.dtype
        if dtype.kind == "c":
            continue
        depth, width = rng.choice([1, 3, 8]), rng.choice([1, 2, 5])
        kind = dtype if dtype.kind in "fV" else np.dtype("float32")
        yield Sample(label, (mask, *_vectors(rng, mask.shape, (depth, width), kind)))
    yield from _odd_samples(rng)


def _odd_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    _, mask = next(hard_matrices(rng))
    ones = mask._replace(data=np.ones_like(mask.data))
    q, k, v = _vectors(rng, mask.shape, (4, 3), mask.data.dtype)
    yield Sample("all ones", (ones, q, k, v))
    yield Sample("scaled", (ones, q, k, v), {"scale": 0.25})
    yield Sample("sharp", (ones, q, k, v), {"scale": 40})
    yield Sample("the other way round", (ones, q, k, v), {"scale": -2.0})
    yield Sample("no terms", (mask, q[:, :0].copy(), k[:, :0].copy(), v))
    yield Sample("no columns of V", (mask, q, k, v[:, :0].copy()))
    yield Sample("wide", (ones, *_vectors(rng, mask.shape, (70, 130), mask.data.dtype)))
    yield Sample("K and V strided", (ones, q[::-1], np.repeat(k, 2, 1)[:, ::2], v[::-1, ::-1]))
    yield Sample("in Fortran order", (ones, *map(np.asfortranarray, (q, k, v))))
    yield Sample("V of another dtype", (ones, q, k, v.astype(np.float64)))
    special = v.copy()
    special[2, 0], special[7, 1] = np.inf, np.nan
    yield Sample("inf and NaN in V", (ones, q * np.float32(0.1), k, special))
    special = k.copy()
    special[3, 1] = np.nan
    yield Sample("NaN in K", (ones, q, special, v))
    special = np.where(np.arange(len(mask.data)) % 5, 1, -np.inf).astype(mask.data.dtype)
    yield Sample("-inf in the mask", (mask._replace(data=special), np.abs(q), np.abs(k), v))
    row, col = np.nonzero(rng.random((2, 300)) < 0.9)
    long = Triplets(row, col, np.ones(len(row), np.float16), (2, 300))
    yield Sample("long rows of float16", (long, *_vectors(rng, (2, 300), (3, 2), np.float16)))


def _vectors(
    rng: "np.random.Generator", shape: tuple[int, int], width: tuple[int, int], dtype: object
) -> tuple[Array, Array, Array]:
    """Return Q, K and V for a mask of the given shape."""
    (m, n), (d, e) = shape, width
    sizes = (m, d), (n, d), (n, e)
    q, k, v = (dense_operand(rng, size, dtype) for size in sizes)
    return q, k, v


ATTENTION = Op(
    "attention",
    ("mask", "q", "k", "v"),
    (
        has_ndim("C1", "mask, Q, K and V must be 2-D", {0: 2, 1: 2, 2: 2, 3: 2}),
        Constraint("C2", "mask must have Q's rows, and K's and V's rows as columns", _shapes_fit),
        Constraint(
            "C3",
            "Q and K must have the same number of columns",
            lambda types, attrs: may_equal(types[1].shape[1], types[2].shape[1]),
        ),
        dtypes_mix("C4"),
        Constraint(
            "C5", "Q, K and V must be real floating-point, mask real", _kinds_fit, DTypeError
        ),
        Constraint(
            "C6",
            "scale must be a finite number, or None for 1 / sqrt(D)",
            lambda types, attrs: _is_scale(attrs["scale"]),
        ),
    ),
    _result,
    _dense,
    _flops,
    _samples,
    attrs={"scale": None},
    sparse=(0,),
    masked=True,
    sums_products=True,
)
