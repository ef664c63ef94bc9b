"""``minisparse bench gpu`` without a card: which parts there are, and what is told of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from minisparse.bench.gpu import verb
from minisparse.bench.gpu.part import Part, SkippedItem
from minisparse.bench.gpu.parts import parts
from minisparse.bench.gpu.report import Record, part_text
from minisparse.bench.gpu.verb import QUICK_SECONDS, SECONDS
from minisparse.cli import main
from minisparse.gpu.device import device_count
from minisparse.kernels import KERNELS

no_card = pytest.mark.skipif(device_count() > 0, reason="there is a card")


def test_parts_are_found_and_fit_into_their_time(capsys: pytest.CaptureFixture[str]) -> None:
    known = parts()
    assert {"card", "threads", "arrays", "bits", "csr", "bsr", "nm", "sddmm", "tests"} <= set(known)
    for quick, seconds in ((False, SECONDS), (True, QUICK_SECONDS)):
        assert sum(p.share(quick) for p in known.values()) <= seconds + 5 <= 540
        flag = ["--quick"] if quick else []
        assert main(["bench", "gpu", "--dry-run", *flag]) == 0
        out = capsys.readouterr().out
        assert all(f"\n{name} " in out for name in known)
        assert max(map(len, out.splitlines())) <= 80
    orders = [p.order for p in known.values()]
    assert orders == sorted(orders)
    assert len(set(orders)) == len(orders)


@no_card
def test_parts_that_time_skip_where_there_is_no_card() -> None:
    for name in ("csr", "bsr", "nm", "sddmm", "launches", "calibration"):
        with pytest.raises(SkippedItem, match="no card"):
            next(parts()[name].items(False))


def test_every_level_that_is_checked_is_an_item() -> None:
    names = [item.name for item in parts()["threads"].items(False)]
    assert len(names) == len(set(names))
    assert "spmm_csr gpu" in names
    assert len(names) == sum("gpu" in kernel.levels for kernel in KERNELS.values())


@pytest.mark.parametrize("bad", [False, True])
def test_a_run_prints_and_writes_every_part(
    bad: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def pretended(some: Any, seconds: float, quick: bool, tell: Any) -> Any:
        assert (seconds, quick, [p.name for p in some]) == (120.0, True, ["card", "csr"])
        for part in some:
            tell(f"{part.name} begins")
            status = {"status": "failed", "why": "off"} if bad else {"status": "passed"}
            yield part, {"seconds": 1.0, "why": "", "items": [{"name": "one", **status}]}

    monkeypatch.setattr(verb, "run_parts", pretended)
    monkeypatch.setattr(verb, "require_device", lambda purpose: None)
    path = tmp_path / "figures.json"
    asked = ["--quick", "--budget", "2", "--part", "csr", "--part", "card", "--json", str(path)]
    assert main(["bench", "gpu", *asked]) == int(bad)
    out = capsys.readouterr().out
    assert out.index("card begins") < out.index("card: 1 ") < out.index("csr begins")
    assert str(path) in out.splitlines()[-1]
    written = json.loads(path.read_text())
    assert list(written["parts"]) == ["card", "csr"]
    assert written["settings"] == {"seconds": 120.0, "quick": True, "parts": ["card", "csr"]}


@no_card
def test_without_a_card_the_error_is_clear(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minisparse.gpu.device.is_installed", lambda name: True)
    assert main(["bench", "gpu"]) == 2
    assert "needs a graphics card" in capsys.readouterr().err
    monkeypatch.setattr("minisparse.gpu.device.is_installed", lambda name: False)
    assert main(["calibrate", "--target", "gpu"]) == 2
    assert 'pip install "minisparse[gpu-cuda13]"' in capsys.readouterr().err
    assert main(["bench", "gpu", "--part", "nothing"]) == 2
    assert "--part nothing: parts: card, libraries" in capsys.readouterr().err
    assert main(["bench", "gpu", "--budget", "0", "--dry-run"]) == 2


# -- what is told --------------------------------------------------------------------------------

DUEL = {
    "what": "CSR over cuSPARSE", "ours": "our GPU", "theirs": "their cusparse", "ratio": 1.25,
    "quartiles": [1.2, 1.3], "limit": 1.0, "met": False,
}  # fmt: skip


def test_the_file_is_whole_after_every_part(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    record = Record(path, {"quick": False})
    assert json.loads(path.read_text())["parts"] == {}
    part = Part("card", "what it is", 1.0, lambda quick: iter(()), 0)
    told = {"name": "what it is", "status": "passed", "found": {"card": "NVIDIA H100"}}
    record.add(part, {"seconds": 1.0, "items": [told], "why": ""})
    assert not record.has_failed
    assert json.loads(path.read_text())["card"] == {"card": "NVIDIA H100"}
    bad = {"name": "spmm", "status": "crashed", "why": "died"}
    record.add(
        Part("csr", "", 1.0, lambda quick: iter(()), 1), {"seconds": 1, "items": [bad], "why": ""}
    )
    assert record.has_failed
    assert list(json.loads(path.read_text())["parts"]) == ["card", "csr"]
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_printed_of_a_part() -> None:
    part = Part("csr", "", 1.0, lambda quick: iter(()), 0)
    items = [
        {"name": "N 64", "status": "passed", "found": {"duels": [DUEL]}},
        {"name": "N 128", "status": "failed", "why": "\n".join(map(str, range(20)))},
        {"name": "N 256", "status": "skipped", "why": "no nvmath"},
        {"name": "N 512", "status": "skipped", "why": "no nvmath"},
    ]
    text = part_text(part, {"seconds": 3.2, "items": items, "why": ""})
    assert text.splitlines()[0] == "csr: 1 passed, 1 failed, 2 skipped, in 3 s"
    assert "N 64: CSR over cuSPARSE 1.250 (1.200 - 1.300), wanted at most 1.0: MISSED" in text
    assert "skipped 2: no nvmath" in text
    assert "... 14 more lines" in text
    assert "stopped\n      gone" in part_text(part, {"seconds": 0, "items": [], "why": "gone"})
