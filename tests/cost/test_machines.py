"""Which machine a target's name stands for, and what is said of it."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import UsageError
from minisparse.cost import MACHINES, Machine, find_machine
from minisparse.cost.host import VARIABLE, cpu_name, identity, instructions, profile_path
from minisparse.cost.profile import ProfileError, write_profile

FIGURES = {"matmul", "other_matmul", "elementwise", "memory", "call", "step"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the profile of this machine would lie, in a cache of the test's own."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    path = profile_path()
    assert path == tmp_path / "minisparse" / "machine.json"
    return path


def here() -> Machine:
    return replace(MACHINES["server-2core"], name="cpu", identity=identity())


def test_every_shipped_machine_says_where_each_figure_is_from() -> None:
    assert set(MACHINES) == {"laptop", "server-2core", "raspberry-pi-4", "a100", "h100"}
    for name, machine in MACHINES.items():
        assert machine.name == name
        assert machine.source
        assert set(machine.sources) >= FIGURES, name
        assert machine.instructions
        assert machine.like is (None if name == "server-2core" else MACHINES["server-2core"])


def test_no_profile_is_asked_for() -> None:
    assert os.environ[VARIABLE] == "none"  # by tests/conftest.py: no test sees a profile of yours
    found = find_machine("cpu")
    assert found.name == "server-2core"
    assert "MINISPARSE_PROFILE asks for no profile" in found.origin


def test_an_uncalibrated_machine_is_taken_for_a_shipped_one_and_said_so(cache: Path) -> None:
    found = find_machine("cpu")
    assert found.name == "server-2core"
    assert "not calibrated: 'minisparse calibrate' measures it" in found.origin
    assert not cache.exists()


def test_a_profile_that_fits_is_used(cache: Path) -> None:
    write_profile(replace(here(), call=7e-6), cache)
    found = find_machine("cpu")
    assert (found.name, found.call) == ("cpu", 7e-6)
    assert found.origin == f"calibrated on this machine: {cache}"
    assert found.is_calibrated
    write_profile(replace(here(), call=7.125e-6), cache)  # and read again once it has changed
    assert find_machine("cpu").call == 7.125e-6


@pytest.mark.parametrize("what", ["cpu", "cores", "numpy", "blas", "threads"])
def test_a_profile_of_another_machine_is_not_used_unseen(cache: Path, what: str) -> None:
    write_profile(replace(here(), identity={**identity(), what: "other"}), cache)
    found = find_machine("cpu")
    assert found.name == "server-2core"
    assert f"does not fit: it was calibrated with {what} 'other'" in found.origin
    assert "'minisparse calibrate' renews it" in found.origin


def test_a_profile_that_is_asked_for_by_name_must_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.json"
    monkeypatch.setenv(VARIABLE, str(path))
    with pytest.raises(UsageError, match=r"mine\.json cannot be read: No such file"):
        find_machine("cpu")
    write_profile(replace(here(), identity={**identity(), "numpy": "0.1"}), path)
    with pytest.raises(UsageError, match=r"mine\.json, which MINISPARSE_PROFILE names, does not"):
        find_machine("cpu")
    write_profile(MACHINES["laptop"], path)
    with pytest.raises(UsageError, match="it was not calibrated here"):
        find_machine("cpu")
    write_profile(here(), path)
    assert find_machine("cpu").origin == f"calibrated on this machine: {path}"


def test_a_damaged_profile_is_refused_and_not_passed_over(cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("{")
    with pytest.raises(ProfileError, match=r"machine\.json is no JSON\. Write it anew with"):
        ms.compile(small())


def test_a_file_can_be_compiled_for(tmp_path: Path) -> None:
    path = tmp_path / "theirs.json"
    write_profile(replace(here(), name="theirs", identity={"cpu": "another"}), path)
    plan = ms.compile(small(), target=str(path))
    assert plan.target.machine.name == "theirs"
    assert plan.target.machine.origin == f"the figures of {path}"
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        find_machine(str(tmp_path / "none.json"))


def test_there_are_no_other_targets() -> None:
    with pytest.raises(UsageError, match="no target 'abacus'; targets: cpu, gpu, a100, h100,"):
        find_machine("abacus")
    assert "abacus" not in MACHINES


def small(density: float = 0.05, side: int = 512) -> ms.Graph:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((side, side)).astype("float32")
    w[rng.random(w.shape) >= density] = 0
    b = ms.GraphBuilder("small")
    return b.build({"y": b.op("spmm", b.constant("w", w), b.input("x", (side, 128)), name="p")})


def test_another_machine_makes_another_choice() -> None:
    """What a call, a gather and arithmetic cost beside each other differs, so the choice does."""
    graphs = [small(density, 256) for density in (0.005, 0.01, 0.02, 0.05, 0.1)]
    chosen = {
        name: tuple(ms.compile(g, target=name).step("p").chosen.layout.format for g in graphs)
        for name in MACHINES
    }
    assert len(set(chosen.values())) > 1


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_can_be_compiled_for(name: str) -> None:
    plan = ms.compile(small(), target=name)
    assert all(0 < c.seconds < 10 for step in plan.steps for c in step.candidates)
    assert ("a graphics card that is not at hand" in plan.target.machine.origin) == (
        name in ("a100", "h100")
    )


def test_what_this_machine_is() -> None:
    assert set(identity()) == {"cpu", "cores", "numpy", "blas", "threads"}
    assert all(identity().values())
    assert identity()["cpu"] == cpu_name()
    assert "scalar_fma" in instructions()


def test_where_profiles_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(os.path.expanduser("~"))
    monkeypatch.setattr("sys.platform", "linux")
    assert profile_path({}) == home / ".cache/minisparse/machine.json"
    # The specification of XDG wants a path that is not absolute ignored.
    assert profile_path({"XDG_CACHE_HOME": "here"}) == home / ".cache/minisparse/machine.json"
    monkeypatch.setattr("sys.platform", "darwin")
    assert profile_path({}) == home / "Library/Caches/minisparse/machine.json"
    monkeypatch.setattr("sys.platform", "win32")
    assert profile_path({"LOCALAPPDATA": "/local"}) == Path("/local/minisparse/machine.json")
    assert profile_path({VARIABLE: " None "}) is None
    assert profile_path({VARIABLE: "~/p.json"}) == home / "p.json"
