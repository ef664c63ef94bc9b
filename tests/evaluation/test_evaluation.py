"""Accuracy, errors, memory and the waterfall, each against what can be computed by hand."""

import sys
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.api import compile_dense
from minisparse.core.errors import ShapeError, UsageError
from minisparse.evaluation import waterfall
from minisparse.evaluation.progress import progress
from minisparse.graph import Graph
from minisparse.runtime import Executable, predict_peak


def identity(classes: int = 4) -> Graph:
    b = ms.GraphBuilder("identity")
    x = b.input("x", ("batch", classes))
    return b.build({"y": b.op("gemm", x, b.constant("w", np.eye(classes, dtype="float32")))})


def plan() -> Executable:
    return ms.compile(identity())


X = np.eye(4, dtype="float32")[[0, 1, 2, 3, 3, 3, 0]]


@pytest.mark.parametrize("batch", [None, 1, 3, 7, 100])
def test_the_batch_changes_no_result(batch: int | None) -> None:
    labels = [0, 1, 2, 3, 3, 0, 0]
    found = ms.evaluate(plan(), X, labels, rounds=1, batch=batch)
    assert found.accuracy == 6 / 7
    assert found.count == 7
    assert found.batch == min(batch or 7, 7)
    assert found.errors == {}


def test_without_labels_the_error_is_told() -> None:
    found = ms.evaluate(plan(), {"x": X}, rounds=1)
    assert np.isnan(found.accuracy)
    assert found.errors == {"y": 0.0}
    off = ms.evaluate(plan(), X, rounds=1, reference={"y": X * 2}, batch=2)
    assert off.errors == {"y": 0.5}
    assert "0.5 of the largest" in str(off)


def test_values_that_are_not_finite_are_errors_unless_both_have_them() -> None:
    x = X.copy()
    x[0, 0] = np.nan
    wanted = plan().run({"x": x})["y"]
    assert ms.evaluate(plan(), x, rounds=1, reference={"y": wanted}).errors["y"] == 0
    assert ms.evaluate(plan(), x, rounds=1, reference={"y": X}).errors["y"] == np.inf


def test_nan_names_nothing_and_infinity_is_an_infinite_error() -> None:
    x = X.copy()
    x[:2] = np.nan
    assert ms.evaluate(plan(), x, [0, 1, 2, 3, 3, 3, 0], rounds=1).accuracy == 5 / 7
    x[:2] = np.inf
    assert ms.evaluate(plan(), x, rounds=1, reference={"y": X}).errors["y"] == np.inf


def test_an_output_for_all_items_together_needs_them_all() -> None:
    b = ms.GraphBuilder("mean")
    y = b.op("reduce_mean", b.input("x", ("batch", 4)), keepdims=0)
    mean = ms.compile(b.build({"y": y}))
    assert ms.evaluate(mean, X, rounds=1).errors == {"y": 0.0}
    with pytest.raises(ShapeError, match="no axis of items"):
        ms.evaluate(mean, X, rounds=1, batch=3)
    with pytest.raises(UsageError, match="evaluate takes a plan"):
        ms.evaluate(identity(), X)  # type: ignore[arg-type]


def test_memory_is_foretold_as_by_hand() -> None:
    b = ms.GraphBuilder("residual")
    x = b.input("x", ("n",))
    kept = b.op("relu", x)
    y = b.op("add", b.op("gelu", b.op("silu", kept)), kept)
    found = compile_dense(b.build({"y": y}))
    # beside kept there is one more: silu's result, over which gelu's is written, and then the sum
    assert predict_peak(found, {"n": 1024}) == 2 * 4096
    told = ms.evaluate(found, np.ones(1024, "float32"), rounds=1).memory
    assert told.weights == 0
    assert told.predicted == 2 * 4096
    assert told.measured >= told.predicted


def test_measured_memory_follows_the_values() -> None:
    b = ms.GraphBuilder("large")
    x = b.input("x", ("n",))
    found = compile_dense(b.build({"y": b.op("relu", b.op("relu", x))}))
    memory = ms.evaluate(found, np.ones(10**6, "float32"), rounds=1).memory
    assert memory.predicted == 4 * 10**6  # the second relu is written over the first
    assert 0.99 < memory.measured / memory.predicted < 1.3


def test_stages_are_those_passes_that_changed_the_model() -> None:
    rng = np.random.default_rng(0)
    w = np.where(rng.random((1024, 1024)) < 0.002, 1, 0).astype("float32")
    b = ms.GraphBuilder("sparse")
    x = b.input("x", ("batch", 1024))
    graph = b.build({"y": b.op("relu", b.op("gemm", x, b.constant("w", w), transB=1))})
    found = ms.compile(graph, sizes={"batch": 64})
    stages = waterfall(found, {"x": np.ones((64, 1024), "float32")}, rounds=2).stages
    changed = [report.name for report in found.reports if report.changed]
    assert [stage.name for stage in stages] == ["as given", *changed]
    assert stages[0].weight_bytes == w.nbytes
    assert stages[-1].weight_bytes == sum(c.nbytes for c in found.graph.constants.values())
    assert stages[-1].weight_bytes < stages[0].weight_bytes / 5
    noted = [stage.name for stage in stages].index("recognize_sparsity")
    assert stages[noted].timing is stages[noted - 1].timing  # a note changes no run
    told = ms.evaluate(found, {"x": X.repeat(256, 1)}, rounds=1, passes=True)
    assert "fuse_epilogue" in str(told)


@pytest.mark.parametrize(
    ("inputs", "labels", "more", "error", "words"),
    [
        (X[:, :3], None, {}, ShapeError, "axis 1 is 3, not 4"),
        (X, [0, 1], {}, ShapeError, "need labels of shape"),
        (X, [0.0] * 7, {}, UsageError, "whole numbers"),
        (X, [9] * 7, {}, UsageError, "classes 0 to 3"),
        (X, None, {"reference": {"z": X}}, UsageError, "no output y"),
        (X, None, {"reference": {"y": X[:2]}}, ShapeError, "the reference"),
        (X, None, {"reference": 3}, UsageError, "a plan or a dict"),
        (X, None, {"batch": 0}, UsageError, "at least 1"),
        (X, None, {"rounds": 0}, UsageError, "at least 1"),
    ],
)
def test_what_does_not_fit_is_said(
    inputs: Any, labels: Any, more: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        ms.evaluate(plan(), inputs, labels, **more)


def test_items_are_counted_alike_in_all_inputs() -> None:
    b = ms.GraphBuilder("two")
    y = b.op("add", b.input("a", ("m", 4)), b.input("b", (1, 4)))
    found = ms.compile(b.build({"y": y}))
    with pytest.raises(ShapeError, match="different numbers of items: a 7, b 1"):
        ms.evaluate(found, {"a": X, "b": X[:1]})
    with pytest.raises(UsageError, match="takes 2 inputs"):
        ms.evaluate(found, X)


def test_a_bar_is_drawn_where_tqdm_is(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm", reason='tqdm is not installed: pip install "minisparse[cli]"')
    assert list(progress(range(3), 3, "counting", shown=True)) == [0, 1, 2]
    assert "counting" in capsys.readouterr().err


def test_nobody_watching_sees_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert list(progress(range(3), 3, "counting")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
