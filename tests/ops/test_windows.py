"""Windows that slide: where they lie, and what the ops make of them, from the formulas."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError
from minisparse.core.tensor_type import dense_type
from minisparse.core.triplets import Triplets
from minisparse.ops import OPS
from minisparse.ops.windows import places, seen_places, sliding
from tests.ops.breaches import of
from tests.ops.test_meaning import as_exact, assert_close, samples


def window_view(x: Array, attrs: dict[str, Any], kernel: tuple[int, ...], fill: Any) -> Array:
    """Return ``[N, C, *places, *kernel]``, without ceil_mode."""
    axes = len(kernel)
    pads = attrs["pads"] or (0,) * (2 * axes)
    strides, dilations = (attrs[name] or (1,) * axes for name in ("strides", "dilations"))
    margins = [(0, 0), (0, 0), *zip(pads[:axes], pads[axes:], strict=True)]
    padded = np.pad(x, margins, constant_values=fill)
    spans = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    where = tuple(range(2, 2 + axes))
    seen = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=where)
    steps = (*(slice(None, None, s) for s in (*strides, *dilations)),)
    return seen[(slice(None), slice(None), *steps)]


def test_conv() -> None:
    for sample, arrays, result in samples(OPS["conv"]):
        x, w, *bias = map(as_exact, arrays)
        attrs = OPS["conv"].complete(sample.attrs)
        group, kernel = attrs["group"], attrs["kernel_shape"] or w.shape[2:]
        seen = window_view(x, attrs, kernel, 0)
        axes, spatial = len(kernel), seen.shape[2 : 2 + len(kernel)]
        shape = (x.shape[0], group, x.shape[1] // group, *spatial, *kernel)
        w = w.reshape(group, w.shape[0] // group, x.shape[1] // group, *kernel)
        y, i = "uvw"[:axes], "ijk"[:axes]
        wanted = np.einsum(f"gmc{i},ngc{y}{i}->ngm{y}", w, seen.reshape(shape))
        wanted = wanted.reshape(x.shape[0], w.shape[0] * w.shape[1], *spatial)
        if bias:
            wanted = wanted + bias[0].reshape(-1, *[1] * axes)
        if result.dtype == bool:
            wanted = wanted > 0
        assert_close(result, wanted, sample.label)


def test_conv_agrees_with_scipy() -> None:
    signal = pytest.importorskip("scipy.signal")
    rng = np.random.default_rng(5)
    x, w = rng.standard_normal((1, 1, 9, 8)), rng.standard_normal((1, 1, 3, 2))
    conv, transposed = OPS["conv"], OPS["conv_transpose"]
    result = conv.dense((x, w), conv.complete({}))
    np.testing.assert_allclose(result[0, 0], signal.correlate2d(x[0, 0], w[0, 0], "valid"))
    result = transposed.dense((x, w), transposed.complete({}))
    np.testing.assert_allclose(result[0, 0], signal.convolve2d(x[0, 0], w[0, 0], "full"))


@pytest.mark.parametrize("name", ["conv", "conv_transpose"])
def test_convolutions_agree_with_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(6)
    op = OPS[name]
    for axes, group in product((1, 2, 3), (1, 2)):
        x = rng.standard_normal((2, 4, *(6, 5, 7)[:axes]))
        w = rng.standard_normal(((6, 4 // group) if name == "conv" else (4, 3)) + (3, 2, 2)[:axes])
        steps = {"strides": (2, 1, 3)[:axes], "dilations": (1, 2, 2)[:axes]}
        attrs = op.complete({**steps, "pads": (1, 0, 1)[:axes] * 2, "group": group})
        function = getattr(torch.nn.functional, f"{name}{axes}d")
        wanted = function(
            torch.from_numpy(x),
            torch.from_numpy(w),
            stride=attrs["strides"],
            padding=(1, 0, 1)[:axes],
            dilation=attrs["dilations"],
            groups=group,
        )
        np.testing.assert_allclose(op.dense((x, w), attrs), wanted.numpy(), rtol=1e-9, atol=1e-9)


def test_conv_transpose_is_the_adjoint_of_conv() -> None:
    """``<y, conv(x)> = <conv_transpose(y), x>`` where windows leave no place of X out."""
    rng = np.random.default_rng(7)
    steps = {"strides": (2, 3), "pads": (1, 0, 1, 2), "group": 2, "dilations": (2, 1)}
    x, w = rng.standard_normal((2, 4, 9, 9)), rng.standard_normal((6, 2, 3, 2))
    conv, transposed = OPS["conv"], OPS["conv_transpose"]
    forward = conv.dense((x, w), conv.complete(steps))
    y = rng.standard_normal(forward.shape)
    back = transposed.dense((y, w), transposed.complete(steps))
    assert back.shape == x.shape
    np.testing.assert_allclose((y * forward).sum(), (back * x).sum())


def test_an_infinite_weight_meets_padding_but_nothing_beside_x() -> None:
    """S6 is of conv; a transposed one multiplies no zeros that are not there."""
    x, w = np.ones((1, 1, 2)), np.array([[[np.inf, 1.0, 1.0]]])
    with np.errstate(all="ignore"):
        padded = OPS["conv"].dense((x, w), OPS["conv"].complete({"pads": (1, 1)}))
        spread = OPS["conv_transpose"].dense((x, w), OPS["conv_transpose"].complete({}))
    np.testing.assert_equal(padded[0, 0], [np.nan, np.inf])
    np.testing.assert_equal(spread[0, 0], [np.inf, np.inf, 2.0, 1.0])


@pytest.mark.parametrize("name", ["max_pool", "average_pool"])
def test_pools_of_whole_windows(name: str) -> None:
    op = OPS[name]
    for sample, (x,), result in samples(op):
        attrs = op.complete(sample.attrs)
        if attrs["ceil_mode"] or attrs.get("count_include_pad"):
            continue
        kernel = attrs["kernel_shape"]
        inside = tuple(range(-len(kernel), 0))
        seen = window_view(x.astype(np.float64), attrs, kernel, 0)
        is_padding = window_view(np.zeros(x.shape), attrs, kernel, 1) == 1
        if name == "max_pool":
            wanted = np.where(is_padding, -np.inf, seen).max(axis=inside)
            np.testing.assert_equal(result.astype(np.float64), wanted, sample.label)
        else:
            wanted = np.where(is_padding, 0, seen).sum(axis=inside)
            wanted = wanted / (~is_padding).sum(axis=inside)
            assert_close(result, wanted, sample.label)


def test_indices_find_the_largest_again() -> None:
    op = OPS["max_pool_with_indices"]
    for sample in op.samples(np.random.default_rng(0)):
        (x,) = sample.operands
        assert isinstance(x, np.ndarray)
        y, where = op.dense((x,), op.complete(sample.attrs))
        assert where.dtype == np.int64
        axes = (0, 1, *range(2, x.ndim)[::-1]) if sample.attrs.get("storage_order") else None
        flat = (x if axes is None else x.transpose(axes)).reshape(-1)
        np.testing.assert_equal(flat[where], y, sample.label)


def test_a_window_begins_in_x_or_before() -> None:
    slide = sliding({"strides": (3,), "dilations": None, "pads": (1, 1)}, (3,))
    assert places((2,), slide) == (1,)
    assert places((2,), slide, ceil_mode=True) == (1,)  # the next would begin in the last padding
    assert places((3,), slide, ceil_mode=True) == (2,)
    assert seen_places(3, slide, 0, 2).tolist() == [[-1, 0, 1], [2, -1, -1]]


def test_sizes_that_only_the_run_tells() -> None:
    x = of("batch", 4, "?1", 9)
    for name, others, attrs, wanted in (
        ("conv", [of(6, 4, 3, 3)], {"strides": (2, 2)}, ("batch", 6, "?", 4)),
        ("conv", [of(6, 4, "?2", 3)], {}, ("batch", 6, "?", 7)),
        ("conv", [of("?3", "?4", 3, 3)], {}, ("batch", "?3", "?", 7)),
        ("conv_transpose", [of(4, 6, 3, 3)], {"group": 2}, ("batch", 12, "?", 11)),
        ("max_pool", [], {"kernel_shape": (3, 3)}, ("batch", 4, "?", 7)),
        ("average_pool", [], {"kernel_shape": (2, 2), "ceil_mode": 1}, ("batch", 4, "?", 8)),
    ):
        found = OPS[name].infer([x, *others], attrs)
        assert found[0].shape == wanted, name


@pytest.mark.parametrize("name", ["conv", "conv_transpose", "max_pool", "average_pool"])
def test_no_window_is_counted_of_a_name(name: str) -> None:
    attrs = {} if name.startswith("conv") else {"kernel_shape": (2, 2)}
    others = [of(4, 4, 2, 2)] if name.startswith("conv") else []
    with pytest.raises(ShapeError, match=r"height.*must be numbers; bind named ones first"):
        OPS[name].infer([of(1, 4, "height", 8), *others], attrs)


def test_types_are_those_of_results() -> None:
    for name in ("conv", "conv_transpose", "max_pool", "max_pool_with_indices", "average_pool"):
        op = OPS[name]
        for sample in op.samples(np.random.default_rng(0)):
            arrays = [x.to_dense() if isinstance(x, Triplets) else x for x in sample.operands]
            wanted = op.infer([dense_type(x) for x in arrays], sample.attrs)
            with np.errstate(all="ignore"):
                result = op.dense(arrays, op.complete(sample.attrs))
            got = result if isinstance(result, tuple) else (result,)
            assert [(t.shape, t.dtype) for t in wanted] == [(y.shape, y.dtype) for y in got], name
