"""``pad``: elements around an array, of one value or taken from it; negative counts crop.

Along each axis the result is X at a run of places that begins ``before`` places ahead of it. What
lies at a place outside is the mode's matter:

    constant    the value
    edge        the nearest element
    reflect     X mirrored at its first and last element, which are not repeated
    wrap        X once more, from its other end
"""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError
from minisparse.core.symbolic import UNKNOWN, Dim, add
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.ops.axes import (
    are_axes,
    as_ints,
    dtypes_are,
    is_single,
    is_vector,
    length,
    no_flops,
    settled,
    sizes_known,
    whole_known,
)
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

MODES = ("constant", "reflect", "edge", "wrap")


def _axes(types: Types) -> tuple[int, ...] | None:
    """Return which axes are padded, None where nothing tells."""
    return tuple(range(types[0].ndim)) if len(types) < 4 else whole_known(types[3])


def _padded_shape(types: Types) -> tuple[Dim, ...]:
    x, axes = types[0], _axes(types)
    pads = sizes_known(types[1])
    if axes is None:
        return (UNKNOWN,) * x.ndim
    shape = list(x.shape)
    for i, axis in enumerate(axes):
        if pads is None:
            shape[axis] = UNKNOWN
        else:
            shape[axis] = settled(add([shape[axis], pads[i], pads[len(axes) + i]]))
    return tuple(shape)


def padded_places(size: int, before: int, after: int, mode: str) -> Array:
    """Return for each place of a padded axis which element lies there.

    Outside of the axis that is a place of the axis by the mode; for ``constant`` it is negative or
    too large.

    Examples
    --------
    >>> padded_places(3, 2, 3, "reflect"), padded_places(3, -1, 1, "wrap")
    (array([2, 1, 0, 1, 2, 1, 0, 1]), array([1, 2, 0]))
    """
    places = np.arange(-before, size + after)
    if mode == "edge":
        return places.clip(0, size - 1)
    if mode == "wrap":
        return places % size
    if mode == "reflect":
        period = max(1, 2 * (size - 1))
        return (size - 1) - abs(places % period - (size - 1))
    return places


def _pad(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, pads, *rest = operands
    axes = as_ints(rest[1]) if len(rest) > 1 else range(x.ndim)
    counts, around = as_ints(pads), [(0, 0)] * x.ndim
    for i, axis in enumerate(axes):
        around[axis] = counts[i], counts[len(axes) + i]
    shape = [n + before + after for n, (before, after) in zip(x.shape, around, strict=True)]
    empty = any(not n and any(pair) for n, pair in zip(x.shape, around, strict=True))
    if min(shape, default=0) < 0 or (empty and attrs["mode"] != "constant"):
        raise ShapeError(
            f"pad (C5): X is {list(x.shape)}, pads {list(counts)} on axes {list(axes)}: {_FITS}"
        )
    xp = namespace(x)
    if attrs["mode"] != "constant":
        moved = x
        for axis, (before, after) in enumerate(around):
            if before or after:
                places = padded_places(x.shape[axis], before, after, attrs["mode"])
                moved = np.take(moved, xp.asarray(places), axis)
        return moved.copy() if moved is x else moved
    value = rest[0].reshape(()).astype(x.dtype) if rest else 0
    found: Array = xp.full(shape, value, x.dtype)
    pairs = list(zip(x.shape, shape, around, strict=True))
    kept = [slice(max(0, -before), max(0, n - max(0, -after))) for n, _, (before, after) in pairs]
    there = [slice(max(0, before), max(0, m - max(0, after))) for _, m, (before, after) in pairs]
    part = x[tuple(kept)]
    if part.size:
        found[tuple(there)] = part
    return found


def _fits(types: Types, attrs: Attrs) -> bool:
    axes, pads = _axes(types), sizes_known(types[1])
    if axes is None or pads is None:
        return True
    if any(isinstance(d, int) and d < 0 for d in _padded_shape(types)):
        return False
    padded = [types[0].shape[axis] for i, axis in enumerate(axes) if pads[i] or pads[i + len(axes)]]
    return attrs["mode"] == "constant" or 0 not in padded


def _two_for_each(types: Types, attrs: Attrs) -> bool:
    pads = types[1]
    axes = length(types[3]) if len(types) > 3 else types[0].ndim
    if pads.ndim != 1 or axes is None or (len(types) > 3 and types[3].ndim != 1):
        return False
    return not isinstance(pads.shape[0], int) or pads.shape[0] == 2 * axes


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (3, 4, 5), "float32")
    for mode in MODES:
        yield Sample(mode, (x, np.array([1, 0, 2, 0, 3, 1])), {"mode": mode})
        yield Sample(f"{mode}, longer than X", (x, np.array([0, 9, 0, 0, 0, 11])), {"mode": mode})
        yield Sample(f"{mode}, cropping", (x, np.array([-1, 0, 2, 0, -3, -1])), {"mode": mode})
    value = np.array(-2.5, np.float32)
    yield Sample("a value", (x, np.array([0, 1, 0, 0, 1, 0]), value))
    yield Sample("some axes", (x, np.array([1, 0, 0, 2]), value, np.array([-1, 0])))
    yield Sample("no padding", (x, np.zeros(6, np.int64)))
    yield Sample("all of it cropped", (x, np.array([0, -4, 0, 0, 0, 0])))
    yield Sample("no elements", (x[:0], np.array([1, 0, 0, 0, 0, 0]), value))
    yield Sample("one element", (x[:1, 0, 0], np.array([2, 1])), {"mode": "reflect"})
    yield Sample("whole numbers", (np.arange(4), np.array([1, 2]), np.array([7])))
    yield Sample("bool", (x[0] > 0, np.array([1, 0, 0, 1]), np.array(True)))


_FITS = "no axis may become shorter than 0, and one without elements only be padded by a constant"

PAD = Op(
    "pad",
    ("x", "pads", "value?", "axes?"),
    (
        Constraint(
            "C1",
            "pads must be a vector: for each axis its count before, then for each the one after",
            _two_for_each,
        ),
        Constraint(
            "C2", "value must be a single number",
            lambda types, attrs: len(types) < 3 or is_single(types[2]),
        ),
        dtypes_are("C3", "dtypes must be supported and mix, pads and axes whole numbers", (1, 3)),
        Constraint(
            "C4", "axes must name axes of X, each once",
            lambda types, attrs: len(types) < 4
            or (is_vector(types[3]) and are_axes(_axes(types), types[0].ndim)),
        ),
        Constraint("C5", _FITS, _fits),
        Constraint(
            "C6", f"mode must be {', '.join(MODES)}", lambda types, attrs: attrs["mode"] in MODES,
        ),
    ),
    lambda types, attrs: TensorType(_padded_shape(types), types[0].dtype),
    _pad,
    no_flops,
    _samples,
    attrs={"mode": "constant"},
    told=(1, 3),
)  # fmt: skip
