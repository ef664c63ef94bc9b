"""The second oracle's answer of ``resize``: ONNX's text, element by element, in fractions.

Coordinates are computed in Python's floats, as the text has them; what follows is exact. All taps
of all axes are added up at once.
"""

import itertools
import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from tests.oracle.fraction_operands import Attrs, Operands
from tests.oracle.fraction_oracle import Number, number, total

Taps = list[tuple[int, Fraction]]


class _Axis(NamedTuple):
    length: int
    size: int
    scale: float
    start: float
    end: float


def _round_half_up(x: float) -> int:
    return math.floor(x + 0.5)


def _axes(operands: Operands, attrs: Attrs) -> list[_Axis | None]:
    """Return what becomes of each axis; None for one that stays as it is."""
    x, roi, scales, sizes = operands
    found: list[_Axis | None] = [None] * x.ndim
    axes = attrs["axes"] if attrs["axes"] is not None else tuple(range(x.ndim))
    policy, every = attrs["keep_aspect_ratio_policy"], list(enumerate(axes))
    for i, axis in every:
        n = x.shape[axis]
        if scales.size:
            scale = float(scales[i])
            count = math.floor(scale * n)
        elif policy == "stretch":
            count = int(sizes[i])
            scale = count / n if n else 1.0
        else:
            choose = min if policy == "not_larger" else max
            scale = choose(int(sizes[j]) / x.shape[a] for j, a in every)
            count = _round_half_up(scale * n)
        crop = attrs["coordinate_transformation_mode"] == "tf_crop_and_resize"
        part = (float(roi[i]), float(roi[len(axes) + i])) if crop else (0.0, 1.0)
        if (scale, count, *part) != (1.0, n, 0.0, 1.0):
            found[axis] = _Axis(n, count, scale, *part)
    return found


def _original(i: int, axis: _Axis, how: str) -> float:
    """Return ``x_original`` of ``x_resized``."""
    width, last = axis.scale * axis.length, axis.length - 1
    if how == "asymmetric":
        return i / axis.scale
    if how == "align_corners":
        return 0.0 if width == 1 else i * last / (width - 1)
    if how == "tf_crop_and_resize":
        if width == 1:
            return 0.5 * (axis.start + axis.end) * last
        return i * (axis.end - axis.start) * last / (width - 1) + axis.start * last
    if how == "pytorch_half_pixel" and width == 1:
        return 0.0
    found = (i + 0.5) / axis.scale - 0.5
    if how == "half_pixel_symmetric":
        found = axis.length / 2 * (1 - axis.size / width) + found
    return found


def _weight(distance: Fraction, attrs: Attrs) -> Fraction:
    x, a = abs(distance), Fraction(attrs["cubic_coeff_a"])
    if attrs["mode"] == "linear":
        return max(1 - x, Fraction(0))
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else Fraction(0)


def _nearest(x: Fraction, how: str) -> int:
    if how in ("floor", "ceil"):
        return math.floor(x) if how == "floor" else math.ceil(x)
    low = math.floor(x)
    above = x - low > Fraction(1, 2) or (how == "round_prefer_ceil" and x - low == Fraction(1, 2))
    return low + above


def _taps(i: int, axis: _Axis, attrs: Attrs) -> Taps | None:
    """Return what an element is made of along an axis; None beyond a cropped one."""
    at = Fraction(_original(i, axis, attrs["coordinate_transformation_mode"]))
    crops = attrs["coordinate_transformation_mode"] == "tf_crop_and_resize"
    if crops and not 0 <= at <= axis.length - 1:
        return None
    last = axis.length - 1
    if attrs["mode"] == "nearest":
        return [(min(max(_nearest(at, attrs["nearest_mode"]), 0), last), Fraction(1))]
    stretch = min(Fraction(1), Fraction(axis.scale)) if attrs["antialias"] else Fraction(1)
    reach = math.ceil(2 / stretch) + 1
    near = range(math.floor(at) - reach, math.floor(at) + reach + 1)
    found = [(p, _weight((p - at) * stretch, attrs)) for p in near]
    if attrs["exclude_outside"]:
        found = [(p, w) for p, w in found if 0 <= p <= last]
    if attrs["exclude_outside"] or attrs["antialias"]:
        every = sum((w for _, w in found), Fraction(0))
        found = [(p, w / every) for p, w in found]
    return [(min(max(p, 0), last), w) for p, w in found if w]


def _element(x: Any, at: tuple[int, ...], axes: list[_Axis | None], attrs: Attrs) -> Number | None:
    lines: list[Taps] = []
    for i, axis in zip(at, axes, strict=True):
        taps = [(i, Fraction(1))] if axis is None else _taps(i, axis, attrs)
        if taps is None:
            return None
        lines.append(taps)
    if attrs["mode"] == "nearest":
        return number(x[tuple(line[0][0] for line in lines)], x.dtype)
    terms: list[Number] = []
    for chosen in itertools.product(*lines):
        weight = math.prod((w for _, w in chosen), start=Fraction(1))
        (value,) = number(x[tuple(p for p, _ in chosen)], x.dtype)
        terms.append((value * weight if isinstance(value, Fraction) else value * float(weight),))
    (sum_of,) = total(terms, 1)
    if x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        sum_of = Fraction(min(max(round(sum_of), int(limits.min)), int(limits.max)))
    return (sum_of,)


def _resize(operands: Operands, attrs: Attrs) -> Any:
    x = operands[0]
    axes = _axes(operands, attrs)
    shape = [n if axis is None else axis.size for n, axis in zip(x.shape, axes, strict=True)]
    found = np.empty(shape, object)
    for at in np.ndindex(*shape):
        element = _element(x, at, axes, attrs)
        value = attrs["extrapolation_value"]
        found[at] = number(value, x.dtype) if element is None else element
    return found


ANSWERS = {"resize": _resize}
