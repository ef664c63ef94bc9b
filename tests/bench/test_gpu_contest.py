"""The contests of ``minisparse bench gpu``, on a pretended card with a clock that is known."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from minisparse.bench.gpu import contest, speed_products, speed_samples
from minisparse.bench.gpu.contest import Duel, fault, ways
from minisparse.bench.gpu.operands import in_format
from minisparse.bench.gpu.part import FailedItem, SkippedItem
from minisparse.core.triplets import Triplets
from minisparse.kernels import KERNELS, PROVIDERS, pack
from tests.pretend_device import PretendCupy


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Let calls take what a test says by their names, 1 unless it says."""
    seconds: dict[str, float] = {}

    def timed(calls: Any, budget: float = 0.0) -> Any:
        return {n: tuple(seconds.get(n, 1.0) * x for x in (1, 1.1, 0.9, 1)) for n in calls}

    monkeypatch.setattr(contest, "time_on_gpu", timed)
    return seconds


def test_a_duel_is_of_the_fastest_of_each_side(
    pretend_cupy: PretendCupy, clock: dict[str, float]
) -> None:
    x = pretend_cupy.asarray(np.ones((2, 2), "float32"))
    clock |= {"our a": 3.0, "our b": 2.0, "their c": 4.0, "their d": 5.0}
    makers = {name: lambda: lambda: x for name in clock}
    duels = [Duel("a", "our .*", "their .*", 0.6), Duel("b", "our .*", "nobody", 1.0)]
    found = contest.contest(makers, x.astype("float64"), duels)
    (duel,) = found["duels"]
    assert (duel["ours"], duel["theirs"]) == ("our b", "their c")
    assert duel["ratio"] == pytest.approx(0.5)
    assert duel["met"]


def test_what_is_wrong_is_not_timed_and_hides_nothing(
    pretend_cupy: PretendCupy, clock: dict[str, float]
) -> None:
    x = pretend_cupy.asarray(np.ones((2, 2), "float32"))

    def refuses() -> Any:
        raise SkippedItem("not for this dtype")

    def breaks() -> Any:
        raise RuntimeError("cudaErrorIllegalAddress")

    makers = {"our a": lambda: lambda: x, "their b": lambda: lambda: x, "our c": refuses}
    duels = [Duel("a", "our .*", "their .*", 1.0)]
    found = contest.contest(makers, x.astype("float64"), duels)
    assert found["out"] == {"our c": "not for this dtype"}
    for name, make in (("our d", lambda: lambda: x + 1), ("our e", breaks)):
        with pytest.raises(FailedItem, match=rf"{name}: WRONG: .*\nof the others: .*our a"):
            contest.contest({**makers, name: make}, x.astype("float64"), duels)
    with pytest.raises(SkippedItem, match="nobody to compare with"):
        contest.contest({"our a": makers["our a"]}, x.astype("float64"), duels)


def test_a_fault_is_what_rounding_does_not_explain(pretend_cupy: PretendCupy) -> None:
    wanted = pretend_cupy.asarray(np.full((3, 4), 100.0))
    close = wanted.astype("float32") * np.float32(1 + 1e-5)
    assert fault(close, wanted) == ""
    wrong = close.copy()
    wrong[1, 1] = np.float32(np.nan)
    assert fault(wrong, wanted) == "1 of 12 elements are off"
    assert fault(close * np.float32(1.001), wanted) == "12 of 12 elements are off"
    assert "not [3, 4]" in fault(close[:2], wanted)
    assert "does not lie on the card" in fault(np.zeros((3, 4)), wanted)


def test_ways_are_found_by_their_names() -> None:
    for op, format in (("spmm", "csr"), ("spmm", "nm"), ("sddmm", "csr")):
        names = [name for name, _ in ways(op, format)]
        assert names
        assert all(format in name.lower() for name in names)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let matrices be small, cuBLAS be here, and of ours only what the simulator runs."""
    for module in (speed_products, speed_samples):
        monkeypatch.setattr(module, "SIZE", 64)
    level = PROVIDERS["cublas"].offers["spmm", "dense"].level
    offers = {("spmm", "dense"): SimpleNamespace(level=level)}
    here = SimpleNamespace(is_installed=True, why_not=lambda *_: "", offers=offers)
    monkeypatch.setitem(PROVIDERS, "cublas", here)
    every = contest.ways

    def simulated(op: str, format: str) -> Any:
        return [(n, level) for n, level in every(op, format) if "mma" not in n and "tiled" not in n]

    for module in (contest, speed_products):
        monkeypatch.setattr(module, "ways", simulated)
    speed_products.weight.cache_clear()


@pytest.mark.usefixtures("pretend_cupy", "clock", "small")
@pytest.mark.parametrize(
    ("cell", "theirs"),
    [
        (lambda: speed_products.time_csr(0.1, 8), "dense cuBLAS"),
        (lambda: speed_products.time_blocks(32, 8), "dense cuBLAS"),
        (lambda: speed_products.time_2_4(8), ""),
        (lambda: speed_samples.time_samples(0.1, 16), ""),
    ],
)
def test_cells_are_computed_and_compared(cell: Callable[[], Any], theirs: str) -> None:
    if not theirs:  # nobody is here to be compared with, and that is said with who was right
        with pytest.raises(SkippedItem, match=r"nobody to compare with: .*their cusparse"):
            cell()
        return
    found = cell()
    assert any(name.startswith("our ") for name in found["microseconds"])
    assert found["duels"][0]["theirs"] == theirs
    assert "their cusparse" in found["out"]


def test_a_level_is_packed_before_it_is_timed(
    pretend_cupy: PretendCupy, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed: list[Any] = []

    def noted(level: Any, a: Any, columns: int) -> Any:
        packed.append(columns)
        return pack(level, a, columns)

    monkeypatch.setattr(contest, "pack", noted)
    a: Any = in_format(Triplets(np.arange(4), np.arange(4), np.ones(4, "f"), (4, 4)), "csr")
    level = KERNELS["spmm_csr"].levels["gpu"]
    call = contest.ready(level, a.to_device("gpu"), pretend_cupy.asarray(np.ones((4, 3), "f")))
    assert packed == [3]
    call(), call()
    assert packed == [3]
