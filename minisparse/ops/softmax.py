"""Softmax along an axis: ``exp(a - max) / sum exp(a - max)``; of a matrix's rows over its entries.

A cell that is not stored has no weight, as if it were -inf; one that is stored twice has two.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.triplets import Triplets
from minisparse.ops.constraints import are_ints, has_kind
from minisparse.ops.hard_matrices import hard_matrices, random_triplets, random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types
from minisparse.ops.reductions import largest_along


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    (a,) = operands
    rows = np.moveaxis(a.astype(accumulator(a.dtype)), attrs["axis"], -1)
    return np.moveaxis(softmax_of_rows(rows), -1, attrs["axis"]).astype(a.dtype)


def softmax_of_rows(x: Array) -> Array:
    """Return the softmax along the last axis of a plain array, in its own dtype.

    Examples
    --------
    >>> softmax_of_rows(np.array([[0.0, 0.0], [1.0, -np.inf]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    weights = np.exp(x - largest_along(x, -np.inf, -1))
    result: Array = weights / weights.sum(axis=-1, keepdims=True)
    return result


def _flops(types: Types, attrs: Attrs) -> int:
    """Count comparison, difference, exponential, addition and division per stored entry."""
    return 5 * types[0].nnz


def _names_axis(types: Types, attrs: Attrs) -> bool:
    ndim = types[0].ndim
    return are_ints((attrs["axis"],), 1, -ndim) and bool(attrs["axis"] < ndim)


def axis_named(of: str) -> Constraint:
    """Return the constraint that ``axis`` is an axis of the first operand, by its letter."""
    return Constraint("C1", f"axis must name an axis of {of}", _names_axis)


def _rows_where_stored(types: Types, attrs: Attrs) -> bool:
    (a,) = types
    return a.format == "dense" or (a.ndim == 2 and attrs["axis"] in (1, -1))


def samples_along_axes(rng: "np.random.Generator") -> Iterator[Sample]:
    """Yield plain arrays of one to four dimensions, and the axis along which weights sum to 1."""
    x = random_values(rng, (2, 3, 4, 5), "f4")
    for axis in (0, 1, -2, -1):
        yield Sample(f"axis {axis} of four", (x,), {"axis": axis})
    yield Sample("a vector", (x[0, 0, 0],), {"axis": 0})
    yield Sample("in Fortran order", (np.asfortranarray(x[0]),), {"axis": 1})
    yield Sample("nothing along the axis", (x[:, :, :0],), {"axis": 2})
    yield Sample("nothing beside the axis", (x[:, :0],))
    special = x[0].copy()
    special[0, 0, 0], special[1, 1, 1], special[2, 2, 2] = np.nan, np.inf, -np.inf
    special[0, 3] = -np.inf
    yield Sample("NaN and infinities of three", (special,), {"axis": 1})
    yield Sample("rows of NaN and infinities", (special,))
    yield Sample("far apart", (x[0] * np.float32(100),))
    yield Sample("long rows along axis 0", (random_values(rng, (300, 2), "f2"),), {"axis": 0})
    yield Sample("float64 along axis 0", (x[0].astype("f8"),), {"axis": 0})


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    yield from _samples_of_matrices(rng)
    yield from samples_along_axes(rng)


def _samples_of_matrices(rng: "np.random.Generator") -> Iterator[Sample]:
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
        axis_named("A"),
        has_kind("C2", "f", "the dtype must be real floating-point"),
        Constraint(
            "C3",
            "A must be 2-D, and axis its last, where it is sparse: make it plain with .to_dense()",
            _rows_where_stored,
            UnsupportedOpError,
        ),
    ),
    lambda types, attrs: replace(types[0], known=None),
    _dense,
    _flops,
    _samples,
    attrs={"axis": -1},
    sparse=(0,),
)
