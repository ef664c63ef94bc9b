"""Attention, sparse and dense, becomes one node where it may, and gives the same."""

from dataclasses import replace

import numpy as np
import pytest

import minisparse as ms
from minisparse.bench.networks import bert_mini
from minisparse.cost import Target
from minisparse.formats import Matrix, from_dense
from minisparse.graph import Graph, GraphBuilder
from minisparse.kernels.chain import program
from minisparse.kernels.chain.cuts import find_cuts
from minisparse.passes import PASSES
from tests.networks import in_double
from tests.passes.random_networks import assert_same

RNG = np.random.default_rng(0)


def fused(graph: Graph, **sizes: int) -> Graph:
    return PASSES["fuse_attention"].run(graph, Target(sizes=sizes))


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def pattern(format: str, dtype: str = "float64") -> Matrix:
    dense = np.where(RNG.random((6, 8)) < 0.4, RNG.standard_normal((6, 8)), 0).astype(dtype)
    return from_dense(dense, format, **({"block": (2, 4)} if format == "bsr" else {}))


def sparse(
    format: str = "csr",
    scale: str = "",
    turned: bool = True,
    dtype: str = "float64",
) -> Graph:
    """Return attention over a sparse mask, as three ops."""
    b = GraphBuilder("sparse")
    mask = b.constant("mask", pattern(format, dtype))
    q, v = b.input("q", (6, 4), dtype), b.input("v", (8, 3), dtype)
    if scale:
        factor = b.constant("factor", np.array(0.25, dtype))
        q = b.op(scale, q, factor) if scale != "from the left" else b.op("multiply", factor, q)
    k = b.input("k", (8, 4) if turned else (4, 8), dtype)
    scores = b.op("sddmm", mask, q, b.op("transpose", k) if turned else k, name="scores")
    weights = b.op("softmax", scores, name="weights")
    return b.build([b.op("spmm", weights, v, name="y")])


def run(graph: Graph) -> dict[str, np.ndarray]:
    feeds = {n: np.random.default_rng(3).standard_normal(t.dims) for n, t in graph.inputs.items()}
    feeds = {n: x.astype(graph.inputs[n].dtype) for n, x in feeds.items()}
    return ms.compile(graph, skip=tuple(PASSES)).run(feeds)


@pytest.mark.parametrize("format", ["csr", "coo", "bsr"])
@pytest.mark.parametrize("scale", ["", "multiply", "div", "from the left"])
def test_a_sparse_attention_becomes_one_op(format: str, scale: str) -> None:
    graph = sparse(format, scale)
    found = fused(graph)
    assert ops(found) == ["attention"]
    wanted = {"": 1.0, "div": 4.0}.get(scale, 0.25)
    assert found.node("y").attrs["scale"] == wanted
    np.testing.assert_allclose(run(found)["y"], run(graph)["y"], rtol=1e-12)
    assert fused(found).nodes == found.nodes


def test_keys_that_are_columns_are_turned() -> None:
    graph = sparse(turned=False)
    found = fused(graph)
    assert ops(found) == ["transpose", "attention"]
    np.testing.assert_allclose(run(found)["y"], run(graph)["y"], rtol=1e-12)


@pytest.mark.parametrize("also", ["scores", "weights"])
def test_scores_that_another_reads_stay(also: str) -> None:
    b = GraphBuilder("read")
    mask = b.constant("mask", pattern("csr"))
    scores = b.op("sddmm", mask, b.input("q", (6, 4), "float64"), b.input("k", (4, 8), "float64"))
    weights = b.op("softmax", scores)
    read = {"scores": scores, "weights": weights}[also]
    v = b.input("v", (8, 3), "float64")
    graph = b.build([b.op("spmm", weights, v), b.op("spmm", read, v)])
    assert fused(graph).nodes == graph.nodes


def test_narrow_dtypes_are_rounded_where_they_were() -> None:
    graph = sparse(dtype="float16")
    assert fused(graph).nodes == graph.nodes


