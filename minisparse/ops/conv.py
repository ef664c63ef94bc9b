"""Convolution, ONNX Conv on images: a window slides over X, and each filter gives one sum a place.

``Y[n, m, y, x] = bias[m] + sum_{c, i, j} W[m, c, i, j] * X[n, c', y*s + i*d - p, x*s + j*d - p]``,
with strides s, dilations d, pads p, and c' the c-th channel of m's group; around the image X is 0.
W is ``[M, C / group, kh, kw]``, or the same flattened to a matrix ``[M, C * kh * kw]`` in any
format; then ``kernel_shape`` says what kh and kw are. Source: ONNX operators, Conv (version 11).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.triplets import Triplets
from minisparse.ops.constraints import are_ints, dtypes_mix
from minisparse.ops.dims import result_dtype, window_count
from minisparse.ops.hard_matrices import hard_matrices, random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def kernel_shape(w_shape: Sequence[int | str], attrs: Attrs) -> tuple[int, int]:
    """Return kh and kw, from W's shape or, where that is 2-D, from the attribute."""
    kh, kw = w_shape[2:] if len(w_shape) == 4 else attrs["kernel_shape"]
    return int(kh), int(kw)


def output_size(
    x_shape: Sequence[int | str], kernel: tuple[int, int], attrs: Attrs
) -> tuple[int, int]:
    """Return height and width of the result."""
    top, left, bottom, right = attrs["pads"]
    (sh, sw), (dh, dw) = attrs["strides"], attrs["dilations"]
    height = window_count(int(x_shape[2]), kernel[0], sh, dh, top + bottom)
    width = window_count(int(x_shape[3]), kernel[1], sw, dw, left + right)
    return height, width


def _attrs_fit(types: Types, attrs: Attrs) -> bool:
    given = attrs["kernel_shape"]
    w = types[1].shape
    return (
        are_ints(attrs["pads"], 4, 0)
        and are_ints(attrs["strides"], 2, 1)
        and are_ints(attrs["dilations"], 2, 1)
        and are_ints((attrs["group"],), 1, 1)
        and (given is None or are_ints(given, 2, 1))
        and (len(w) == 2 or given is None or tuple(given) == w[2:])
    )


