"""Arithmetic element by element: ``add``, ``multiply``, and ``add_bias``, one value a row.

Two sparse matrices meet cell by cell. A sum stores what either stores, a product what both do;
cells that cancel keep their slot (docs/language.md, rule S19).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.symbolic import add, multiply
from minisparse.core.tensor_type import TensorType
from minisparse.core.triplets import Triplets
from minisparse.core.xp import asarray
from minisparse.ops.activations import stored_samples
from minisparse.ops.constraints import dtypes_mix, plain_mix
from minisparse.ops.dims import broadcast, may_equal, result_dtype
from minisparse.ops.hard_matrices import hard_matrices, random_triplets, random_values
from minisparse.ops.known import of_dims, with_known
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _are_sparse(types: Types) -> bool:
    return any(t.format != "dense" for t in types)


def _stored_alike(types: Types, attrs: Attrs) -> bool:
    first, second = types
    return first.layout == second.layout


def _equal_where_sparse(types: Types, attrs: Attrs) -> bool:
    return not _are_sparse(types) or types[0].shape == types[1].shape


def _result(types: Types, attrs: Attrs) -> TensorType:
    """Return the broadcast type; how much a sparse result stores is known only afterwards."""
    shape = broadcast([t.shape for t in types]) or ()
    first = types[0]
    return TensorType(shape, result_dtype(types), first.format, block=first.block)


def _flops(types: Types, attrs: Attrs) -> int:
    """Count one for each element; of sparse matrices, for each that either stores."""
    if _are_sparse(types):
        return sum(t.nnz for t in types)
    return _result(types, attrs).size


_BOTH = (
    Constraint(
        "C1",
        "shapes must broadcast: aligned at the last, dimensions are equal or 1",
        lambda types, attrs: broadcast([t.shape for t in types]) is not None,
    ),
    plain_mix("C2"),
    Constraint(
        "C3",
        "A and B must be stored in the same format and block, or both be plain arrays: convert one "
        "with .to(...), or make it plain with .to_dense()",
        _stored_alike,
        UnsupportedOpError,
    ),
    Constraint(
        "C4", "shapes must be equal where A and B are sparse: they do not broadcast",
        _equal_where_sparse,
    ),
)  # fmt: skip


def _dense_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (4, 3, 5), "float32")
    yield Sample("same shape", (x, x[::-1]))
    yield Sample("one row", (x, x[0, :1]))
    yield Sample("both broadcast", (x[:, :1], x[0]))
    yield Sample("a number", (x, np.array(x[0, 0, 0])))
    yield Sample("no dimensions", (np.array(x[0, 0, 0]), np.array(x[0, 0, 1])))
    yield Sample("no elements", (x[:0], x[0]))
    yield Sample("two dtypes", (x, random_values(rng, (5,), "float64")))
    for dtype in ("int8", "uint16", "uint32", "uint64"):
        most = np.full(3, np.iinfo(dtype).max, dtype)
        yield Sample(f"{dtype} that wraps", (most, np.array([1, 2, 100], dtype)))


def _alike(first: Array, rng: "np.random.Generator") -> tuple[Array, ...]:
    """Return a residual: another value of the same shape."""
    return (random_values(rng, first.shape, first.dtype),)


def _companion(rng: "np.random.Generator", a: Triplets) -> Triplets:
    """Return a matrix that shares some of a's cells, with the opposite value in some of these."""
    some = rng.random(len(a.row)) < 0.5
    again = Triplets(a.row[some], a.col[some], a.data[some], a.shape)
    if a.data.dtype.kind in "if":
        again = again._replace(data=np.where(rng.random(some.sum()) < 0.5, -1, 1).astype(
            a.data.dtype) * again.data)  # fmt: skip
    more = random_triplets(rng, a.shape, 0.2, a.data.dtype)
    width = max(a.shape[1], 1)
    new = ~np.isin(more.row * width + more.col, a.row * width + a.col)
    return Triplets(
        np.concatenate([more.row[new], again.row]),
        np.concatenate([more.col[new], again.col]),
        np.concatenate([more.data[new], again.data]),
        a.shape,
    )


