"""Memory plans: no value is spoiled, results are the caller's, and what is foretold is needed."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import minisparse as ms
import minisparse.dispatch.lifetimes as lifetimes
from minisparse.api import compile_dense
from minisparse.bench.networks import bert_mini, resnet18
from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.dispatch.bound import GARBAGE, KEPT, run_instructions, run_plan
from minisparse.dispatch.memory_plan import MemoryPlan, lay_out_values
from minisparse.dispatch.weight_bytes import weights_of
from minisparse.graph import Graph, GraphBuilder
from minisparse.kernels import blas
from minisparse.ops import GELU, GEMM, OPS, RELU
from minisparse.ops.body import Body
from minisparse.ops.node import Node
from minisparse.runtime import Executable, measure_memory, run, sizes_of
from tests.networks import NETWORKS, feeds_for, pruned
from tests.passes import random_networks

PLANNERS: dict[str, Callable[..., Executable]] = {"compiled": ms.compile, "as given": compile_dense}


def without_arena(plan: Executable, feeds: dict[str, Array]) -> dict[str, Array]:
    """Run a plan with every result allocated."""
    program = plan.program
    with np.errstate(all="ignore"):
        values = run_instructions(program.blank, program.instructions, tuple(feeds.values()))
    return {name: values[place] for name, place in program.outputs.items()}


def check(plan: Executable, feeds: dict[str, Array]) -> MemoryPlan:
    """Compare runs with and without garbage in dead memory, and without any arena."""
    layout = lay_out_values(plan, sizes_of(plan.graph, feeds))
    for a, b in combinations(layout.slots, 2):
        apart = a.offset + a.buffer.nbytes <= b.offset or b.offset + b.buffer.nbytes <= a.offset
        assert apart or not a.buffer.span.meets(b.buffer.span)
    first, spoiled = run(plan, feeds), run(plan, feeds, poison=True)
    wanted = without_arena(plan, feeds)
    for name, x in wanted.items():
        np.testing.assert_array_equal(spoiled[name], first[name], name)
        np.testing.assert_allclose(first[name], x, 1e-4, 1e-5)
        assert not any(np.shares_memory(first[name], a.memory) for a in plan.arenas.free)
    return plan.memory(sizes_of(plan.graph, feeds))


@pytest.mark.parametrize("planner", PLANNERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_garbage_in_dead_memory_changes_nothing(network: Any, planner: str) -> None:
    graph = network("blocks")
    plan = PLANNERS[planner](graph)
    for batch in (1, 3, 8):
        assert check(plan, feeds_for(graph, batch)).arena > 0


@pytest.mark.parametrize("planner", PLANNERS)
@settings(max_examples=max(10, settings().max_examples // 3))
@given(st.sampled_from(["image", "sequence"]), st.integers(0, 10**6), st.integers(1, 3))
def test_nor_in_any_network(planner: str, kind: str, seed: int, batch: int) -> None:
    make = {"image": random_networks.image_network, "sequence": random_networks.sequence_network}
    graph = make[kind](seed)
    rng = np.random.default_rng(seed)
    feeds: dict[str, Array] = {}
    for name, type in graph.inputs.items():
        shape = type.bind({"batch": batch, "seq": 4}).dims
        whole = type.dtype.kind == "i"
        feeds[name] = rng.integers(0, 7, shape) if whole else rng.standard_normal(shape)
    check(PLANNERS[planner](graph), feeds)


def test_a_plan_that_forgets_a_reader_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = NETWORKS[3]("none")
    right = lifetimes._last_readers

    def one_too_early(plan: Any) -> dict[str, int]:
        made = {name: i for i, step in enumerate(plan.steps) for name in step.node.outputs}
        return {n: max(made.get(n, 0), i - 1) for n, i in right(plan).items()}

    monkeypatch.setattr(lifetimes, "_last_readers", one_too_early)
    with pytest.raises(AssertionError):
        check(compile_dense(graph), feeds_for(graph))


def test_results_stay_when_the_plan_runs_again() -> None:
    graph = NETWORKS[1]("none")
    for planner in PLANNERS.values():
        plan = planner(graph)
        first = plan.run(feeds_for(graph, seed=1))
        kept = {name: x.copy() for name, x in first.items()}
        for seed in range(2, 5):
            plan.run(feeds_for(graph, seed=seed))
        for name, x in kept.items():
            np.testing.assert_array_equal(first[name], x)


def test_a_view_of_a_value_keeps_it() -> None:
    b = GraphBuilder("views")
    x = b.input("x", ("n", 4))
    h = b.op("exp", x)
    turned = b.op("transpose", h, name="turned")
    flat = b.op("reshape", turned, b.constant("all", [-1]))  # a copy: rows lie apart
    part = b.op("split", h, num_outputs=2, axis=1)
    other = b.op("exp", b.op("sub", b.op("exp", x), x))
    total = b.op("add", b.op("reduce_sum", flat, keepdims=0), b.op("reduce_sum", other, keepdims=0))
    graph = b.build({"part": f"{part}.1", "total": total})
    memory = check(compile_dense(graph), {"x": np.ones((6, 4), "float32")})
    outside = {b.values[0] for b in memory.allocated}
    assert h in outside  # a view of it is a result
    assert flat in {value for slot in memory.slots for value in slot.buffer.values}


def test_nothing_is_written_over_what_another_operand_is_a_view_of() -> None:
    b = GraphBuilder("overlapping")
    h = b.op("exp", b.input("x", (4, 4)))
    y = b.op("tanh", b.op("add", h, b.op("transpose", h), name="sum"), name="end")
    plan = compile_dense(b.build({"y": y}))
    lives = lay_out_values(plan, {}).lives
    assert set(lives.over) == {"end"}
    check(plan, {"x": np.arange(16, dtype="float32").reshape(4, 4)})


def test_all_that_is_dead_is_spoiled() -> None:
    graph = NETWORKS[3]("none")
    plan, feeds = compile_dense(graph), feeds_for(graph)
    run(plan, feeds, poison=True)
    slots = lay_out_values(plan, sizes_of(graph, feeds)).slots
    (arena,) = plan.arenas.free
    parts = [arena.memory[s.offset : s.offset + s.buffer.nbytes] for s in slots]
    assert all((part == GARBAGE).all() for part in parts)


def test_threads_do_not_share_an_arena() -> None:
    graph = NETWORKS[3]("none")
    plan = compile_dense(graph)
    feeds = [feeds_for(graph, 4, seed) for seed in range(4)]
    wanted = [plan.run(f)["y"] for f in feeds]
    right: list[bool] = []

    def work(i: int) -> None:
        right.extend(np.array_equal(plan.run(feeds[i])["y"], wanted[i]) for _ in range(30))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(right) == 4 * 30
    assert all(right)
    assert 1 <= len(plan.arenas.free) <= 4


def looping() -> Graph:
    """Return a loop whose body has values of its own."""
    nodes = (
        Node("hidden", GEMM, ("h", "w"), ("a",), GEMM.complete({})),
        Node("active", GELU, ("a",), ("b",), GELU.complete({})),
        Node("next", GEMM, ("b", "w"), ("c",), GEMM.complete({})),
        Node("out", RELU, ("c",), ("d",), {}),
    )
    body = Body(("i", "go", "h", "w"), nodes, ("go", "d", "d"))
    b = GraphBuilder("looping")
    x = b.input("x", ("batch", 4))
    w = b.constant("w", np.random.default_rng(0).standard_normal((4, 4)).astype("float32"))
    trips, yes = b.constant("trips", np.array(3)), b.constant("yes", np.array(True))
    h = b.op("loop", trips, yes, b.op("tanh", x), w, body=body, carried=1)
    return b.build({"last": h, "all": b.op("exp", f"{h}.1")})


def test_bodies_have_arenas_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = ms.compile(looping())
    feeds = {"x": np.random.default_rng(1).standard_normal((5, 4)).astype("float32")}
    wanted = plan.run(feeds)
    monkeypatch.setattr("minisparse.dispatch.program.run_plan", partial(run_plan, poison=True))
    for name, x in plan.run(feeds).items():
        np.testing.assert_array_equal(x, wanted[name])
    (body,) = next(s for s in plan.steps if s.bodies).bodies.values()
    assert body.arenas.nbytes > 0


def test_what_only_a_run_tells_is_allocated() -> None:
    b = GraphBuilder("unknown")
    x = b.input("x", ("n",))
    found = b.op("gather", x, b.op("squeeze", b.op("non_zero", x), b.constant("zero", [0])))
    plan = ms.compile(b.build({"y": b.op("exp", b.op("tanh", found))}))
    for n in (4, 9):
        given = np.arange(n, dtype="float32")
        np.testing.assert_allclose(plan(given), np.exp(np.tanh(given[1:])), 1e-6)
    assert plan.memory({"n": 4}).slots == ()


def test_arrays_of_another_library_are_not_told_where_to_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = NETWORKS[0]("none")
    plan = ms.compile(graph)
    ran: list[Any] = []
    monkeypatch.setattr("minisparse.dispatch.bound.run_instructions", lambda *a: ran.append(a[1]))
    x = feeds_for(graph)["x"]
    for fed in (SimpleNamespace(shape=x.shape), x):
        run_plan(plan, [fed])
    assert ran[0] is plan.program.instructions
    assert ran[1] is not plan.program.instructions


def test_one_arena_serves_all_sizes_and_a_program_is_bound_for_some() -> None:
    graph = NETWORKS[0]("none")
    plan = ms.compile(graph)
    plan.run(feeds_for(graph, KEPT + 4))
    most = plan.arenas.nbytes
    for batch in range(1, KEPT + 4):
        check(plan, feeds_for(graph, batch))
    (arena,) = plan.arenas.free
    assert len(arena.bound) == KEPT
    assert plan.arenas.nbytes == most > 0
    check(plan, feeds_for(graph, 100))
    assert plan.arenas.nbytes > most
    assert len(arena.bound) == 1  # the others lay in memory that is gone
    plan.arenas.release()
    assert plan.arenas.nbytes == 0


def test_an_error_in_a_run_gives_the_arena_back() -> None:
    b = GraphBuilder("words")
    words = b.constant("words", np.ones((7, 4), "float32"))
    y = b.op("exp", b.op("tanh", b.op("gather", words, b.input("tokens", ("n",), "int64"))))
    plan = ms.compile(b.build({"y": y}))
    with pytest.raises(ms.ShapeError, match="gather"):
        plan(np.array([1, 9]))
    assert plan(np.array([1, 2])).shape == (2, 4)
    assert len(plan.arenas.free) == 1


FORETOLD: dict[str, Callable[[], tuple[Graph, tuple[int, ...]]]] = {
    "resnet": lambda: (resnet18(image=32, width=8, classes=10), (8, 3, 32, 32)),
    "bert": lambda: (bert_mini(length=32, layers=2, width=64, heads=2), (8, 32, 64)),
    "bert in blocks": lambda: (
        ms.prune(bert_mini(length=32, layers=1, width=128, heads=2), "block", sparsity=0.8),
        (8, 32, 128),
    ),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", FORETOLD)
def test_the_peak_is_foretold_within_5_percent(
    name: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blas, "thread_count", lambda: threads)
    graph, shape = FORETOLD[name]()
    plan = ms.compile(graph, sizes={"batch": shape[0]})
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    found = measure_memory(plan, {"x": x})
    assert abs(found.peak / found.measured - 1) < 0.05
    assert found.predicted < found.peak
    assert "with scratch" in str(found)


@pytest.mark.parametrize("name", ["digits_mlp", "digits_mlp_blocks", "digits_cnn"])
@pytest.mark.parametrize("batch", [1, 64])
def test_the_peak_of_the_examples_is_foretold(
    name: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blas, "thread_count", lambda: 1)
    graph = ms.load(ms.examples.model_path(name))
    plan = ms.compile(graph, sizes={"batch": batch})
    found = measure_memory(plan, feeds_for(graph, batch))
    weights = plan.memory().weight_bytes
    assert abs((weights + found.peak) / (weights + found.measured) - 1) < 0.05
    if batch > 1:  # of some kB, the interpreter's own objects are a part
        assert abs(found.peak / found.measured - 1) < 0.05


def test_a_memory_plan_can_be_read() -> None:
    graph = NETWORKS[2]("blocks")
    plan = ms.compile(graph, sizes={"batch": 4})
    memory = plan.memory()
    assert memory.sizes == {"batch": 4}
    text = str(memory)
    assert text.isascii()
    assert max(map(len, text.split("\n"))) <= 80
    assert "AAAA" in text
    assert "pointers" in text
    html = memory._repr_html_()
    assert "data:image/png" in html
    assert "indices" in html
    for step in range(len(memory.steps)):
        assert sum(b.nbytes for b in memory.alive(step)) <= memory.values[step]
    assert memory.bound <= memory.arena <= memory.peak < memory.total
    with pytest.raises(UsageError, match="no dimension rows"):
        plan.memory({"rows": 3})
    for wrong in (-1, 2.5, True):
        with pytest.raises(UsageError, match="size batch must be a whole number"):
            plan.memory({"batch": wrong})  # type: ignore[dict-item]


def test_weights_are_listed_with_their_arrays() -> None:
    b = GraphBuilder("stored")
    A = ms.from_dense(pruned(np.random.default_rng(0), 64, 64, "random"), "csr")
    y = b.op("spmm", b.constant("A", A), b.input("x", (64, "n")))
    plan = ms.compile(b.build({"y": y}), skip=("select_format",))
    (weight,) = plan.memory().weights
    sizes = {n: x.nbytes for n, x in A.arrays.items()}
    assert (weight.values, weight.indices) == (sizes["data"], sizes["indices"])
    assert weight.pointers == sizes["indptr"]
    assert weight.layout == "csr"
    assert weight.packed > 0
    assert plan.memory().weight_bytes == A.nbytes + weight.packed


def test_planning_memory_can_be_left_out() -> None:
    graph = NETWORKS[0]("random")
    feeds = feeds_for(graph)
    with_arena, without = ms.compile(graph), ms.compile(graph, skip=["plan_memory"])
    assert with_arena.memory().arena > 0
    memory = without.memory()
    assert memory.arena == 0
    assert not memory.slots
    assert memory.allocated
    for name, y in with_arena.run(feeds).items():
        np.testing.assert_array_equal(without.run(feeds)[name], y)
    assert without.arenas.nbytes == 0
    assert [s.chosen.name for s in without.steps] == [s.chosen.name for s in with_arena.steps]


@pytest.mark.parametrize("op", ["matmul", "spmm"])
def test_a_weight_that_two_branches_capture_is_counted_once(op: str) -> None:
    w = np.where(np.arange(1024).reshape(32, 32) % 8, 0, 1).astype("float32")
    reads = ("x", "w") if op == "matmul" else ("w", "x")
    body = Body(("x", "w"), (Node("y", OPS[op], reads, ("y",)),), ("y",))
    b = ms.GraphBuilder("branches")
    name = b.constant("w", w)
    y = b.op(
        "if_else", b.input("go", (), "bool"), b.input("x", (32, 32)), name,
        then_branch=body, else_branch=body,
    )  # fmt: skip
    plan = ms.compile(b.build({"y": y}))
    stored = sum(weight.stored for weight in plan.memory().weights)
    assert stored == w.nbytes


def test_what_a_body_packs_for_itself_of_a_captured_weight_counts() -> None:
    w = np.ones((32, 32), "float32")
    body = Body(("x", "w"), (Node("y", OPS["spmm"], ("w", "x"), ("y",)),), ("y",))
    b = ms.GraphBuilder("branches")
    name = b.constant("w", w)
    y = b.op(
        "if_else", b.input("go", (), "bool"), b.input("x", (32, 32)), name,
        then_branch=body, else_branch=body,
    )  # fmt: skip
    plan = ms.compile(b.build({"y": y}))
    (step,) = (s for s in plan.steps if s.bodies)
    bodies = {}
    for size, (branch, inside) in enumerate(step.bodies.items(), 1):
        packing = [replace(s, packed=SimpleNamespace(nbytes=1000 * size)) for s in inside.steps]
        bodies[branch] = replace(inside, steps=tuple(packing))
    steps = tuple(replace(s, bodies=bodies) if s is step else s for s in plan.steps)
    weights = weights_of(replace(plan, steps=steps))
    assert sum(weight.packed for weight in weights) == 3000
    assert sum(weight.stored for weight in weights) == w.nbytes