def _channels_fit(types: Types, attrs: Attrs) -> bool:
    x, w = types[:2]
    channels, filters, group = x.shape[1], w.shape[0], attrs["group"]
    if not isinstance(channels, int) or not isinstance(filters, int):
        return False
    if w.ndim == 2:
        kh, kw = attrs["kernel_shape"]
        return bool(w.shape[1] == channels * kh * kw)
    divides = channels % group == 0 and filters % group == 0
    return bool(divides and w.shape[1] == channels // group)


def _window_fits(types: Types, attrs: Attrs) -> bool:
    size = output_size(types[0].shape, kernel_shape(types[1].shape, attrs), attrs)
    return min(size) >= 1


def _result(types: Types, attrs: Attrs) -> TensorType:
    x, w = types[:2]
    size = output_size(x.shape, kernel_shape(w.shape, attrs), attrs)
    return TensorType((x.shape[0], w.shape[0], *size), result_dtype(types))


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, w, *bias = operands
    kh, kw = kernel_shape(w.shape, attrs)
    (height, width), group = output_size(x.shape, (kh, kw), attrs), attrs["group"]
    filters, channels = w.shape[0], x.shape[1] // group
    dtype = np.result_type(*operands)
    wide = accumulator(dtype)
    top, left, bottom, right = attrs["pads"]
    padded = np.pad(x.astype(wide), ((0, 0), (0, 0), (top, bottom), (left, right)))
    w = w.reshape(group, filters // group, channels, kh, kw).astype(wide)
    y = np.zeros((x.shape[0], group, filters // group, height, width), wide)
    (sh, sw), (dh, dw) = attrs["strides"], attrs["dilations"]
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dh, i * dh + (height - 1) * sh + 1, sh)
            columns = slice(j * dw, j * dw + (width - 1) * sw + 1, sw)
            seen = padded[:, :, rows, columns].reshape(x.shape[0], group, channels, height, width)
            y += np.einsum("gmc,ngchw->ngmhw", w[..., i, j], seen)
    y = y.reshape(x.shape[0], filters, height, width)
    if bias:
        y = y + bias[0].astype(wide)[:, None, None]
    return y.astype(dtype)


def _flops(types: Types, attrs: Attrs) -> int:
    """Count a multiply-add per stored weight and place, and the bias's addition per element."""
    y = _result(types, attrs).dims
    places = y[0] * y[2] * y[3]
    return 2 * types[1].nnz * places + (y[1] * places if len(types) > 2 else 0)


def _samples(rng: np.random.Generator) -> Iterator[Sample]:
    x = random_values(rng, (2, 4, 7, 6), "float32")
    w = random_values(rng, (6, 4, 3, 2), "float32")
    bias = random_values(rng, (6,), "float32")
    yield Sample("plain", (x, w))
    yield Sample("bias and padding", (x, w, bias), {"pads": (1, 0, 2, 1)})
    yield Sample("strides", (x, w, bias), {"strides": (2, 3), "pads": (1, 1, 1, 1)})
    yield Sample("dilations", (x, w), {"dilations": (2, 3)})
    yield Sample("two groups", (x, w[:, :2].copy(), bias), {"group": 2})
    yield Sample("depthwise", (x, random_values(rng, (4, 1, 3, 3), "float32")), {"group": 4})
    yield Sample("1x1", (x, w[:, :, :1, :1].copy()))
    yield Sample("window as large as the image", (x, random_values(rng, (3, 4, 7, 6), "float32")))
    yield Sample("no images", (x[:0], w, bias))
    for dtype in ("float64", "float16", "int8", "complex64"):
        yield Sample(
            dtype,
            (random_values(rng, (1, 2, 4, 4), dtype), random_values(rng, (3, 2, 3, 3), dtype)),
        )
    yield from _flattened_samples(rng)


def _flattened_samples(rng: np.random.Generator) -> Iterator[Sample]:
    """Yield the hard matrices whose columns are some channels times 2 x 1, as weights."""
    attrs = {"kernel_shape": (2, 1), "pads": (1, 0, 0, 0)}
    for label, w in hard_matrices(rng):
        if w.shape[1] % 2 == 0:
            x = random_values(rng, (2, w.shape[1] // 2, 4, 3), w.data.dtype)
            yield Sample(f"flattened: {label}", (x, w), attrs)
    row, col = np.nonzero(rng.random((5, 27)) < 0.3)
    w = Triplets(row, col, random_values(rng, (len(row),), "float32"), (5, 27))
    x, bias = random_values(rng, (2, 3, 8, 8), "float32"), random_values(rng, (5,), "float32")
    attrs = {"kernel_shape": (3, 3), "strides": (2, 1), "pads": (1, 1, 1, 1), "dilations": (1, 2)}
    yield Sample("flattened: 3x3 with everything", (x, w, bias), attrs)


CONV = Op(
    "conv",
    ("x", "w", "bias?"),
    (
        Constraint(
            "C1",
            "X must be [N, C, H, W], W 4-D or a matrix, bias 1-D",
            lambda types, attrs: (
                types[0].ndim == 4
                and types[1].ndim in (2, 4)
                and all(t.ndim == 1 for t in types[2:])
            ),
        ),
        Constraint(
            "C2",
            "pads must be 4 numbers (top, left, bottom, right), strides and dilations 2 positive "
            "ones, kernel_shape W's own",
            _attrs_fit,
        ),
        Constraint(
            "C3",
            "W as a matrix needs kernel_shape=(kh, kw) and group=1",
            lambda types, attrs: (
                types[1].ndim == 4 or (attrs["kernel_shape"] is not None and attrs["group"] == 1)
            ),
        ),
        Constraint(
            "C4",
            "W must be [M, C / group, kh, kw] or [M, C * kh * kw], with group dividing C and M",
            _channels_fit,
        ),
        Constraint(
            "C5",
            "H, W, kh and kw must be numbers; bind named ones first",
            lambda types, attrs: all(
                isinstance(d, int) for d in (*types[0].shape[2:], *types[1].shape[2:])
            ),
        ),
        Constraint("C6", "the window must fit into the padded image", _window_fits),
        Constraint(
            "C7",
            "bias must have one value for each of W's filters",
            lambda types, attrs: all(t.shape[0] == types[1].shape[0] for t in types[2:]),
        ),
        dtypes_mix("C8"),
    ),
    _result,
    _dense,
    _flops,
    _samples,
    attrs={
        "kernel_shape": None,
        "pads": (0, 0, 0, 0),
        "strides": (1, 1),
        "dilations": (1, 1),
        "group": 1,
    },
    sparse=(1,),
    sums_products=True,
)
