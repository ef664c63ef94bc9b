"""Sessions: forth and back give the same values, breakpoints stop where they say, errors help."""

from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import MinisparseError, ShapeError, UsageError
from minisparse.debugger import Session
from minisparse.runtime import DidRun, Executable
from tests.networks import NETWORKS, feeds_for


def computed(session: Session) -> dict[str, Any]:
    known = {*session.plan.graph.inputs, *session.plan.graph.constants}
    return {name: value for name, value in session.values.items() if name not in known}


def test_nothing_runs_before_the_first_step(session: Session) -> None:
    assert session.position == 0
    assert computed(session) == {}


@pytest.mark.parametrize("network", NETWORKS)
def test_stepping_computes_what_a_run_computes(network: Any) -> None:
    plan = ms.compile(network("random"))
    feeds = feeds_for(plan.graph)
    session = ms.debug(plan, feeds)
    steps = 0
    while session.step() is not None:
        steps += 1
        assert len(computed(session)) == steps
    assert steps == len(plan.steps)
    assert session.finished
    for name, output in plan.run(feeds).items():
        np.testing.assert_array_equal(session.value(plan.graph.outputs[name]), output)


def test_back_and_forth_gives_the_same_values(session: Session) -> None:
    total = len(session.plan.steps)
    first = {}
    for _ in range(total):
        session.step()
        first.update(computed(session))
    for away in range(1, total + 1):
        for _ in range(away):
            session.back()
        assert session.position == total - away
        assert len(computed(session)) == total - away
        for _ in range(away):
            session.step()
        for name, value in computed(session).items():
            assert np.array_equal(value, first[name])


def test_back_at_the_begin_and_step_at_the_end_change_nothing(session: Session) -> None:
    assert session.back().position == 0
    session.run()
    where = session.where
    assert session.step() is None
    assert session.where == where


def test_a_step_tells_what_was_read_and_computed(session: Session) -> None:
    view = session.step()
    assert view is not None
    node = session.plan.steps[0].node
    assert np.array_equal(view.results[0], session.value(node.output))
    text = str(view)
    for told in (node.name, *node.inputs, *node.outputs, "took", "predicted"):
        assert told in text
    assert node.name in view._repr_html_()


