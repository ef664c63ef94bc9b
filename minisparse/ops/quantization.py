"""Numbers as small integers and back, ONNX QuantizeLinear and DequantizeLinear.

``y = saturate(round(x / scale) + zero_point)``, halves to even, and ``x = (y - zero_point) *
scale``. scale and zero_point are single numbers, or one for each place along ``axis``, or, with
``block_size``, one for so many places together. Source: ONNX operators, QuantizeLinear and
DequantizeLinear (version 21); Jacob et al., arXiv:1712.05877.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.errors import DTypeError
from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.ops.constraints import are_ints, kind_of
from minisparse.ops.dims import may_equal
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

NARROW = ("uint8", "int8", "uint16", "int16")
"""What numbers are quantized to."""


def quotient_dtype(x: DType, scale: DType) -> DType:
    """Return the dtype to which ``x / scale`` is rounded: scale's where x is of integers."""
    return scale if x.kind in "iu" else np.result_type(x, scale)


def spread(values: Array, shape: tuple[int, ...], axis: int, block_size: int) -> Array:
    """Return scales or zero points such that they broadcast to X's shape.

    Examples
    --------
    >>> spread(np.array([1.0, 2.0]), (2, 3), 0, 0).shape
    (2, 1)
    >>> spread(np.array([[1.0, 2.0]]), (1, 3), 1, 2)
    array([[1., 1., 2.]])
    """
    if values.ndim == 0 or (values.ndim == 1 and values.size == 1):
        return values.reshape(())
    if block_size:
        repeated = np.repeat(values, block_size, axis)
        kept: Array = repeated[(slice(None),) * (axis % len(shape)) + (slice(shape[axis]),)]
        return kept
    along = [1] * len(shape)
    along[axis] = values.size
    return values.reshape(along)


