"""The judge of dispatch: regret, break-even, limits, on times that are made up."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minisparse.bench import dispatch, dispatch_crossing
from minisparse.bench.calibration import SEED
from minisparse.bench.dispatch import Choice, Findings, measure_dispatch
from minisparse.bench.dispatch_crossing import DENSITIES, Crossing, crossing
from minisparse.bench.dispatch_report import as_json, report_text, verdicts
from minisparse.bench.problems import Problem
from minisparse.bench.trials import Trial
from minisparse.cli import main
from minisparse.core.errors import UsageError
from minisparse.core.tensor_type import DENSE, Layout
from minisparse.cost import MACHINES, Candidate, Price, Target
from minisparse.kernels import KERNELS, Work

SERVER = MACHINES["server-2core"]
PROBLEM = Problem("spmm", "unstructured", 0.1, (64, 64), 16, "float32")


def choice(predicted: Sequence[float], measured: Sequence[float]) -> Choice:
    """Return a choice among dense, csr and bsr 4x4, in that order, in microseconds."""
    layouts = DENSE, Layout("csr"), Layout("bsr", (4, 4))
    trials = [
        Trial(
            PROBLEM,
            0,
            Candidate(KERNELS["spmm_csr"], "vectorized", layout, Price(p * 1e-6), Work(1, 1), 0),
            m * 1e-6,
            0.0,
            None,
            (),
        )
        for layout, p, m in zip(layouts, predicted, measured, strict=False)
    ]
    return Choice(PROBLEM, tuple(sorted(trials, key=lambda t: t.candidate.seconds)))


def findings(*choices: Choice, crossings: tuple[Crossing, ...] = ()) -> Findings:
    return Findings(SERVER, 0, choices, crossings, 0.5)


def test_regret_is_the_chosen_ones_time_over_the_fastest() -> None:
    right, wrong = choice((30, 20, 10), (33, 21, 10)), choice((30, 10, 20), (33, 12, 8))
    assert right.regret == 1
    assert wrong.regret == pytest.approx(1.5)
    assert wrong.best.candidate.layout.format == "bsr"
    assert wrong.over_dense == pytest.approx(12 / 33)
    found = findings(right, wrong)
    mean, _, worst = found.regrets
    assert mean == pytest.approx(1.5**0.5)
    assert worst == pytest.approx(1.5)
    assert found.within(chosen=True) == 1
    assert found.within(chosen=False) == pytest.approx(5 / 6)  # 20 where it took 8
    assert findings(choice((10, 20), (20, 10))).over_dense == (1, 1, 0)
    slow = findings(choice((30, 20), (10, 20)))
    assert slow.over_dense == (2, 2, 1)


def test_limits_are_kept_or_missed() -> None:
    good = {w: ok for w, _, _, ok in verdicts(findings(choice((10, 20), (10, 20))))}
    assert all(good.values())
    bad = findings(choice((30, 20), (10, 40)), crossings=(Crossing("rows", (8, 8), 4, 0.1, 0.2),))
    assert not any(ok for w, _, _, ok in verdicts(bad) if "compil" not in w)


def test_where_ratios_cross_one() -> None:
    densities = (0.01, 0.02, 0.04, 0.08)
    assert crossing(densities, (0.25, 0.5, 1.0, 2.0)) == pytest.approx(0.04)
    assert crossing(densities, (0.25, 0.5, 2.0, 4.0)) == pytest.approx(0.02 * 2**0.5)
    assert crossing(densities, (2, 3, 4, 5)) == 0
    assert crossing(densities, (0.2, 0.3, 0.4, 0.5)) == 1
    # A ratio that is out of order is taken together with its neighbor.
    assert 0.02 < crossing(densities, (0.25, 1.1, 0.9, 2.0)) < 0.08
    assert crossing(densities, (1.2, 0.9, 0.9, 0.9)) == 1
    assert Crossing("x", (1, 1), 1, 0.0, 0.005).factor == 1  # neither within what was looked at
    assert Crossing("x", (1, 1), 1, 0.1, 0.2).factor == pytest.approx(2)


@pytest.mark.parametrize("seed", range(20))
def test_a_crossing_is_found_through_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    densities = DENSITIES
    ratios = [(d / 0.1) ** 0.7 * np.exp(0.05 * rng.standard_normal()) for d in densities]
    assert crossing(densities, ratios) == pytest.approx(0.1, rel=0.25)


def test_the_report_says_it_all_in_80_columns() -> None:
    crossings = (Crossing("16x16", (768, 768), 256, 0.5, 0.6), Crossing("rows", (8, 8), 1, 0, 1))
    machine = replace(SERVER, origin="the shipped figures, because " + "of many reasons " * 9)
    found = replace(
        findings(choice((30, 10, 20), (33, 12, 8)), crossings=crossings), machine=machine
    )
    text = report_text(found)
    assert max(map(len, text.splitlines())) <= 80
    for said in ("MISSED", "kept", "1.5", "none", "any", "regret, geometric mean", "<= 1.05"):
        assert said in text
    data = json.loads(json.dumps(as_json(found), allow_nan=False))
    first = data["problems"][0]["candidates"][0]
    assert first["name"] == "csr vectorized"
    assert (first["predicted"], first["measured"]) == pytest.approx((1e-5, 1.2e-5))


def test_problems_that_were_fitted_to_are_not_judged_by() -> None:
    with pytest.raises(UsageError, match="problems of this seed are what calibration fits to"):
        measure_dispatch(Target(SERVER), 1, SEED)


def test_the_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dispatch, "LINES", (("16x16", (64, 64), 8),))
    monkeypatch.setattr(dispatch_crossing, "DENSITIES", (0.05, 0.5))
    monkeypatch.setattr(dispatch, "compile_time", lambda target: 0.25)
    path = tmp_path / "found.json"
    assert main(["bench", "dispatch", "--quick", "--cells", "2", "--json", str(path)]) == 0
    out = capsys.readouterr().out
    assert "2 problems of seed 0" in out
    assert "compiling 100 nodes, s" in out
    assert len(json.loads(path.read_text())["problems"]) == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cells", "0"], "--cells 0: it must be from 1"),
        (["--seed", "-1"], "--seed -1: it must be at least 0"),
        (["--target", "abacus"], "there is no target 'abacus'"),
        (["--json", "/no/such/folder/x.json"], "there is no folder"),
    ],
)
def test_mistakes_are_told(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "dispatch", *options]) == 2
    assert told in capsys.readouterr().err


def test_compiling_a_hundred_nodes_is_timed() -> None:
    assert 0 < dispatch.compile_time(Target(SERVER), nodes=4, repeats=1) < 10
