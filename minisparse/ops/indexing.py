"""Ops that pick elements by index: ``gather``, ``gather_elements``, ``gather_nd``.

An index lies within the axis that it points into, and a negative one counts from its end. Where
only the run tells the indices, it checks them.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError
from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import Known, TensorType
from minisparse.core.xp import asarray, namespace
from minisparse.ops.axes import (
    dtypes_are,
    has_axis,
    inside,
    is_axis,
    may_lie_within,
    no_flops,
    whole_known,
)
from minisparse.ops.dims import may_equal
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

WITHIN = "indices must lie within the axis, from -s to s - 1 for s elements"
DTYPES = "X's dtype must be supported, and indices whole numbers"


def _lies_within(types: Types, attrs: Attrs) -> bool:
    return may_lie_within(types[1], types[0].shape[attrs["axis"]])


def _picked(x: TensorType, indices: TensorType) -> Known | None:
    places = whole_known(indices)
    if x.known is None or places is None or x.ndim != 1 or indices.ndim > 1:
        return None
    return tuple(x.known[i] for i in places)


def _gathered(types: Types, attrs: Attrs) -> TensorType:
    x, indices = types
    axis = attrs["axis"] % x.ndim
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return TensorType(shape, x.dtype, known=_picked(x, indices))


def _gather(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, indices = operands
    axis = attrs["axis"] % x.ndim
    # NumPy takes the same indices, and fewer passes to check them; on a device nothing does.
    if indices.dtype != np.uint64 and namespace(indices) is np:
        try:
            return asarray(np.take(x, indices, axis))
        except IndexError:
            pass
    found = inside("gather (C3)", indices, x.shape[axis], axis, WITHIN)
    return asarray(np.take(x, found, axis))


def _gather_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (4, 5, 3), "float32")
    yield Sample("rows, some twice", (x, np.array([3, 0, 0, -1])))
    yield Sample("an array of indices", (x, rng.integers(0, 5, (2, 3))), {"axis": 1})
    yield Sample("one, the axis goes", (x, np.array(-1, np.int32)), {"axis": -1})
    yield Sample("none", (x, np.empty((0, 2), np.int64)), {"axis": 1})
    yield Sample("whole numbers", (np.arange(3, 9), np.array([5, 0])))
    yield Sample("a whole number", (np.arange(3, 9), np.array(2)))
    yield Sample("whole rows", (np.arange(12).reshape(3, 4), np.array([[2, 2], [0, 1]])))
    yield Sample("bool", (x > 0, np.array([1], np.uint8)))


GATHER = Op(
    "gather",
    ("x", "indices"),
    (
        has_axis("C1"),
        dtypes_are("C2", DTYPES, whole=(1,)),
        Constraint("C3", WITHIN, _lies_within),
    ),
    _gathered,
    _gather,
    no_flops,
    _gather_samples,
    attrs={"axis": 0},
    fetches=1,
)


def _along(x: Array, axis: int, ndim: int) -> Array:
    """Return a vector as an array of so many dimensions, its elements along one of them."""
    return x.reshape(-1, *[1] * (ndim - axis - 1))


def places_along(indices: Array, axis: int) -> tuple[Array, ...]:
    """Return the index of an array that takes element ``indices[i]`` along one axis.

    ``x[places_along(indices, 1)][i, j] == x[i, indices[i, j]]``.
    """
    xp, shape = namespace(indices), indices.shape
    grid: list[Array] = [_along(xp.arange(n), i, len(shape)) for i, n in enumerate(shape)]
    grid[axis] = indices
    return tuple(grid)


def is_covered(x: TensorType, indices: TensorType, axis: int) -> bool:
    """Tell whether indices reach no further than X, along all axes but one."""
    return x.ndim == indices.ndim and all(
        not isinstance(d, int) or not isinstance(s, int) or d <= s
        for i, (d, s) in enumerate(zip(indices.shape, x.shape, strict=True))
        if i != axis % x.ndim
    )


def elements_index(where: str, x: Array, indices: Array, axis: int, text: str) -> tuple[Array, ...]:
    """Return the index of the elements of X that ``indices`` name along an axis, checked."""
    axis %= x.ndim
    sizes = enumerate(zip(indices.shape, x.shape, strict=True))
    if any(d > s for i, (d, s) in sizes if i != axis):
        name, _ = where.split()
        raise ShapeError(
            f"{name} (C2): X is {list(x.shape)}, indices {list(indices.shape)}: {text}"
        )
    return places_along(inside(where, indices, x.shape[axis], axis, WITHIN), axis)


COVERED = "indices must have X's number of dimensions, and be no longer than X but along axis"


def _gather_elements(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, indices = operands
    where = "gather_elements (C4)"
    return asarray(x[elements_index(where, x, indices, attrs["axis"], COVERED)])


def _gather_elements_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (4, 5, 3), "float32")
    yield Sample("along the first axis", (x, rng.integers(-4, 4, (6, 5, 3))))
    yield Sample("along the last", (x, rng.integers(0, 3, (4, 5, 2))), {"axis": -1})
    yield Sample("fewer than there are", (x, rng.integers(0, 5, (2, 3, 2))), {"axis": 1})
    yield Sample("none", (x, np.empty((0, 5, 3), np.int64)))
    yield Sample("whole numbers", (np.arange(3, 9), np.array([5, 0, -1])))
    yield Sample("whole rows", (np.arange(12).reshape(3, 4), np.array([[2, 2], [0, 1]])))
    yield Sample("one", (np.arange(3, 9), np.array([1])))


GATHER_ELEMENTS = Op(
    "gather_elements",
    ("x", "indices"),
    (
        has_axis("C1"),
        Constraint(
            "C2", COVERED, lambda types, attrs: is_covered(types[0], types[1], attrs["axis"])
        ),
        dtypes_are("C3", DTYPES, whole=(1,)),
        Constraint("C4", WITHIN, _lies_within),
    ),
    lambda types, attrs: TensorType(types[1].shape, types[0].dtype),
    _gather_elements,
    no_flops,
    _gather_elements_samples,
    attrs={"axis": 0},
    fetches=1,
)


def tuple_length(indices: TensorType) -> int:
    """Return how many axes each row of ``indices`` points into; -1 where nothing tells."""
    last = indices.shape[-1] if indices.ndim else None
    return last if isinstance(last, int) else -1


def points_into(x: TensorType, indices: TensorType, batch: int = 0) -> bool:
    """Tell whether each row of indices names a place of X, after axes that both share."""
    return 1 <= tuple_length(indices) <= x.ndim - batch


def tuples_index(
    where: str, shape: Sequence[int], indices: Array, batch: int = 0
) -> tuple[Array, ...]:
    """Return the index of the parts of an array that rows of indices name, checked.

    Parameters
    ----------
    where : str
        For messages.
    shape : sequence of int
        Of the array that is pointed into.
    indices : ndarray
        ``[*batch, ..., depth]``: each row names a place along ``depth`` axes.
    batch : int
        How many leading axes both share.
    """
    xp, lead = namespace(indices), indices.shape[:-1]
    shared = [_along(xp.arange(n), i, len(lead)) for i, n in enumerate(lead[:batch])]
    return (
        *shared,
        *(
            inside(where, indices[..., i], shape[batch + i], batch + i, WITHIN)
            for i in range(indices.shape[-1])
        ),
    )


def each_index(row: TensorType) -> list[TensorType]:
    """Return the types of the elements of a row of indices."""
    known = row.known if row.known is not None else (None,) * tuple_length(row)
    return [TensorType((), row.dtype, known=None if i is None else (i,)) for i in known]


def _gathered_nd(types: Types, attrs: Attrs) -> TensorType:
    x, indices = types
    shape: tuple[Dim, ...] = (
        *indices.shape[:-1],
        *x.shape[attrs["batch_dims"] + tuple_length(indices) :],
    )
    return TensorType(shape, x.dtype)


def _gather_nd(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, indices = operands
    batch = attrs["batch_dims"]
    if x.shape[:batch] != indices.shape[:batch]:
        raise ShapeError(
            f"gather_nd (C3): X is {list(x.shape)}, indices {list(indices.shape)}: {_SHARED}"
        )
    return asarray(x[tuples_index("gather_nd (C5)", x.shape, indices, batch)])


def _gather_nd_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (4, 5, 3), "float32")
    yield Sample("rows", (x, np.array([[0, -1], [3, 4], [0, 0]])))
    yield Sample("elements", (x, rng.integers(-3, 3, (2, 2, 3))))
    yield Sample("slices", (x, np.array([[3], [0]])))
    yield Sample("a batch", (x, rng.integers(0, 5, (4, 2, 1))), {"batch_dims": 1})
    yield Sample("a batch of two axes", (x, rng.integers(0, 3, (4, 5, 1))), {"batch_dims": 2})
    yield Sample("none", (x, np.empty((0, 2), np.int64)))
    yield Sample("whole numbers", (np.arange(3, 9), np.array([[5], [0]])))
    yield Sample("whole rows", (np.arange(12).reshape(3, 4), np.array([[2], [0]])))
    yield Sample("one", (np.arange(12).reshape(3, 4), np.array([1, 2])))


_SHARED = "batch_dims must count leading dimensions that X and indices share"

GATHER_ND = Op(
    "gather_nd",
    ("x", "indices"),
    (
        Constraint(
            "C1", "X and indices must have at least 1 dimension",
            lambda types, attrs: all(t.ndim for t in types),
        ),
        dtypes_are("C2", DTYPES, whole=(1,)),
        Constraint(
            "C3", _SHARED,
            lambda types, attrs: is_axis(attrs["batch_dims"], types[1].ndim)
            and 0 <= attrs["batch_dims"] < types[0].ndim
            and all(map(
                may_equal,
                types[0].shape[: attrs["batch_dims"]],
                types[1].shape[: attrs["batch_dims"]],
            )),
        ),
        Constraint(
            "C4", "the last dimension of indices must be a number, 1 or more, and point into X",
            lambda types, attrs: points_into(types[0], types[1], attrs["batch_dims"]),
        ),
        Constraint(
            "C5", WITHIN,
            lambda types, attrs: types[1].ndim > 1
            or all(map(may_lie_within, each_index(types[1]), types[0].shape)),
        ),
    ),
    _gathered_nd,
    _gather_nd,
    no_flops,
    _gather_nd_samples,
    attrs={"batch_dims": 0},
    fetches=8,
)  # fmt: skip
