"""Convolutions in tiles, by each way of filling them, where the tables do not look."""

import tracemalloc
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import dense_type
from minisparse.core.triplets import Triplets
from minisparse.formats import BSR, Matrix, find_pattern, from_dense, from_triplets
from minisparse.kernels import KERNELS, execute
from minisparse.kernels.conv import choice, dense, direct, filters, shifted, tiles, windows
from minisparse.kernels.conv.columns import lay_out, layout_of
from minisparse.kernels.conv.windows import Box, Windows, cut
from minisparse.kernels.kernel import Finish
from minisparse.ops import CONV, OPS
from minisparse.oracle import exact, judge
from tests.kernels.reference import hold

FORMATS = ("dense", "csr", "csc", "coo", "bsr", "nm")
SPARSE = FORMATS[1:]
WAYS = ("columns", "shifted", "direct", "chosen")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have convolutions computed in one way, wherever it can be taken; or as they would be."""
    wanted: str = request.param

    def can_shift(count: int, weights: int, windows: Windows) -> bool:
        return wanted == "shifted" and windows.kernel[0] > 1 and windows.strides[0] == 1

    if wanted != "chosen":
        monkeypatch.setattr(filters, "direct_pays", lambda *counts: wanted == "direct")
        monkeypatch.setattr(filters, "shifting_pays", can_shift)
        monkeypatch.setattr(dense, "shifting_pays", can_shift)
    return wanted


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tiles of a few places, and slabs of a few rows."""
    for name in ("TILE_ELEMENTS", "GATHERED", "ENOUGH_PLACES", "LEAST_PLACES", "DIRECT_PLACES"):
        monkeypatch.setattr(choice, name, 8)
    monkeypatch.setattr(direct, "DIRECT_PLACES", 8)
    monkeypatch.setattr(shifted, "SHIFTED_ELEMENTS", 200)
    monkeypatch.setattr(windows, "SLAB", 100)


def held(w: Array | Triplets, format: str) -> Any:
    """Return filters ``[M, K]`` in a format."""
    if isinstance(w, Triplets):
        return w.to_dense() if format == "dense" else hold(w, format)
    if format in ("bsr", "nm"):
        return from_dense(w, format, **({"block": (2, 3)} if format == "bsr" else {"n": 4, "m": 4}))
    return w if format == "dense" else from_dense(w, format)


def convolve(
    x: Array,
    w: Any,
    attrs: Mapping[str, Any],
    bias: Array | None = None,
    finish: Finish | None = None,
) -> Array:
    """Return the convolution by the vectorized level of the kernel for w's format."""
    name = w.format if isinstance(w, Matrix) else "dense"
    level = KERNELS[f"conv_{name}"].levels["vectorized"]
    packed = level.prepare(w, 10_000) if level.prepare else w
    with np.errstate(all="ignore"):
        found: Array = level.run(x, packed, bias, **CONV.complete(attrs), finish=finish)
    return found


def pruned(rng: np.random.Generator, shape: tuple[int, int], density: float) -> Array:
    w = rng.standard_normal(shape).astype("float32")
    w[rng.random(shape) >= density] = 0
    return w


# -- right, whatever the shape -------------------------------------------------------------------


