"""Two graphs that differ by rounding pass; two that differ by a mistake do not."""

from dataclasses import replace

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, UsageError
from minisparse.formats import from_dense
from minisparse.graph import Graph, GraphBuilder
from minisparse.runtime.equivalence import Agreement, compare, distance, random_feeds, recast

RNG = np.random.default_rng(3)
W, V = (RNG.standard_normal((40, 40)) for _ in range(2))


def network(dtype: str, second: Array = V, order: Array | None = None) -> Graph:
    """Return two layers; ``order`` numbers the channels between them anew."""
    at = np.arange(40) if order is None else order
    b = GraphBuilder()
    x = b.input("x", ("batch", 40), dtype)
    h = b.op("gelu", b.op("matmul", x, b.constant("w", W[:, at].astype(dtype))))
    y = b.op("matmul", h, b.constant("v", second[at].astype(dtype)))
    return b.build({"y": y, "best": b.op("greater", y, b.constant("zero", np.zeros(1, dtype)))})


def judged(first: Graph, second: Graph) -> dict[str, Agreement]:
    wide = recast(first, "float64"), recast(second, "float64")
    return {a.output: a for a in compare((first, second), wide, random_feeds(first, 1))}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_another_order_of_the_same_sums_agrees(dtype: str) -> None:
    for _ in range(5):
        found = judged(network(dtype), network(dtype, order=RNG.permutation(40)))["y"]
        assert found.holds, found
        assert found.difference64 > 0


@pytest.mark.parametrize(("dtype", "by"), [("float16", 1e-2), ("float32", 1e-6)])
def test_a_weight_that_is_slightly_wrong_does_not(dtype: str, by: float) -> None:
    wrong = V.copy()
    wrong[7, 3] *= 1 + by  # too little to be told from rounding, but for the run in float64
    found = judged(network(dtype), network(dtype, wrong))["y"]
    assert found.difference <= found.bound
    assert not found.holds
    assert "DIFFERENT" in str(found)


def test_truth_values_and_infinities_are_compared_as_they_are() -> None:
    found = judged(network("float32"), network("float32", -V))
    assert not found["best"].holds
    assert judged(network("float32"), network("float32"))["best"].holds
    assert distance(np.array([np.inf, 1]), np.array([np.inf, 1]), 1.0) == 0
    assert distance(np.array([np.inf, 1]), np.array([-np.inf, 1]), 1.0) == np.inf
    assert distance(np.array([np.nan, 1]), np.array([0, 1.0]), 1.0) == np.inf


def test_recast_reaches_inputs_constants_casts_and_sparse_weights() -> None:
    b = GraphBuilder()
    x = b.input("x", (4, "batch"), "float32")
    b.input("n", ("batch",), "int64")
    w = b.constant("w", from_dense(np.eye(3, 4, dtype="float32"), "csr"))
    y = b.op("spmm", w, b.op("cast", x, to="float16"))
    wide = recast(b.build([y]), "float64")
    dtypes = [str(type.dtype) for type in wide.types.values()]
    assert dtypes == "float64 int64 float64 float64 float64".split()


def test_ms_shrink_compares_on_random_and_given_inputs() -> None:
    graph = network("float32", np.where(np.arange(40)[:, None] % 2, V, 0))
    feeds = {"x": np.ones((3, 40), "float32")}
    result = ms.shrink(graph, feeds)
    assert result.equivalent
    assert [a.inputs for a in result.equivalence] == ["random", "random", "given", "given"]
    assert result.report.parameters == (3201, 1601)
    assert result.graph.types["w"].shape == (40, 20)
    assert "y on given inputs: the same" in str(result)
    worse = replace(result.equivalence[0], difference64=1.0)
    assert not replace(result, equivalence=(worse,)).equivalent
    with pytest.raises(DTypeError, match="input 'x' is float64"):
        ms.shrink(graph, {"x": np.ones((3, 40))})
    with pytest.raises(UsageError, match=r"ms.shrink takes a Graph"):
        ms.shrink("model.onnx")  # type: ignore[arg-type]


def test_a_model_that_cannot_be_run_is_not_called_equivalent() -> None:
    b = GraphBuilder()
    w = b.constant("w", np.ones((2, 2), "float32"))
    size = b.op("cast", b.input("size", (2,), "int64"), to="int64")
    y = b.op("matmul", b.op("reshape", b.input("x", (6, 2)), size), w)
    result = ms.shrink(b.build([y]))
    assert not result.equivalent
    assert "not compared on random inputs" in str(result)
    given = {"size": np.array([3, 4]), "x": np.ones((6, 2), "float32")}
    with pytest.raises(UsageError, match="missing: x"):
        ms.shrink(b.build([y]), {"size": given["size"]})


def test_what_is_infinite_in_both_is_the_same_and_sparse_outputs_are_compared_too() -> None:
    b = GraphBuilder()
    x = b.input("x", (2, 2), "float32")
    graph = b.build({"log": b.op("log", x), "stored": b.op("convert", x, format="csr")})
    result = ms.shrink(graph, {"x": np.array([[0, -1], [np.inf, 2]], "float32")})
    assert result.equivalent, str(result)


def test_compile_shrinks_where_it_is_asked_to() -> None:
    graph = network("float32", np.where(np.arange(40)[:, None] % 2, V, 0))
    plan = ms.compile(graph, also=("shrink_structures",))
    assert {r.name: r.changed for r in plan.reports}["shrink_structures"]
    assert "shrink_structures" not in [r.name for r in ms.compile(graph).reports]
    with pytest.raises(UsageError, match="no pass fold_constants runs on request"):
        ms.compile(graph, also=("fold_constants",))
