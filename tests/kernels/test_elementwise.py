"""Activations: how near they are, the oracle's bound, and what they need of memory."""

import math
import tracemalloc
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array, bfloat16
from minisparse.kernels import normal, pieces
from minisparse.kernels.pieces import PIECE, in_pieces
from minisparse.ops import CLIP, GELU, OPS, SILU
from minisparse.oracle import exact, judge
from minisparse.oracle.activations import gelu, silu
from minisparse.oracle.truth import Truth, from_array

LEVELS = ("loops", "vectorized")
both_levels = pytest.mark.parametrize("level", LEVELS)


# -- the normal distribution ---------------------------------------------------------------------


def distribution(x: float) -> Decimal:
    """Return Phi(x) to 30 digits, however small: by its continued fraction far from 0."""
    with localcontext(prec=60):
        v, density = Decimal(x), (-(Decimal(x) ** 2) / 2).exp() / (2 * Decimal(math.pi)).sqrt()
        density *= (Decimal(math.pi) / Decimal("3.14159265358979323846264338327950288")).sqrt()
        if abs(v) < 3:
            term, total, n = v, v, 1
            while abs(term) > Decimal("1e-45"):
                n += 2
                term *= v * v / n
                total += term
            return Decimal("0.5") + density * total
        fraction = abs(v)
        for k in range(400, 0, -1):
            fraction = abs(v) + k / fraction
        return density / fraction if v < 0 else 1 - density / fraction


POINTS = np.concatenate(
    [
        np.linspace(-37, 9, 461),
        [-1e-300, 1e-9, *(s * b for s in (-1, 1) for b in (0.662911, 0.662913, 5.65685, 5.65687))],
    ]
)


@pytest.mark.parametrize(("dtype", "units"), [("float64", 4), ("float32", 12)])
def test_the_distribution_is_right_to_a_few_units_in_the_last_place(
    dtype: str, units: float
) -> None:
    x = POINTS.astype(dtype)
    x = x[x > (-12 if dtype == "float32" else -37.1)]
    found = normal.normal_distribution(x)
    assert found.dtype == x.dtype
    for v, y in zip(x.tolist(), found, strict=True):
        wanted = distribution(v)
        error = abs(Decimal(float(y)) - wanted)
        assert error <= Decimal(units) * Decimal(float(np.spacing(y))), v


def test_log_odds_give_the_distribution_nearly_everywhere() -> None:
    x = np.concatenate([np.linspace(-9, 9, 361), [1e-30, -1e-6]]).astype("float32")
    odds = np.exp(np.minimum(normal.log_odds_against(x).astype("float64"), 700))
    for v, y in zip(x.tolist(), 1 / (1 + odds), strict=True):
        assert abs(Decimal(float(y)) - distribution(v)) <= Decimal("1.2e-7"), v
    with np.errstate(over="ignore"):
        far = normal.log_odds_against(np.array([-np.inf, -3e38, -40, 40, 3e38, np.inf], "f4"))
    assert (far[:3] > 100).all()
    assert (far[3:] < -100).all()


@pytest.mark.parametrize(("dtype", "units"), [("float64", 4), ("float32", 5)])
def test_erf_is_right_to_a_few_units_in_the_last_place(dtype: str, units: int) -> None:
    sizes = np.concatenate([np.geomspace(1e-30, 0.1, 100), np.linspace(0.1, 7, 700)])
    x = np.concatenate([sizes, -sizes, [0.0, np.inf, -np.inf]]).astype(dtype)
    y = np.empty_like(x)
    normal.error_function(x, y)
    wanted = np.array([math.erf(v) for v in x.tolist()])
    assert (np.abs(y - wanted) <= units * np.spacing(np.abs(wanted).astype(dtype))).all()


def test_what_would_be_subnormal_is_zero() -> None:
    for dtype in (np.float32, np.float64):
        found = normal.normal_distribution(np.linspace(-45, -5, 4001, dtype=dtype))
        assert ((found == 0) | (found >= np.finfo(dtype).tiny)).all()
        assert (np.diff(found) >= 0).all()


def test_small_results_of_gelu_keep_their_digits() -> None:
    x = np.array([-6.0, -12.0, -30.0])
    wanted = np.array([float(Decimal(v) * distribution(v)) for v in x.tolist()])
    for level in LEVELS:
        np.testing.assert_allclose(ms.gelu(x, level=level), wanted, rtol=3e-13)
    np.testing.assert_allclose(
        ms.silu(np.full(1, -85, np.float32)), np.full(1, -85 * math.exp(-85)), rtol=1e-5
    )


@both_levels
def test_infinities_and_nan(level: str) -> None:
    x = np.array([np.inf, -np.inf, np.nan])
    for result in (ms.gelu(x, level=level), ms.gelu(x, "tanh", level=level), ms.silu(x, level)):
        np.testing.assert_array_equal(result, [np.inf, np.nan, np.nan])
    np.testing.assert_array_equal(ms.clip(x, -1, 2, level=level), [2, -1, np.nan])


