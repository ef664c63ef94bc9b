"""``depth_to_space`` and ``space_to_depth``: channels become square blocks of pixels, and back.

With blocks of b x b pixels, ``[N, C * b * b, H, W]`` becomes ``[N, C, H * b, W * b]``. In mode
``DCR`` a pixel's place in the block counts before the channel, in ``CRD`` after it.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError
from minisparse.core.symbolic import Dim, divide, multiply
from minisparse.core.tensor_type import TensorType
from minisparse.ops.axes import dtypes_are, no_flops, settled
from minisparse.ops.constraints import are_ints, has_ndim
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

MODES = ("DCR", "CRD")


def _divides(number: int, dim: Dim) -> bool:
    return not isinstance(dim, int) or dim % number == 0


def _to_space_type(types: Types, attrs: Attrs) -> TensorType:
    (x,), b = types, attrs["blocksize"]
    n, c, h, w = x.shape
    shape = n, _quotient(c, b * b), settled(multiply([h, b])), settled(multiply([w, b]))
    return TensorType(shape, x.dtype)


def _quotient(dim: Dim, by: int) -> Dim:
    return dim // by if isinstance(dim, int) else settled(divide(dim, by))


def _to_space(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,), b = operands, attrs["blocksize"]
    n, c, h, w = x.shape
    if c % (b * b):
        raise ShapeError(f"depth_to_space (C3): X is {list(x.shape)}, blocksize {b}: {_DEPTH}")
    if attrs["mode"] == "DCR":
        parts = x.reshape(n, b, b, c // (b * b), h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        parts = x.reshape(n, c // (b * b), b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return parts.reshape(n, c // (b * b), h * b, w * b)


def _to_depth_type(types: Types, attrs: Attrs) -> TensorType:
    (x,), b = types, attrs["blocksize"]
    n, c, h, w = x.shape
    shape = n, settled(multiply([c, b * b])), _quotient(h, b), _quotient(w, b)
    return TensorType(shape, x.dtype)


def _to_depth(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,), b = operands, attrs["blocksize"]
    n, c, h, w = x.shape
    if h % b or w % b:
        raise ShapeError(f"space_to_depth (C3): X is {list(x.shape)}, blocksize {b}: {_SPACE}")
    blocks = x.reshape(n, c, h // b, b, w // b, b)
    order = (0, 3, 5, 1, 2, 4) if attrs["mode"] == "DCR" else (0, 1, 3, 5, 2, 4)
    return blocks.transpose(order).reshape(n, c * b * b, h // b, w // b)


def _samples(rng: "np.random.Generator", shape: tuple[int, ...]) -> Iterator[Sample]:
    x = random_values(rng, shape, "float32")
    for mode in MODES:
        yield Sample(mode, (x,), {"blocksize": 2, "mode": mode})
        yield Sample(f"{mode}, whole numbers", (np.arange(x.size).reshape(shape),),
                     {"blocksize": 2, "mode": mode})  # fmt: skip
    yield Sample("no blocks", (x,), {"blocksize": 1})
    yield Sample("no elements", (x[:0],), {"blocksize": 2})
    yield Sample("bool", (x > 0,), {"blocksize": 2})


_DEPTH = "blocksize must be positive, its square a divisor of the channels"
_SPACE = "blocksize must be positive, and divide height and width"


def _fits_depth(types: Types, attrs: Attrs) -> bool:
    b = attrs["blocksize"]
    return are_ints((b,), 1, 1) and _divides(b * b, types[0].shape[1])


def _fits_space(types: Types, attrs: Attrs) -> bool:
    b = attrs["blocksize"]
    return are_ints((b,), 1, 1) and all(_divides(b, d) for d in types[0].shape[2:])


_COMMON = (
    has_ndim("C1", "X must be [N, C, H, W]", {0: 4}),
    Constraint("C2", "mode must be DCR or CRD", lambda types, attrs: attrs["mode"] in MODES),
)

DEPTH_TO_SPACE = Op(
    "depth_to_space",
    ("x",),
    (
        *_COMMON,
        Constraint("C3", _DEPTH, _fits_depth),
        dtypes_are("C4", "X's dtype must be supported"),
    ),
    _to_space_type,
    _to_space,
    no_flops,
    lambda rng: _samples(rng, (2, 8, 2, 3)),
    attrs={"blocksize": 1, "mode": "DCR"},
    moves=True,
)

SPACE_TO_DEPTH = Op(
    "space_to_depth",
    ("x",),
    (
        *_COMMON,
        Constraint("C3", _SPACE, _fits_space),
        dtypes_are("C4", "X's dtype must be supported"),
    ),
    _to_depth_type,
    _to_depth,
    no_flops,
    lambda rng: _samples(rng, (2, 2, 4, 6)),
    attrs={"blocksize": 1, "mode": "DCR"},
    moves=True,
)
