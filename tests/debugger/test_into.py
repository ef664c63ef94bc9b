"""Inside of kernels: moments in order, letters, elements that add up, and going back."""

import ast
import bdb
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.debugger import KernelSession, Session
from minisparse.debugger.kernel_call import open_kernel
from minisparse.debugger.moment import spell
from minisparse.formats import Matrix
from minisparse.kernels import KERNELS
from tests.networks import convolutional, feeds_for

PRODUCT = "layer0:product"


def spmm(name: str, a: Any, b: Any) -> KernelSession:
    return KernelSession(name, KERNELS[name].levels["loops"].run, (a, b))


@pytest.fixture
def inside() -> KernelSession:
    """Rows 0 with two entries, 1 empty, 2 with one."""
    a = ms.CSR(np.array([2.0, 3.0, 5.0], "float32"), [0, 3, 1], [0, 2, 2, 3], (3, 4))
    b = np.arange(8, dtype="float32").reshape(4, 2)
    return spmm("spmm_csr", a, b)


def labels(inside: KernelSession) -> list[str]:
    found = []
    while (moment := inside.step()) is not None:
        found.append(moment.label)
    return found


def test_moments_come_in_the_order_of_the_loops(inside: KernelSession) -> None:
    multiply_add = ["column", "multiply", "accumulate"]
    slot = ["slot", "column", *multiply_add, *multiply_add]
    told = labels(inside)
    assert told[told.index("row") : -1] == ["row", *slot, *slot, "row", "row", *slot]
    assert told[-1] == "return"


def test_a_multiply_add_is_told_in_two_steps(inside: KernelSession) -> None:
    inside.until(m=0, k=3, n=1)
    before = inside.values
    multiply = inside.step()
    assert multiply is not None
    assert multiply.label == "multiply"
    assert multiply.meaning.endswith("[3, 1] = 3 * 7 = 21")
    assert multiply.letters == {"m": 0, "p": 1, "k": 3, "n": 1}
    assert inside.values["c"][0, 1] == 2
    accumulate = inside.step()
    assert accumulate is not None
    assert accumulate.label == "accumulate"
    assert accumulate.meaning == "c[0, 1] = 2 + 21 = 23"
    assert inside.values["c"][0, 1] == 23
    assert before["c"][0, 1] == 2


def test_the_line_that_ran_is_the_one_shown(inside: KernelSession) -> None:
    inside.until(m=2, n=1)
    moment = inside.step()
    assert moment is not None
    (arrow,) = [line for line in moment.listing if line.startswith("->")]
    assert "+=" in arrow
    for text in (str(moment), moment.brief, moment._repr_html_()):
        assert "+=" in text
        assert "m=2 p=2 k=1 n=1" in text
    assert all(len(line) <= 80 for line in f"{moment}\n{moment.brief}".split("\n"))


def test_rows_and_slots(inside: KernelSession) -> None:
    rows: list[Any] = []
    slots: list[Any] = []
    while (moment := inside.next_row()) is not None:
        rows.append(moment.letters)
    assert rows == [{"m": 0}, {"m": 1}, {"m": 2}]
    assert not inside.finished
    inside.back(inside.count)
    while (moment := inside.next_slot()) is not None:
        slots.append(moment.letters)
    assert slots == [{"m": 0, "p": 0}, {"m": 0, "p": 1}, {"m": 2, "p": 2}]


def test_rows_and_slots_of_blocks() -> None:
    blocks = ms.from_dense(np.ones((4, 4)), "bsr", block=(2, 2))
    inside = spmm("spmm_bsr", blocks, np.ones((4, 1)))
    slot = inside.next_slot()
    assert slot is not None
    assert slot.meaning == "p = slot 0: a stored block of A"
    rows = []
    while (moment := inside.next_row()) is not None:
        rows.append((moment.letters["p"], moment.letters["m"], moment.letters["k"]))
    assert rows[:4] == [(0, 0, 0), (0, 1, 0), (1, 0, 2), (1, 1, 2)]


def test_back_goes_through_the_same_moments(inside: KernelSession) -> None:
    forth = []
    while (moment := inside.step()) is not None:
        forth.append((moment, {name: str(v) for name, v in inside.values.items()}))
    assert inside.finished
    for moment, values in reversed(forth):
        assert inside.back() == moment
        assert {name: str(v) for name, v in inside.values.items()} == values
    assert inside.back() is None
    assert inside.count == 0
    assert inside.back() is None


def test_until_stays_where_it_is_if_there_is_no_such_moment(inside: KernelSession) -> None:
    inside.until(m=2)
    count, moment = inside.count, inside.moment
    with pytest.raises(UsageError, match=r"no moment after step [0-9]+ has m=0"):
        inside.until(m=0)
    assert (inside.count, inside.moment) == (count, moment)
    with pytest.raises(UsageError, match=r"never have q; they have: .*m, p, k, n"):
        inside.until(q=1)


