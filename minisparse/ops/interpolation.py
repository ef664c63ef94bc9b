"""Interpolation along one axis: which elements each new one is made of, and with what weights.

An axis of ``length`` elements becomes one of ``count``. Where element i of the new one lies on the
old is the matter of a coordinate transformation: the formulas are ONNX's (Resize, opset 19), in
float64. There the elements nearby are weighted: ``nearest`` takes one, ``linear`` two, ``cubic``
four, by Keys' kernel (IEEE Trans. ASSP 29(6), 1981, equation 4). With ``antialias`` the kernel is
stretched where the axis shrinks, so that every element counts for something. Beyond its ends an
axis goes on with its first and last element.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.xp import namespace
from minisparse.ops.constraints import kind_of

TRANSFORMATIONS = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
)
NEAREST: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}
MODES = ("nearest", "linear", "cubic")


@dataclass(frozen=True, slots=True)
class Axis:
    """What becomes of one axis.

    Attributes
    ----------
    length, count : int
        How many elements it has, and will have.
    scale : float
        By how much it is stretched; ``scale * length`` need not be ``count``, nor a whole number.
    start, end : float
        What part of it is taken, of the whole from 0 to 1; for ``tf_crop_and_resize`` alone.
    """

    length: int
    count: int
    scale: float
    start: float = 0.0
    end: float = 1.0


class Taps(NamedTuple):
    """The elements that each new one is made of: ``y[i] = sum_t weights[i, t] * x[places[i, t]]``.

    Attributes
    ----------
    places : ndarray, int64 [count, taps]
        Within the axis.
    weights : ndarray, float64 [count, taps]
        They add up to 1.
    outside : ndarray, bool [count]
        Whether the new element lies beyond the axis, and is given another value.
    """

    places: Array
    weights: Array
    outside: Array


def coordinates(axis: Axis, transformation: str) -> Array:
    """Return where each new element lies on the old axis, float64 ``[count]``.

    Examples
    --------
    >>> coordinates(Axis(2, 4, 2.0), "half_pixel"), coordinates(Axis(3, 5, 5 / 3), "align_corners")
    (array([-0.25,  0.25,  0.75,  1.25]), array([0. , 0.5, 1. , 1.5, 2. ]))
    """
    i = np.arange(axis.count, dtype=np.float64)
    last, width = axis.length - 1, axis.scale * axis.length
    if transformation == "align_corners":
        return np.zeros_like(i) if width == 1 else i * last / (width - 1)
    if transformation == "asymmetric":
        return i / axis.scale
    if transformation == "tf_crop_and_resize":
        if width == 1:
            return np.full_like(i, 0.5 * (axis.start + axis.end) * last)
        return i * (axis.end - axis.start) * last / (width - 1) + axis.start * last
    if transformation == "pytorch_half_pixel" and width == 1:
        return np.zeros_like(i)
    found = (i + 0.5) / axis.scale - 0.5
    if transformation == "half_pixel_symmetric":
        found = axis.length / 2 * (1 - axis.count / width) + found
    return found


def _triangle(distance: Array) -> Array:
    found: Array = np.clip(1 - abs(distance), 0, 1)
    return found


def _keys(distance: Array, a: float) -> Array:
    x = abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def nearest_places(axis: Axis, transformation: str, rounding: str) -> Array:
    """Return the one element that each new one is, int64 ``[count]``."""
    at = coordinates(axis, transformation)
    return NEAREST[rounding](at).clip(0, axis.length - 1).astype(np.int64)


def taps(
    axis: Axis,
    mode: str,
    transformation: str,
    a: float = -0.75,
    exclude_outside: bool = False,
    antialias: bool = False,
) -> Taps:
    """Return what ``linear`` or ``cubic`` interpolation makes each new element of.

    Parameters
    ----------
    axis : Axis
        With at least one element.
    mode : {"linear", "cubic"}
        The kernel.
    transformation : str
        One of :data:`TRANSFORMATIONS`.
    a : float
        The free parameter of Keys' kernel.
    exclude_outside : bool
        Whether elements beyond the ends weigh nothing, and the others so much more.
    antialias : bool
        Whether the kernel is stretched where the axis shrinks.

    Examples
    --------
    >>> found = taps(Axis(2, 4, 2.0), "linear", "half_pixel")
    >>> found.places.tolist(), found.weights[1].tolist()
    ([[0, 0], [0, 1], [0, 1], [1, 1]], [0.75, 0.25])
    """
    at = coordinates(axis, transformation)
    stretch = min(axis.scale, 1.0) if antialias else 1.0
    reach = int(np.ceil((1 if mode == "linear" else 2) / stretch))
    left = np.floor(at)
    near = left[:, None] + np.arange(1 - reach, reach + 1)
    distance = (near - at[:, None]) * stretch
    weights = _triangle(distance) if mode == "linear" else _keys(distance, a)
    if exclude_outside:
        weights = np.where((near < 0) | (near >= axis.length), 0.0, weights)
    if exclude_outside or antialias:
        total = weights.sum(axis=1, keepdims=True)
        weights = weights / np.where(total == 0, 1.0, total)
    outside = np.zeros(axis.count, bool)
    if transformation == "tf_crop_and_resize":
        outside = (at < 0) | (at > axis.length - 1)
    return Taps(near.clip(0, axis.length - 1).astype(np.int64), weights, outside)


def weighted(x: Array, axis: int, found: Taps) -> Array:
    """Return weighted sums along an axis, in the dtype of X.

    What weighs 0 is left out: an infinity there does no harm.
    """
    column = (-1, *[1] * (x.ndim - axis - 1))
    shape = (*x.shape[:axis], len(found.places), *x.shape[axis + 1 :])
    xp = namespace(x)
    y: Array = xp.zeros(shape, x.dtype)
    for places, weights in zip(found.places.T, found.weights.T, strict=True):
        part = np.take(x, xp.asarray(places), axis)
        part *= xp.asarray(weights.astype(x.dtype).reshape(column))
        if not weights.all():
            part = np.where(xp.asarray((weights != 0).reshape(column)), part, 0)
        y += part
    return y


def computed_in(dtype: DType) -> DType:
    """Return in what sums of weighted elements are formed: float64 for whole numbers too."""
    return np.dtype(np.float64) if kind_of(dtype) != "f" else accumulator(dtype)


def rounded_to(y: Array, dtype: DType) -> Array:
    """Return values in a dtype: whole ones rounded, and the nearest that it holds beyond its ends.

    Examples
    --------
    >>> rounded_to(np.array([-3.0, 2.5, 300.0]), np.dtype("uint8"))
    array([  0,   2, 255], dtype=uint8)
    """
    if dtype.kind not in "iu":
        return y.astype(dtype)
    limits = np.iinfo(dtype)
    found = np.round(y)
    large, small = found >= float(limits.max), found <= float(limits.min)
    inner = np.where(large | small | np.isnan(found), 0, found).astype(dtype)
    return np.where(large, limits.max, np.where(small, limits.min, inner)).astype(dtype)
