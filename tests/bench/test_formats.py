"""The benchmark of conversions: what it measures, and how it tells of it."""

import json
from pathlib import Path

import pytest

from minisparse.bench import formats
from minisparse.bench.formats import LIMITS, Course, measure_all, pairs
from minisparse.bench.formats_report import as_json, report_text
from minisparse.bench.machine import describe_machine
from minisparse.cli import main
from minisparse.core.extras import is_installed

TINY = Course(((64, 0.2),), 0.0)


def test_every_pair_is_measured_and_told() -> None:
    found = measure_all(TINY, 0)
    assert {(f.source, f.target) for f in found} == set(pairs())
    assert set(LIMITS) <= set(pairs())
    for figure in found:
        assert figure.ours.median > 0
        assert figure.result > 0 or figure.target == "T"
        assert (figure.ratio is None) == (figure.peer is None)
        assert figure.ratio is None or figure.ratio > 0
        if not is_installed("scipy"):
            assert figure.peer is None
    text = report_text(describe_machine(), found)
    assert text.isascii()
    assert max(map(len, text.split("\n"))) <= 80


def test_peak_memory_is_seen() -> None:
    by_pair = {(f.source, f.target): f for f in measure_all(TINY, 0)}
    dense = by_pair["csr", "dense"]
    assert dense.result == 64 * 64 * 4
    assert dense.peak >= dense.result
    assert by_pair["csr", "T"].memory < 1  # a view of the same arrays


def test_the_verb_prints_and_writes_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(formats, "QUICK", TINY)
    target = tmp_path / "figures.json"
    assert main(["bench", "formats", "--quick", "--json", str(target)]) == 0
    assert "csr > csc" in capsys.readouterr().out
    written = json.loads(target.read_text(encoding="utf-8"))
    assert written == as_json_again(written)
    assert main(["bench", "formats", "--json", str(tmp_path / "none" / "x.json")]) == 2
    assert "there is no folder" in capsys.readouterr().err


def as_json_again(written: object) -> object:
    """Return what was written if it holds nothing that JSON cannot say twice."""
    return json.loads(json.dumps(written, allow_nan=False))


def test_seeds_are_repeatable() -> None:
    one, two = (as_json({}, measure_all(TINY, 3), 3) for _ in range(2))
    assert [f["nnz"] for f in one["figures"]] == [f["nnz"] for f in two["figures"]]
