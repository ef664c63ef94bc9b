"""What a plan's steps become before they run: places, bound calls, and what is let go of when."""

import weakref
from typing import Any

import numpy as np

import minisparse as ms
from minisparse.api import compile_dense
from minisparse.core.dtypes import Array
from minisparse.dispatch import Program
from minisparse.dispatch.bound import run_instructions
from minisparse.runtime import Executable


def chain(length: int) -> Executable:
    builder = ms.GraphBuilder("chain")
    value = builder.input("x", ("n",))
    for _ in range(length):
        value = builder.op("exp", value)
    return ms.compile(builder.build({"y": value}))


def test_a_value_is_let_go_after_its_last_reader() -> None:
    plan = chain(5)
    alive: list[weakref.ref[Array]] = []
    most = 0

    def watched(call: Any) -> Any:
        def run(x: Array) -> Array:
            nonlocal most
            result: Array = call(x)
            alive.append(weakref.ref(result))
            most = max(most, sum(ref() is not None for ref in alive))
            return result

        return run

    watching = [i._replace(call=watched(i.call)) for i in plan.program.instructions]
    with np.errstate(all="ignore"):
        run_instructions(plan.program.blank, watching, [np.ones(3, "float32")])
    assert len(alive) == 5
    assert most == 2  # the operand and the result


def freed(program: Program) -> list[int]:
    return [place for instruction in program.instructions for place in instruction.frees]


def test_constants_and_outputs_stay() -> None:
    builder = ms.GraphBuilder("kept")
    x = builder.input("x", (3,))
    w = builder.constant("w", np.ones(3, "float32"))
    first = builder.op("add", x, w)
    second = builder.op("add", first, w)
    unread = builder.op("relu", second)
    plan = compile_dense(builder.build({"a": first, "b": second}))
    places = freed(plan.program)
    assert len(places) == len(set(places))
    names = {place: name for name, place in plan.slots.items()}
    assert {names[place] for place in places} == {"x", unread}
    for _ in range(2):
        found = plan.run({"x": np.zeros(3, "float32")})
        np.testing.assert_array_equal(found["a"], 1)
        np.testing.assert_array_equal(found["b"], 2)


def test_a_packed_weight_lies_beside_the_constants() -> None:
    builder = ms.GraphBuilder("packed")
    x = builder.input("x", (8, 4))
    A = ms.from_dense(np.eye(8, dtype="float32"), "csr")
    graph = builder.build({"y": builder.op("spmm", builder.constant("A", A), x)})
    plan = ms.compile(graph, skip=("select_format",))
    (instruction,) = plan.program.instructions
    (step,) = plan.steps
    assert plan.program.blank[instruction.reads[0]] is step.packed
    given = np.arange(32, dtype="float32").reshape(8, 4)
    np.testing.assert_array_equal(plan(given), given)


def test_a_weight_that_the_graph_computes_is_packed_in_each_run() -> None:
    builder = ms.GraphBuilder("computed")
    w, x = builder.input("w", (8, 8)), builder.input("x", (8, 4))
    stored = builder.op("convert", w, format="csr")
    plan = ms.compile(builder.build({"y": builder.op("spmm", stored, x)}))
    given = np.arange(32, dtype="float32").reshape(8, 4)
    for factor in (1, 3):
        w_now = factor * np.eye(8, dtype="float32")
        np.testing.assert_array_equal(plan(w_now, given), factor * given)