def test_until_goes_on_to_the_next_moment_of_that_kind(inside: KernelSession) -> None:
    assert inside.until(n=1).letters["p"] == 0
    assert inside.until(n=1).letters["p"] == 1
    assert inside.until(n=1).letters["p"] == 2


def test_the_result_is_there_only_at_the_end(inside: KernelSession) -> None:
    with pytest.raises(UsageError, match="finish"):
        _ = inside.result
    result = inside.finish()
    a, b = inside.operands
    np.testing.assert_array_equal(result, a.to_dense() @ b)
    assert inside.result is result
    assert inside.step() is None
    assert "finished" in repr(inside)


@pytest.mark.parametrize("format", ["coo", "csr", "csc", "bsr", "nm", "dense"])
def test_multiply_adds_of_an_element_make_it(format: str) -> None:
    rng = np.random.default_rng(3)
    x = np.where(rng.random((4, 8)) < 0.5, rng.integers(-9, 9, (4, 8)), 0).astype("float64")
    x[:, 2:4] = x[:, 6:8] = 0
    layouts: dict[str, dict[str, Any]] = {"bsr": {"block": (2, 2)}, "nm": {"n": 2, "m": 4}}
    a = x if format == "dense" else ms.from_dense(x, format, **layouts.get(format, {}))
    b = rng.integers(-9, 9, (8, 3)).astype("float64")
    inside = spmm(f"spmm_{format}", a, b)
    assert inside.until(m=1, n=1).letters["m"] == 1
    count = inside.count
    for m in range(4):
        for n in range(3):
            element = inside.element(m, n)
            assert sum(element.products) == (x @ b)[m, n]
            for term in element.terms:
                assert term.factors[0] * term.factors[1] == term.product
                assert term.before + term.product == term.after
                assert (term.letters["m"], term.letters["n"]) == (m, n)
    assert inside.count == count
    row = inside.element(1)
    assert sum(row.products) == (x @ b)[1].sum()
    assert all(len(line) <= 80 for line in str(row).split("\n"))
    assert inside.element(1, 1)._repr_html_()


def test_indices_are_written_as_numbers() -> None:
    x = np.array([[0, 0, 1, 2], [0, 0, 3, 4.0]])
    blocks = spmm("spmm_bsr", ms.from_dense(x, "bsr", block=(2, 2)), np.ones((4, 1)))
    terms = blocks.element(1, 0).terms
    assert [term.left.partition("[")[2] for term in terms] == ["0, 1, 0]", "0, 1, 1]"]
    assert [term.target for term in terms] == ["c[1, 0]"] * 2
    a = ms.from_dense(x, "csr")
    inside = KernelSession("spmv", KERNELS["spmv_csr"].levels["loops"].run, (a, np.ones(4)))
    assert [term.right.partition("[")[2] for term in inside.element(1).terms] == ["2]", "3]"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("x[n, c, *seen]", "x[1, 2, 3, 4]"),
        ("x[n + c]", "x[3]"),
        ("x[LIMIT + n]", "x[LIMIT + n]"),  # a global's value is not known here
        ("x[f(n)]", "x[f(n)]"),
        ("x[n:]", "x[n:]"),
        ("x[half]", "x[half]"),
        ("n", "n"),
    ],
)
def test_what_is_no_whole_number_stays_as_written(written: str, shown: str) -> None:
    names = {"n": 1, "c": np.int32(2), "seen": (3, 4), "half": 0.5, "f": abs}
    assert spell(ast.parse(written, mode="eval").body, names) == shown


def test_an_element_that_no_entry_meets(inside: KernelSession) -> None:
    assert inside.element(1, 0).terms == ()
    assert "no stored entry" in str(inside.element(1, 0))


def test_a_kernel_without_slots_says_so() -> None:
    inside = spmm("spmm_dense", np.ones((2, 2)), np.ones((2, 1)))
    with pytest.raises(UsageError, match=r"no slot of their own; they have: .*row"):
        inside.next_slot()


def test_an_interrupt_leaves_the_session_where_it_was(
    inside: KernelSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minisparse.debugger.paused_run import PausedRun

    inside.until(m=0, n=1)
    count = inside.count

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PausedRun, "is_labelled", interrupted)
        with pytest.raises(KeyboardInterrupt):
            inside.next_row()
    assert inside.count == count
    assert inside.next_row() is not None


class Once:
    """An operand that is interrupted once, when it is read for the n-th time."""

    def __init__(self, reads: int) -> None:
        self.reads = reads

    def __getitem__(self, key: Any) -> float:
        self.reads -= 1
        if self.reads == 0:
            raise KeyboardInterrupt
        return 2.0


