"""Contenders: right before they are timed, each in a process of its own, and lost ones named."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from minisparse.bench import contest, process
from minisparse.bench.asking import Lost
from minisparse.bench.contest import (
    LEAST_ROUNDS,
    measure_cell,
    measure_cells,
    missing,
    seated,
    write_problem,
)
from minisparse.bench.process import Rival, environment
from minisparse.bench.products import contenders
from minisparse.bench.suite import Cell, Contender, Need, Operands, Ready, Suite
from minisparse.bench.suites import SUITES
from minisparse.bench.worker import Loaded, Seat, fault_of, scratch_of
from minisparse.core.dtypes import Array

DNN = SUITES["dnn"]
CELL = Cell("unstructured", 0.1, (64, 96), 8, "float32")


def smallest_cells() -> list[tuple[str, Cell]]:
    """Return for each suite the smallest cell of each pattern; not those of large networks."""
    found = []
    for suite in SUITES.values():
        cells = [cell for cell in suite.cells() if suite.setup(cell) < 3.5]
        for pattern in dict.fromkeys(cell.pattern for cell in cells):
            of = [cell for cell in cells if cell.pattern == pattern]
            found.append((suite.name, min(of, key=lambda cell: (suite.setup(cell), cell))))
    return found


def name_of(value: object) -> str:
    return value if isinstance(value, str) else f"{value[0]}" if isinstance(value, tuple) else ""


@pytest.mark.parametrize(("name", "cell"), smallest_cells(), ids=name_of)
def test_every_contender_is_right(name: str, cell: Cell, tmp_path: Path) -> None:
    suite = SUITES[name]
    write_problem(tmp_path, suite, cell, suite.problem(cell, np.random.default_rng(0)))
    lacking = missing(suite.contenders)
    for contender in suite.contenders:
        if contender.name not in lacking and contender.takes(cell):
            seat = Seat(suite, contender)
            found = seat.load(str(tmp_path), cell)
            assert found.fault == "", contender.name
            assert (found.scratch is not None) == contender.weighed
            assert seat.turn() > 0


def right(cell: Cell, operands: Operands) -> Ready:
    """Solve it as NumPy does, on the zeros and all."""
    dense = next(c for c in DNN.contenders if c.name == "dense")
    return dense.make(cell, operands)


def answers(change: Callable[[Array], Any]) -> Callable[[Cell, Operands], Ready]:
    """Return a contender that does something to the right result."""

    def make(cell: Cell, operands: Operands) -> Ready:
        found = np.asarray(right(cell, operands).call())
        return Ready(lambda: change(found.copy()))

    return make


def one_off(c: Array) -> Array:
    c[3, 5] *= 1.001
    return c


def one_nan(c: Array) -> Array:
    c[0, 0] = np.nan
    return c


def unable(cell: Cell, operands: Operands) -> Ready:
    raise RuntimeError("not on this machine")


def with_rivals(*others: Contender) -> tuple[Suite, dict[str, Seat]]:
    suite = replace(DNN, contenders=(Contender("ours", right), *others))
    return suite, {c.name: Seat(suite, c) for c in suite.contenders}


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (answers(one_off), "wrong result: 1 of 512 values off, the worst by 0.001 of its size"),
        (answers(one_nan), "wrong result: 1 of 512 values off, the worst by nan"),
        (answers(lambda c: c[:, :4]), "wrong result: shape (64, 4) where (64, 8) is right"),
        (answers(np.zeros_like), "wrong result: 512 of 512 values off"),
        (unable, "RuntimeError: not on this machine"),
    ],
)
def test_who_is_wrong_is_named_and_not_timed(
    make: Callable[[Cell, Operands], Ready], fault: str
) -> None:
    suite, seats = with_rivals(Contender("wrong", make))
    figure = measure_cell(suite, CELL, seats, 0, 0.0)
    assert figure.faults["wrong"].startswith(fault)
    assert set(figure.times) == {"ours"}
    assert figure.ratio("ours", ("wrong",)) is None
    assert len(figure.times["ours"].seconds) == LEAST_ROUNDS
    with pytest.raises(AssertionError):
        seats["wrong"].turn()


def test_nobody_is_right() -> None:
    suite, seats = with_rivals()
    seats["ours"] = Seat(suite, Contender("ours", unable))
    assert measure_cell(suite, CELL, seats, 0, 0.0).times == {}


def test_rounding_is_no_fault() -> None:
    expected = np.array([1.0, 0.0])
    assert fault_of(np.array([1.0 + 1e-6, 0.0]), expected, 1e-5) == ""
    assert fault_of(np.array([1.0, 1e-6]), expected, 1e-5) != ""
    assert fault_of(np.zeros((0, 3)), np.zeros((0, 3)), 0.0) == ""


class Scripted:
    """A contender that takes what it is told, and is lost after that."""

    def __init__(self, seconds: Sequence[float]) -> None:
        self.seconds = list(seconds)

    def load(self, folder: str, cell: Cell) -> Loaded:
        assert {path.stem for path in Path(folder).glob("*.npy")} >= {"b", "expected", "tolerance"}
        return Loaded("")

    def turn(self) -> float:
        if not self.seconds:
            raise Lost("its process died")
        return self.seconds.pop(0)


def test_who_is_lost_on_the_way_has_no_times() -> None:
    players = {
        "ours": Scripted([1.0] * 99),
        "dense": Scripted([2.0]),
        "scipy": Scripted([3.0] * 99),
    }
    figure = measure_cell(DNN, CELL, players, 0, 0.0)
    assert figure.faults == {"dense": "its process died"}
    assert set(figure.times) == {"ours", "scipy"}
    assert figure.times["ours"].seconds == (1.0,) * LEAST_ROUNDS
    assert figure.ratio("ours", ("scipy",)) == pytest.approx(1 / 3)


def test_cells_are_timed_until_the_time_is_up() -> None:
    told: list[int] = []

    def tell(done: int, cell: Cell) -> None:
        told.append(done)
        time.sleep(0.02)

    players = {"ours": Scripted([1.0] * 99)}
    assert len(measure_cells(DNN, [CELL] * 5, players, 0, 0.0, tell)) == 1
    assert told == [0]
    assert len(measure_cells(DNN, [CELL] * 2, players, 0, 60.0)) == 2


def test_a_cell_that_would_end_too_late_is_not_begun() -> None:
    huge = CELL._replace(shape=(100_000, 100_000))  # making it would take all the memory
    players = {"ours": Scripted([1.0] * 99)}
    assert [f.cell for f in measure_cells(DNN, [CELL, huge], players, 0, 60.0)] == [CELL]


def test_cells_that_take_longer_than_foretold_make_the_next_look_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]

    class Slow(Scripted):
        def load(self, folder: str, cell: Cell) -> Loaded:
            now[0] += 30.0
            return Loaded("")

    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: None)
    monkeypatch.setattr(contest, "time", clock)
    found = measure_cells(DNN, [CELL] * 9, {"ours": Slow([1.0] * 99)}, 0, 100.0)
    assert len(found) == 3  # the fourth would begin at 90 and end at 120


def test_operands_depend_on_seed_and_cell_alone() -> None:
    seen: list[Array] = []

    def problem(cell: Cell, rng: np.random.Generator) -> dict[str, Array]:
        operands = DNN.problem(cell, rng)
        seen.append(operands["b"])
        return operands

    suite = replace(DNN, problem=problem)
    for seed in (0, 0, 1):
        measure_cell(suite, CELL, {"ours": Scripted([1.0] * 9)}, seed, 0.0)
    assert np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])


def test_scratch_is_what_is_allocated_beside_the_result() -> None:
    def call() -> Array:
        work = np.ones(1_000_000)
        return work[:500_000] + work[500_000:]

    assert 7_900_000 < scratch_of(Ready(call)) < 8_100_000


def test_a_missing_library_is_named_with_its_remedy() -> None:
    absent, other = Need("no_such_library", "no_such"), Need("nor_this", "minisparse[none]")
    there = Need("no_module", "mkl", lambda: True)
    one, two = Contender("one", right, (absent, there)), Contender("two", right, (absent, other))
    assert missing([DNN.ours, one, two]) == {
        "one": "no_such_library is not installed: pip install no_such",
        "two": "no_such_library and nor_this are not installed: "
        'pip install no_such "minisparse[none]"',
    }


@pytest.mark.parametrize("op", ["spmm", "spmv"])
@pytest.mark.parametrize(("pattern", "format"), [("16x16", "bsr"), ("2:4", "csr")])
def test_mkl_is_our_level_with_a_held_handle(
    op: str, pattern: str, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def prepare(op: str, a: Any, columns: int, level: str) -> Callable[[Array], Array]:
        asked.append((op, a.format, level))
        return lambda b: b

    monkeypatch.setattr("minisparse.kernels.prepare", prepare)
    cell = CELL._replace(pattern=pattern, density=0.5, columns=8 if op == "spmm" else 0)
    (mkl,) = (c for c in contenders(op) if c.name == "mkl")
    mkl.make(cell, DNN.problem(cell, np.random.default_rng(0)))
    assert asked == [(op, format, "mkl")]


def test_processes_solve_and_are_timed() -> None:
    chosen = [c for c in DNN.contenders if c.name in ("ours", "dense")]
    with seated(DNN, chosen, environment(1)) as rivals:
        figure = measure_cell(DNN, CELL, rivals, 0, 0.0)
    assert figure.faults == {}
    assert set(figure.times) == {"ours", "dense"}
    assert figure.loaded["ours"].note == "csr"
    assert figure.loaded["ours"].scratch is not None


def test_a_process_that_dies_is_a_fault(capfd: pytest.CaptureFixture[str]) -> None:
    rival = Rival("dnn", "nobody", environment(1))
    assert rival.load("", CELL) == Loaded("its process died")
    assert "StopIteration" in capfd.readouterr().err
    with pytest.raises(Lost):
        rival.turn()
    rival.close()


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_SECONDS", 0.01)  # less than it takes to start
    rival = Rival("dnn", "dense", environment(1))
    assert rival.load("", CELL) == Loaded("its process gave no answer within 0.01 s")
    rival.close()


def test_every_library_gets_the_same_number_of_threads() -> None:
    found = environment(3)
    assert {found[f"{name}_NUM_THREADS"] for name in ("OMP", "OPENBLAS", "MKL")} == {"3"}


def test_the_page_explains_every_contender() -> None:
    page = Path(__file__).parents[2] / "docs" / "benchmarks.md"
    rows = [line.split("|")[1] for line in page.read_text("utf-8").split("\n") if "|" in line]
    explained = {name.strip() for row in rows for name in row.split(",")}
    assert {c.name for suite in SUITES.values() for c in suite.contenders} <= explained


def test_of_onnxruntime_what_is_missing_is_told_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("minisparse.bench.suite.is_installed", lambda name: name != "onnx")
    assert missing(SUITES["models"].contenders) == {
        "onnxruntime": 'onnx is not installed: pip install "minisparse[onnx]"'
    }
