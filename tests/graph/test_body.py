"""Bodies: their form, their types, and how control ops are planned, run, saved and printed."""

import _thread
import json
import signal
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import (
    DTypeError,
    GraphError,
    MinisparseError,
    ModelFileError,
    UnsupportedOpError,
)
from minisparse.core.npz import read_npz, write_npz
from minisparse.core.tensor_type import TensorType, dense_type, known_type
from minisparse.graph import Graph, GraphBuilder, Node
from minisparse.graph.body import as_graph
from minisparse.ops import ADD, GEMM, MULTIPLY, OPS, REDUCE_SUM, RELU, TRANSPOSE, Op
from minisparse.ops.body import Body
from minisparse.ops.control import IF_ELSE, LOOP
from minisparse.oracle import run_exact
from minisparse.passes import PASSES
from tests.ops.breaches import of

CONCAT = OPS["concat"]
LESS = OPS["less"]


def call(op: Op, operands: str, result: str, **attrs: Any) -> Node:
    return Node(result, op, tuple(operands.split()), (result,), op.complete(attrs))


def body(inputs: str, outputs: str, *nodes: Node) -> Body:
    return Body(tuple(inputs.split()), nodes, tuple(outputs.split()))


def control(op: str, feeds: Mapping[str, Array], **attrs: Any) -> Graph:
    """Return the graph of one control node, all of whose operands are inputs."""
    b = GraphBuilder(op)
    operands = [b.input(name, x.shape, x.dtype) for name, x in feeds.items()]
    first = b.op(op, *operands, **attrs)
    results = len(OPS[op].infer([b.type_of(o) for o in operands], attrs))
    return b.build([first, *(f"{first}.{i}" for i in range(1, results))])


DOUBLED = body("x", "y", call(ADD, "x x", "y"))
TURNED = body("x", "y", call(TRANSPOSE, "x", "y"))
SUMMED = body("x", "y", call(REDUCE_SUM, "x", "y", keepdims=0))
NARROWED = body("x", "y", call(OPS["cast"], "x", "y", to="float16"))
COUNTING = body("i go n", "go m", call(ADD, "n i", "m"))


# -- form ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("x x", "x"), "body: 'x' is defined twice"),
        (("x", "y"), "body: its outputs read 'y', which nothing before defines"),
        (("x", "y", call(RELU, "z", "y")), "body: node 'y' read 'z', which nothing before defines"),
        (("x", "x", call(RELU, "x", "x")), "body: 'x' is defined twice"),
    ],
)
def test_names_are_defined_once_and_before_they_are_read(given: Any, message: str) -> None:
    with pytest.raises(GraphError) as caught:
        body(*given)
    assert str(caught.value) == message


# -- types ---------------------------------------------------------------------------------------


def test_an_error_inside_of_a_body_names_its_node() -> None:
    wrong = body("x y", "z", call(ADD, "x y", "z"))
    with pytest.raises(ms.ShapeError, match=r"node 'z' on x, y: add \(C1\)"):
        IF_ELSE.infer(
            [of(dtype="bool"), of(2), of(3)], {"then_branch": wrong, "else_branch": wrong}
        )


def test_branches_must_agree_in_dtype_and_rank() -> None:
    types = [of(dtype="bool"), of(2, 3)]
    with pytest.raises(DTypeError, match="result 0 is float32 of then_branch but float16 of else"):
        IF_ELSE.infer(types, {"then_branch": DOUBLED, "else_branch": NARROWED})
    with pytest.raises(UnsupportedOpError, match="same number of dimensions, unless the condition"):
        IF_ELSE.infer(types, {"then_branch": DOUBLED, "else_branch": SUMMED})


def test_a_condition_that_is_known_leaves_one_branch() -> None:
    attrs = {"then_branch": DOUBLED, "else_branch": SUMMED}
    for taken, shape in ((True, (2, 3)), (False, ())):
        (told,) = IF_ELSE.infer([known_type(np.array(taken)), of(2, 3)], attrs)
        assert told.shape == shape


def test_sizes_that_differ_are_unknown_and_others_stay() -> None:
    attrs = {"then_branch": DOUBLED, "else_branch": TURNED}
    assert IF_ELSE.infer([of(dtype="bool"), of("n", 3)], attrs)[0].shape == ("?", "?")
    assert IF_ELSE.infer([of(dtype="bool"), of("n", "n")], attrs)[0].shape == ("n", "n")


def test_a_loop_is_inferred_until_no_size_changes() -> None:
    grown = body("i go x y", "go z w", call(CONCAT, "x y", "z"), call(CONCAT, "y y", "w"))
    told = LOOP.infer(
        [of(dtype="int64"), of(dtype="bool"), of(1, 3), of(1, 3)], {"body": grown, "carried": 2}
    )
    assert [t.shape for t in told] == [("?", 3), ("?", 3)]


