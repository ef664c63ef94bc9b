"""Random graphs through subsets and orders of passes: what comes out is the oracle's answer.

A graph is a recipe: names of steps, each with a seed of its own, so that what fails shrinks to the
few steps that matter, and can be made again from the line that hypothesis prints. It is judged in
three ways. Every pass keeps inputs, outputs and types, and changes nothing in its own result. The
plan gives the outputs of an exact run of the graph as it was, within what rounding may do there
(:mod:`minisparse.runtime.equivalence` has the rule). And each node of the plan is within the
oracle's bound on its own operands, which needs no rule of thumb.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.cost import Target, candidates, find_machine
from minisparse.cost.machines import MACHINES
from minisparse.dispatch import make_plan
from minisparse.graph import Graph, Node
from minisparse.oracle import run_exact, verify_nodes
from minisparse.passes import ON_REQUEST, PASSES, Pass, run_passes
from minisparse.runtime import Executable
from minisparse.runtime.equivalence import FACTOR, UNIT, distance, recast
from tests.passes.graph_draft import Draft
from tests.passes.graph_steps import STEPS

EVERY = {**PASSES, **ON_REQUEST}
SIZES = {"batch": 3, "length": 2}
"""Of the runs. What is expected is another thing, and decides what pays."""


@dataclass(frozen=True)
class Recipe:
    """How a graph is made: names of steps with their seeds, and what holds for all of them."""

    steps: tuple[tuple[str, int], ...]
    dtype: str = "float64"
    symbolic: bool = True

    def graph(self) -> Graph:
        draft = Draft("random", self.dtype, self.symbolic)
        for name, seed in self.steps:
            draft.rng = np.random.default_rng(seed)
            STEPS[name](draft)
        return draft.build()


@dataclass(frozen=True)
class Way:
    """How a graph is compiled.

    Attributes
    ----------
    passes : tuple of str
        Which ones, in the order in which they run where the order is free.
    batch : int
        Which size prices are for: of large batches much pays that does not of small ones.
    machine, level : str
        What ``ms.compile`` calls target and level.
    seed : int
        Of formats that are wished for beside ``select_format``, and of candidates that are forced.
    """

    passes: tuple[str, ...]
    batch: int = 64
    machine: str = "cpu"
    level: str = "vectorized"
    seed: int = 0

    @property
    def target(self) -> Target:
        sizes = {"batch": self.batch, "length": 16}
        return Target(find_machine(self.machine), sizes, (self.level,))


recipes = st.builds(
    Recipe,
    st.lists(
        st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 2**16)), min_size=1, max_size=6
    ).map(tuple),
    st.sampled_from(["float64", "float32"]),
    st.booleans(),
)
ways = st.builds(
    Way,
    st.lists(st.sampled_from(["wish", *sorted(EVERY)]), unique=True).map(tuple),
    st.sampled_from([64, 1, 200_000]),
    st.sampled_from(["cpu", *sorted(MACHINES)]),
    st.sampled_from(["vectorized"] * 9 + ["loops"]),
    st.integers(0, 2**16),
)


def wish(graph: Graph, target: Target, seed: int) -> Graph:
    """Want constant weights in formats drawn at random, whatever that costs."""
    rng, sized = np.random.default_rng(seed), target.bind(graph)

    def wishing(node: Node) -> Node:
        at = node.op.base.weight
        if at is None or at >= len(node.inputs) or node.inputs[at] not in graph.constants:
            return node
        now = graph.types[node.inputs[at]].layout
        layouts = {c.layout for c in candidates(sized, node, target)}
        wanted = sorted(layouts - {now}, key=str)
        if not wanted or rng.random() < 0.2:
            return replace(node, wants={})
        return replace(node, wants={at: wanted[rng.integers(len(wanted))]})

    return graph.replace_nodes(wishing(node) for node in graph.nodes)


def feeds_for(graph: Graph) -> dict[str, Array]:
    rng = np.random.default_rng(1)
    return {
        name: rng.standard_normal(type.bind(SIZES).dims).astype(type.dtype)
        for name, type in graph.inputs.items()
    }


def rewritten(graph: Graph, way: Way) -> Graph:
    """Run passes in the order given; wishes that no pass has granted are granted at last."""
    for name in (*way.passes, "insert_conversions"):
        p = EVERY.get(name) or Pass("wish", partial(wish, seed=way.seed))
        graph, _ = run_passes(graph, way.target, {name: p})
        assert_settled(p, graph, way.target)
    return graph


def assert_settled(p: Pass, graph: Graph, target: Target) -> None:
    """Run a pass once more, and see that it changes nothing."""
    again = p.run(graph, target)
    assert str(again) == str(graph), f"{p.name} changes its own result\n{graph}\ninto\n{again}"


def assert_is_the_answer(graph: Graph, plan: Executable) -> None:
    """Hold the outputs of a plan against exact ones, and a second run against the first."""
    feeds = feeds_for(graph)
    with np.errstate(all="ignore"):
        outputs, repeated = plan.run(feeds), plan.run(feeds)
    exact, bounds = answer(graph, feeds)
    assert list(outputs) == list(graph.outputs)
    for name, wanted in exact.items():
        got = outputs[name]
        assert (got.shape, got.dtype) == (wanted.shape, graph.types[graph.outputs[name]].dtype)
        size = float(np.abs(wanted).max(initial=0))
        apart = distance(got, wanted, size)
        assert apart <= bounds[name], f"{name}: {apart} of\n{graph}\nas\n{plan.graph}"
        np.testing.assert_array_equal(got, repeated[name], f"{name} the second time")


def answer(graph: Graph, feeds: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, float]]:
    """Return exact outputs, and by how much of its largest element each may be missed.

    What rounding may do is estimated from what it does where each node is rounded to float32.
    """
    wide = {name: x.astype("float64") for name, x in feeds.items()}
    exact = run_exact(recast(graph, "float64"), wide)
    narrow = {name: x.astype("float32") for name, x in feeds.items()}
    single = run_exact(recast(graph, "float32"), narrow)
    bounds = {}
    for name, wanted in exact.items():
        assert np.isfinite(wanted).all(), "a graph whose values overflow tests nothing"
        size = float(np.abs(wanted).max(initial=0))
        unit = UNIT[graph.types[graph.outputs[name]].dtype.name]
        error = max(distance(single[name], wanted, size), UNIT["float32"])
        bounds[name] = FACTOR * error * unit / UNIT["float32"]
    return exact, bounds


def assert_nodes_are_right(graph: Graph, plan: Executable) -> None:
    with np.errstate(all="ignore"):
        values = plan.trace(feeds_for(graph)).values
    wrong = [j for j in verify_nodes(plan.graph, values) if j.verdict == "FAIL"]
    assert not wrong, f"{wrong[0]} in\n{plan.graph}"


def examples(usual: int) -> int:
    """Return how many graphs: as many as the profile says where it says thousands."""
    wanted = settings().max_examples
    return wanted if wanted >= 1000 else usual


@given(recipes, ways)
@settings(max_examples=examples(30))
def test_passes_in_any_order_keep_what_a_graph_computes(recipe: Recipe, way: Way) -> None:
    graph = recipe.graph()
    after = rewritten(graph, way)
    plan = make_plan(graph, after, way.target)
    runnable = Executable(plan.given, plan.graph, plan.target, plan.steps, plan.reports)
    assert_is_the_answer(graph, runnable)


@given(recipes, ways)
@settings(max_examples=examples(15))
def test_what_is_compiled_is_right_whichever_passes_are_left_out(recipe: Recipe, way: Way) -> None:
    graph = recipe.graph()
    skip = {name for name in PASSES if name in way.passes}
    compiled = partial(
        ms.compile,
        graph,
        way.machine,
        sizes={name: n for name, n in way.target.sizes.items() if name in graph.symbols},
        level=way.level,
        skip=skip,
        also=[name for name in ON_REQUEST if name in way.passes],
    )
    plan = compiled()
    assert_is_the_answer(graph, plan)
    assert_nodes_are_right(graph, plan)
    with contextlib.suppress(UsageError):  # a pass that leads to a candidate may be left out
        assert_is_the_answer(graph, compiled(choose=losers(plan, way.seed)))


def losers(plan: Executable, seed: int) -> dict[str, str]:
    """Return for nodes with a choice one of their candidates, drawn at random."""
    rng, found = np.random.default_rng(seed), {}
    for step in plan.steps:
        offered = [c.name for c in step.candidates]
        if len(offered) > 1:
            found[step.node.name] = offered[rng.integers(len(offered))]
    return found
