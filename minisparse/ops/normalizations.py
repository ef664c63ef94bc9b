"""Normalization by mean and variance of the elements: of layers, instances, groups of channels.

``y = (x - mean) / sqrt(var + epsilon) * scale + bias``, mean and variance over some axes of X; the
root mean square in their place for ``rms_normalization``. The variance is the mean of the squared
differences from the mean. Sources: Ba, Kiros and Hinton, arXiv:1607.06450; Zhang and Sennrich,
arXiv:1910.07467; Ulyanov, Vedaldi and Lempitsky, arXiv:1607.08022; Wu and He, arXiv:1803.08494;
ONNX operators LayerNormalization (17), RMSNormalization (23), InstanceNormalization (22) and
GroupNormalization (21).
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.errors import DTypeError
from minisparse.core.symbolic import UNKNOWN, divide, is_unknown
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.ops.constraints import kind_of, plain_dtypes_mix
from minisparse.ops.dims import broadcast, may_equal, result_dtype
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types
from minisparse.ops.softmax import axis_named


def normalized(x: Array, axes: tuple[int, ...], epsilon: float, centered: bool = True) -> Array:
    """Return ``(x - mean) / sqrt(var + epsilon)`` over axes, in x's own dtype.

    Parameters
    ----------
    x : ndarray
        Of a real floating-point dtype, float32 at least.
    axes : tuple of int
        Over which mean and variance are taken.
    epsilon : float
        Added to the variance.
    centered : bool
        False takes the mean for 0: what is divided by is the root mean square.

    Examples
    --------
    >>> normalized(np.array([1.0, 3.0]), (0,), 0.0), normalized(np.array([3.0]), (0,), 0.0, False)
    (array([-1.,  1.]), array([1.]))
    """
    count = x.dtype.type(max(1, prod(x.shape[axis] for axis in axes)))
    if centered:
        x = x - x.sum(axis=axes, keepdims=True) / count
    variance = np.square(x).sum(axis=axes, keepdims=True) / count
    result: Array = x / np.sqrt(variance + x.dtype.type(epsilon))
    return result


def _last_axes(x: Array, attrs: Attrs) -> tuple[int, ...]:
    return tuple(range(attrs["axis"] % x.ndim, x.ndim))


def _by_last_axes(centered: bool) -> Callable[[Sequence[Array], Attrs], Array]:
    """Return the meaning of the two whose scale and bias have the dimensions normalized over."""

    def dense(operands: Sequence[Array], attrs: Attrs) -> Array:
        dtype = np.result_type(*operands)
        x, scale, *bias = (o.astype(accumulator(dtype)) for o in operands)
        y = normalized(x, _last_axes(x, attrs), attrs["epsilon"], centered) * scale
        return asarray(y + bias[0] if bias else y).astype(dtype)

    return dense


def _by_groups(x: Array, scale: Array, bias: Array, groups: int, epsilon: float) -> Array:
    """Return X ``[N, C, ...]`` normalized over groups of channels, with scale and bias ``[C]``."""
    dtype = np.result_type(x, scale, bias)
    wide = accumulator(dtype)
    n, c, *rest = x.shape
    parts = x.astype(wide).reshape(n, groups, c // max(groups, 1) * prod(rest))
    y = normalized(parts, (2,), epsilon).reshape(x.shape)
    channel = (c, *[1] * len(rest))
    return (y * scale.astype(wide).reshape(channel) + bias.astype(wide).reshape(channel)).astype(
        dtype
    )


def _instances(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, scale, bias = operands
    return _by_groups(x, scale, bias, x.shape[1], attrs["epsilon"])


def _groups(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, scale, bias = operands
    return _by_groups(x, scale, bias, attrs["num_groups"], attrs["epsilon"])


def _others_broadcast(types: Types, attrs: Attrs) -> bool:
    """Tell whether scale and bias broadcast to X's shape, and X's shape stays as it is."""
    wanted = types[0].shape
    found = broadcast([t.shape for t in types])
    return found is not None and len(found) == len(wanted) and all(map(may_equal, found, wanted))


def _of_channels(types: Types, attrs: Attrs) -> bool:
    return all(may_equal(t.shape[0], types[0].shape[1]) for t in types[1:])


def _groups_divide(types: Types, attrs: Attrs) -> bool:
    groups, channels = attrs["num_groups"], types[0].shape[1]
    if not isinstance(groups, int | np.integer) or groups < 1:
        return False
    return is_unknown(channels) or divide(channels, int(groups)) != UNKNOWN


def _samples_of_last_axes(rng: "np.random.Generator", with_bias: bool) -> Iterator[Sample]:
    def beside(shape: tuple[int, ...], dtype: Any = "f4") -> tuple[Array, ...]:
        return tuple(np.asarray(random_values(rng, shape, dtype)) for _ in range(1 + with_bias))

    x = random_values(rng, (3, 4, 5), "f4")
    yield Sample("the last axis", (x, *beside((5,))))
    yield Sample("without a bias", (x, *beside((5,))[:1]))
    yield Sample("two axes", (x, *beside((4, 5))), {"axis": 1})
    yield Sample("all axes", (x, *beside((3, 4, 5))), {"axis": 0})
    yield Sample("counted from the end", (x, *beside((1, 5))), {"axis": -2})
    yield Sample("one number for all", (x, *beside(())))
    yield Sample("a vector", (x[0, 0], *beside((5,))), {"epsilon": 0.5})
    yield Sample("no rows", (x[:0], *beside((5,))))
    yield Sample("empty rows", (x[..., :0], *beside((0,))))
    yield Sample("rows of one element", (x[..., :1], *beside((1,))))
    yield Sample("transposed", (x.T, *beside((3,))))
    yield Sample("a mean far from 0", (x + np.float32(1000), *beside((5,))))
    yield Sample("small values", (x * np.float32(1e-4), *beside((5,))))
    special = x.copy()
    special[0, 0, 0], special[1, 1, 1], special[2, 2, 2] = np.nan, np.inf, -np.inf
    special[0, 3] = 2.5
    yield Sample("NaN, inf and rows of one value", (special, *beside((5,))))
    yield Sample(
        "long rows of float16", (random_values(rng, (2, 300), "f2"), *beside((300,), "f2"))
    )
    yield Sample("float64", (x.astype("f8"), *beside((5,), "f8")))
    yield Sample("two dtypes", (x, *beside((5,), "f8")))


def _samples_of_channels(rng: "np.random.Generator", groups: bool) -> Iterator[Sample]:
    for shape, dtype, count in (
        ((2, 6, 4, 5), "float32", 3),
        ((3, 4, 7), "float32", 2),
        ((2, 4), "float32", 2),
        ((1, 2, 2, 3, 2), "float64", 1),
        ((0, 4, 3), "float32", 4),
        ((2, 4, 0), "float32", 4),
        ((2, 2, 9), "float16", 2),
    ):
        x = random_values(rng, shape, dtype)
        beside = (random_values(rng, shape[1:2], dtype), random_values(rng, shape[1:2], dtype))
        attrs = {"num_groups": count} if groups else {}
        yield Sample(f"{dtype} {'x'.join(map(str, shape))}", (x, *beside), attrs)
    special = random_values(rng, (3, 4, 3), "f4")
    special[0, 0, 0], special[1, 2, 1], special[2] = np.nan, np.inf, 1.5
    beside = (random_values(rng, (4,), "f4"), random_values(rng, (4,), "f4"))
    attrs = {"num_groups": 2} if groups else {}
    yield Sample("NaN, inf and channels of one value", (special, *beside), attrs)
    yield Sample("a larger epsilon", (special[2:] * 3, *beside), {**attrs, "epsilon": 0.5})


def _result(types: Types, attrs: Attrs) -> TensorType:
    return TensorType(types[0].shape, result_dtype(types))


_AXIS = axis_named("X")
_FLOATING = Constraint(
    "C3",
    "dtypes must be real floating-point and mix",
    lambda types, attrs: (
        plain_dtypes_mix(types, attrs) and all(kind_of(t.dtype) == "f" for t in types)
    ),
    DTypeError,
)
_EPSILON = Constraint(
    "C4",
    "epsilon must be finite, and not negative",
    lambda types, attrs: 0 <= attrs["epsilon"] < np.inf,
)
_IMAGES = Constraint(
    "C1",
    "X must be [N, C, ...]; scale and bias 1-D",
    lambda types, attrs: types[0].ndim >= 2 and all(t.ndim == 1 for t in types[1:]),
)
_CHANNELS = Constraint(
    "C2", "scale and bias must have one value for each of X's channels", _of_channels
)

LAYER_NORMALIZATION = Op(
    "layer_normalization",
    ("x", "scale", "bias?"),
    (
        _AXIS,
        Constraint("C2", "scale and bias must broadcast to X's shape", _others_broadcast),
        _FLOATING,
        _EPSILON,
    ),
    _result,
    _by_last_axes(centered=True),
    lambda types, attrs: 7 * types[0].size,
    lambda rng: _samples_of_last_axes(rng, with_bias=True),
    attrs={"axis": -1, "epsilon": 1e-5},
)
RMS_NORMALIZATION = Op(
    "rms_normalization",
    ("x", "scale"),
    (
        _AXIS,
        Constraint("C2", "scale must broadcast to X's shape", _others_broadcast),
        _FLOATING,
        _EPSILON,
    ),
    _result,
    _by_last_axes(centered=False),
    lambda types, attrs: 4 * types[0].size,
    lambda rng: _samples_of_last_axes(rng, with_bias=False),
    attrs={"axis": -1, "epsilon": 1e-5},
)
INSTANCE_NORMALIZATION = Op(
    "instance_normalization",
    ("x", "scale", "bias"),
    (_IMAGES, _CHANNELS, _FLOATING, _EPSILON),
    _result,
    _instances,
    lambda types, attrs: 7 * types[0].size,
    lambda rng: _samples_of_channels(rng, groups=False),
    attrs={"epsilon": 1e-5},
)
GROUP_NORMALIZATION = Op(
    "group_normalization",
    ("x", "scale", "bias"),
    (
        _IMAGES,
        _CHANNELS,
        _FLOATING,
        _EPSILON,
        Constraint("C5", "num_groups must be a positive number that divides C", _groups_divide),
    ),
    _result,
    _groups,
    lambda types, attrs: 7 * types[0].size,
    lambda rng: _samples_of_channels(rng, groups=True),
    attrs={"num_groups": 1, "epsilon": 1e-5},
)