def test_a_loop_must_keep_dtypes_and_ranks() -> None:
    types = [of(dtype="int64"), of(dtype="bool"), of(2, 3)]
    summed = body("i go x", "go y", call(REDUCE_SUM, "x", "y", keepdims=0))
    with pytest.raises(UnsupportedOpError, match=r"carried value 0 .* number of dimensions must"):
        LOOP.infer(types, {"body": summed, "carried": 1})
    narrowed = body("i go x", "go y", call(OPS["cast"], "x", "y", to="float16"))
    with pytest.raises(DTypeError, match="float32 before an iteration and float16 after it"):
        LOOP.infer(types, {"body": narrowed, "carried": 1})
    with pytest.raises(ms.ShapeError, match=r"first output is float32\[2, 3\]: it must be the"):
        LOOP.infer(types, {"body": body("i go x", "x x"), "carried": 1})


@pytest.mark.parametrize(
    ("trips", "condition", "length"),
    [(3, True, 3), (3, False, 0), (-2, True, 0), (3, None, "?"), (None, True, "?")],
)
def test_what_is_collected_has_the_trip_count_in_front(
    trips: int | None, condition: bool | None, length: Any
) -> None:
    one = of(dtype="int64") if trips is None else known_type(np.array(trips))
    two = of(dtype="bool") if condition is None else known_type(np.array(condition))
    collecting = body("i go n", "go m m", call(ADD, "n i", "m"))
    told = LOOP.infer([one, two, of(4, dtype="int64")], {"body": collecting, "carried": 1})
    assert told[1].shape == (length, 4)
    stopping = body("i stop n", "go m m", call(LESS, "i i", "go"), call(ADD, "n i", "m"))
    told = LOOP.infer([one, two, of(4, dtype="int64")], {"body": stopping, "carried": 1})
    assert told[1].shape == (0 if length == 0 else "?", 4)


def test_unknown_sizes_inside_are_not_those_outside() -> None:
    inner = body("c x", "z", Node(
        "z", IF_ELSE, ("c", "x"), ("z",), {"then_branch": DOUBLED, "else_branch": TURNED}
    ))  # fmt: skip
    outer = TensorType(("?'1", "?2"), np.dtype("float32"))
    told = inner.types([of(dtype="bool"), outer])["z"].shape
    assert set(told).isdisjoint(outer.shape)
    assert told[0] != told[1]
    assert inner.infer([of(dtype="bool"), outer])[0].shape == ("?", "?")


def test_a_body_as_a_graph_gives_unknown_sizes_names_of_their_own() -> None:
    given = (TensorType(("?1", "?"), np.dtype("float32")),)
    inside = as_graph(DOUBLED, given)
    assert inside.inputs["x"].shape == ("?'1", "?'0.1")


# -- runs ----------------------------------------------------------------------------------------


def weighted() -> Graph:
    """Return a loop that multiplies with a constant again and again, a branch in its body."""
    rng = np.random.default_rng(0)
    w = rng.integers(-1, 2, (3, 3)).astype("float32")
    b = GraphBuilder("weighted")
    x = b.input("x", ("batch", 3))
    more = b.input("more", (), "bool")
    chosen = {
        "then_branch": body("h w", "g", call(GEMM, "h w", "g")),
        "else_branch": body("h w", "g", call(MULTIPLY, "h h", "g")),
    }
    step = Node("h2", IF_ELSE, ("c", "h", "w"), ("h2",), chosen)
    repeated = body("i go h c w", "go h2 h2", step)
    trips, yes = b.constant("trips", np.array(3)), b.constant("yes", np.array(True))
    h = b.op("loop", trips, yes, x, more, b.constant("w", w), body=repeated, carried=1)
    return b.build({"last": h, "all": f"{h}.1"})


@pytest.mark.parametrize("more", [True, False])
@pytest.mark.parametrize("skip", [(), tuple(PASSES)])
def test_nested_bodies_are_run_by_their_plans(more: bool, skip: tuple[str, ...]) -> None:
    graph = weighted()
    x = np.arange(6, dtype="float32").reshape(2, 3)
    plan = ms.compile(graph, skip=skip)
    found = plan.run({"x": x, "more": np.array(more)})
    w = graph.constants["w"]
    wanted = [x]
    for _ in range(3):
        wanted.append(wanted[-1] @ w if more else wanted[-1] * wanted[-1])
    np.testing.assert_array_equal(found["last"], wanted[-1])
    np.testing.assert_array_equal(found["all"], np.stack(wanted[1:]))
    assert found["all"].dtype == np.float32


