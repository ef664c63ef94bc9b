"""The verb ``evaluate``: figures as text and as JSON, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

import minisparse as ms
from minisparse.cli import main


def test_a_shipped_model_is_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "digits_mlp", "--rounds", "2", "--passes"]) == 0
    out = capsys.readouterr().out
    assert "accuracy       0.9889" in out
    assert "fold_constants" in out
    assert max(map(len, out.splitlines())) <= 80


def test_json_holds_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "digits_mlp", "--rounds", "2", "--batch", "100", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["accuracy"] == pytest.approx(0.9889, abs=1e-4)
    assert (found["count"], found["batch"], len(found["seconds"])) == (360, 100, 2)
    assert found["errors"] == {}
    assert found["weight_bytes"] > 100_000
    assert found["passes"] == []


def test_a_model_is_compared_with_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for factor in (1.0, 1.5):
        b = ms.GraphBuilder("scaled")
        x = b.input("x", ("batch", 4))
        y = b.op("gemm", x, b.constant("w", factor * np.eye(4, dtype="float32")))
        paths.append(tmp_path / f"{factor}.npz")
        b.build({"y": y}).save(paths[-1])
    command = ["evaluate", str(paths[0]), "--reference", str(paths[1]), "--json", "--rounds", "1"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["accuracy"] is None
    assert found["errors"]["y"] == pytest.approx(1 / 3, rel=1e-5)


@pytest.mark.parametrize(
    "more", [["--batch", "0"], ["--rounds", "-1"], ["--reference", "no_such_model"]]
)
def test_mistakes_are_one_line(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(["evaluate", "digits_mlp", *more])
    except SystemExit as error:  # argparse's own
        status = int(error.code or 0)
    assert status == 2
    assert "Traceback" not in capsys.readouterr().err
