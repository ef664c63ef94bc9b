"""Calibration: problems that can be computed, coefficients that are found again, a verb."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisparse.bench import calibration, figures
from minisparse.bench.calibration import Effort, calibrate, fit_libraries, fit_machine
from minisparse.bench.figures import measure_machine
from minisparse.bench.problems import OPS_DRAWN, POINTWISE, build, draw_problem
from minisparse.bench.trials import Trial, measure_problem, samples_of
from minisparse.cli import main
from minisparse.cost import MACHINES, Machine, Target, candidates, find_machine
from minisparse.cost.coefficients import Coefficients
from minisparse.cost.library_speeds import LibrarySpeed
from minisparse.cost.profile import read_profile
from minisparse.cost.ready import bound, columns_of, convert, pack
from minisparse.kernels import Work
from minisparse.ops import OPS

SERVER = MACHINES["server-2core"]
TINY = Effort(0.3, 16, 0.01)


@pytest.fixture(autouse=True)
def _small_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine's own figures be measured in no time, and be as wrong as they may."""
    for name, value in (("PEAK", 64), ("FARTHEST", 1 << 21), ("LARGEST_L3", 3 << 20)):
        monkeypatch.setattr(figures, name, value)


@pytest.mark.parametrize("op", [*OPS_DRAWN, *POINTWISE])
def test_every_candidate_of_a_drawn_problem_computes_the_same(op: str) -> None:
    for seed in range(3):
        rng = np.random.default_rng([seed, 9])
        problem = draw_problem(rng, op, flops=2e6)
        graph, operands = build(problem, rng)
        results = []
        node = graph.node("node")
        at, types = node.op.base.weight, graph.operand_types(node)
        for candidate in candidates(graph, node, Target(SERVER)):
            given = list(operands)
            if at is not None:
                columns = columns_of(types[at], graph.types[node.output])
                weight = convert(graph, node, candidate, operands[at])
                given[at] = pack(candidate, weight, columns)
            result = bound(graph, node, candidate, given)()
            results.append(result.to_dense() if hasattr(result, "to_dense") else result)
        assert results
        plain = [x.to_dense() if hasattr(x, "to_dense") else x for x in operands]
        wanted = OPS[problem.op].dense(plain, node.attrs)
        for result in results:
            np.testing.assert_allclose(result, wanted, rtol=2e-3)


def test_problems_are_those_of_their_seed_and_of_bounded_size() -> None:
    drawn = [draw_problem(np.random.default_rng([0, i])) for i in range(200)]
    assert drawn == [draw_problem(np.random.default_rng([0, i])) for i in range(200)]
    assert {p.base for p in drawn} == set(OPS_DRAWN)
    assert len(set(drawn)) > 190
    for p in drawn:
        per_weight = p.columns**2 * p.batch if p.base == "conv" else p.columns
        assert 2 * np.prod(p.shape) * per_weight <= 2.2e9 or p.base == "sddmm", p
    assert not any(
        "bias" in draw_problem(np.random.default_rng(i), fuse=False).op for i in range(50)
    )


def timed(machine: Machine, trials: list[Trial], c: Coefficients) -> list[Trial]:
    """Return the trials with the times that coefficients foretell, as if they were measured."""
    found = []
    for t in trials:
        (sample, *_) = samples_of([t], machine)
        found.append(replace(t, seconds=float(c.vector @ sample.counts)))
    return found


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    """Return the candidates of some problems; measured times that are made up stand in for real."""
    found = []
    for number in range(14):
        rng = np.random.default_rng([1, number])
        problem = draw_problem(rng, "spmm", fuse=False, flops=1e6)
        found += measure_problem(problem, number, Target(SERVER), rng, alike=2)
    return found


def test_coefficients_are_found_again_and_their_error_is_told(trials: list[Trial]) -> None:
    usual = SERVER.usual("matmul")
    true = replace(usual, fixed=5e-6, flop=3 * usual.flop, overlap=0.0)
    machine = fit_machine(SERVER, list(samples_of(timed(SERVER, trials, true), SERVER)))
    found = machine.coefficients["spmm product", "vectorized"]
    assert found.fit is not None
    assert found.fit.problems == 14
    assert found.fit.error < 1.1
    assert found.fit.within > 0.9
    for t in timed(SERVER, trials, true):
        names = t.candidate.basis.names if t.candidate.basis else ()
        if names[:1] == ("spmm product",):
            (sample, *_) = samples_of([t], SERVER)
            assert float(found.vector @ sample.counts) == pytest.approx(t.seconds, rel=0.2)