def test_captured_constants_are_constants_of_the_planned_body() -> None:
    plan = ms.compile(weighted())
    (step,) = plan.steps
    inside = step.bodies["body"]
    assert list(inside.graph.constants) == ["w"]
    assert list(inside.graph.inputs) == ["i", "go", "h", "c"]
    assert [s.node.name for s in inside.steps] == ["h2"]
    assert set(inside.steps[0].bodies) == {"then_branch", "else_branch"}


def test_an_explanation_goes_into_bodies() -> None:
    told = ms.compile(weighted()).explain()
    assert [(node.name, node.op) for node in told.nodes] == [
        ("loop_1", "loop"),
        ("loop_1.body/h2", "if_else"),
        ("loop_1.body/h2.then_branch/g", "gemm"),
        ("loop_1.body/h2.else_branch/g", "multiply"),
    ]
    assert "loop_1.body/h2.then_branch/g = gemm: dense vectorized" in str(told)


def test_only_the_branch_that_is_known_to_be_taken_is_planned() -> None:
    b = GraphBuilder()
    yes = b.constant("yes", np.array(True))
    result = b.op("if_else", yes, b.input("x", (2, 3)), then_branch=DOUBLED, else_branch=SUMMED)
    plan = ms.compile(b.build([result]))
    assert list(plan.steps[0].bodies) == ["then_branch"]
    np.testing.assert_array_equal(plan(np.ones((2, 3), "float32")), np.full((2, 3), 2))


def test_what_is_handed_back_is_a_copy() -> None:
    x = np.ones((2, 3), "float32")
    kept = body("x", "x x")
    feeds = {"c": np.array(True), "x": x}
    plan = ms.compile(control("if_else", feeds, then_branch=kept, else_branch=kept))
    first, second = plan.run(feeds).values()
    assert not np.shares_memory(first, x)
    assert not np.shares_memory(first, second)


def test_constraints_are_checked_in_the_run_where_sizes_are_known_only_then() -> None:
    grown = body("i go x y", "go z", call(CONCAT, "x x", "z"))
    added = body("x y", "z", call(ADD, "x y", "z"))
    b = GraphBuilder()
    trips, yes = b.input("trips", (), "int64"), b.constant("yes", np.array(True))
    x, y = b.input("x", (1, 3)), b.input("y", (4, 3))
    z = b.op("loop", trips, yes, x, y, body=grown, carried=1)
    result = b.op("if_else", yes, z, y, then_branch=added, else_branch=added)
    plan = ms.compile(b.build([result]))
    one, four = np.ones((1, 3), "float32"), np.ones((4, 3), "float32")
    np.testing.assert_array_equal(plan(np.array(2), one, four), np.full((4, 3), 2))
    with pytest.raises(ms.ShapeError, match=r"node 'if_else_1': node 'z': add \(C1\)"):
        plan(np.array(1), one, four)


def test_an_endless_loop_can_be_interrupted() -> None:
    feeds = {"t": np.array(2**63 - 1), "c": np.array(True), "n": np.array([1])}
    plan = ms.compile(control("loop", feeds, body=COUNTING, carried=1))
    timer = threading.Timer(0.1, _thread.interrupt_main)
    # a shell that starts the tests in the background has them ignore the signal
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            plan.run(feeds)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("op", [IF_ELSE, LOOP], ids=lambda op: op.name)
def test_plans_saved_and_exact_runs_give_what_the_op_means(op: Op, tmp_path: Path) -> None:
    for sample in op.samples(np.random.default_rng(1)):
        arrays = [x for x in sample.operands if isinstance(x, np.ndarray)]
        feeds = {f"x{i}": x for i, x in enumerate(arrays)}
        graph = control(op.name, feeds, **sample.attrs)
        graph.save(tmp_path / "graph.npz")
        loaded = ms.load(tmp_path / "graph.npz")
        assert str(loaded) == str(graph)
        meant = op.dense(arrays, op.complete(sample.attrs))
        wanted = meant if isinstance(meant, tuple) else (meant,)
        for found in (ms.compile(graph).run(feeds), run_exact(loaded, feeds)):
            for got, right in zip(found.values(), wanted, strict=True):
                np.testing.assert_array_equal(got, right, sample.label)
                assert got.dtype == right.dtype


def test_the_oracle_judges_what_bodies_compute() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3)).astype("float32")
    feeds = {"t": np.array(3), "c": np.array(True), "x": x}
    once = body("i go x", "go y", call(MULTIPLY, "x x", "y"))
    plan = ms.compile(control("loop", feeds, body=once, carried=1))
    (judged,) = plan.verify({**feeds, "t": np.array(1)})
    assert (judged.verdict, judged.judgement.vacuous) == ("PASS", 0)
    (judged,) = plan.verify(feeds)  # a rounded value is multiplied: no bound is known
    assert judged.verdict == "VACUOUS"