def _quantize(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, scale, *zero = operands
    held: DType = np.dtype(zero[0].dtype if zero else attrs["dtype"])
    where = (x.shape, attrs["axis"], attrs["block_size"])
    dtype = quotient_dtype(x.dtype, scale.dtype)
    wide = accumulator(dtype)
    quotient = x.astype(wide) / spread(scale.astype(wide), *where)
    y = np.rint(quotient.astype(dtype).astype(wide))
    y = np.where(np.isnan(y), wide.type(0), y)
    if zero:
        y = y + spread(zero[0].astype(wide), *where)
    limits = np.iinfo(held)
    return asarray(np.clip(y, int(limits.min), int(limits.max)).astype(held))


def _dequantize(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, scale, *zero = operands
    where = (x.shape, attrs["axis"], attrs["block_size"])
    wide = accumulator(scale.dtype)
    y = x.astype(np.int64)
    if zero:
        y = y - spread(zero[0].astype(np.int64), *where)
    return asarray((y.astype(wide) * spread(scale.astype(wide), *where)).astype(scale.dtype))


def _for_all(t: TensorType) -> bool:
    """Tell whether a scale is one for all of X."""
    return t.ndim == 0 or t.shape == (1,)


def _axis_fits(types: Types, attrs: Attrs) -> bool:
    ndim, axis = types[0].ndim, attrs["axis"]
    return _for_all(types[1]) or (are_ints((axis,), 1, -ndim) and bool(axis < ndim))


def _block_fits(types: Types, attrs: Attrs) -> bool:
    return are_ints((attrs["block_size"],), 1, 0)


def _scale_fits(types: Types, attrs: Attrs) -> bool:
    x, scale = types[:2]
    if _for_all(scale):
        return True
    axis, block = attrs["axis"], attrs["block_size"]
    if not block:
        return scale.ndim == 1 and may_equal(scale.shape[0], x.shape[axis])
    wanted: list[Dim] = list(x.shape)
    size = x.shape[axis]
    wanted[axis] = -(-size // block) if isinstance(size, int) else scale.shape[axis % scale.ndim]
    return scale.ndim == x.ndim and all(map(may_equal, scale.shape, wanted))


def _zero_fits(types: Types, attrs: Attrs) -> bool:
    if len(types) < 3:
        return True
    scale, zero = types[1:]
    alone = _for_all(scale) and _for_all(zero)
    return alone or (zero.ndim == scale.ndim and all(map(may_equal, zero.shape, scale.shape)))


def _quantizable(types: Types, attrs: Attrs) -> bool:
    x, scale = (t.dtype for t in types[:2])
    if not (x.name == "int32" or kind_of(x) == "f") or kind_of(scale) != "f":
        return False
    return x.name == "int32" or {x.name, scale.name} != {"float16", "bfloat16"}


def _narrow(types: Types, attrs: Attrs) -> bool:
    return (types[2].dtype.name if len(types) > 2 else attrs["dtype"]) in NARROW


def _dequantizable(types: Types, attrs: Attrs) -> bool:
    x, scale, *zero = (t.dtype for t in types)
    known = x.name in (*NARROW, "int32") and kind_of(scale) == "f"
    return known and all(z == x for z in zero)


def _quantized_type(types: Types, attrs: Attrs) -> TensorType:
    held = types[2].dtype if len(types) > 2 else np.dtype(attrs["dtype"])
    return TensorType(types[0].shape, held)


def _scales(rng: "np.random.Generator", shape: tuple[int, ...]) -> Array:
    return np.asarray(rng.uniform(0.01, 0.5, shape)).astype("f4")


def _quantize_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (3, 4, 5), "f4") * np.float32(30)
    one, zero = np.float32(0.25), np.array(7, "u1")
    yield Sample("one scale", (x, np.array(one)))
    yield Sample("a zero point", (x, np.array(one), zero))
    yield Sample("a vector of one", (x, np.array([one]), np.array([3], "i1")))
    yield Sample("int16", (x, np.array(one / 1000)), {"dtype": "int16"})
    zeros = rng.integers(0, 200, 4).astype("u1")
    yield Sample("along axis 1", (x, _scales(rng, (4,)), zeros))
    yield Sample("along the first", (x, _scales(rng, (3,)), zeros[:3].astype("u2")), {"axis": 0})
    blocks = {"axis": -1, "block_size": 2}
    yield Sample("in blocks", (x, _scales(rng, (3, 4, 3))), blocks)
    zeros = rng.integers(-20, 20, (3, 4, 3)).astype("i1")
    yield Sample("in blocks with zero points", (x, _scales(rng, (3, 4, 3)), zeros), blocks)
    halves = np.arange(-6, 6).astype("f4") / 2
    yield Sample("halves", (halves, np.array(1, "f4")), {"dtype": "int8"})
    special = np.array([np.nan, np.inf, -np.inf, 1e38, -1e38, -0.0], "f4")
    yield Sample("NaN and what saturates", (special, np.array(0.1, "f4"), zero))
    yield Sample("a scale of 0", (np.array([-1, 0, 1], "f4"), np.array(0, "f4"), zero))
    yield Sample("no dimensions", (np.array(3.3, "f4"), np.array(one)))
    yield Sample("no elements", (x[:0], _scales(rng, (4,))))
    yield Sample("float16", (x.astype("f2"), np.array(one, "f2")))
    yield Sample("float64", (x.astype("f8"), np.array(one, "f8")))
    whole = rng.integers(-1000, 1000, (3, 4)).astype("i4")
    yield Sample("int32", (whole, np.array(3.7, "f4")), {"dtype": "int8"})


def _dequantize_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = rng.integers(0, 256, (3, 4, 5)).astype("u1")
    one, zero = np.array(0.25, "f4"), np.array(7, "u1")
    yield Sample("one scale", (x, one))
    yield Sample("a zero point", (x, one, zero))
    yield Sample("a vector of one", (x, one[None], zero[None]))
    zeros = rng.integers(0, 200, 4).astype("u1")
    yield Sample("along axis 1", (x, _scales(rng, (4,)), zeros))
    yield Sample("along the first", (x, _scales(rng, (3,))), {"axis": 0})
    blocks = {"axis": -1, "block_size": 2}
    yield Sample("in blocks", (x, _scales(rng, (3, 4, 3))), blocks)
    zeros = rng.integers(0, 200, (3, 4, 3)).astype("u1")
    yield Sample("in blocks with zero points", (x, _scales(rng, (3, 4, 3)), zeros), blocks)
    large = np.array([-(2**31), 2**31 - 1, 123456789], "i4")
    yield Sample("int32", (large, np.array(0.1, "f4"), np.array(-5, "i4")))
    yield Sample("int8", (x.astype("i1"), one, np.array(-3, "i1")))
    yield Sample("uint16", (x.astype("u2") * np.uint16(200), _scales(rng, (4,))))
    yield Sample("no dimensions", (np.array(3, "i1"), one))
    yield Sample("no elements", (x[:0], one))
    yield Sample("float16", (x, np.array(0.1, "f2"), zero))
    yield Sample("float64", (x, np.array(0.1, "f8"), zero))
    yield Sample("what overflows", (x, np.array(3e38, "f4")))


_AXIS = Constraint(
    "C1", "axis must name an axis of X where there is more than one scale", _axis_fits
)
_BLOCK = Constraint("C2", "block_size must be a whole number, and not negative", _block_fits)
_SCALE = Constraint(
    "C3",
    "scale must be one number, or one for each place along axis, or in X's dimensions one for each "
    "block_size places along axis",
    _scale_fits,
)
_ZERO = Constraint("C4", "zero_point must have scale's shape", _zero_fits)

QUANTIZE_LINEAR = Op(
    "quantize_linear",
    ("x", "scale", "zero_point?"),
    (
        _AXIS,
        _BLOCK,
        _SCALE,
        _ZERO,
        Constraint(
            "C5",
            "x must be real floating-point or int32, and scale real floating-point",
            _quantizable,
            DTypeError,
        ),
        Constraint(
            "C6",
            "zero_point, or dtype where there is none, must be uint8, int8, uint16 or int16",
            _narrow,
            DTypeError,
        ),
    ),
    _quantized_type,
    _quantize,
    lambda types, attrs: 4 * types[0].size,
    _quantize_samples,
    attrs={"axis": 1, "dtype": "uint8", "block_size": 0},
)
DEQUANTIZE_LINEAR = Op(
    "dequantize_linear",
    ("x", "scale", "zero_point?"),
    (
        _AXIS,
        _BLOCK,
        _SCALE,
        _ZERO,
        Constraint(
            "C5",
            "x must be uint8, int8, uint16, int16 or int32, zero_point likewise, and scale real "
            "floating-point",
            _dequantizable,
            DTypeError,
        ),
    ),
    lambda types, attrs: TensorType(types[0].shape, types[1].dtype),
    _dequantize,
    lambda types, attrs: 2 * types[0].size,
    _dequantize_samples,
    attrs={"axis": 1, "block_size": 0},
)
