"""``slice``: parts of axes, by start, end and step, with the bounds of Python's slices."""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.symbolic import UNKNOWN, Dim, add, multiply
from minisparse.core.tensor_type import TensorType
from minisparse.ops.axes import (
    are_axes,
    as_ints,
    dtypes_are,
    is_size,
    length,
    no_flops,
    settled,
    sizes_known,
    whole_known,
)
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

_FAR = 2**31 - 1
"""Ends from here on mean the end of the axis: exporters write them so."""


def _minus(a: Dim, b: Dim) -> Dim:
    """Return a difference; two sizes of which nothing is known are not one size."""
    if UNKNOWN in (settled(a), settled(b)):
        return UNKNOWN
    return add([a, multiply([-1, b])])


def _bound(at: Dim, size: Dim) -> Dim:
    """Return a bound counted from the start and within the axis; unknown where names hide it."""
    if isinstance(at, int) and at >= _FAR:
        return size
    if isinstance(at, int) and at < 0:
        at = add([size, at])
    elif isinstance(at, str) and not is_size(at):
        return UNKNOWN
    if isinstance(at, int) and isinstance(size, int):
        return max(0, min(at, size))
    if is_size(_minus(size, at)):
        return at if is_size(at) else UNKNOWN
    return size if is_size(_minus(at, size)) else UNKNOWN


def part_length(size: Dim, start: Dim, end: Dim, step: Dim) -> Dim:
    """Return how many elements of an axis a slice takes.

    Examples
    --------
    >>> part_length(10, -3, 2**31, 2), part_length("seq", 0, "seq", 1), part_length(5, 9, 0, -1)
    (2, 'seq', 4)
    >>> part_length("past + seq", "past", "past + seq", 1), part_length("seq", 0, 128, 1)
    ('seq', '?')
    """
    if all(isinstance(d, int) for d in (size, start, end, step)):
        return len(range(*slice(start, end, step).indices(int(size))))
    if step != 1:
        return UNKNOWN
    first, last = _bound(start, size), _bound(end, size)
    found = _minus(last, first)
    return found if is_size(found) else UNKNOWN


def _elements(types: Types, at: int, default: Sequence[Dim]) -> tuple[Dim, ...] | None:
    return sizes_known(types[at]) if at < len(types) else tuple(default)


def _bounds(types: Types) -> list[tuple[int, Dim, Dim, Dim]] | None:
    """Return axis, start, end and step for each axis that is sliced; None if axes are unknown."""
    count = length(types[1]) or 0
    axes = whole_known(types[3]) if len(types) > 3 else tuple(range(count))
    if axes is None:
        return None
    each = [
        _elements(types, 1, ()),
        _elements(types, 2, ()),
        _elements(types, 4, (1,) * count),
    ]
    filled = [(UNKNOWN,) * count if found is None else found for found in each]
    return [(axis % types[0].ndim, *bounds) for axis, *bounds in zip(axes, *filled, strict=True)]


def _sliced(types: Types, attrs: Attrs) -> TensorType:
    x, bounds = types[0], _bounds(types)
    if bounds is None:
        return TensorType((UNKNOWN,) * x.ndim, x.dtype)
    shape, known = list(x.shape), x.known
    for axis, start, end, step in bounds:
        shape[axis] = part_length(x.shape[axis], start, end, step)
        numbers = [d for d in (start, end, step) if isinstance(d, int)]
        known = known[slice(*numbers)] if known is not None and len(numbers) == 3 else None
    return TensorType(tuple(shape), x.dtype, known=known)


def _slice(operands: Sequence[Array], attrs: Attrs) -> Array:
    x = operands[0]
    starts, ends, *rest = (as_ints(y) for y in operands[1:])
    axes = rest[0] if rest else range(len(starts))
    steps = rest[1] if len(rest) > 1 else (1,) * len(starts)
    index = [slice(None)] * x.ndim
    for axis, *bounds in zip(axes, starts, ends, steps, strict=True):
        index[axis] = slice(*bounds)
    return x[tuple(index)]


def _vectors(types: Types, attrs: Attrs) -> bool:
    lengths = {length(t) for t in types[1:]}
    return all(t.ndim == 1 for t in types[1:]) and len(lengths) == 1 and None not in lengths


def _axes_fit(types: Types, attrs: Attrs) -> bool:
    if len(types) < 4:
        return (length(types[1]) or 0) <= types[0].ndim
    return are_axes(whole_known(types[3]), types[0].ndim)


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (5, 6, 4), "float32")

    def of(label: str, *bounds: Sequence[int]) -> Sample:
        return Sample(label, (x, *(np.array(b, np.int64) for b in bounds)))

    yield of("leading axes", (1, 2), (3, 2**31))
    yield of("an axis", (-3,), (-1,), (1,))
    yield of("with steps", (0, 1), (5, 6), (0, -2), (2, 3))
    yield of("backwards", (-1, 3), (-(2**31), 0), (0, 1), (-1, -2))
    yield of("beyond the ends", (-99, 99), (99, -99), (0, 2), (1, -1))
    yield of("nothing", (3,), (1,), (0,))
    yield of("no axis", (), (), (), ())
    whole = (np.arange(9), np.array([1]), np.array([8]), np.array([0]), np.array([3]))
    yield Sample("whole numbers", whole)
    yield Sample("bool", (x > 0, np.array([1], np.int32), np.array([4], np.int32)))


SLICE = Op(
    "slice",
    ("x", "starts", "ends", "axes?", "steps?"),
    (
        Constraint(
            "C1",
            "starts, ends, axes and steps must be vectors of the same length, a number",
            _vectors,
        ),
        dtypes_are(
            "C2",
            "X's dtype must be supported, and starts, ends, axes and steps whole numbers",
            whole=(1, 2, 3, 4),
        ),
        Constraint("C3", "axes must name axes of X, each once", _axes_fit),
        Constraint(
            "C4",
            "steps must not be 0",
            lambda types, attrs: len(types) < 5 or 0 not in (types[4].known or ()),
        ),
    ),
    _sliced,
    _slice,
    no_flops,
    _samples,
    moves=True,
    told=(1, 2, 3, 4),
)