def test_nothing_is_demanded_after_a_condition_on_rounded_values() -> None:
    """Which iteration is the last depends on roundings: whole numbers are not judged either."""
    feeds = {"t": np.array(9), "c": np.array(True), "x": np.array([[1.1]], "float32")}
    feeds |= {"n": np.array([0]), "one": np.array([1])}
    squared = body(
        "i go x n one", "less y m", call(MULTIPLY, "x x", "y"),
        call(LESS, "y one", "less"), call(ADD, "n one", "m"),
    )  # fmt: skip
    plan = ms.compile(control("loop", feeds, body=squared, carried=2))
    np.testing.assert_array_equal(plan.run(feeds)["loop_1.1"], [1])
    (judged,) = plan.verify(feeds)
    assert judged.verdict == "VACUOUS"


def test_a_wrong_body_is_noticed_by_the_oracle() -> None:
    feeds = {"c": np.array(True), "x": np.full((2, 2), 3, np.float32)}
    plan = ms.compile(control("if_else", feeds, then_branch=DOUBLED, else_branch=TURNED))
    wrong = replace(plan.steps[0], bodies={"then_branch": plan.steps[0].bodies["else_branch"]})
    (judged,) = replace(plan, steps=(wrong,)).verify(feeds)
    assert judged.verdict == "FAIL"


# -- files and text ------------------------------------------------------------------------------


def test_bodies_are_printed_below_their_node() -> None:
    assert str(weighted()) == (
        "graph weighted(x: float32[batch, 3], more: bool[]) -> last, all\n"
        "  const trips       int64[]\n"
        "  const yes         bool[]\n"
        "  const w           float32[3, 3]\n"
        "  loop_1, loop_1.1  = loop(trips, yes, x, more, w, carried=1)"
        "  float32[batch, 3], float32[3, batch, 3]\n"
        "    body(i, go, h, c, w)\n"
        "      h2  = if_else(c, h, w)  float32[batch, 3]\n"
        "        then_branch(h, w)\n"
        "          g  = gemm(h, w)  float32[batch, 3]\n"
        "          return g\n"
        "        else_branch(h, w)\n"
        "          g  = multiply(h, h)  float32[batch, 3]\n"
        "          return g\n"
        "      return go, h2, h2\n"
        "  return last = loop_1, all = loop_1.1"
    )


def test_unknown_ops_in_bodies_are_named(tmp_path: Path) -> None:
    strange = replace(RELU, name="onnx.Strange")
    feeds = {"c": np.array(True), "x": np.ones(3, "float32")}
    inside = body("x", "y", call(strange, "x", "y"))
    graph = control("if_else", feeds, then_branch=inside, else_branch=inside)
    with pytest.raises(UnsupportedOpError, match=r"cannot be saved: .*'y' = onnx\.Strange"):
        graph.save(tmp_path / "graph.npz")


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        ({"inputs": ["x"], "outputs": ["y"]}, ModelFileError, "is damaged"),
        ({"inputs": ["x"], "nodes": [], "outputs": ["y"]}, GraphError, "its outputs read 'y'"),
        ({"inputs": ["x"], "nodes": [{"op": "wand", "attrs": {}}], "outputs": ["x"]},
         UnsupportedOpError, "unknown ops: wand"),
        ({"inputs": ["x"], "nodes": 3, "outputs": ["x"]}, ModelFileError, "is damaged"),
        ("x", ms.ShapeError, "must be bodies"),
    ],
)  # fmt: skip
def test_a_damaged_body_is_one_clear_line(
    tmp_path: Path, broken: Any, error: type[MinisparseError], message: str
) -> None:
    feeds = {"c": np.array(True), "x": np.ones(3, "float32")}
    path = tmp_path / "graph.npz"
    control("if_else", feeds, then_branch=DOUBLED, else_branch=DOUBLED).save(path)
    arrays = dict(read_npz(path))
    text = json.loads(arrays["graph.json"].tobytes())
    text["nodes"][0]["attrs"]["then_branch"] = broken
    arrays["graph.json"] = np.frombuffer(json.dumps(text).encode(), np.uint8)
    write_npz(path, arrays)
    with pytest.raises(error, match=message) as caught:
        ms.load(path)
    assert str(caught.value).startswith(str(path))


def test_types_of_a_body_without_nodes_are_those_of_its_inputs() -> None:
    x = dense_type(np.ones((2, 3)))
    assert body("x", "x x").infer([x]) == (x, x)
