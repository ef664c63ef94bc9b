"""The verb ``prune``: what it writes, what it prints, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest

import minisparse as ms
from minisparse.cli import main


@pytest.fixture
def model(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    b = ms.GraphBuilder("two")
    x = b.input("x", ("batch", 16))
    for i in (1, 2):
        w = b.constant(f"w{i}", rng.standard_normal((16, 16)).astype(np.float32))
        x = b.op("gemm", x, w, transB=1, name=f"fc{i}")
    path = tmp_path / "model.npz"
    b.build({"y": x}).save(path)
    return path


def test_a_pruned_model_is_written(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = model.with_name("pruned.npz")
    command = ["prune", str(model), "-o", str(out), "--method", "nm", "--nm", "1:4"]
    assert main([*command, "--skip", "fc2"]) == 0
    printed = capsys.readouterr().out
    assert "37.5% of all weights are zero" in printed
    graph = ms.load(out)
    assert ms.find_pattern(np.asarray(graph.constants["w1"])).fits_nm(1, 4)
    assert np.asarray(graph.constants["w2"]).all()


def test_calibration_tells_the_effect(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = model.with_name("x.npy")
    np.save(inputs, np.random.default_rng(1).standard_normal((32, 16)).astype(np.float32))
    out = model.with_name("pruned.npz")
    command = ["prune", str(model), "-o", str(out), "--sparsity", "0.25"]
    assert main([*command, "--calibration", str(inputs)]) == 0
    printed = capsys.readouterr().out
    assert "25.0% of all weights are zero; y changed by 0." in printed


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--method", "magic"], "no method"),
        (["--sparsity", "2"], "between 0 and 1"),
        (["--block", "8"], "two numbers, such as 8x8"),
        (["--nm", "a:b"], "two numbers, such as 2:4"),
        (["--only", "fc9"], "named 'fc9'"),
        (["--method", "head"], "no attention heads"),
        (["--method", "block", "--block", "0x4"], "blocks of 0x4"),
    ],
)
def test_mistakes_are_one_line(
    model: Path, more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = model.with_name("out.npz")
    assert main(["prune", str(model), "-o", str(out), *more]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_the_structure_of_a_model_is_told(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = model.with_name("pruned.npz")
    assert main(["prune", str(model), "-o", str(out), "--method", "channel"]) == 0
    assert main(["recognize", str(out), "--no-permutations"]) == 0
    assert "8 of 16 outputs are dead" in capsys.readouterr().out


def test_a_pruned_model_is_shrunk(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pruned, small = (str(model.with_name(name)) for name in ("pruned.npz", "small.npz"))
    assert main(["prune", str(model), "-o", pruned, "--method", "channel"]) == 0
    inputs = model.with_name("x.npy")
    np.save(inputs, np.random.default_rng(1).standard_normal((4, 16)).astype(np.float32))
    assert main(["shrink", pruned, "-o", small, "--input", str(inputs)]) == 0
    printed = capsys.readouterr().out
    assert "16 -> 8" in printed
    assert np.asarray(ms.load(small).constants["w1"]).shape == (8, 16)


def test_models_are_written_as_onnx_too(model: Path) -> None:
    pytest.importorskip("onnx", reason='needs pip install "minisparse[onnx]"')
    out = model.with_name("pruned.onnx")
    assert main(["prune", str(model), "-o", str(out), "--method", "nm"]) == 0
    weights = ms.load(out).constants.values()
    assert any(np.count_nonzero(w) == 128 for w in weights if isinstance(w, np.ndarray))


@pytest.mark.parametrize(
    ("out", "words"), [("out.txt", "ending in .npz or .onnx"), ("none/out.npz", "no such folder")]
)
@pytest.mark.parametrize("verb", ["prune", "shrink"])
def test_where_nothing_can_be_written_is_said_first(
    verb: str, out: str, words: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, str(model), "-o", str(model.parent / out)]) == 2
    assert words in capsys.readouterr().err