def total(x: Any) -> Any:
    result = 0.0
    for k in range(5):
        result += x[k] * 3.0
    return result


@pytest.mark.parametrize("move", ["step", "finish"])
def test_loops_that_are_interrupted_can_go_on(move: str) -> None:
    inside = KernelSession("total", total, (Once(3),))

    def run_on() -> None:
        while not inside.finished:
            getattr(inside, move)()

    with pytest.raises(KeyboardInterrupt):
        run_on()
    assert not inside.finished
    assert inside.finish() == 30.0


def test_pdb_stops_at_a_line_of_the_kernels_file(inside: KernelSession) -> None:
    class Debugger(bdb.Bdb):
        stops = 0

        def user_line(self, frame: Any) -> None:
            if self.get_break(self.canonic(frame.f_code.co_filename), frame.f_lineno):
                Debugger.stops += 1
                assert {"m", "p", "k", "n"} <= set(frame.f_locals)
            self.set_continue()

    inside.until(m=0, n=0)
    moment = inside.step()
    assert moment is not None
    inside.back(inside.count)
    debugger = Debugger()
    assert debugger.set_break(moment.file, moment.line) is None
    debugger.runcall(inside.finish)
    debugger.clear_all_breaks()
    assert Debugger.stops >= 6


# -- from a session ------------------------------------------------------------------------------


def spmm_step(session: Session) -> Any:
    return next(s for s in session.plan.steps if s.node.op.base.name == "spmm")


def test_into_runs_on_the_nodes_own_operands(session: Session) -> None:
    step = spmm_step(session)
    session.break_on(name=step.node.name)
    session.run()
    inside = session.into(at={"m": 3, "n": 1})
    assert inside.letters["m"] == 3
    a, b = inside.operands
    assert isinstance(a, Matrix)
    assert b is not None
    position = session.position
    result = inside.finish()
    assert session.position == position
    session.step()
    final = step.node.op.epilogue
    more = [np.asarray(session.value(name)) for name in step.node.inputs[2:]]
    for part in final:
        taken = len(part.operands) - 1
        result, more = part.dense((result, *more[:taken]), {}), more[taken:]
    np.testing.assert_array_equal(result, session.value(step.node.name))


def test_into_before_the_operands_are_known(session: Session) -> None:
    step = [s for s in session.plan.steps if s.node.op.base.name == "spmm"][-1]
    with pytest.raises(UsageError, match="go there first: break layer2, then c; in Python "):
        session.into(step.node.name)


def test_into_a_kernel_without_loops(session: Session) -> None:
    step = next(s for s in session.plan.steps if "loops" not in s.chosen.kernel.levels)
    with pytest.raises(UsageError, match=r"no loops to .* with loops: lay"):
        session.into(step.node.name)


def test_into_a_convolution() -> None:
    graph = convolutional("random")
    session = ms.debug(ms.compile(graph, level="loops"), feeds_for(graph, 1))
    session.break_on(op="conv")
    session.run()
    inside = session.into(format="csr")
    step = session.here
    assert step is not None
    element = inside.element(m=2, n=0, row=1, column=3)
    result = inside.finish()
    bias = np.asarray(session.value(step.node.inputs[2]))[2] if len(step.node.inputs) > 2 else 0
    assert element.terms
    np.testing.assert_allclose(sum(element.products) + bias, result[0, 2, 1, 3], rtol=1e-4)
    assert "[0, 2, 1, 3]" in str(element)


@pytest.mark.parametrize("format", ["coo", "csr", "csc", "dense"])
def test_into_the_loops_of_another_format(session: Session, format: str) -> None:
    step = spmm_step(session)
    session.break_on(name=step.node.name)
    session.run()
    inside = session.into(format=format)
    assert f"spmm_{format} loops" in inside.title
    np.testing.assert_allclose(inside.finish(), session.into().finish(), rtol=1e-5, atol=1e-6)


def test_a_kernel_without_loops_offers_formats_that_have_them() -> None:
    graph = convolutional("blocks")
    session = ms.debug(ms.compile(graph), feeds_for(graph))
    session.break_on(op="conv")
    step = session.run().here
    assert step is not None
    kernel = replace(KERNELS["conv_bsr"], loops=None)
    blocks = replace(step, chosen=replace(step.chosen, kernel=kernel))
    every = r"has no loops .* another format: bsr, coo, csc, csr, dense, nm$"
    with pytest.raises(UsageError, match=every):
        open_kernel(session.plan, blocks, session.values)
    assert "conv_csr loops" in open_kernel(session.plan, blocks, session.values, "csr").title
    with pytest.raises(UnsupportedOpError, match="no kernel for zip"):
        session.into(format="zip")
