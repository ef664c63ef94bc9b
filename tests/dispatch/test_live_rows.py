"""A run skips rows of a weight where its input holds many zeros, and only where it may."""

from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.dispatch import live_rows
from minisparse.dispatch.live_rows import Choosing
from minisparse.graph import Graph, GraphBuilder
from minisparse.kernels.live import SAMPLED, multiply_live, sample_density
from minisparse.runtime import Executable

RNG = np.random.default_rng(0)
K, M = 96, 80


@pytest.fixture(autouse=True)
def _small_products_are_worth_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_rows, "WORTH", 0.0)
    monkeypatch.setattr(live_rows, "LOOKS", 0.0)
    monkeypatch.setattr(live_rows.LiveRows, "_break_even", lambda self, rows: 0.2)


def normal(*shape: int, dtype: str = "float32") -> Array:
    return RNG.standard_normal(shape).astype(dtype)


def sparse(rows: int, density: float, dtype: str = "float32") -> Array:
    """Return what is negative where relu will make it zero."""
    x = np.abs(normal(rows, K, dtype=dtype))
    x[RNG.random(x.shape) >= density] *= -1
    return x


def layer(
    before: str = "relu", dtype: str = "float32", c: Array | None = None, **attrs: Any
) -> Graph:
    b = GraphBuilder("layer")
    h = b.input("x", ("batch", K), dtype)
    if before:
        h = b.op(before, h)
    w = normal(M, K, dtype=dtype) if attrs.get("transB") else normal(K, M, dtype=dtype)
    more = [] if c is None else [b.constant("c", c.astype(dtype))]
    return b.build({"y": b.op("gemm", h, b.constant("w", w), *more, name="fc", **attrs)})


def choosing(plan: Executable, name: str = "fc") -> Choosing:
    (call,) = (i.call for i in plan.program.instructions if i.name == name)
    assert isinstance(call, Choosing)
    return call


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("transB", [0, 1])
@pytest.mark.parametrize("c", [None, normal(M), normal(1, M), normal(1, 1)])
def test_what_is_skipped_changes_nothing_but_rounding(
    dtype: str, transB: int, c: Array | None
) -> None:
    graph = layer(dtype=dtype, c=c, transB=transB)
    plan, plain = ms.compile(graph), ms.compile(graph, dynamic=False)
    for rows in (1, 5):
        x = sparse(rows, 0.1, dtype)
        before = choosing(plan).skipped
        np.testing.assert_allclose(plan(x), plain(x), rtol=1e-4, atol=1e-4)
        assert choosing(plan).skipped == before + 1


def test_an_epilogue_finishes_what_was_skipped_too() -> None:
    b = GraphBuilder("block")
    x = b.input("x", ("batch", 3, K))
    h = b.op("relu", x)
    product = b.op("matmul", h, b.constant("w", normal(K, M)), name="fc")
    summed = b.op(
        "add", b.op("add", product, b.constant("c", normal(M))), b.input("r", ("batch", 3, M))
    )
    graph = b.build({"y": b.op("gelu", summed)})
    plan, plain = ms.compile(graph), ms.compile(graph, dynamic=False)
    assert plan.step("fc").node.op.name.startswith("dsmm_add")
    feeds = {"x": sparse(6, 0.1).reshape(2, 3, K), "r": normal(2, 3, M)}
    np.testing.assert_allclose(plan.run(feeds)["y"], plain.run(feeds)["y"], rtol=1e-4, atol=1e-4)
    assert choosing(plan).skipped == 1


def test_the_choice_stays_what_it_was_around_the_break_even() -> None:
    plan = ms.compile(layer())
    way = choosing(plan)
    taken = []
    for density in (0.5, 0.18, 0.1, 0.22, 0.18, 0.4, 0.18):
        x = np.zeros((1, K), "float32")
        x[0, : round(density * K)] = 1
        before = way.skipped
        plan(x)
        taken.append(way.skipped > before)
    assert taken == [False, False, True, True, True, False, False]
    assert way.skipped + way.dense == 7


@pytest.mark.parametrize(
    ("before", "looked_at"),
    [("", True), ("relu", True), ("hard_swish", True), ("gelu", False), ("tanh", False)],
)
def test_only_what_may_hold_zeros_is_looked_at(before: str, looked_at: bool) -> None:
    assert (ms.compile(layer(before)).step("fc").live is not None) == looked_at


def test_reshapes_between_are_seen_through() -> None:
    b = GraphBuilder("flat")
    h = b.op("flatten", b.op("relu", b.input("x", ("batch", 4, K // 4))))
    graph = b.build({"y": b.op("gemm", h, b.constant("w", normal(K, M)), name="fc")})
    assert ms.compile(graph).step("fc").live is not None


@pytest.mark.parametrize("odd", [np.inf, np.nan])
def test_a_weight_that_makes_something_of_zero_is_never_skipped(odd: float) -> None:
    graph = layer(transB=1)
    w = np.array(graph.constants["w"])
    w[3, 4] = odd
    b = GraphBuilder("odd")
    h = b.op("relu", b.input("x", ("batch", K)))
    plan = ms.compile(b.build({"y": b.op("gemm", h, b.constant("w", w), transB=1, name="fc")}))
    assert plan.step("fc").live is None
    assert np.isnan(plan(np.zeros((1, K), "float32"))[0, 3])


@pytest.mark.parametrize("attrs", [{"alpha": 0.5}, {"transA": 1}])
def test_products_of_another_form_are_left(attrs: dict[str, Any]) -> None:
    b = GraphBuilder("other")
    shape = (K, 2) if "transA" in attrs else (2, K)
    h = b.op("relu", b.input("x", shape))
    y = b.op("gemm", h, b.constant("w", normal(K, M)), name="fc", **attrs)
    assert ms.compile(b.build({"y": y})).step("fc").live is None


def test_special_values_in_the_input_are_kept() -> None:
    graph = layer("")
    plan, plain = ms.compile(graph), ms.compile(graph, dynamic=False)
    x = np.zeros((3, K), "float32")
    x[0, 5], x[1, 6], x[2, 7] = np.nan, np.inf, -0.0
    np.testing.assert_array_equal(plan(x), plain(x))
    assert choosing(plan).skipped == 1


def test_an_explanation_tells_what_is_looked_at() -> None:
    node = ms.compile(layer(), sizes={"batch": 4}).explain().node("fc")
    assert "with less than 20.0% of it other than zero, 4 rows at once" in node.live
    assert node.live in " ".join(str(ms.compile(layer(), sizes={"batch": 4}).explain()).split())
    assert ms.compile(layer(), dynamic=False).explain().node("fc").live == ""


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0), (1, 1), (4, 7)])
def test_the_kernel_takes_any_shape(shape: tuple[int, int]) -> None:
    x = normal(*shape) * (RNG.random(shape) < 0.5)
    a = normal(shape[1], 6)
    x = x.astype("float32")
    np.testing.assert_allclose(multiply_live(x, a), x @ a, rtol=1e-5, atol=1e-5)
    out = np.full((shape[0], 6), np.nan, "float32")
    assert multiply_live(x, a, out) is out
    np.testing.assert_allclose(out, x @ a, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("density", [0.0, 0.03, 0.5, 1.0])
def test_a_sample_tells_the_density(density: float) -> None:
    x = (RNG.random((400, 512)) < density).astype("float32")
    for given in (x, x.T, x[::2], x[:, ::3]):
        assert abs(sample_density(given) - density) < 4 * np.sqrt(0.25 / SAMPLED) + 1e-9
    small = x[:4, :256]
    assert sample_density(small) == np.count_nonzero(small) / small.size
