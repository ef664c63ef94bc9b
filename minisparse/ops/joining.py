"""Ops that put arrays together and take them apart: ``concat``, ``split``."""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError
from minisparse.core.symbolic import UNKNOWN, Dim, add, divide
from minisparse.core.tensor_type import KNOWN_LIMIT, TensorType
from minisparse.ops.axes import (
    as_ints,
    dtypes_are,
    has_axis,
    is_axis,
    length,
    no_flops,
    settled,
    sizes_known,
    whole_known,
)
from minisparse.ops.dims import may_equal, result_dtype
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _others_agree(types: Types, attrs: Attrs) -> bool:
    axis, ndim = attrs["axis"] % types[0].ndim, types[0].ndim
    return all(
        may_equal(t.shape[i], types[0].shape[i])
        for t in types[1:]
        for i in range(ndim)
        if i != axis
    )


def _firm(dims: Sequence[Dim]) -> Dim:
    """Return one of several dimensions that are equal: the one of which most is known."""
    numbers = [d for d in dims if isinstance(d, int)]
    named = [d for d in dims if UNKNOWN not in str(d)]
    return (numbers or named or list(dims))[0]


def _concatenated(types: Types, attrs: Attrs) -> TensorType:
    axis, ndim = attrs["axis"] % types[0].ndim, types[0].ndim
    shape = [_firm([t.shape[i] for t in types]) for i in range(ndim)]
    shape[axis] = settled(add(t.shape[axis] for t in types))
    known = None
    if ndim == 1 and all(t.known is not None for t in types):
        known = tuple(x for t in types for x in t.known or ())
        known = known if len(known) <= KNOWN_LIMIT else None
    return TensorType(tuple(shape), result_dtype(types), known=known)


def _concat_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x, y = (random_values(rng, (2, n, 4), "float32") for n in (3, 5))
    yield Sample("two", (x, y), {"axis": 1})
    yield Sample("three, from the end", (x, x[..., :1], x), {"axis": -1})
    yield Sample("one", (x,))
    yield Sample("one without elements", (x, x[:0]))
    yield Sample("whole numbers", (np.arange(3), np.arange(2), np.array([7])))
    yield Sample("dtypes that mix", (x, x.astype(np.float64)))
    yield Sample("bool", (x > 0, x > 1))


CONCAT = Op(
    "concat",
    ("inputs*",),
    (
        Constraint(
            "C1",
            "there must be an input, and all must have the same number of dimensions, at least 1",
            lambda types, attrs: (
                len({t.ndim for t in types} - {0}) == 1 and all(t.ndim for t in types)
            ),
        ),
        Constraint(
            "C2",
            "axis must name an axis of the inputs",
            lambda types, attrs: is_axis(attrs["axis"], types[0].ndim),
        ),
        Constraint("C3", "all other dimensions must be equal", _others_agree),
        dtypes_are("C4", "dtypes must be supported and mix"),
    ),
    _concatenated,
    lambda operands, attrs: np.concatenate(operands, attrs["axis"]),
    no_flops,
    _concat_samples,
    attrs={"axis": 0},
)


def _part_sizes(size: Dim, types: Types, attrs: Attrs) -> tuple[Dim, ...]:
    """Return how long each part is: as told, or equal parts, the last ones shorter."""
    if len(types) > 1:
        return sizes_known(types[1]) or (UNKNOWN,) * (length(types[1]) or 0)
    count: int = attrs["num_outputs"]
    if isinstance(size, int):
        most = -(-size // count)
        return tuple(max(0, min(most, size - i * most)) for i in range(count))
    return (settled(divide(size, count)),) * count


def _is_split_up(types: Types, attrs: Attrs) -> bool:
    if len(types) < 2:
        return True
    sizes = sizes_known(types[1])
    if sizes is None:
        return True
    total = add(sizes)
    fits = may_equal(total, types[0].shape[attrs["axis"]])
    return fits and all(isinstance(d, str) or d >= 0 for d in sizes)


def _parts(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    x = types[0]
    axis = attrs["axis"] % x.ndim
    found, start = [], 0
    numbers = whole_known(x) if x.ndim == 1 else None
    for size in _part_sizes(x.shape[axis], types, attrs):
        known = None
        if numbers is not None and isinstance(size, int):
            known = numbers[start : start + size]
            start += size
        found.append(
            TensorType((*x.shape[:axis], size, *x.shape[axis + 1 :]), x.dtype, known=known)
        )
    return tuple(found)


def _split(operands: Sequence[Array], attrs: Attrs) -> tuple[Array, ...]:
    x, *rest = operands
    axis, size = attrs["axis"], x.shape[attrs["axis"]]
    sizes = as_ints(rest[0]) if rest else tuple(map(int, _part_sizes(size, (), attrs)))
    if sum(sizes) != size or min(sizes, default=0) < 0:
        raise ShapeError(
            f"split (C4): axis {axis} has {size} elements, split is {list(sizes)}: {_PARTS}"
        )
    return tuple(np.split(x, np.cumsum(sizes[:-1], dtype=np.int64).tolist(), axis))


def _split_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (2, 7, 4), "float32")
    yield Sample("two halves", (x,), {"num_outputs": 2})
    yield Sample("uneven", (x,), {"axis": 1, "num_outputs": 3})
    yield Sample("more parts than elements", (x,), {"num_outputs": 4})
    yield Sample("as told", (x, np.array([2, 0, 5])), {"axis": -2})
    yield Sample("one part", (x, np.array([4])), {"axis": -1})
    yield Sample("whole numbers", (np.arange(5), np.array([2, 3])))
    yield Sample("bool", (x > 0, np.array([1, 3])), {"axis": 2})


_PARTS = "split must be sizes, together as long as the axis"

SPLIT = Op(
    "split",
    ("x", "split?"),
    (
        has_axis("C1"),
        Constraint(
            "C2",
            "either split must be a vector whose length is a number, or num_outputs positive",
            lambda types, attrs: (
                attrs["num_outputs"] is None and types[1].ndim == 1 and (length(types[1]) or 0) > 0
                if len(types) > 1
                else isinstance(attrs["num_outputs"], int) and attrs["num_outputs"] > 0
            ),
        ),
        dtypes_are("C3", "X's dtype must be supported, and split whole numbers", whole=(1,)),
        Constraint("C4", _PARTS, _is_split_up),
    ),
    _parts,
    _split,
    no_flops,
    _split_samples,
    attrs={"axis": 0, "num_outputs": None},
    moves=True,
    told=(1,),
)