# -- the bound -----------------------------------------------------------------------------------

TEXTBOOK: dict[str, Any] = {
    "gelu": lambda x, c: x * c(0.5) * (c(1) + erf(x / c(math.sqrt(2)))),
    "silu": lambda x, c: x / (c(1) + np.exp(-x)),
}


def erf(x: Array) -> Array:
    return np.array([math.erf(v) for v in x.tolist()]).astype(x.dtype)


@pytest.mark.parametrize("name", TEXTBOOK)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bound_admits_the_textbook_and_little_more(name: str, dtype: str) -> None:
    x = np.random.default_rng(0).standard_normal(300).astype(dtype) * np.linspace(0, 12, 300)
    x = x.astype(dtype)
    with np.errstate(all="ignore"):
        y = TEXTBOOK[name](x, x.dtype.type)
    truth = exact(OPS[name], (x,))
    assert judge(y, truth).passed
    off = y + (32 * np.finfo(dtype).eps * np.abs(x)).astype(dtype)
    assert not judge(off, truth).passed
    if name == "gelu":
        by_tanh = exact(GELU, (x,), {"approximate": "tanh"})
        assert not judge(y, by_tanh).passed
        assert all(judge(ms.gelu(x, "tanh", level=level), by_tanh).passed for level in LEVELS)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_dtypes_are_rounded_once(dtype: str) -> None:
    narrow = bfloat16() if dtype == "bfloat16" else np.dtype(dtype)
    if narrow is None:
        pytest.skip("ml_dtypes is not installed")
    x = np.linspace(-8, 8, 97).astype(narrow)
    for op in (GELU, SILU, CLIP):
        attrs = {"min": -1.5, "max": 6} if op is CLIP else {}
        truth = exact(op, (x,), attrs)
        for level in LEVELS:
            result = ms.kernels.call(op, (x,), level, attrs=attrs)
            assert result.dtype == narrow
            assert judge(result, truth).passed


def test_an_uncertain_argument_makes_the_bound_wider_as_it_must() -> None:
    rng = np.random.default_rng(1)
    x, error = rng.standard_normal(200) * 4, 10.0 ** rng.uniform(-9, 0.3, 200)
    base = from_array(x)
    truth = Truth(x, base.lo, error, base.may_overflow, x.dtype)
    for answer in (lambda t: gelu(t, {"approximate": "none"}), silu,
                   lambda t: gelu(t, {"approximate": "tanh"})):  # fmt: skip
        wide = answer(truth)
        for side in (-1, 1):
            moved = answer(from_array(x + side * error))
            assert (np.abs(moved.hi - wide.hi) <= wide.bound).all()
        assert (wide.bound <= 1.2 * error + 1e-12).all()


# -- pieces --------------------------------------------------------------------------------------


def squares(x: Array, out: Array) -> None:
    np.multiply(x, x, out=out)


def test_pieces_take_every_shape_and_write_in_place() -> None:
    x = np.random.default_rng(0).standard_normal((2 * PIECE + 5, 3)).astype("float32")
    wanted = x * x
    for given in (
        x,
        np.asfortranarray(x),
        np.repeat(x, 2, 1)[:, ::2],
        x[::-1],
        x.T,
        x[:0],
        x[0, 0],
    ):
        found = in_pieces(squares, np.asarray(given), None)
        np.testing.assert_array_equal(found, np.asarray(given) ** 2)
    room = np.zeros((len(x), 9), "float32")
    tile = room[:, 2:8:2]
    tile[...] = x
    assert in_pieces(squares, tile, tile) is tile
    np.testing.assert_array_equal(tile, wanted)
    assert not room[:, [0, 1, 3, 5, 7, 8]].any()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_threads_share_pieces_and_change_nothing(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).standard_normal(2**18 + 5).astype(dtype)
    alone, together = np.empty_like(x), x.copy()
    monkeypatch.setattr(pieces, "usable_threads", lambda: 1)
    in_pieces(squares, x, alone)
    monkeypatch.setattr(pieces, "usable_threads", lambda: 2)
    assert in_pieces(squares, together, together) is together
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(alone, (x.astype("float32") ** 2).astype(dtype))


def test_an_overlapping_result_is_not_read() -> None:
    room = np.linspace(0, 1, 3 * PIECE)
    wanted = room[:-1] ** 2
    in_pieces(squares, room[:-1], room[1:])
    np.testing.assert_array_equal(room[1:], wanted)


@pytest.mark.parametrize("call", [ms.gelu, ms.silu, ms.relu, ms.clip])
def test_scratch_stays_in_a_cache(call: Any) -> None:
    room = np.ones((600, 1200), "float16")
    tile = room[:, :1000]
    tracemalloc.start()
    call(tile, out=tile)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