def test_values_cannot_be_written_to(session: Session) -> None:
    session.step()
    for value in session.values.values():
        if isinstance(value, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                value[...] = 0


def test_an_error_in_a_kernel_does_not_end_the_session(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = session.plan.program
    first, *later = program.instructions
    broken = program._replace(instructions=(first, *(i._replace(call=interrupt) for i in later)))
    with monkeypatch.context() as patch:
        patch.setitem(vars(session.plan), "program", broken)
        session.step()
        with pytest.raises(KeyboardInterrupt):
            session.step()
    assert session.position == 1
    session.run()
    output = session.plan.graph.outputs["y"]
    plan = session.plan
    assert isinstance(plan, Executable)
    assert np.array_equal(session.value(output), plan.run(feeds_for(plan.graph))["y"])


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


# -- breakpoints ---------------------------------------------------------------------------------


def next_name(session: Session) -> str:
    assert session.here is not None
    return session.here.node.name


def test_a_breakpoint_on_an_op_stops_before_each_node_of_it(session: Session) -> None:
    session.break_on(op="spmm")
    wanted = [s.node.name for s in session.plan.steps if s.node.op.base.name == "spmm"]
    assert len(wanted) > 1
    found = []
    while not session.run().finished:
        assert session.stopped_by is not None
        found.append(next_name(session))
    assert found == wanted
    assert session.stopped_by is None


def test_a_breakpoint_on_a_part_of_a_fused_op(session: Session) -> None:
    session.break_on(op="relu")
    session.run()
    assert session.here is not None
    assert "relu" in session.here.node.op.name


@pytest.mark.parametrize("index", [0, 2, -1])
def test_a_breakpoint_on_a_name(session: Session, index: int) -> None:
    node = session.plan.steps[index].node
    session.break_on(name=node.name)
    session.run()
    assert next_name(session) == node.name
    assert node.output not in session.values
    assert session.run().finished


def test_a_breakpoint_on_a_condition_stops_after_the_node(session: Session) -> None:
    second = session.plan.steps[1].node.name
    session.break_on(when=lambda event: event.step.node.name == second and event.seconds >= 0)
    session.run()
    assert session.position == 2
    assert next_name(session) == second
    assert "after node 2" in session.where
    session.step()
    assert session.position == 3


def test_a_breakpoint_on_nan_finds_where_it_comes_from(graph: ms.Graph) -> None:
    plan = ms.compile(graph)
    feeds = feeds_for(graph)
    session = ms.debug(plan, feeds)
    session.break_on(nan=True)
    assert session.run().finished
    assert session.stopped_by is None
    feeds["x"][1, 2] = np.nan
    session = ms.debug(plan, feeds)
    session.break_on(nan=True)
    session.run()
    assert session.position == 1
    assert "NaN" in str(session)


def test_breakpoints_are_removed(session: Session) -> None:
    first = session.break_on(op="spmm")
    second = session.break_on(name=session.plan.steps[-1].node.name)
    assert list(session.breakpoints) == [first, second]
    session.clear(first.number)
    assert list(session.breakpoints) == [second]
    with pytest.raises(UsageError, match=rf"no breakpoint {first.number}; there are: .*before"):
        session.clear(first.number)
    session.clear()
    assert list(session.breakpoints) == []
    third = session.break_on(op="spmm")
    assert third.number > second.number


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({}, "waits for one thing"),
        ({"op": "spmm", "nan": True}, "waits for one thing"),
        ({"op": "conv"}, "no node of the plan computes 'conv'; its ops: .*spmm"),
        ({"name": "nope"}, "no node 'nope'; its nodes: .*layer0"),
    ],
)
def test_a_breakpoint_that_cannot_be(session: Session, wanted: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        session.break_on(**wanted)
    assert session.breakpoints == ()


# -- looking -------------------------------------------------------------------------------------


def test_a_value_is_found_by_its_node(session: Session) -> None:
    session.run()
    for step in session.plan.steps:
        assert session.value(step.node.name) is not None


def test_a_value_is_found_by_the_name_of_an_output(session: Session) -> None:
    assert "y" not in session.plan.slots
    assert session.run().value("y") is not None
    assert session.diff("y").max_abs < 1e-5


def test_a_value_comes_before_a_node_of_the_same_name(session: Session) -> None:
    steps = session.plan.steps
    (step,) = [
        s for s in steps if s.node.name != s.node.output and s.node.name in session.plan.slots
    ]
    while step.node.output not in session.values:
        session.step()
    with pytest.raises(UsageError, match=f"no value '{step.node.name}' by now"):
        session.value(step.node.name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nope", "no value 'nope' by now: there are: x, "),
        ("layer2", "node [0-9]+, '.*', computes it; step or run to there first"),
        ("relu0", "passes rewrote it away; ms.compile"),
    ],
)
def test_a_value_that_is_not_there(session: Session, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        session.value(name)


def test_why_holds_every_candidate(session: Session) -> None:
    for step in session.plan.steps:
        why = session.why(step.node.name)
        assert [c.name for c in why.node.candidates] == [c.name for c in step.candidates]
        assert why.reason == step.why
        for shown in (str(why), why._repr_html_()):
            assert all(c.name in shown for c in step.candidates)
            assert "chosen" in shown


def test_why_of_the_node_where_one_stands(session: Session) -> None:
    session.step()
    assert session.why().node.name == session.plan.steps[1].node.name
    with pytest.raises(UsageError, match="no node 'nope'; it has: "):
        session.why("nope")


def test_the_table_has_an_arrow_where_one_stands(session: Session) -> None:
    session.step()
    lines = str(session).split("\n")
    (arrow,) = [line for line in lines if line.startswith("->")]
    assert session.plan.steps[1].node.name in arrow
    assert all(len(line) <= 80 for line in lines)
    assert session.where in repr(session)
    assert session.plan.steps[1].node.name in session._repr_html_()


def test_feeds_are_checked_at_once(plan: Executable) -> None:
    with pytest.raises(MinisparseError, match="missing: x"):
        ms.debug(plan, {})


def test_a_plan_without_nodes() -> None:
    b = ms.GraphBuilder("empty")
    plan = ms.compile(b.build({"y": b.input("x", (2,))}))
    session = ms.debug(plan, {"x": np.zeros(2, "float32")})
    assert session.run().finished
    assert session.step() is None
    assert "no nodes" in str(session)
    with pytest.raises(UsageError, match="has no nodes"):
        session.why()


def test_names_out_of_a_file_are_only_text() -> None:
    b = ms.GraphBuilder("<script>\x1b[2J")
    x = b.input("<b>x", (2, 2))
    w = b.constant("<b>w", np.eye(2, dtype="float32"))
    y = b.op("gemm", x, w, name="<img src=x>\x1b")
    graph = b.build({"y": b.op("relu", y, name="<i>")})
    session = ms.debug(ms.compile(graph, level="loops"), {"<b>x": np.ones((2, 2), "float32")})
    session.break_on(op="spmm")
    shown: list[Any] = [session.why(), session.run(), session.into(), session.into().step()]
    shown += [session.into().element(0, 0), session.step(), session.run(), session.diff("<i>")]
    assert "\x1b" not in f"{session!r}{shown[2]!r}"
    for card in shown:
        text = card._repr_html_()
        assert not any(tag in text for tag in ("<script", "<img src=x", "<b>w", "<b>x", "<i>"))
        assert "\x1b" not in f"{text}{card}"


# -- differences ---------------------------------------------------------------------------------


def test_the_difference_to_the_dense_model_is_rounding(session: Session) -> None:
    session.run()
    found = session.diff("layer2")
    assert 0 <= found.max_abs < 1e-5


def test_a_difference_is_found_where_it_is(plan: Executable) -> None:
    feeds = feeds_for(plan.graph)
    ours, other = ms.debug(plan, feeds).run(), ms.debug(plan, feeds)
    other.run()
    assert ours.diff("layer2", other).position is None
    feeds["x"] = feeds["x"].copy()
    feeds["x"][2] += 1
    third = ms.debug(plan, feeds).run()
    found = ours.diff("layer2", third)
    gaps = np.abs(np.asarray(ours.value("layer2")) - np.asarray(third.value("layer2")))
    assert found.position is not None
    assert found.position[0] == 2
    assert found.max_abs == gaps.max() == gaps[found.position]
    assert found.differing == np.count_nonzero(gaps)
    assert f"[{found.position[0]}, {found.position[1]}]" in str(found)


def test_nan_on_one_side_is_infinitely_far(graph: ms.Graph) -> None:
    from minisparse.debugger.difference import difference

    one, two = np.array([1.0, np.nan, np.inf]), np.array([1.0, np.nan, np.inf])
    assert difference("v", one, two).max_abs == 0
    two[0] = np.nan
    found = difference("v", one, two)
    assert (found.max_abs, found.position, found.differing) == (np.inf, (0,), 1)
    with pytest.raises(ShapeError, match=r"float64\[3\] here but float64\[2\] there"):
        difference("v", one, two[:2])


def test_a_value_that_the_other_plan_does_not_have(session: Session) -> None:
    session.run()
    mine = next(n for n in session.values if n not in session.plan.given.types)
    with pytest.raises(UsageError, match=f"no value '{mine}'.*both have: x"):
        session.diff(mine)


def test_events_are_what_the_interpreter_tells(session: Session) -> None:
    view = session.step()
    assert view is not None
    assert isinstance(view.event, DidRun)
    assert view.event.index == 0


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_of_every_kind_can_be_shown(network: Any) -> None:
    graph = network("2:4")
    session = ms.debug(ms.compile(graph), feeds_for(graph)).run()
    assert all(len(line) <= 80 for line in str(session).split("\n"))
    assert str(session).isascii()
    assert graph.name in str(session)
