"""``minisparse calibrate --target gpu`` on a pretended card: coefficients are found again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisparse.bench import gpu_calibration, on_card
from minisparse.bench.calibration import Calibration, Effort
from minisparse.bench.gpu_calibration import Call, calibrate_card, measure_on_card
from minisparse.bench.gpu_figures import card_identity
from minisparse.bench.problems import Problem, draw_problem
from minisparse.cli import main
from minisparse.cost import MACHINES, Candidate, Machine, Target, find_machine
from minisparse.cost.coefficients import Coefficients, features
from minisparse.cost.profile import read_profile, write_profile

CARD = replace(MACHINES["h100"], name="gpu", identity={"card": "Pretended 9000"}, origin="")


def small_problem(rng: np.random.Generator, op: str, fuse: bool, flops: float) -> Problem:
    """Return a problem like those that are drawn, of a size for a simulator."""
    problem = draw_problem(rng, op, fuse=fuse, flops=1e6)
    m, k = (int(x) for x in rng.integers(2, 13, 2) * 4)
    columns = 1 if op == "spmv" else int(rng.integers(1, 9))
    return problem._replace(shape=(m, k), columns=columns, pattern="unstructured")


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_calibration, "draw_problem", small_problem)
    monkeypatch.setattr(gpu_calibration, "OPS", ("spmm",))


def true_of(candidate: Candidate, machine: Machine) -> Coefficients:
    """Return what a candidate's kernel takes on the pretended card: half as fast as its figures."""
    usual = machine.usual(candidate.work.unit)
    slow = 3.0 if candidate.level == "gpu" else 5.0
    return replace(usual, fixed=2e-6, call=slow * usual.call, overlap=0.0)


def timer(found: Sequence[Candidate], calls: Sequence[Call]) -> list[float]:
    """Return the seconds that these coefficients say."""
    taken = []
    for c in found:
        assert c.basis is not None
        basis = c.basis
        scale = CARD.scale(basis.dtype, c.work.unit, basis.footprint, basis.reach)
        taken.append(float(true_of(c, CARD).vector @ features(c.work, scale)))
    return taken


@pytest.mark.usefixtures("pretend_cupy", "_small")
def test_coefficients_of_the_cards_levels_are_found_again() -> None:
    said: list[str] = []
    effort = Effort(60.0, 16, 0.0)
    found = calibrate_card(
        effort, libraries=False, tell=lambda part, what: said.append(what),
        figures=lambda name, slowness: CARD, timer=timer,
    )  # fmt: skip
    assert found.problems == 16
    assert not [what for what in said if "Error" in what]
    fitted = found.machine.coefficients
    for name, slow in (("gpu", 3.0), ("vectorized", 5.0)):
        some = {names: c for names, c in fitted.items() if names[1] == name and "spmm" in names[0]}
        assert some, fitted.keys()
        for names, c in some.items():
            assert c.fit is not None
            assert (c.fit.within, c.fit.error < 1.05) == (1.0, True), names
            if names == ("spmm_csr", "gpu"):  # one launch: of problems this small, all that counts
                assert c.fixed + c.call == pytest.approx(2e-6 + slow * CARD.call, rel=0.1)
    assert ("spmm_csr", "gpu") in fitted
    assert found.machine.like is MACHINES["server-2core"]


@pytest.mark.usefixtures("pretend_cupy")
def test_what_cannot_be_timed_is_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = on_card.ready_on_card

    def broken(graph: Any, node: Any, c: Candidate, *more: Any) -> Any:
        if c.level == "gpu":
            raise RuntimeError("cudaErrorLaunchFailure")
        return made(graph, node, c, *more)

    monkeypatch.setattr(gpu_calibration, "ready_on_card", broken)
    target = Target(CARD, levels=("vectorized", "gpu"), device="gpu")
    problem = small_problem(np.random.default_rng(0), "spmm", False, 1e6)
    rng = np.random.default_rng(1)
    trials, left_out = measure_on_card(
        problem, 0, target, rng, lambda found, calls: [1.0] * len(found)
    )
    assert {t.candidate.level for t in trials} == {"vectorized"}
    assert left_out
    assert all("gpu: cudaErrorLaunchFailure" in why for why in left_out)


def test_the_profile_is_written_read_and_used_for_the_same_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("MINISPARSE_PROFILE")
    path = tmp_path / "minisparse" / "gpu.json"
    write_profile(replace(CARD, like=MACHINES["server-2core"]), path)
    assert read_profile(path, MACHINES).identity == CARD.identity
    monkeypatch.setattr("minisparse.gpu.card.card_name", lambda purpose: "Pretended 9000")
    assert find_machine("gpu").origin == f"calibrated on this card: {path}"
    monkeypatch.setattr("minisparse.gpu.card.card_name", lambda purpose: "NVIDIA H100 PCIe")
    assert "shipped figures of h100" in find_machine("gpu").origin


def test_the_verb_measures_the_card_and_writes_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def pretended(effort: Effort, name: str, libraries: bool, tell: Any) -> Any:
        asked.append((effort.seconds, name, libraries))
        machine = replace(CARD, name=name, like=None, matmul={"float32": 5e13})
        return Calibration(machine, 7, 3.0)

    monkeypatch.setattr("minisparse.gpu.device.require_device", lambda purpose: None)
    monkeypatch.setattr(gpu_calibration, "calibrate_card", pretended)
    out = tmp_path / "card.json"
    assert main(["calibrate", "--target", "gpu", "--quick", "--out", str(out)]) == 0
    assert asked == [(gpu_calibration.QUICK.seconds, "gpu", True)]
    assert read_profile(out).name == "gpu"
    assert f"written to {out}" in capsys.readouterr().out


def test_a_card_is_told_by_name_driver_and_versions() -> None:
    class Runtime:
        driverGetVersion = staticmethod(lambda: 13020)  # noqa: N815 - CuPy's names
        runtimeGetVersion = staticmethod(lambda: 13010)  # noqa: N815

    class Cupy:
        __version__ = "14.2.0"

        class cuda:  # noqa: N801
            runtime = Runtime

    assert card_identity(Cupy, {"name": b"NVIDIA H100"}) == {
        "card": "NVIDIA H100", "driver": "13020", "cuda": "13010", "cupy": "14.2.0",
    }  # fmt: skip
