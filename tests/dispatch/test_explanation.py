"""What an explanation says is what the cost model, the passes and the plan say."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.cost import candidates
from minisparse.dispatch import counterfactual
from minisparse.dispatch.difference_why import why_otherwise
from minisparse.dispatch.explanation import NodeExplanation
from minisparse.formats import find_pattern
from minisparse.graph import Graph, GraphBuilder
from minisparse.runtime import Executable
from minisparse.show import human_seconds

RNG = np.random.default_rng(0)
SIZE = 512


def network(w: Array) -> Graph:
    """Return one linear layer and what follows it."""
    b = GraphBuilder("one")
    h = b.op("gemm", b.input("x", ("batch", w.shape[1])), b.constant("w", w), transB=1, name="fc")
    return b.build({"y": b.op("relu", h)})


def scattered(density: float, size: int = SIZE) -> Array:
    w = RNG.standard_normal((size, size)).astype("float32")
    w[RNG.random(w.shape) >= density] = 0
    return w


PLAN = ms.compile(network(scattered(0.02)), sizes={"batch": 128})


def explained(plan: Executable = PLAN, name: str = "fc") -> NodeExplanation:
    return plan.explain().node(name)


def test_every_candidate_is_listed_cheapest_first_with_its_price() -> None:
    node = explained()
    assert [c.seconds for c in node.candidates] == sorted(c.seconds for c in node.candidates)
    assert {"dense vectorized", "csr vectorized"} <= {c.name for c in node.candidates}
    assert sum(c.chosen for c in node.candidates) == 1
    for c in node.candidates:
        assert c.seconds == pytest.approx(sum(c.price.parts.values()))
        assert c.bytes > 0
        assert c.why
        assert not c.chosen or c.why == node.why


def test_the_parts_say_why_the_others_lost() -> None:
    node = explained()
    slowest = node.candidates[-1]
    assert not slowest.chosen
    ratio = slowest.seconds / node.chosen.seconds
    assert slowest.why.startswith(f"{ratio:.2f}x slower: ")


def test_a_sparse_filter_still_has_its_dense_candidate() -> None:
    weight = RNG.standard_normal((64, 64, 3, 3)).astype("float32")
    weight[RNG.random(weight.shape) >= 0.01] = 0
    b = GraphBuilder("filters")
    y = b.op("conv", b.input("x", (4, 64, 14, 14)), b.constant("w", weight), name="c")
    graph = b.build({"y": y})
    plan = ms.compile(graph, choose={"c": "csr"})
    assert plan.step("c").chosen.name == "csr vectorized"
    names = [c.name for c in explained(plan, "c").candidates]
    assert "dense vectorized" in names
    assert ms.compile(graph, choose={"c": "dense"}).step("c").chosen.name == "dense vectorized"


@pytest.mark.parametrize("kind", ["scattered", "16x16 blocks"])
def test_what_would_change_the_choice_is_what_the_model_says_of_such_a_weight(kind: str) -> None:
    found = {c.pattern: c for c in explained().counterfactuals}[kind]
    assert found.density is not None
    block = 1 if kind == "scattered" else 16
    for factor, sparse in ((0.7, True), (1.4, False)):
        grid = RNG.random((SIZE // block, SIZE // block)) < found.density * factor
        w = np.kron(grid, np.ones((block, block))) * RNG.standard_normal((SIZE, SIZE))
        graph = network(w.astype("float32"))
        graph = ms.compile(graph, sizes={"batch": 128}, skip=("select_format",)).sized
        assert graph.patterns["w"].nnz == find_pattern(w).nnz
        first = candidates(graph, graph.node("fc"), PLAN.target)[0]
        assert (first.layout.format != "dense") == sparse, (kind, factor, first.name)


@pytest.mark.parametrize(
    ("density", "text"),
    [
        (None, "scattered: dense at any density"),
        (1.0, "scattered: csr even without a zero"),
        (0.25, "scattered: csr above 75 % zeros"),
        (0.004, "scattered: csr above 99.6 % zeros"),
        (0.0003, "scattered: csr above 99.97 % zeros"),
    ],
)
def test_densities_are_told_as_zeros(density: float | None, text: str) -> None:
    assert str(counterfactual.Counterfactual("scattered", density, "csr")) == text


def test_nodes_without_a_weight_have_nothing_to_compare() -> None:
    assert explained(name="fc:in").counterfactuals == ()
    assert explained(name="fc:in").why == "the only way there is"


def test_the_waterfall_leads_from_the_model_as_given_to_the_plan() -> None:
    found = PLAN.explain()
    names = [stage.name for stage in found.waterfall]
    assert names[0] == "dense"
    assert "fold_constants" in names
    assert "fold_batchnorm" not in names  # it had nothing to do
    assert found.waterfall[-1].seconds == pytest.approx(found.seconds)
    assert found.waterfall[-1].weight_bytes < found.waterfall[0].weight_bytes


def test_text_fits_and_data_are_plain() -> None:
    found = PLAN.explain()
    text = str(found)
    assert max(map(len, text.splitlines())) <= 80
    assert "> " in text
    assert "with other zeros: scattered: " in text
    data = json.loads(json.dumps(found.as_data()))
    (node,) = (n for n in data["nodes"] if n["name"] == "fc")
    chosen = [c for c in node["candidates"] if c["chosen"]]
    assert [c["name"] for c in chosen] == [explained().chosen.name]
    assert set(chosen[0]["price"]) >= {"compute", "values", "indices", "gather", "calls"}
    assert "fc" in found._repr_html_()


def test_one_node_can_be_shown_alone() -> None:
    assert [n.name for n in PLAN.explain().only("fc").nodes] == ["fc"]
    with pytest.raises(UsageError, match="has no node 'fd'; it has: fc:in, fc"):
        PLAN.explain().only("fd")


def test_two_plans_are_compared_node_by_node() -> None:
    other = ms.compile(network(scattered(0.02)), sizes={"batch": 128}, choose={"fc": "dense"})
    found = PLAN.explain().diff(other.explain())
    assert found.otherwise == ("fc",)
    assert "1 of 3 nodes" in str(found)
    assert max(map(len, str(found).splitlines())) <= 80
    assert found.reasons == {"fc": "asked for in B"}
    assert "asked for in B" in str(found)
    assert "asked for in B" in found._repr_html_()
    none = PLAN.explain().diff(ms.compile(unlike()).explain())
    assert len(none.otherwise) == len(none.nodes)


def unlike() -> Graph:
    b = GraphBuilder("other")
    return b.build({"y": b.op("exp", b.input("x", (3,)))})


def test_a_node_can_be_printed_by_itself() -> None:
    text = str(explained())
    assert text.startswith("fc = spmm_relu: ")
    assert text in str(PLAN.explain())
    assert "why not" in explained()._repr_html_()


def test_a_conversion_repays_after_what_it_costs_over_what_it_earns() -> None:
    """As the plan says of which the weight stayed dense, and so has still to be converted."""
    graph = network(scattered(0.005))
    before = explained(ms.compile(graph, sizes={"batch": 128}, choose={"fc": "dense"}))
    priced = {c.name: c for c in before.candidates}
    dense, sparse = priced["dense vectorized"], priced["csr vectorized"]
    once = sparse.convert_seconds + sparse.prepare_seconds
    assert sparse.convert_seconds > 0
    node = explained(ms.compile(graph, sizes={"batch": 128}, choose={"fc": "csr"}))
    assert node.repays_after == math.ceil(once / (dense.seconds - sparse.seconds))
    assert f"repay after {node.repays_after} run" in str(node)
    assert explained(ms.compile(network(scattered(0.9)))).repays_after is None


@pytest.mark.parametrize("way", ["csr", "bsr 4x4", "csc", "csr generated"])
def test_what_was_asked_for_is_explained_with_its_waterfall(way: str) -> None:
    graph = ms.load(ms.examples.model_path("digits_mlp"))
    plan = ms.compile(graph, choose={"layer1": way})
    found = plan.explain()
    assert "asked for" in str(found)
    assert found.waterfall[-1].seconds == pytest.approx(sum(s.chosen.seconds for s in plan.steps))
    assert found.as_data()
    assert "asked for" in found._repr_html_()


def test_the_dense_twin_of_a_stored_filter_has_its_measured_time() -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((16, 8, 3, 3)).astype("float32")
    w[rng.random(w.shape) < 0.97] = 0
    b = ms.GraphBuilder("filters")
    y = b.op("conv", b.input("x", (1, 8, 12, 12)), b.constant("w", w), name="conv")
    plan = ms.compile(b.build({"y": y}), policy="measured")
    dense = next(c for c in plan.step("conv").candidates if c.layout.format == "dense")
    assert dense.measured_seconds is not None


def test_names_are_whole_and_each_loser_has_its_reason_at_80_columns() -> None:
    text = str(PLAN.explain())
    assert "..." not in text
    for c in explained().candidates:
        assert f" {c.name} " in text
        assert c.chosen or " ".join(c.why.split()[:2]) in text


def test_the_way_of_a_kernel_is_in_text_page_and_data() -> None:
    node = explained()
    ways = {c.name: c.way for c in node.candidates}
    assert ways == {c.name: c.work.way for c in PLAN.step("fc").candidates}
    assert ways["bsr 32x32 vectorized"] == "blocks"
    assert ">blocks<" in node._repr_html_()
    (data,) = (n for n in PLAN.explain().as_data()["nodes"] if n["name"] == "fc")
    assert {c["name"]: c["way"] for c in data["candidates"]} == ways


def test_what_is_packed_is_measured_of_the_chosen_and_predicted_of_others() -> None:
    node, (weight,) = explained(), PLAN.memory().weights
    assert node.chosen.packed_measured
    assert node.chosen.packed_bytes == weight.packed > 0
    others = {c.name: c for c in node.candidates if not c.chosen}
    assert not any(c.packed_measured for c in others.values())
    assert others["dense vectorized"].packed_bytes == 0
    blocks = others["bsr 16x16 vectorized"].packed_bytes
    assert blocks is not None
    assert blocks == pytest.approx(others["bsr 16x16 vectorized"].weight_bytes, rel=0.1)
    assert "  ~" in str(node)


def test_equal_prices_go_to_the_smaller_weight_and_then_by_name() -> None:
    (csr,) = (c for c in PLAN.step("fc").candidates if c.name == "csr vectorized")
    small, named = replace(csr, weight_bytes=1), replace(csr, level="a")
    nudged = replace(small, price=replace(csr.price, calls=csr.price.calls * (1 + 1e-14)))
    assert sorted([csr, named, small], key=type(csr).order) == [small, named, csr]
    assert nudged.seconds >= csr.seconds
    assert nudged.order() < csr.order()


def test_a_choice_that_turned_names_the_part_and_the_rate() -> None:
    plan = ms.compile(network(scattered(0.02)), sizes={"batch": 128})
    here = plan.explain()
    node = here.node("fc")
    a, b = node.chosen, next(c for c in node.candidates if c.name == "dense vectorized")
    slow = replace(a, price=replace(a.price, values=a.price.values + 10 * b.seconds), chosen=False)
    slow = replace(slow, seconds=slow.price.seconds)
    fast = replace(b, chosen=True)
    turned = replace(node, candidates=(fast, slow))
    said = why_otherwise(node, turned)
    before, after = human_seconds(a.price.values), human_seconds(slow.price.values)
    assert said.startswith(f"{a.name} moves values {before} -> {after}: ")
    assert "B/s -> " in said
    more = replace(slow, bytes=a.bytes * slow.price.values / a.price.values)
    assert "B/s" not in why_otherwise(node, replace(node, candidates=(fast, more)))
    assert why_otherwise(node, node) == ""
    assert why_otherwise(node, None) == "only in A"


def test_what_cannot_be_taken_is_listed_with_the_reason() -> None:
    pytest.importorskip("scipy")
    graph = ms.load(ms.examples.model_path("digits_mlp"))
    node = ms.compile(graph, libraries=["scipy"]).explain().node("layer3")
    refused = {r.name: r.why for r in node.rejected}
    assert refused["bsr 4x4 scipy"].startswith("refused: SciPy has no padding")
    assert "bsr 4x4 scipy" in str(node)
    assert refused["bsr 4x4 scipy"] in node._repr_html_()
    assert "bsr 4x4 scipy" not in {c.name for c in node.candidates}
