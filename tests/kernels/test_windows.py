"""Convolutions over any axes, channel by channel and transposed, and pools: in tiles, exactly."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError
from minisparse.core.tensor_type import dense_type
from minisparse.kernels import KERNELS, execute
from minisparse.kernels.conv import choice, depthwise, windows
from minisparse.kernels.max_pool import separable
from minisparse.ops import OPS
from minisparse.oracle import exact_results, judge

DTYPES = ("float32", "float32", "float64", "float16", "int8", "complex64")
FLOATS = ("float32", "float32", "float64", "float16")


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tiles of a few places, so that there are many."""
    for name in ("TILE_ELEMENTS", "ENOUGH_PLACES"):
        monkeypatch.setattr(choice, name, 8)
    monkeypatch.setattr(windows, "SLAB", 100)
    monkeypatch.setattr(depthwise, "TILE", 40)
    monkeypatch.setattr(depthwise, "RUN", 20)
    monkeypatch.setattr(separable, "TILE", 40)


def run(name: str, operands: tuple[Array, ...], attrs: Mapping[str, Any], **more: Any) -> Any:
    op = OPS[name]
    level = KERNELS[f"{op.base.name}_dense"].levels["vectorized"]
    with np.errstate(all="ignore"):
        return execute(op, level, operands, op.complete(attrs), **more)


