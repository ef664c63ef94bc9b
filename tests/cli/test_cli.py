"""The command line as its users meet it: screens, errors, exit status."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import minisparse as ms
from minisparse.cli import main
from minisparse.cli.node_lines import WIDTH
from minisparse.cli.run import run
from minisparse.cli.screen import HEIGHT, screen
from minisparse.core.npz import read_npz, write_npz
from minisparse.graph import GraphBuilder
from minisparse.oracle import Judgement
from minisparse.runtime import Timing
from minisparse.show import Palette
from tests.networks import branching, perceptron

ROOT = Path(__file__).parent.parent.parent
MODELS = ms.examples.names()


@pytest.mark.parametrize("model", MODELS)
def test_run_prints_one_screen(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", model]) == 0
    out, err = capsys.readouterr()
    lines = out.rstrip("\n").split("\n")
    assert err == ""
    assert out.isascii()
    assert len(lines) <= HEIGHT
    assert max(map(len, lines)) <= WIDTH
    for word in ("GPU: ", "density", "passes", "candidates", "accuracy", "oracle", "time", "next"):
        assert word in out
    assert "same label 360 of 360" in out


def test_a_screen_in_color_has_the_same_text() -> None:
    report = run("digits_mlp", None, "cpu")
    plain, colored = screen(report), screen(report, Palette(True))
    assert colored != plain
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[36m"):
        colored = colored.replace(code, "")
    assert colored == plain


def test_a_large_model_still_fits_the_screen(tmp_path: Path) -> None:
    graph = perceptron("random", sizes=(8,) * 60)
    graph.save(tmp_path / "deep.npz")
    lines = screen(run(str(tmp_path / "deep.npz"), None, "cpu")).split("\n")
    assert len(lines) <= HEIGHT
    assert max(map(len, lines)) <= WIDTH
    assert any("more nodes with" in line for line in lines)


def test_every_candidate_of_every_node_is_on_the_screen() -> None:
    report = run("digits_mlp", None, "cpu")
    lines = screen(report).split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith("node "))
    end = next(i for i, line in enumerate(lines) if line.startswith("accuracy"))
    found: dict[str, str] = {}
    name = ""
    for line in lines[at + 1 : end]:
        start, _, texts = line.partition(" | ")
        name = start.split()[0] if start.strip() else name
        found[name] = f"{found.get(name, '')} {texts}"
    assert list(found) == [step.node.name for step in report.plan.steps]
    for step in report.plan.steps:
        prices = re.findall(r"(?<= )[\d.]+[kMG]?(?:/[\d.]+[kMG]?)*(?= |$)", found[step.node.name])
        assert sum(len(price.split("/")) for price in prices) == len(step.candidates)
        assert found[step.node.name].count("*") == 1


def test_a_loss_is_called_a_loss_and_noise_noise() -> None:
    report = run("digits_mlp", None, "cpu")
    assert report.stores_sparse

    def outcome(dense: float, unaware: float, sparse: float, noise: float = 0.0) -> str:
        rounds = [(1 + noise * (-1) ** i) for i in range(8)]
        found = (Timing(tuple(s * r for r in rounds)) for s in (dense, unaware, sparse))
        timing = dict(zip(("dense", "unaware", "sparse"), found, strict=True))
        return screen(replace(report, timing=timing))

    assert "sparse lost, 0.50 times as fast: " in outcome(1, 1, 2)
    assert "sparse is 2.00 times as fast: 1.50 for its zeros, the rest fusion" in outcome(2, 1.5, 1)
    assert "by fusion, not clearly by its zeros" in outcome(2, 1, 1)
    assert "no difference beyond the noise" in outcome(1, 1, 1)
    assert "no difference beyond the noise" in outcome(7, 7, 1, noise=0.9)
    dense = replace(report, plan=report.dense)
    assert not dense.stores_sparse


def test_what_is_not_finite_is_said(tmp_path: Path) -> None:
    perceptron("random").save(tmp_path / "m.npz")
    x = np.ones((4, 12), "float32")
    x[1, 0] = np.inf
    np.savez(tmp_path / "d.npz", x=x)
    report = run(str(tmp_path / "m.npz"), str(tmp_path / "d.npz"), "cpu")
    assert 0 < report.not_finite <= 5
    assert f"{report.not_finite} of 20 outputs are NaN or infinite" in screen(report)
    assert "NaN or infinite" not in screen(run("digits_mlp", None, "cpu"))


def test_a_full_disk_is_one_line() -> None:
    line = f"{sys.executable} -m minisparse run digits_mlp > /dev/full"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


def test_a_verdict_of_fail_is_shown_and_is_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run("digits_mlp", None, "cpu")
    worst = replace(report.judgements[0], judgement=Judgement("FAIL", "bound", 17.0))
    failed = replace(report, judgements=[worst, *report.judgements[1:]])
    assert report.oracle_passed
    assert not failed.oracle_passed
    assert "1 FAIL" in screen(failed)
    monkeypatch.setattr("minisparse.cli.run.run", lambda *names: failed)
    assert main(["run"]) == 1
    assert "1 FAIL" in capsys.readouterr().out


def test_the_dense_side_is_the_network_as_it_came() -> None:
    report = run("digits_mlp", None, "cpu")
    x = report.inputs.feeds["x"]
    weights = {n: np.asarray(c) for n, c in report.dense.given.constants.items()}
    h = x
    for layer in ("layer1", "layer2"):
        h = np.maximum(h @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"], 0)
    logits = h @ weights["layer3.weight"].T + weights["layer3.bias"]
    np.testing.assert_array_equal(report.dense_outputs["logits"], logits)
    assert report.dense_outputs["logits"] is not report.outputs["logits"]
    assert not np.array_equal(report.dense_outputs["logits"], report.outputs["logits"])


def test_own_model_with_own_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    perceptron("rows").save(tmp_path / "m.npz")
    x = np.random.default_rng(0).standard_normal((20, 12)).astype("float32")
    np.savez(tmp_path / "d.npz", x=x, labels=np.zeros(20, int))
    np.save(tmp_path / "d.npy", x)
    model = str(tmp_path / "m.npz")
    assert main(["run", model, "--input", str(tmp_path / "d.npz")]) == 0
    assert "accuracy dense" in capsys.readouterr().out
    assert main(["run", model, "--input", str(tmp_path / "d.npy"), "--target", "server-2core"]) == 0
    assert "20 inputs from d.npy" in capsys.readouterr().out
    assert main(["run", model]) == 0
    assert "random inputs, seed 0" in capsys.readouterr().out


def rewrite(model: Path, name: str, old: str, new: str) -> None:
    """Write a saved model beside itself with something else in its description."""
    arrays = dict(read_npz(model))
    text = arrays["graph.json"].tobytes().decode()
    assert old in text
    arrays["graph.json"] = np.frombuffer(text.replace(old, new, 1).encode(), np.uint8)
    write_npz(model.with_name(name), arrays)


def bad_files(folder: Path) -> dict[str, list[str]]:
    """Return command lines that cannot work, by what their error must say."""
    model = folder / "m.npz"
    perceptron("random").save(model)
    branching("random").save(folder / "b.npz")
    (folder / "cut.npz").write_bytes(model.read_bytes()[:200])
    (folder / "text.npz").write_text("not an archive")
    np.savez(folder / "pickled.npz", x=np.array([{}], dtype=object))
    np.savez(folder / "wide.npz", x=np.ones((2, 99), "float32"))
    np.savez(folder / "double.npz", x=np.ones((2, 12)))
    np.savez(folder / "other.npz", z=np.ones((2, 12), "float32"))
    (folder / "d.csv").write_text("1,2")
    ones = np.ones((2, 12), "float32")
    np.savez(folder / "high.npz", x=ones, labels=np.full(2, 7))
    np.savez(folder / "half.npz", x=ones, labels=np.full(2, 0.5))
    np.savez(folder / "few.npz", x=np.ones((2, 12), "float32"), labels=np.ones(5, int))
    (folder / "m.onnx").write_bytes(b"")
    broken = perceptron("random")
    weights = {**broken.constants, "w1": np.full((24, 16), np.nan, "float32")}
    replace(broken, constants=weights).save(folder / "nan.npz")
    odd = GraphBuilder("odd")
    h = odd.op("relu", odd.input("x", ("batch", 2)), name="act")
    odd.build([h]).save(folder / "odd.npz")
    rewrite(folder / "odd.npz", "cycle.npz", '"x"\n   ],', '"act"\n   ],')
    rewrite(folder / "odd.npz", "dangling.npz", '"x"\n   ],', '"ghost"\n   ],')
    rewrite(model, "mute.npz", '"y": "layer2"', "")
    rewrite(model, "shapeless.npz", '[\n    "batch",\n    12\n   ]', '"batch"')
    rewrite(
        model,
        "narrow.npz",
        '"format": "dense",\n   "dtype": "float32"',
        '"format": "dense",\n   "dtype": "float64"',
    )
    rewrite(model, "yes.npz", '"transB": 1', '"transB": "yes"')
    rewrite(model, "short.npz", '"batch",\n    12', '"batch",\n    13')
    rewrite(folder / "odd.npz", "unknown.npz", '"relu"', '"magic"')
    rewrite(folder / "odd.npz", "bfloat16.npz", '"float32"', '"bfloat16"')
    given = ["run", str(model), "--input"]
    return {
        "no such file": ["run", str(folder / "none.npz")],
        "not a readable .npz": ["run", str(folder / "cut.npz")],
        "text.npz": ["run", str(folder / "text.npz")],
        "pickled": [*given, str(folder / "pickled.npz")],
        "no member 'graph.json'": ["run", str(folder / "wide.npz")],
        "axis 1 is 99, not 12": [*given, str(folder / "wide.npz")],
        ".astype('float32')": [*given, str(folder / "double.npz")],
        "missing: x": [*given, str(folder / "other.npz")],
        "'labels' has shape (5,)": [*given, str(folder / "few.npz")],
        "labels go from 7 to 7": [*given, str(folder / "high.npz")],
        "labels are float64": [*given, str(folder / "half.npz")],
        "save them with np.savez": [*given, str(folder / "d.csv")],
        "other.npz: graph": [*given, str(folder / "other.npz")],
        "it has no output": ["run", str(folder / "mute.npz")],
        "no list of sizes and names": ["run", str(folder / "shapeless.npz")],
        "should be float64, but member": ["run", str(folder / "narrow.npz")],
        "attribute transB is 'yes'": ["run", str(folder / "yes.npz")],
        "node 'layer0' on x, w0, b0: gemm (C2)": ["run", str(folder / "short.npz")],
        "no target 'moon'": ["run", "--target", "moon"],
        "onnx": ["run", str(folder / "m.onnx")],
        "weight 'w1' holds 384 NaN": ["run", str(folder / "nan.npz")],
        "a cycle": ["run", str(folder / "cycle.npz")],
        "reads 'ghost', which nothing defines": ["run", str(folder / "dangling.npz")],
        "unknown ops: magic": ["run", str(folder / "unknown.npz")],
    }


def test_bad_input_is_one_clear_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for message, line in bad_files(tmp_path).items():
        assert main(line) == 2, line
        out, err = capsys.readouterr()
        assert out == "", line
        assert err.count("\n") == 1, err
        assert message in err
        assert "Traceback" not in err


def test_a_missing_extra_is_named_with_its_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_files(tmp_path)
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)  # importing it fails from here on
    assert main(["run", str(tmp_path / "bfloat16.npz")]) == 2
    assert 'pip install "minisparse[io]"' in capsys.readouterr().err


def test_a_model_with_nan_can_be_stepped_through(tmp_path: Path) -> None:
    bad_files(tmp_path)
    line = [sys.executable, "-m", "minisparse", "step", str(tmp_path / "nan.npz"), "--break", "nan"]
    done = subprocess.run(
        line, input="c\nq\n", capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "NaN" in done.stdout


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "none.npz", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_usage_error_is_status_2() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["fly"])
    assert caught.value.code == 2


def test_step_reads_commands_from_a_pipe() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "minisparse", "step", "digits_mlp", "--batch", "2"],
        input="step\nstep\nback\nwhy\nquit\n",
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "layer1" in done.stdout


def test_a_reader_that_leaves_early_is_no_error() -> None:
    line = f"{sys.executable} -m minisparse run digits_mlp | head -n 1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("minisparse ")
    assert done.stderr == ""