@st.composite
def problems(draw: st.DrawFn) -> tuple[Array, Triplets, Array | None, dict[str, Any]]:
    """Draw images, filters with duplicates in any order, perhaps a bias, and how windows move."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(["float32", "float32", "float64", "float16", "int8", "complex64"]))
    n, c, m = draw(st.integers(0, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 5))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilations = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    pads = draw(st.tuples(*[st.integers(0, 5)] * 4))
    least = [
        max(1, d * (k - 1) + 1 - low - high)
        for k, d, low, high in zip(kernel, dilations, pads[:2], pads[2:], strict=True)
    ]
    size = [draw(st.integers(low, low + 5)) for low in least]
    x = values(rng, (n, c, *size), dtype, draw(st.booleans()))
    shape = m, c * kernel[0] * kernel[1]
    stored = draw(st.integers(0, 2 * shape[0] * shape[1]))
    row, col = rng.integers(shape[0], size=stored), rng.integers(shape[1], size=stored)
    if draw(st.booleans()):
        col = col // 2 * 2  # every other weight is dead
    w = Triplets(row, col, values(rng, (stored,), dtype, draw(st.booleans())), shape)
    bias = values(rng, (m,), dtype, False) if draw(st.booleans()) else None
    attrs = {"kernel_shape": kernel, "pads": pads, "strides": strides, "dilations": dilations}
    return x, w, bias, attrs


def values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, special: bool) -> Array:
    """Return random numbers, some of them zero, infinite or NaN."""
    x = rng.integers(-4, 5, shape) if dtype == "int8" else rng.standard_normal(shape)
    found = np.asarray(x, dtype)
    if special and dtype != "int8":
        found[rng.random(shape) < 0.1] = rng.choice([np.inf, -np.inf, np.nan, 0.0])
    return found


@pytest.mark.usefixtures("way", "small_tiles")
@pytest.mark.parametrize("format", SPARSE)
@settings(max_examples=25)
@given(problem=problems())
def test_random_convolutions(
    format: str, problem: tuple[Array, Triplets, Array | None, dict[str, Any]]
) -> None:
    x, w, bias, attrs = problem
    matrix = held(w, format)
    operands = (x, matrix) if bias is None else (x, matrix, bias)
    with np.errstate(all="ignore"):
        truth = exact(CONV, operands, attrs)
    found = judge(convolve(x, matrix, attrs, bias), truth)
    assert found.passed, found.message


@pytest.mark.usefixtures("way", "small_tiles")
@pytest.mark.parametrize("group", [1, 2, 4])
def test_groups_in_small_tiles(group: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 4, 9, 7)).astype("float32")
    w = rng.standard_normal((8, 4 // group, 3, 2)).astype("float32")
    bias = rng.standard_normal(8).astype("float32")
    attrs = {"group": group, "pads": (1, 2, 0, 1), "strides": (1, 2)}
    found = judge(convolve(x, w, attrs, bias), exact(CONV, (x, w, bias), attrs))
    assert found.passed, found.message


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("format", FORMATS)
def test_tiles_of_usual_size_give_what_one_gives(format: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((3, 16, 40, 36)).astype("float32")
    w = held(pruned(rng, (24, 144), 0.05), format)
    attrs = {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}
    full = w if format == "dense" else w.to_dense()
    wanted = CONV.dense((x, full), CONV.complete(attrs))
    np.testing.assert_allclose(convolve(x, w, attrs), wanted, 1e-4, 1e-4)


# -- what no filter looks at ---------------------------------------------------------------------


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("format", SPARSE)
@pytest.mark.parametrize("dead", ["channel", "tap", "scattered", "everything"])
def test_what_is_not_stored_is_not_looked_at(format: str, dead: str) -> None:
    rng = np.random.default_rng(3)
    w = rng.standard_normal((6, 8, 9)).astype("float32")
    x = np.asarray(rng.standard_normal((2, 8, 6, 5)), "float32")
    if dead == "channel":
        w[:, ::2] = 0
        x[:, ::2] = np.nan
    elif dead == "tap":
        w[:, :, [0, 2, 4, 8]] = 0
    elif dead == "scattered":
        w[:, rng.random((8, 9)) < 0.8] = 0
    else:
        w[...] = 0
        x[...] = np.inf
    flat = w.reshape(6, 72)
    row, col = np.nonzero(flat)
    layouts: dict[str, dict[str, Any]] = {
        "bsr": {"block": (2, 9 if dead == "channel" else 1)},
        "nm": {"n": 4, "m": 4},
    }
    entries = Triplets(row, col, flat[row, col], (6, 72))
    matrix = from_triplets(entries, format, **layouts.get(format, {}))
    attrs = {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}
    found = judge(convolve(x, matrix, attrs), exact(CONV, (x, matrix), attrs))
    assert found.passed, found.message


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dead", [False, True])
@pytest.mark.parametrize("format", ["csr", "csc", "coo", "bsr"])
def test_a_filter_skips_the_infinite_channel_that_it_does_not_store(
    format: str, dead: bool
) -> None:
    rng = np.random.default_rng(11)
    w = rng.standard_normal((6, 3, 9)).astype("float32")
    w[::2, 1] = 0
    w[3] *= not dead
    x = rng.standard_normal((2, 3, 8, 9)).astype("float32")
    x[0, 1, 4, 4], x[1, 1, 0, 0] = np.inf, np.nan
    matrix = from_dense(w.reshape(6, 27), format, **({"block": (1, 3)} if format == "bsr" else {}))
    attrs = {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}
    found = judge(convolve(x, matrix, attrs), exact(CONV, (x, matrix), attrs))
    assert found.passed, found.message


def test_a_block_beyond_the_edge_is_kept_where_others_are_not() -> None:
    rng = np.random.default_rng(10)
    w = rng.standard_normal((4, 18)).astype("float32")
    w[:, 4:16] = 0  # of block columns of 4, the first is left, and the last, which is half outside
    x = rng.standard_normal((2, 2, 5, 6)).astype("float32")
    matrix, attrs = from_dense(w, "bsr", block=(2, 4)), {"kernel_shape": (3, 3)}
    assert isinstance(matrix, BSR)
    used = filters.prepare_blocks(matrix, 100).used
    assert used is not None
    assert used.tolist() == [0, 1, 2, 3, 16, 17]
    found = judge(convolve(x, matrix, attrs), exact(CONV, (x, matrix), attrs))
    assert found.passed, found.message


@pytest.mark.parametrize(
    ("used", "laid", "taps"),
    [
        (None, 36, None),
        ([*range(9), *range(18, 27)], 18, None),  # two channels of four
        ([4, 13, 31], 3, 1),  # the middle of three channels
        ([1, 4, 10, 13], 4, 2),
        ([0, 13], 18, None),  # a place of one channel, and another of another
        ([], 0, None),
    ],
)
def test_layout_of_what_is_used(used: list[int] | None, laid: int, taps: int | None) -> None:
    seen = Windows((1, 4, 5, 5), (3, 3), (0, 0, 0, 0), (1, 1), (1, 1))
    kept = None if used is None else np.array(used, np.intp)
    layout = layout_of(kept, seen)
    assert layout.laid == laid
    assert layout.rows == (36 if used is None else len(used))
    assert (None if layout.taps is None else len(layout.taps)) == taps
    x = np.arange(100.0).reshape(1, 4, 5, 5)
    ((_, every),) = seen.slabs(x, None, x.dtype)
    wanted = every.reshape(36, 9) if kept is None else every.reshape(36, 9)[kept]
    ((_, view),) = seen.slabs(x, layout.channels, x.dtype)
    np.testing.assert_array_equal(lay_out(view, layout), wanted)
    padded = lay_out(view, layout, 5)
    np.testing.assert_array_equal(padded[: layout.rows], wanted)
    assert len(padded) % 5 == 0
    assert not padded[layout.rows :].any()


# -- tiles ---------------------------------------------------------------------------------------


@given(st.tuples(*[st.integers(0, 7)] * 3), st.integers(0, 100))
def test_boxes_meet_every_place_once(shape: tuple[int, int, int], places: int) -> None:
    seen = np.zeros(shape, int)
    for box in cut(Box(*(slice(0, n) for n in shape)), places):
        assert 0 < box.places <= max(places, 1)
        seen[box] += 1
    assert (seen == 1).all()


@pytest.mark.usefixtures("way", "small_tiles")
@pytest.mark.parametrize("format", FORMATS)
def test_finish_sees_each_place_once_and_where_it_lies(format: str) -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((2, 3, 7, 9)).astype("float32")
    w = held(pruned(rng, (5, 27), 0.4), format)
    attrs = {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}
    plain = convolve(x, w, attrs)
    place = np.asarray(rng.standard_normal(plain.shape), "float32")
    seen: list[tuple[slice, ...]] = []

    def finish(tile: Array, index: tuple[slice, ...]) -> None:
        np.testing.assert_array_equal(tile, plain[index])
        tile += place[index]
        seen.append(index)

    np.testing.assert_array_equal(convolve(x, w, attrs, finish=finish), plain + place)
    assert len(seen) > 4


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_bits_on_any_number_of_threads(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((4, 16, 20, 20)).astype("float32")
    w = held(pruned(rng, (24, 144), 0.1), format)
    attrs = {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}
    for name in ("SHARED", "SHARED_PRODUCTS"):
        monkeypatch.setattr(filters, name, 0.0)
    monkeypatch.setattr(dense, "SHARED_PRODUCTS", 0.0)
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(tiles, "usable_threads", lambda threads=threads: threads)
        results.append(convolve(x, w, attrs).tobytes())
    assert len(set(results)) == 1


@pytest.mark.parametrize("format", ["dense", "csr", "bsr"])
def test_memory_stays_bounded(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "usable_threads", lambda: 1)  # each has tiles of its own
    rng = np.random.default_rng(6)
    x = rng.standard_normal((1, 24, 400, 300)).astype("float32")  # columns would take 104 MB
    w = held(pruned(rng, (8, 216), 0.1), format)
    attrs = {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}
    tracemalloc.start()
    try:
        y = convolve(x, w, attrs)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - y.nbytes < 10e6


# -- numbers -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("format", FORMATS)
def test_half_precision_is_rounded_once_after_the_bias(format: str) -> None:
    x = np.full((1, 2, 2, 3), 1, np.float16)
    w = held(np.array([[2048.0, 1.0]] * 3, np.float16), format)
    y = convolve(x, w, {"kernel_shape": (1, 1)}, np.ones(3, np.float16))
    np.testing.assert_array_equal(y, np.full((1, 3, 2, 3), 2050, np.float16))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("format", FORMATS)
def test_a_wider_bias_widens_the_sums(format: str) -> None:
    x, w = np.full((1, 2, 2, 2), 0.1, np.float32), np.full((3, 2), 0.1, np.float32)
    bias = np.linspace(0, 1, 3)
    y = convolve(x, held(w, format), {"kernel_shape": (1, 1)}, bias)
    assert y.dtype == np.float64
    wanted = 2 * float(x[0, 0, 0, 0]) * float(w[0, 0]) + bias
    np.testing.assert_allclose(y[0, :, 1, 1], wanted, 1e-15)


def views(x: Array) -> Iterator[Array]:
    """Yield the same images as they may lie in memory."""
    yield np.asfortranarray(x)
    yield np.repeat(np.repeat(x, 2, 0), 3, 3)[::2, :, :, ::3]
    yield x[:, :, ::-1, ::-1].copy()[:, :, ::-1, ::-1]
    yield x.transpose(1, 0, 3, 2).copy().transpose(1, 0, 3, 2)
    frozen = x.copy()
    frozen.flags.writeable = False
    yield frozen


@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 1, 1, 1)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3)])
@pytest.mark.parametrize("format", FORMATS)
def test_images_may_lie_anyhow(
    format: str, kernel: tuple[int, int], pads: tuple[int, int, int, int]
) -> None:
    rng = np.random.default_rng(7)
    x = rng.integers(-4, 5, (2, 4, 5, 6)).astype("float32")  # whole numbers: sums are exact
    w = rng.integers(-2, 3, (6, 4 * kernel[0] * kernel[1])).astype("float32")
    attrs = {"kernel_shape": kernel, "pads": pads}
    wanted = CONV.dense((x, w), CONV.complete(attrs))
    for seen in views(x):
        np.testing.assert_array_equal(convolve(seen, held(w, format), attrs), wanted)


@pytest.mark.parametrize("format", FORMATS)
def test_fused_in_small_tiles(format: str, small_tiles: None) -> None:
    rng = np.random.default_rng(8)
    x = rng.standard_normal((2, 3, 7, 9)).astype("float32")
    w, bias = held(pruned(rng, (5, 27), 0.4), format), rng.standard_normal(5).astype("float32")
    level = KERNELS[f"conv_{format}"].levels["vectorized"]
    attrs = CONV.complete({"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)})
    packed = level.prepare(w, 63) if level.prepare else w
    residual = rng.standard_normal((2, 5, 7, 9)).astype("float32")
    fused = execute(OPS["conv_add_relu"], level, (x, packed, bias, residual), attrs)
    plain = level.run(x, packed, bias, **attrs)
    np.testing.assert_array_equal(fused, np.maximum(plain + residual, 0))


# -- what is foretold ----------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csr", "bsr"])
@pytest.mark.parametrize("density", [0.001, 0.02, 0.3, 1.0])
def test_work_is_what_is_packed(format: str, density: float) -> None:
    rng = np.random.default_rng(9)
    keep = np.kron(rng.random((8, 72)) < density, np.ones((8, 8)))
    keep[:8, :8] = 1
    w = (rng.standard_normal(keep.shape) * keep).astype("float32")
    a = from_dense(w, format, **({"block": (8, 8)} if format == "bsr" else {}))
    x = dense_type(np.zeros((4, 64, 28, 28), "float32"))
    level = KERNELS[f"conv_{format}"].levels["vectorized"]
    assert level.work is not None
    assert level.prepare is not None
    places = 4 * 28 * 28
    attrs = CONV.complete({"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)})
    told = level.work(find_pattern(w), (x, a.type), attrs)
    packed = level.prepare(a, places)
    if packed.panels is None:
        assert told.unit == "elementwise"
        assert told.flops == 2 * a.nnz * places
        return
    assert told.unit == "matmul"
    # What columns are in use is known of the pattern, but not how they fall into panels.
    assert told.flops == pytest.approx(2 * packed.panels.multiplied * places, rel=0.5)
    rows = len(packed.used if packed.used is not None else w[0])
    if not packed.panels.gathered:
        rows //= (
            3  # one matrix is multiplied by parts, on windows that are laid out along rows only
        )
    assert told.gathered >= places * rows
