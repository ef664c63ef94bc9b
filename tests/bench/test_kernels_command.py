"""``bench kernels`` and ``bench models`` from the command line, on a few small cells."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from minisparse.bench.command import _mkl_version, add_benches
from minisparse.bench.suite import Need, Suite
from minisparse.bench.suites import SUITES
from minisparse.cli import main
from minisparse.core.extras import is_installed
from minisparse.kernels import PROVIDERS

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
        ("--suite nix", "--suite nix: suites: conv, dnn"),
        ("--suite spmv --op spmm", "--op spmm: spmv times spmv"),
        ("--op nix", "--op nix: conv times conv, dnn times spmm"),
        ("--pattern nix", "--pattern nix: patterns of suite dnn: unstructured"),
        ("--density 0.1 --density 2", "--density 2: densities of suite dnn: 0.5, 0.2"),
        ("--columns 7", "--columns 7: columns of suite dnn: 1, 16"),
        ("--dtype int8", "--dtype int8: dtypes of suite dnn: float32, float64"),
        ("--pattern 2:4 --density 0.1", "--pattern 2:4 --density 0.1: suite dnn has each of"),
        ("--suite all --pattern 4x4", "--pattern 4x4: patterns of suite conv: unstructured"),
        ("--peer nix", "--peer nix: contenders of suite dnn: dispatch, dense"),
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--peer mkl", '--peer mkl: mkl_rt is not installed: pip install "minisparse[mkl]"'),
        (
            "--suite spgemm --peer dense --peer sparse_dot_mkl",
            "--peer sparse_dot_mkl: sparse_dot_mkl is not installed: pip install sparse_dot_mkl",
        ),
    ],
)
def test_a_named_peer_that_is_not_installed_is_told_at_once(
    options: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    finds_mkl = "mkl_rt" not in message

    def is_missing(need: Need) -> bool:
        return need.name == "sparse_dot_mkl" or (need.name == "mkl_rt" and not finds_mkl)

    monkeypatch.setattr(Need, "is_missing", property(is_missing))
    assert main(["bench", "kernels", *options.split()]) == 2
    assert capsys.readouterr().err == f"minisparse bench: {message}\n"


def test_an_op_by_itself_chooses_the_suites_that_time_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen: list[list[str]] = []

    def run(options: object, suites: list[Suite]) -> int:
        chosen.append([suite.name for suite in suites])
        return 0

    monkeypatch.setattr("minisparse.bench.command._run", run)
    for options in ("--op spgemm", "", "--op spmm --suite all", "--suite spmv"):
        assert main(["bench", "kernels", *options.split()]) == 0
    assert chosen == [["spgemm"], ["dnn"], ["dnn"], ["spmv"]]


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
    suites = [name for name, suite in SUITES.items() if suite.op not in ("model", "network")]
    assert all(name in told for name in suites)


def test_the_machine_says_of_mkl_what_the_contender_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    for found, version, told in (
        (True, "2026.2.0", "2026.2.0"),
        (True, "", "of unknown version"),
        (False, "", "not installed"),
    ):
        mkl = SimpleNamespace(is_installed=found, version=version)
        monkeypatch.setitem(PROVIDERS, "mkl", mkl)
        assert _mkl_version() == told
