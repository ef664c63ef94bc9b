"""Generated kernels in plans: candidates like any other, whose source can be shown."""

import inspect
import traceback
from collections.abc import Callable

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.cost import Target, candidates
from minisparse.debugger import Session
from minisparse.graph import Graph
from minisparse.kernels import GENERATED, usable_levels
from minisparse.kernels.generate.work import whole_diagonals
from minisparse.oracle import run_exact

RNG = np.random.default_rng(0)


def layer(w: Array, bias: bool = True, columns: int | str = "n") -> Graph:
    b = ms.GraphBuilder("layer")
    h = b.op("spmm", b.constant("w", w), b.input("x", (w.shape[1], columns)), name="layer1")
    if bias:
        h = b.op("add_bias", h, b.constant("b", np.arange(len(w), dtype="float32")))
        h = b.op("relu", h)
    return b.build({"y": h})


def scattered(m: int = 24, k: int = 16, density: float = 0.2) -> Array:
    w = RNG.standard_normal((m, k)) * (RNG.random((m, k)) < density)
    return w.astype("float32")


@pytest.mark.parametrize("layout", ["csr", "bsr 4x4", "bsr 8x8", "nm 4:8"])
@pytest.mark.parametrize("bias", [False, True])
def test_each_can_be_chosen_and_computes_the_same(layout: str, bias: bool) -> None:
    w = scattered()
    w[:, 4:8] = 0
    graph = layer(w, bias)
    feeds = {"x": RNG.standard_normal((16, 5)).astype("float32")}
    names = [c.name for c in ms.compile(graph).step("layer1").candidates]
    if f"{layout} generated" not in names:
        pytest.fail(f"{layout} generated is none of {names}")
    plan = ms.compile(graph, choose={"layer1": f"{layout} generated"})
    assert plan.step("layer1").chosen.level == GENERATED
    np.testing.assert_allclose(plan.run(feeds)["y"], run_exact(graph, feeds)["y"], 1e-5, 1e-5)
    assert all(j.verdict == "PASS" for j in plan.verify(feeds))


def test_a_diagonal_is_left_to_generated_code() -> None:
    plan = ms.compile(layer(np.eye(512, dtype="float32"), bias=False), sizes={"n": 64})
    assert plan.step("layer1").chosen.name == "csr generated"
    assert "main diagonal" in plan.source("layer1")


def test_no_code_is_generated_for_weights_with_few_zeros_or_unknown_ones() -> None:
    def levels(graph: Graph) -> set[str]:
        target = Target(sizes={"n": 8}, levels=usable_levels("vectorized"))
        sized = target.bind(graph)
        return {c.level for c in candidates(sized, graph.node("layer1"), target)}

    assert levels(ms.compile(layer(scattered(density=0.9))).given) == {"vectorized"}
    b = ms.GraphBuilder("given")
    b.op("spmm", b.input("w", (4, 4)), b.input("x", (4, 4)), name="layer1")
    assert levels(b.build(["layer1"])) == {"vectorized"}


def test_the_source_of_what_runs_is_shown() -> None:
    plan = ms.compile(layer(scattered()), level="vectorized", choose={"layer1": "csr generated"})
    source = plan.source("layer1")
    assert source.startswith("def ")
    assert "np." in source
    written = ms.compile(layer(scattered()), choose={"layer1": "csr vectorized"})
    run = written.step("layer1").level.run
    assert written.source("layer1") == inspect.getsource(run)


@pytest.mark.parametrize("level", ["loops", "vectorized", "gpu"])
def test_source_is_generated_for_any_node_with_an_index_expression(level: str) -> None:
    plan = ms.compile(layer(scattered()))
    source = plan.source("layer1", level=level)
    assert "def layer1(" in source
    assert len(source.splitlines()) <= 60


def test_what_has_no_source_says_so() -> None:
    b = ms.GraphBuilder("other")
    y = b.op("softmax", b.input("x", (3, 4)), name="last")
    plan = ms.compile(b.build({"y": y}))
    assert "def " in plan.source("last")
    with pytest.raises(UnsupportedOpError, match="no index expression"):
        plan.source("last", level="loops")
    with pytest.raises(UsageError, match="no level 'cuda'"):
        ms.compile(layer(scattered())).source("layer1", level="cuda")
    with pytest.raises(UsageError, match="no node 'first'"):
        plan.source("first")


def test_tracebacks_point_into_generated_source(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = ms.compile(layer(scattered()), choose={"layer1": "csr generated"})

    def fail(*arguments: object, **keywords: object) -> Array:
        raise ZeroDivisionError

    monkeypatch.setattr(np, "matmul", fail)
    try:
        plan.run({"x": np.ones((16, 5), "float32")})
    except ZeroDivisionError as error:
        told = "".join(traceback.format_exception(error))
        assert '"<generated spmm' in told
        assert "np.matmul(" in told
    else:
        pytest.fail("nothing was multiplied")


def test_the_debugger_opens_generated_loops() -> None:
    graph = layer(scattered(), columns=2)
    plan = ms.compile(graph, choose={"layer1": "csr generated"})
    x = RNG.standard_normal((16, 2)).astype("float32")
    session = Session(plan, {"x": x})
    inside = session.into("layer1")
    assert inside.until(m=1, n=1).label == "column"
    product = inside.finish()
    np.testing.assert_allclose(product, np.asarray(graph.constants["w"]) @ x, 1e-5, 1e-5)


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: np.eye(6), 1),
        (lambda: np.eye(4, 9), 1),
        (lambda: np.eye(9, 4), 1),
        (lambda: np.eye(6) + np.eye(6, k=1) + np.eye(6, k=-1), 3),
        (lambda: np.eye(6, k=1), 0),
        (lambda: np.eye(6) * (np.arange(6) != 3), 0),
        (lambda: np.ones((6, 6)), 0),
        (lambda: np.zeros((6, 6)), 0),
    ],
)
def test_whole_diagonals_are_counted(make: Callable[[], Array], count: int) -> None:
    assert whole_diagonals(ms.find_pattern(make())) == count