def _add_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    yield from _dense_samples(rng)
    for label, a in hard_matrices(rng):
        yield Sample(f"stored, {label}", (a, _companion(rng, a)))
    a = random_triplets(rng, (6, 7), 0.4)
    b = a._replace(data=a.data[::-1])
    yield Sample("stored, equal patterns", (a, b))
    yield Sample("stored, two dtypes", (a, b._replace(data=b.data.astype("float64"))))
    infinite = a._replace(data=np.full_like(a.data, np.inf))
    yield Sample("stored, inf - inf", (infinite, infinite._replace(data=-infinite.data)))


def _sum(operands: Sequence[Array]) -> Array:
    return asarray(np.add(*operands))


ADD = Op(
    "add",
    ("a", "b"),
    _BOTH,
    lambda types, attrs: with_known(_result(types, attrs), types, _sum, of_dims(add)),
    lambda operands, attrs: _sum(operands),
    _flops,
    _add_samples,
    sparse=(0, 1),
    companions=_alike,
    broadcasts=True,
    fetches=1,
)


def _multiply_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    yield from _dense_samples(rng)
    z = random_values(rng, (3, 4), "complex64")
    yield Sample("complex", (z, z[::-1]))
    half = np.array([300.0, 1e-4, 3.0, np.inf], "float16")
    yield Sample("float16 beyond its range", (half, np.array([300.0, 1e-4, 5.0, 0.0], "float16")))
    for label, a in stored_samples(rng, "biufc"):
        yield Sample(label, (a, _companion(rng, a)))
    a = random_triplets(rng, (6, 7), 0.4)
    yield Sample("stored, equal patterns", (a, a._replace(data=a.data[::-1])))
    yield Sample("stored, two dtypes", (a, a._replace(data=a.data.astype("float64"))))


def _product(operands: Sequence[Array]) -> Array:
    return asarray(np.multiply(*operands))


MULTIPLY = Op(
    "multiply",
    ("a", "b"),
    _BOTH,
    lambda types, attrs: with_known(_result(types, attrs), types, _product, of_dims(multiply)),
    lambda operands, attrs: _product(operands),
    _flops,
    _multiply_samples,
    sparse=(0, 1),
    companions=_alike,
    broadcasts=True,
    fetches=1,
)


def by_rows(bias: Array, ndim: int) -> Array:
    """Return a bias such that it broadcasts along the rows of a result of so many dimensions."""
    return bias.reshape(-1, *(1,) * (ndim - 1))


def _add_bias(operands: Sequence[Array], attrs: Attrs) -> Array:
    c, bias = operands
    return asarray(c + by_rows(bias, c.ndim))


def _bias_for(first: Array, rng: "np.random.Generator") -> tuple[Array, ...]:
    """Return a bias for every row of ``first``."""
    return (random_values(rng, first.shape[:1], first.dtype),)


def _add_bias_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for shape in ((5, 7), (1, 4), (4, 1), (0, 3), (3, 0)):
        c = random_values(rng, shape, "float32")
        yield Sample(f"{shape[0]} rows, {shape[1]} columns", (c, *_bias_for(c, rng)))
    c = random_values(rng, (4, 6), "float32")
    yield Sample("in Fortran order", (np.asfortranarray(c), *_bias_for(c, rng)))
    yield Sample("two dtypes", (c, random_values(rng, (4,), "float64")))
    yield Sample("a vector", (c[:, 0], *_bias_for(c, rng)))


ADD_BIAS = Op(
    "add_bias",
    ("c", "bias"),
    (
        Constraint(
            "C1",
            "C must be 1-D or 2-D, and bias 1-D",
            lambda types, attrs: types[0].ndim in (1, 2) and types[1].ndim == 1,
        ),
        Constraint(
            "C2",
            "bias must have one value for each row of C",
            lambda types, attrs: may_equal(types[0].shape[0], types[1].shape[0]),
        ),
        dtypes_mix("C3"),
    ),
    lambda types, attrs: TensorType(types[0].shape, result_dtype(types)),
    _add_bias,
    lambda types, attrs: types[0].size,
    _add_bias_samples,
    companions=_bias_for,
)