def test_too_few_problems_are_no_ground_for_coefficients(trials: list[Trial]) -> None:
    few = [t for t in trials if t.number < calibration.LEAST - 1]
    assert not fit_machine(SERVER, list(samples_of(few, SERVER))).coefficients


def test_packing_and_conversion_are_fitted_too(trials: list[Trial]) -> None:
    machine = fit_machine(SERVER, list(samples_of(trials, SERVER)))
    levels = {level for _, level in machine.coefficients}
    assert levels == {"vectorized", "prepare", "convert"}
    graph, _ = build(trials[0].problem, np.random.default_rng(0))
    for c in candidates(graph, graph.node("node"), Target(machine)):
        dense = c.layout.format == "dense"
        assert (c.convert_seconds == 0) == dense
        assert (c.prepare_seconds == 0) == dense
        assert c.total_seconds(1) == pytest.approx(c.seconds + c.once_seconds)
        assert c.total_seconds(10**9) == pytest.approx(c.seconds)


def test_a_librarys_speed_is_found_again(trials: list[Trial]) -> None:
    true = LibrarySpeed(call=5, row=2, entry=1, product=0.1, element=0.05, double=2.0)
    lent = [
        replace(
            t,
            candidate=replace(t.candidate, level="scipy"),
            seconds=true.seconds(t.types, np.dtype(t.problem.dtype)),
        )
        for t in trials
        if t.candidate.layout.format == "bsr"
    ]
    speed = fit_libraries(lent)["scipy", "spmm", "bsr"]
    assert speed.double == pytest.approx(2.0, rel=0.2)
    for t in lent:
        if t.problem.dtype == "float32":
            assert speed.seconds(t.types, np.dtype("float32")) == pytest.approx(t.seconds, rel=0.3)


def test_figures_are_of_this_machine() -> None:
    found = measure_machine("here", 0.01)
    assert found.identity
    assert {"float32", "float64"} <= set(found.matmul)
    assert 1e-8 < found.call < 1e-3
    sizes = [level.size for level in found.memory]
    assert sizes == sorted(sizes)


def test_a_whole_calibration() -> None:
    told: list[float] = []
    found = calibrate(TINY, libraries=False, tell=lambda part, _: told.append(part))
    assert told[0] == 0
    assert told[-1] == 1
    assert found.problems >= len(POINTWISE)
    assert found.machine.like is SERVER
    price = found.machine.coefficients_of("spmm panels", "vectorized", "matmul")
    assert price.vector.shape == SERVER.usual("matmul").vector.shape


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "QUICK", TINY)


@pytest.mark.usefixtures("quick")
def test_the_verb_writes_a_profile_that_is_then_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MINISPARSE_PROFILE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert main(["calibrate", "--quick", "--no-libraries"]) == 0
    out = capsys.readouterr().out
    path = tmp_path / "minisparse" / "machine.json"
    assert f"written to {path}" in out
    assert "off by" in out
    assert max(map(len, out.splitlines()[:-1])) <= 80
    assert json.loads(path.read_text())["version"] == 1
    assert find_machine("cpu").origin == f"calibrated on this machine: {path}"
    assert read_profile(path, MACHINES).is_calibrated


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--out", "machine.txt"], "a profile is written to a file ending in .json"),
        (["--out", "/no/such/folder/m.json"], "there is no folder"),
        (["--minutes", "nan"], "it must be from 0.2 to 60"),
        (["--minutes", "0"], "it must be from 0.2 to 60"),
        ([], "asks for no profile, so there is no place to save one"),
    ],
)
def test_mistakes_are_found_before_anything_is_measured(
    options: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    measured: list[int] = []
    spy: Callable[..., Any] = lambda *a: measured.append(1)  # noqa: E731
    monkeypatch.setattr(calibration, "calibrate", spy)
    assert main(["calibrate", *options]) == 2
    assert told in capsys.readouterr().err
    assert not measured


def test_work_that_is_nothing_takes_no_negative_time() -> None:
    for machine in MACHINES.values():
        for (name, level), c in machine.coefficients.items():
            assert (c.vector >= 0).all(), (name, level)
    assert Work(0, 0).calls == 1