def test_the_mask_is_packed_once() -> None:
    """What a sparse attention spares besides: sddmm's pattern is known when compiling."""
    plan = ms.compile(sparse(dtype="float32"))
    (step,) = [step for step in plan.steps if step.node.op.name == "attention"]
    assert step.packed is not None


def dense(masked: str = "", kv_heads: int = 2, axis: int = -1, also: str = "") -> Graph:
    """Return attention of two heads, as exporters write it."""
    b = GraphBuilder("dense")
    q = b.input("q", ("batch", 2, "queries", 4), "float64")
    k = b.input("k", ("batch", kv_heads, 4, "keys"), "float64")
    v = b.input("v", ("batch", kv_heads, "keys", 3), "float64")
    scores = b.op("matmul", q, k, name="scores")
    h = b.op("div", scores, b.constant("root", np.array(2.0)))
    if masked == "added":
        h = b.op("add", h, b.input("mask", ("batch", 1, 1, "keys"), "float64"))
    if masked == "chosen":
        zero = b.constant("zero", np.array(0.0))
        seen = b.op("greater", b.input("mask", ("queries", "keys"), "float64"), zero)
        h = b.op("where", seen, h, b.constant("low", np.array(-1e9)))
    w = b.op("softmax", h, axis=axis, name="weights")
    if masked == "nan":
        zero = b.constant("zero", np.array(0.0))
        w = b.op("where", b.op("is_nan", w), zero, w)
    y = b.op("matmul", w, v, name="mixed")
    return b.build([y, also] if also else [y])


def feeds_of(graph: Graph, **sizes: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {n: rng.standard_normal(t.bind(sizes).dims) for n, t in graph.inputs.items()}


LONG = {"batch": 16, "queries": 512, "keys": 512}


@pytest.mark.parametrize("masked", ["", "added", "chosen", "nan"])
@pytest.mark.parametrize("kv_heads", [1, 2])
def test_a_dense_attention_becomes_a_chain(
    masked: str, kv_heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = dense(masked, kv_heads)
    found = fused(graph, **LONG)
    assert ops(found)[-1] == "chain"
    assert {"matmul", "softmax"}.isdisjoint(ops(found))
    assert fused(found, **LONG).nodes == found.nodes
    monkeypatch.setattr(program, "BLOCK", 16)
    feeds = feeds_of(graph, batch=3, queries=7, keys=5)
    plans = (ms.compile(g, skip=tuple(PASSES)) for g in (graph, found))
    wanted, got = (plan.run(feeds)["mixed"] for plan in plans)
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_a_block_holds_whole_rows_of_scores() -> None:
    """Cut are batch, heads and queries; not the keys, along which softmax adds up."""
    graph = fused(dense(), **LONG)
    body = graph.nodes[-1].attrs["body"]
    shapes = {"q": (2, 2, 32, 4), "k": (2, 2, 4, 64), "v": (2, 2, 64, 3), "root": ()}
    cuts = find_cuts(body, shapes)
    assert cuts is not None
    assert cuts.of["scores"] == {-4, -3, -2}
    assert cuts.of["k"] == cuts.of["v"] - {-1} == {-4, -3}


@pytest.mark.parametrize(
    "graph",
    [dense(axis=-2), dense(also="scores"), dense(also="weights")],
    ids=["softmax over queries", "scores are returned", "weights are returned"],
)
def test_what_is_not_attention_stays(graph: Graph) -> None:
    assert fused(graph, **LONG).nodes == graph.nodes


def test_short_sequences_stay_near_anyway() -> None:
    graph = dense()
    assert fused(graph, batch=1, queries=32, keys=32).nodes == graph.nodes


def test_a_transformer_with_chains_gives_the_same() -> None:
    graph = in_double(bert_mini(length=16, layers=1, width=16, heads=2))
    found = fused(graph, batch=4096)
    assert ops(found).count("chain") == 1
    assert_same(graph, found)
    whole = replace(graph, name="whole")
    x = RNG.standard_normal((3, 16, 16))
    np.testing.assert_allclose(
        ms.compile(found, skip=("lower_matmul",))(x), ms.compile(whole)(x), rtol=1e-9
    )
