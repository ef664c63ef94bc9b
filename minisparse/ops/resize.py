"""``resize``: images, or any arrays, made larger or smaller by interpolation along their axes.

Each axis is interpolated by itself (:mod:`minisparse.ops.interpolation`), those that stay as they
are not at all, and the values are rounded to X's dtype once, at the end: whole numbers to the
nearest, half to even, within what the dtype holds.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from minisparse.core.dtypes import Array, is_plain
from minisparse.core.errors import DTypeError
from minisparse.core.symbolic import UNKNOWN, Dim, multiply
from minisparse.core.tensor_type import Known, TensorType, known_type
from minisparse.core.xp import namespace
from minisparse.ops.axes import are_axes, is_vector, length, settled
from minisparse.ops.constraints import kind_of
from minisparse.ops.dims import may_equal
from minisparse.ops.interpolation import (
    MODES,
    NEAREST,
    TRANSFORMATIONS,
    Axis,
    Taps,
    computed_in,
    coordinates,
    nearest_places,
    rounded_to,
    taps,
    weighted,
)
from minisparse.ops.op import Attrs, Constraint, Op, Types
from minisparse.ops.resize_samples import POLICIES, resize_samples


def resized_axes(ndim: int, attrs: Attrs) -> tuple[int, ...]:
    """Return the axes of which roi, scales and sizes speak."""
    axes = attrs["axes"]
    return tuple(range(ndim)) if axes is None else tuple(axis % ndim for axis in axes)


def _scaled(dim: Dim, scale: float) -> Dim:
    if isinstance(dim, int):
        return math.floor(dim * scale)
    return settled(multiply([dim, int(scale)])) if scale == int(scale) else UNKNOWN


def common_scale(lengths: Sequence[int], sizes: Sequence[int], policy: str) -> float:
    """Return the one scale that keeps proportions: what the smallest or the largest size asks."""
    scales = [size / n for size, n in zip(sizes, lengths, strict=True)]
    return min(scales) if policy == "not_larger" else max(scales)


def _resized_shape(types: Types, attrs: Attrs) -> tuple[Dim, ...]:
    x, _, scales, sizes = types
    shape = list(x.shape)
    axes = resized_axes(x.ndim, attrs)
    known: Known | None = scales.known if length(scales) else sizes.known
    if known is None:
        known = (UNKNOWN,) * len(axes)
    lengths = [x.shape[axis] for axis in axes]
    kept = attrs["keep_aspect_ratio_policy"]
    numbers = [d for d in (*lengths, *known) if isinstance(d, int)]
    if length(scales):
        pairs = zip(lengths, known, strict=True)
        new = [UNKNOWN if isinstance(s, str) else _scaled(d, s) for d, s in pairs]
    elif kept == "stretch":
        new = [d if isinstance(d, str) else int(d) for d in known]
    elif len(numbers) == 2 * len(axes):
        n = len(axes)
        scale = common_scale(numbers[:n], numbers[n:], kept)
        new = [math.floor(scale * d + 0.5) for d in numbers[:n]]
    else:
        new = [UNKNOWN] * len(axes)
    for axis, d in zip(axes, new, strict=True):
        shape[axis] = settled(d)
    return tuple(shape)


def axes_to_resize(operands: Sequence[Array], attrs: Attrs) -> dict[int, Axis]:
    """Return what becomes of each axis that changes, or of which only a part is taken."""
    x, roi, scales, sizes = operands
    axes = resized_axes(x.ndim, attrs)
    shape = _resized_shape([known_type(o) for o in operands], attrs)
    policy = attrs["keep_aspect_ratio_policy"]
    if not scales.size and policy != "stretch":
        wanted = [int(d) for d in sizes]
        scale = common_scale([x.shape[axis] for axis in axes], wanted, policy)
    found = {}
    for i, axis in enumerate(axes):
        n, count = x.shape[axis], int(shape[axis])
        if scales.size:
            scale = float(scales[i])
        elif policy == "stretch":
            scale = count / n if n else 1.0
        crops = attrs["coordinate_transformation_mode"] == "tf_crop_and_resize"
        part = (float(roi[i]), float(roi[len(axes) + i])) if crops else (0.0, 1.0)
        if scale != 1 or count != n or part != (0.0, 1.0):
            found[axis] = Axis(n, count, scale, *part)
    return found


def taps_of(axis: Axis, attrs: Attrs) -> Taps:
    """Return the taps of an axis by an op's attributes, of ``nearest`` a single one each."""
    where = attrs["coordinate_transformation_mode"]
    if attrs["mode"] == "nearest":
        places = nearest_places(axis, where, attrs["nearest_mode"])[:, None]
        at = coordinates(axis, where)
        outside = (at < 0) | (at > axis.length - 1)
        if where != "tf_crop_and_resize":
            outside[:] = False
        return Taps(places, np.ones(places.shape), outside)
    return taps(
        axis,
        attrs["mode"],
        where,
        attrs["cubic_coeff_a"],
        bool(attrs["exclude_outside"]),
        bool(attrs["antialias"]),
    )


