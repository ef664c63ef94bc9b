"""``bench kernels`` and ``bench models`` from the command line, on a few small cells."""

import json
import sys
from pathlib import Path

import pytest

from minisparse.bench.command import add_benches
from minisparse.bench.suites import SUITES
from minisparse.cli import main
from minisparse.core.extras import is_installed

SMALL = (
    "bench kernels --pattern unstructured --density 0.1 --columns 16 --dtype float32 "
    "--threads 1 --budget 0.03 --peer dense"
).split()


def test_a_small_run_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "figures.json"
    assert main([*SMALL, "--json", str(target)]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.split("\n"))) <= 80
    assert "unstructured" in text
    assert "threads 1" in text
    written = json.loads(target.read_text(encoding="utf-8"))
    assert written["format"] == 1
    (suite,) = written["suites"]
    assert suite["settings"]["patterns"] == ["unstructured"]
    assert suite["sample"]["measured"] == len(suite["figures"]) > 0
    for figure in suite["figures"]:
        assert (figure["density"], figure["columns"], figure["dtype"]) == (0.1, 16, "float32")
        assert set(figure["contenders"]) == {"ours", "dense"}
        assert len(figure["contenders"]["ours"]["seconds"]) >= 3


def test_models_run_beside_their_dense_twins(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("bench models --threads 1 --budget 0.05 --peer dense".split()) == 0
    assert "digits_mlp" in capsys.readouterr().out


@pytest.mark.skipif(not is_installed("matplotlib"), reason="drawing needs minisparse[viz]")
def test_the_picture_is_written(tmp_path: Path) -> None:
    picture = tmp_path / "ratios.svg"
    assert main([*SMALL[:-2], "--columns", "64", "--peer", "dense", "--plot", str(picture)]) == 0
    assert "break-even" in picture.read_text(encoding="utf-8") or picture.stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--suite nix", "there is no suite 'nix'; suites: conv, dnn"),
        ("--suite spmv --op spmm", "--op spmm: spmv times spmv"),
        ("--pattern nix", "suite dnn has no such cells; patterns: unstructured"),
        ("--peer nix", "suite dnn has no contender nix; it has: dispatch, dense"),
        ("--budget 0", "--budget 0: it must be a number of minutes"),
        ("--budget 0.0001", "no cell of suite dnn fits into 0.006 s: raise --budget"),
        ("--threads 0", "--threads 0: it must be at least 1"),
        ("--seed -1", "--seed -1: it must be at least 0"),
        ("--json no/where.json", "there is no folder no"),
        ("--plot no/where.png", "there is no folder no"),
        ("--plot where.gif", "the name must end in .png, .svg, .pdf"),
    ],
)
def test_mistakes_are_told_at_once(
    options: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "kernels", *options.split()]) == 2
    assert message in capsys.readouterr().err


def test_drawing_without_matplotlib_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["bench", "kernels", "--plot", "where.png"]) == 2
    assert 'pip install "minisparse[viz]"' in capsys.readouterr().err


def test_the_help_names_every_suite(capsys: pytest.CaptureFixture[str]) -> None:
    import argparse

    parser = argparse.ArgumentParser()
    add_benches(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["kernels", "--help"])
    told = capsys.readouterr().out
    assert all(name in told for name, suite in SUITES.items() if suite.op != "model")
