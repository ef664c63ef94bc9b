"""minisparse as an ONNX backend, and onnx's node tests held against what docs/onnx.md says."""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from minisparse.core.errors import UsageError
from minisparse.frontends.onnx import backend
from minisparse.frontends.onnx.backend.command import counts, main, promised, report, to_json
from minisparse.frontends.onnx.backend.node_tests import (
    PROMISED,
    SEVERAL,
    NodeTest,
    Outcome,
    load_tests,
    run_tests,
)
from minisparse.frontends.onnx.rules import find_rules

onnx = pytest.importorskip("onnx", reason='ONNX: pip install "minisparse[onnx]"')

from onnx import helper  # noqa: E402

from tests.frontends.onnx_models import f32, parsed, with_weights  # noqa: E402

PAGE = (Path(__file__).parents[2] / "docs" / "onnx.md").read_text(encoding="utf-8")


@cache
def cases() -> list[NodeTest]:
    return load_tests()


def test_prepare_runs_models_again_and_again() -> None:
    w = np.eye(2, 3, dtype=np.float32)
    model = with_weights("g (float[N, 2] x) => (float[N, 3] y) { y = MatMul(x, w) }", w=w)
    prepared = backend.prepare(model)
    for n in (1, 4):
        x = np.full((n, 2), n, np.float32)
        for inputs in ([x], {"x": x}):
            (y,) = prepared.run(inputs)
            np.testing.assert_array_equal(y, x @ w)
    np.testing.assert_array_equal(backend.run_model(model, [x])[0], x @ w)


def test_run_node() -> None:
    x = f32([[1, 2]])
    node = helper.make_node("Gemm", ["a", "b"], ["y"], transB=1)
    np.testing.assert_array_equal(backend.run_node(node, [x, x])[0], [[5]])
    info = [(np.float32, (1, 2))]
    clip = helper.make_node("Clip", ["x", "", "top"], ["y"])
    (y,) = backend.run_node(clip, [x, np.float32(1.5)], outputs_info=info, opset_version=13)
    np.testing.assert_array_equal(y, [[1, 1.5]])


def test_what_is_there_and_what_is_not() -> None:
    model = parsed("g (float[N] x) => (float[N] y) { y = Relu(x) }")
    assert backend.is_compatible(model)
    assert backend.supports_device("CPU:0")
    assert not backend.supports_device("CUDA")
    unknown = helper.make_model(
        helper.make_graph([helper.make_node("Foo", ["x"], ["y"], domain="far")], "g",
                          model.graph.input, model.graph.output),
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("far", 1)],
    )  # fmt: skip
    assert not backend.is_compatible(unknown)
    with pytest.raises(UsageError, match="no device 'CUDA'"):
        backend.prepare(model, "CUDA")
    with pytest.raises(UsageError, match="no option fast"):
        backend.prepare(model, fast=True)
    with pytest.raises(UsageError, match="the model takes x; given are 2"):
        backend.prepare(model).run([np.zeros(1, np.float32)] * 2)


def test_every_test_of_a_promised_op_passes() -> None:
    outcomes = run_tests(case for case in cases() if case.op in PROMISED)
    failed = {outcome.name: outcome.message for outcome in outcomes if not outcome.passed}
    assert not failed
    _compare_with_page("ops that are promised", outcomes)


def test_every_eighth_of_the_others_is_as_the_page_says() -> None:
    """The whole takes too long here: the command prints it."""
    if f"onnx {onnx.__version__}" not in PAGE:
        pytest.skip(f"docs/onnx.md has no figures for onnx {onnx.__version__}")
    others = [case for case in cases() if case.op not in PROMISED][::8]
    outcomes = run_tests(others)
    failed = [outcome.name for outcome in outcomes if not outcome.passed]
    assert not [name for name in failed if f"`{name}`" not in PAGE]


def _compare_with_page(row: str, outcomes: list[Outcome]) -> None:
    """Compare counts with a row of the page's table, which is for one version of onnx."""
    if f"onnx {onnx.__version__}" not in PAGE:
        pytest.skip(f"docs/onnx.md has no figures for onnx {onnx.__version__}")
    found = re.search(rf"\| {row} \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", PAGE)
    assert found is not None
    total, native, _, failed = map(int, found.groups())
    assert len(outcomes) == total
    assert counts(outcomes)["native"] >= native
    assert counts(outcomes)["failed"] <= failed


def test_the_page_names_every_rule() -> None:
    table = re.search(r"## Ops with rules\n(.*?)\n## ", PAGE, re.DOTALL)
    assert table is not None
    assert set(re.findall(r"`(\w+)`", table[1])) >= set(find_rules())


def test_a_promised_op_has_a_rule() -> None:
    assert set(find_rules()) >= PROMISED


def test_the_report_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [
        Outcome("test_a", "Relu", True),
        Outcome("test_b", "Unique", True, ("onnx.Unique",)),
        Outcome("test_c", SEVERAL, False, (), "ShapeError: no"),
    ]
    text = report(outcomes, 2.0)
    assert f"onnx {onnx.__version__}: 2 of 3 node tests passed in 2 s" in text
    assert "test_c: ShapeError: no" in text
    assert promised(outcomes) == outcomes[:1]
    assert json.loads(to_json(outcomes))["counts"] == {"native": 1, "fallback": 1, "failed": 1}
    path = tmp_path / "outcomes.json"
    assert main(["--op", "Relu", "--json", str(path)]) == 0
    assert "1 of 1 node tests passed" in capsys.readouterr().out
    assert json.loads(path.read_text(encoding="utf-8"))["tests"][0]["kind"] == "native"


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--op", "relu"]) == 2
    assert main(["--op", "Relu", "--json", str(tmp_path / "none" / "o.json")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "no test of relu" in first
    assert "no such folder" in second