def _resize(operands: Sequence[Array], attrs: Attrs) -> Array:
    x = operands[0]
    changed = axes_to_resize(operands, attrs)
    found = {axis: taps_of(how, attrs) for axis, how in changed.items()}
    if attrs["mode"] == "nearest":
        y = x
        for axis, how in found.items():
            y = np.take(y, namespace(x).asarray(how.places[:, 0]), axis)
        y = y if found else y.copy()
    else:
        y = x.astype(computed_in(x.dtype))
        for axis, how in found.items():
            y = weighted(y, axis, how)
        y = rounded_to(y, x.dtype)
    return fill_outside(y, found, attrs)


def fill_outside(y: Array, taps: Mapping[int, Taps], attrs: Attrs) -> Array:
    """Return y, a new array, with the one value where it lies beyond X along some axis."""
    value = rounded_to(np.array(attrs["extrapolation_value"], np.float64), y.dtype)
    for axis, found in taps.items():
        if found.outside.any():
            outside = namespace(y).asarray(np.flatnonzero(found.outside))
            y[(slice(None),) * axis + (outside,)] = value
    return y


def _flops(types: Types, attrs: Attrs) -> int:
    """Count a multiply-add for each tap, axis and element, of X where the result is not known."""
    if attrs["mode"] == "nearest":
        return 0
    each = 4 if attrs["mode"] == "linear" else 8
    shape = _resized_shape(types, attrs)
    sizes = [d for d in shape if isinstance(d, int)]
    axes = len(resized_axes(types[0].ndim, attrs))
    if len(sizes) < len(shape):
        return each * axes * types[0].size
    return each * sum(a != b for a, b in zip(types[0].shape, sizes, strict=True)) * math.prod(sizes)


def _one_for_each_axis(types: Types, attrs: Attrs) -> bool:
    if not all(t.ndim == 1 and is_vector(t) for t in types[1:]):
        return False
    wanted = len(resized_axes(types[0].ndim, attrs))
    return sorted((length(types[2]) or 0, length(types[3]) or 0)) == [0, wanted]


def _dtypes(types: Types, attrs: Attrs) -> bool:
    x, roi, scales, sizes = (kind_of(t.dtype) for t in types)
    real = attrs["mode"] == "nearest" or x in "iuf"
    return is_plain(types[0].dtype) and real and roi == scales == "f" and sizes in "iu"


def _chosen_from(types: Types, attrs: Attrs) -> bool:
    return (
        attrs["mode"] in MODES
        and attrs["coordinate_transformation_mode"] in TRANSFORMATIONS
        and attrs["nearest_mode"] in NEAREST
        and attrs["keep_aspect_ratio_policy"] in POLICIES
    )


def _sensible(types: Types, attrs: Attrs) -> bool:
    x, _, scales, sizes = types
    if not all(isinstance(s, str) or 0 < s < math.inf for s in scales.known or ()):
        return False
    if not all(isinstance(d, str) or d >= 0 for d in sizes.known or ()):
        return False
    grown = zip(x.shape, _resized_shape(types, attrs), strict=True)
    return all(may_equal(after, 0) for before, after in grown if before == 0)


def _has_parts(types: Types, attrs: Attrs) -> bool:
    if attrs["coordinate_transformation_mode"] != "tf_crop_and_resize":
        return True
    finite = all(isinstance(r, str) or math.isfinite(r) for r in types[1].known or ())
    return finite and length(types[1]) == 2 * len(resized_axes(types[0].ndim, attrs))


def _numbers(types: Types, attrs: Attrs) -> bool:
    a = attrs["cubic_coeff_a"]
    return math.isfinite(a) and {attrs["exclude_outside"], attrs["antialias"]} <= {0, 1}


RESIZE = Op(
    "resize",
    ("x", "roi", "scales", "sizes"),
    (
        Constraint(
            "C1", "axes must be None or name axes of X, each once",
            lambda types, attrs: attrs["axes"] is None
            or (isinstance(attrs["axes"], tuple) and are_axes(attrs["axes"], types[0].ndim)),
        ),
        Constraint(
            "C2", "roi, scales and sizes must be vectors, and either scales or sizes have a value "
            "for each axis, the other none",
            _one_for_each_axis,
        ),
        Constraint(
            "C3", "X's dtype must be supported, and real unless mode is nearest, roi and scales "
            "floating-point, sizes whole numbers",
            _dtypes, DTypeError,
        ),
        Constraint(
            "C4", "mode, coordinate_transformation_mode, nearest_mode and keep_aspect_ratio_policy "
            "must be among ONNX's",
            _chosen_from,
        ),
        Constraint(
            "C5", "scales must be positive, sizes not negative, and an axis without elements stay "
            "without",
            _sensible,
        ),
        Constraint(
            "C6", "for tf_crop_and_resize roi must have a start for each axis, then each end",
            _has_parts,
        ),
        Constraint(
            "C7", "cubic_coeff_a must be finite, exclude_outside and antialias 0 or 1", _numbers,
        ),
    ),
    lambda types, attrs: TensorType(_resized_shape(types, attrs), types[0].dtype),
    _resize,
    _flops,
    resize_samples,
    attrs={
        "mode": "nearest",
        "coordinate_transformation_mode": "half_pixel",
        "nearest_mode": "round_prefer_floor",
        "cubic_coeff_a": -0.75,
        "exclude_outside": 0,
        "extrapolation_value": 0.0,
        "antialias": 0,
        "axes": None,
        "keep_aspect_ratio_policy": "stretch",
    },
    told=(1, 2, 3),
)  # fmt: skip
