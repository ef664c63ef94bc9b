"""What ``minisparse bench gpu`` asks of a card by itself: figures, plans, descriptions."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from minisparse.bench import gpu_figures
from minisparse.bench.gpu import check_card, check_libraries, check_tests, speed_launches
from minisparse.bench.gpu.part import FailedItem, SkippedItem
from minisparse.bench.gpu_figures import measure_card
from minisparse.cost.profile import as_data, from_data
from minisparse.gpu.graphs import CaptureError
from minisparse.kernels import PROVIDERS
from tests.pretend_device import PretendCupy

PROPERTIES = {
    "name": b"NVIDIA H100 80GB HBM3", "major": 9, "minor": 0, "multiProcessorCount": 132,
    "totalGlobalMem": 80 << 30, "l2CacheSize": 50 << 20,
}  # fmt: skip


@pytest.fixture
def h100(pretend_cupy: PretendCupy, monkeypatch: pytest.MonkeyPatch) -> PretendCupy:
    """Let the pretended card tell what an H100 tells."""
    runtime = pretend_cupy.cuda.runtime
    monkeypatch.setattr(runtime, "getDeviceProperties", lambda i: PROPERTIES, raising=False)
    monkeypatch.setattr(runtime, "driverGetVersion", lambda: 13020, raising=False)
    monkeypatch.setattr(runtime, "runtimeGetVersion", lambda: 13010, raising=False)
    return pretend_cupy


@pytest.mark.usefixtures("h100")
def test_the_card_is_described() -> None:
    found = check_card.describe()
    assert (found["card"], found["compute capability"]) == ("NVIDIA H100 80GB HBM3", "9.0")
    assert (found["driver"], found["CUDA"]) == (13020, 13010)
    assert check_card.run_one() == {"elements": 1000}


@pytest.mark.usefixtures("h100")
def test_a_card_that_does_not_add_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisparse.gpu.translate.launch", lambda *_: None)
    with pytest.raises(FailedItem, match="twice each element"):
        check_card.run_one()


@pytest.mark.usefixtures("h100")
def test_the_cards_figures_are_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PEAK", 64), ("SOME", 1 << 12), ("BEHIND", 1 << 16)):
        monkeypatch.setattr(gpu_figures, name, value)

    def timed(calls: Any, cold: bool, budget: float) -> Any:
        for call in calls.values():
            call()
        return dict.fromkeys(calls, (2e-6, 1e-6, 4e-6))

    monkeypatch.setattr(gpu_figures, "time_on_gpu", timed)
    monkeypatch.setattr(gpu_figures, "host_seconds", lambda call: (call(), 5e-6)[1])
    found = measure_card()
    assert found.matmul["float32"] == pytest.approx(2 * 64**3 / 2e-6)
    assert found.matmul["float64"] == pytest.approx(2 * 32**3 / 2e-6)
    assert found.elementwise == pytest.approx((1 << 12) / 2e-6)
    assert found.memory[0].bandwidth == pytest.approx(2 * (50 << 20) / 8 / 2e-6, rel=1e-3)
    assert found.memory[1].bandwidth == pytest.approx((1 << 16) / 2e-6 * 2 / 2, rel=1e-3)
    assert (found.call, found.cores) == (5e-6, 132)
    assert found.instructions == {"mma", "mma_sp", "scalar_fma"}
    assert found.is_gpu
    assert found.identity["card"] == "NVIDIA H100 80GB HBM3"
    assert from_data(as_data(found), Path("x"), {}).matmul == found.matmul


@pytest.mark.usefixtures("h100")
def test_a_plan_is_timed_step_by_step_and_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = speed_launches.chain
    monkeypatch.setattr(speed_launches, "chain", lambda: chain(2))
    monkeypatch.setattr(speed_launches, "host_seconds", lambda call, calls: (call(), 80e-6)[1])
    warm = {"interpreted": (120e-6,), "captured": (8e-6,)}
    monkeypatch.setattr(
        speed_launches, "time_on_gpu", lambda calls, cold: {n: warm[n] for n in calls}
    )
    monkeypatch.setattr(speed_launches, "capture", lambda call, inputs: lambda: call(*inputs))
    found = speed_launches.time_plan("gpu")
    nodes = found["nodes"]
    assert nodes >= 2
    assert found["microseconds a node, host alone"]["interpreted"] == round(80 / nodes, 3)
    assert found["microseconds a node, to the end"]["captured"] == round(8 / nodes, 3)
    assert found["met"] == (80 / nodes <= 10)

    def refuses(call: Any, inputs: Any) -> Any:
        raise CaptureError("the call waits for the card")

    monkeypatch.setattr(speed_launches, "capture", refuses)
    with pytest.raises(FailedItem, match=r"waits for the card\nwithout: .*interpreted"):
        speed_launches.time_plan("gpu")


def test_a_library_that_is_wrong_fails_and_one_that_refuses_is_skipped() -> None:
    def pretended(answers: dict[str, str], here: bool = True) -> Any:
        def why_not(op: str, format: str, types: Any) -> str:
            return answers.get(types[0].dtype.name, "")

        return SimpleNamespace(is_installed=here, missing="install it", why_not=why_not)

    check = check_libraries.check_offer
    found = check(pretended({"float16": "refuses it here"}), "spmm", "csr")
    assert found["right in"] == ["float32", "float64", "complex64", "complex128"]
    assert found["refused"] == {"float16": "refuses it here"}
    with pytest.raises(FailedItem, match="computes wrongly"):
        check(pretended({"float64": "it computes wrongly"}), "spmm", "csr")
    with pytest.raises(SkippedItem, match="no; no; no"):
        check(pretended(dict.fromkeys(check_libraries.DTYPES, "no")), "spmm", "csr")
    with pytest.raises(SkippedItem, match="install it"):
        check(pretended({}, here=False), "spmm", "csr")
    count = sum(len(p.offers) for p in PROVIDERS.values() if p.place == "gpu")
    assert len(list(check_libraries.LIBRARIES.items(False))) == count


def test_the_last_that_pytest_said_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    said = SimpleNamespace(returncode=1, stdout="\n".join(map(str, range(99))), stderr="")

    def run(command: list[str], **_: Any) -> Any:
        assert command[1:5] == ["-m", "pytest", "-q", "-m"]
        return said

    monkeypatch.setattr("minisparse.bench.gpu.check_tests.subprocess.run", run)
    with pytest.raises(FailedItem, match="98") as error:
        check_tests.run_tests(1.0)
    assert "\n50\n" not in str(error.value)
    said.returncode = 0
    assert check_tests.run_tests(1.0) == {"said": "98"}
    said.returncode = 5
    with pytest.raises(SkippedItem, match="no test is marked gpu"):
        check_tests.run_tests(1.0)
    monkeypatch.setattr(check_tests, "is_installed", lambda name: False)
    with pytest.raises(SkippedItem, match="pytest is not installed"):
        check_tests.run_tests(1.0)