def values(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> Array:
    """Return random numbers, perhaps some of them zero, infinite or NaN."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.integers(-4, 5, shape) if dtype == "int8" else rng.standard_normal(shape)
    found = np.asarray(x, dtype)
    if dtype != "int8" and draw(st.booleans()):
        found[rng.random(shape) < 0.1] = rng.choice([np.inf, -np.inf, np.nan, 0.0])
    return found


def each(draw: st.DrawFn, axes: int, low: int, high: int) -> tuple[int, ...]:
    return tuple(draw(st.integers(low, high)) for _ in range(axes))


Problem = tuple[str, tuple[Array, ...], dict[str, Any]]


def steps(draw: st.DrawFn, axes: int) -> dict[str, Any]:
    return {
        "strides": each(draw, axes, 1, 3),
        "dilations": each(draw, axes, 1, 3),
        "pads": each(draw, 2 * axes, 0, 3),
    }


@st.composite
def convolutions(draw: st.DrawFn) -> Problem:
    """Draw convolutions of sounds, images and volumes, mostly with as many groups as channels."""
    axes, dtype = draw(st.sampled_from([1, 2, 2, 2, 3])), draw(st.sampled_from(DTYPES))
    group, channels = draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 1, 2]))
    filters = group * draw(st.sampled_from([1, 1, 2]))
    x = values(draw, (draw(st.integers(0, 3)), group * channels, *each(draw, axes, 1, 7)), dtype)
    w = values(draw, (filters, channels, *each(draw, axes, 1, 3)), dtype)
    bias = (values(draw, (filters,), dtype),) if draw(st.booleans()) else ()
    return "conv", (x, w, *bias), {"group": group, **steps(draw, axes)}


@st.composite
def transposed(draw: st.DrawFn) -> Problem:
    axes, dtype = draw(st.sampled_from([1, 2, 2, 3])), draw(st.sampled_from(DTYPES))
    group, channels = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2]))
    width = draw(st.integers(1, 2))
    x = values(draw, (draw(st.integers(0, 2)), group * channels, *each(draw, axes, 1, 4)), dtype)
    w = values(draw, (group * channels, width, *each(draw, axes, 1, 3)), dtype)
    bias = (values(draw, (group * width,), dtype),) if draw(st.booleans()) else ()
    more = each(draw, axes, 0, 3)
    return (
        "conv_transpose",
        (x, w, *bias),
        {"group": group, "output_padding": more, **steps(draw, axes)},
    )


@st.composite
def pools(draw: st.DrawFn) -> Problem:
    name = draw(st.sampled_from(["max_pool", "max_pool_with_indices", "average_pool"]))
    dtype = draw(st.sampled_from(FLOATS if name == "average_pool" else (*FLOATS, "int8")))
    axes = draw(st.sampled_from([1, 2, 2, 3]))
    shape = (draw(st.integers(0, 3)), draw(st.integers(1, 3)), *each(draw, axes, 1, 8))
    kernel = each(draw, axes, 1, 4)
    attrs = {"kernel_shape": kernel, **steps(draw, axes)}
    attrs["pads"] = tuple(draw(st.integers(0, k - 1)) for k in 2 * kernel)
    if draw(st.booleans()):
        attrs["strides"] = None
    attrs["ceil_mode"] = draw(st.integers(0, 1))
    if name == "average_pool":
        attrs["count_include_pad"] = draw(st.integers(0, 1))
    return name, (values(draw, shape, dtype),), attrs


def is_valid(problem: Problem) -> bool:
    name, operands, attrs = problem
    try:
        OPS[name].infer([dense_type(x) for x in operands], attrs)
    except ShapeError:
        return False
    return True


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("kind", [convolutions, transposed, pools], ids=lambda kind: kind.__name__)
@settings(max_examples=60)
@given(data=st.data())
def test_random_windows(
    kind: Callable[[], st.SearchStrategy[Problem]], data: st.DataObject
) -> None:
    name, operands, attrs = data.draw(kind().filter(is_valid))
    results = run(name, operands, attrs)
    results = results if isinstance(results, tuple) else (results,)
    with np.errstate(all="ignore"):
        truths = exact_results(OPS[name], operands, attrs)
    for result, truth in zip(results, truths, strict=True):
        found = judge(result, truth)
        assert found.passed, found.message


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (3, 2), (4, 6)])
@pytest.mark.parametrize("dilations", [(1, 1), (2, 3), (4, 2)])
def test_channel_by_channel(strides: tuple[int, int], dilations: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(-4, 5, (3, 5, 21, 19)).astype("float32")  # whole numbers: sums are exact
    w = rng.integers(-2, 3, (5, 1, 5, 3)).astype("float32")
    bias = rng.integers(-2, 3, 5).astype("float32")
    steps = {"strides": strides, "dilations": dilations}
    for pads in (None, (1, 0, 2, 3), (7, 7, 7, 7)):
        attrs = OPS["conv"].complete({"group": 5, "pads": pads, **steps})
        wanted = OPS["conv"].dense((x, w, bias), attrs)
        np.testing.assert_array_equal(run("conv", (x, w, bias), attrs), wanted)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize(
    ("x", "w", "attrs"),
    [
        ((2, 4, 9), (6, 4, 3), {"pads": (1, 1)}),
        ((2, 4, 6, 5), (4, 1, 3, 3), {"group": 4, "strides": (2, 1)}),
        ((2, 4, 6, 5), (8, 1, 3, 3), {"group": 4, "pads": (0, 1, 0, 1)}),
        ((2, 3, 5, 4, 6), (5, 3, 2, 3, 3), {"pads": (1, 0, 1, 0, 0, 1)}),
        ((1, 2, 4, 3, 3, 4), (3, 2, 2, 1, 2, 3), {"dilations": (2, 1, 1, 1)}),
        ((2, 4, 5, 4, 6), (4, 1, 3, 3, 3), {"group": 4, "pads": (1,) * 6}),
    ],
)
def test_finish_sees_each_place_once_and_where_it_lies(
    x: tuple[int, ...], w: tuple[int, ...], attrs: dict[str, Any]
) -> None:
    rng = np.random.default_rng(4)
    operands = rng.standard_normal(x).astype("float32"), rng.standard_normal(w).astype("float32")
    plain = run("conv", operands, attrs)
    place = rng.standard_normal(plain.shape).astype("float32")
    fused = run("conv_add_relu", (*operands, place), attrs)
    np.testing.assert_array_equal(fused, np.maximum(plain + place, 0))


def views(x: Array) -> list[Array]:
    """Return the same images as they may lie in memory."""
    return [
        np.asfortranarray(x),
        np.repeat(np.repeat(x, 2, 0), 3, 3)[::2, :, :, ::3],
        x[:, ::-1, ::-1].copy()[:, ::-1, ::-1],
        x.transpose(1, 0, 3, 2).copy().transpose(1, 0, 3, 2),
    ]


CASES: list[tuple[str, tuple[int, ...] | None, dict[str, Any]]] = [
    ("conv", (4, 1, 3, 3), {"group": 4, "pads": (1, 1, 1, 1)}),
    ("conv_transpose", (4, 3, 2, 3), {"strides": (2, 2)}),
    ("max_pool", None, {"kernel_shape": (3, 2), "strides": (2, 1)}),
    ("max_pool", None, {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}),
    ("average_pool", None, {"kernel_shape": (2, 2), "strides": (1, 2)}),
]


@pytest.mark.parametrize(("name", "w", "attrs"), CASES)
def test_images_may_lie_anyhow(name: str, w: tuple[int, ...] | None, attrs: dict[str, Any]) -> None:
    rng = np.random.default_rng(7)
    x = rng.integers(-4, 5, (2, 4, 5, 6)).astype("float32")  # whole numbers: sums are exact
    weights = () if w is None else (rng.integers(-2, 3, w).astype("float32"),)
    wanted = OPS[name].dense((x, *weights), OPS[name].complete(attrs))
    for seen in views(x):
        np.testing.assert_array_equal(run(name, (seen, *weights), attrs), wanted)


@pytest.mark.parametrize(("name", "w", "attrs"), CASES)
def test_the_same_bits_on_any_number_of_threads(
    name: str,
    w: tuple[int, ...] | None,
    attrs: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    small_tiles: None,
) -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((4, 4, 20, 20)).astype("float32")
    weights = () if w is None else (rng.standard_normal(w).astype("float32"),)
    monkeypatch.setattr(depthwise, "SHARED", 0)
    monkeypatch.setattr(separable, "SHARED", 0)
    results = []
    for threads in (1, 2, 3):
        for module in (depthwise, separable):
            monkeypatch.setattr(module, "usable_threads", lambda threads=threads: threads)
        results.append(run(name, (x, *weights), attrs).tobytes())
    assert len(set(results)) == 1


def test_nothing_outside_of_x_meets_an_infinite_weight() -> None:
    x, w = np.ones((1, 1, 3), "float32"), np.array([[[1, np.inf, 1, 1]]], "float32")
    for attrs in ({}, {"strides": (2,)}, {"strides": (3,), "output_padding": (2,)}):
        y = run("conv_transpose", (x, w), attrs)
        wanted = OPS["conv_transpose"].dense((x, w), OPS["conv_transpose"].complete(attrs))
        assert not np.isnan(y).any()
        np.testing.assert_array_equal(y, wanted)
