"""``minisparse explain``: what it prints, what it writes, and how it answers mistakes."""

import json
from pathlib import Path

import numpy as np
import pytest

from minisparse.cli import main
from minisparse.graph import GraphBuilder


def model(path: Path, density: float = 0.02) -> str:
    """Write a model of one layer and return its file."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((256, 256)).astype("float32")
    w[rng.random(w.shape) >= density] = 0
    b = GraphBuilder("one")
    x = b.input("x", ("batch", 256))
    y = b.op("gemm", x, b.constant("w", w), transB=1, name="fc")
    b.build({"y": b.op("relu", y)}).save(path)
    return str(path)


def test_it_tells_every_candidate_of_every_node(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    text = capsys.readouterr().out
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80
    for word in ("layer1", "layer3", "csr", "with other zeros", "select_format", "> "):
        assert word in text


def test_sizes_and_one_node_and_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = model(tmp_path / "one.npz")
    assert main(["explain", file, "--node", "fc", "--size", "batch=7", "--calls", "1"]) == 0
    text = capsys.readouterr().out
    assert "x float32[7, 256]" in text
    assert "fc = spmm_relu" in text
    assert "fc:in = " not in text


def test_files_for_a_browser_and_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page, data = model(tmp_path / "one.npz"), tmp_path / "p.html", tmp_path / "p.json"
    assert main(["explain", file, "--html", str(page), "--json", str(data)]) == 0
    capsys.readouterr()
    assert page.read_text().startswith("<!doctype html>")
    assert "why not" in page.read_text()
    found = json.loads(data.read_text())
    assert [n["name"] for n in found["nodes"] if n["op"] == "spmm_relu"] == ["fc"]
    assert main(["explain", file, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == found


def test_two_models_and_two_targets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dense, sparse = model(tmp_path / "a.npz", 1.0), model(tmp_path / "b.npz", 0.002)
    assert main(["explain", "--diff", dense, sparse]) == 0
    assert "not the same op" in capsys.readouterr().out
    assert main(["explain", sparse, "--diff", "cpu", "server-2core"]) == 0
    assert "computed otherwise: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "nope: no such file"),
        (["--node", "nope"], "has no node 'nope'; it has: "),
        (["--size", "frames=3"], "has no dimension frames"),
        (["--target", "abacus"], "abacus"),
        (["--libraries", "abacus"], "no library 'abacus'"),
        (["--diff", "cpu", "digits_cnn"], "are one of each; targets: cpu, "),
        (["--diff", "cpu", "cpu", "--node", "layer1"], "leave it or --diff out"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("text", ["frames", "=3", "batch=", "batch=-1", "batch=x"])
def test_a_size_is_a_name_and_a_number(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["explain", "--size", text])
    assert "is not a name and a size" in capsys.readouterr().err
