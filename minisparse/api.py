"""The pipeline, told once: load a model, compile it, run it, evaluate it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ModelFileError, ShapeError, UsageError
from minisparse.cost import Target, find_machine
from minisparse.dispatch import make_plan
from minisparse.graph import Graph
from minisparse.graph import load as load_graph
from minisparse.kernels import usable_levels
from minisparse.passes import PASSES, run_passes
from minisparse.runtime import Executable, Timing, measure


def load(model: str | Path) -> Graph:
    """Read a model file.

    Parameters
    ----------
    model : str or Path
        A ``.npz`` that ``graph.save`` wrote.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, or of a kind that minisparse does not read.
    UnsupportedOpError
        If the model uses ops that minisparse does not have; all of them are named.
    """
    path = Path(model)
    if path.suffix == ".onnx":
        raise ModelFileError(
            f"{path}: ONNX models are not read yet; build the graph with ms.GraphBuilder, save it "
            "with graph.save, and give that .npz"
        )
    return load_graph(path)


def compile(
    graph: Graph,
    target: str = "cpu",
    *,
    sizes: Mapping[str, int] | None = None,
    level: str = "vectorized",
    libraries: str | Collection[str] = "none",
    skip: Collection[str] = (),
) -> Executable:
    """Turn a graph into a plan: run the passes, price every candidate, choose, prepare weights.

    Parameters
    ----------
    graph : Graph
        The model.
    target : str
        The machine that prices are for: ``"cpu"`` or a shipped machine's name.
    sizes : mapping, optional
        From named dimensions to the size to expect, ``{"batch": 256}``; prices depend on it,
        results never do, and any size can be run.
    level : str
        The level that weights' kernels run at; ``"loops"`` makes every step of the arithmetic
        visible and slow. An op without kernels of that level runs at one that it has.
        ``"library"`` stands for every library that is installed, and a library's name for itself.
    libraries : str or collection of str
        Other libraries whose kernels may be chosen besides, where they are predicted to be faster:
        ``"none"``, so that the plan is the same wherever it is made; ``"auto"`` for all that are
        installed; or names, such as ``"scipy"`` or ``("scipy", "mkl")``. See docs/libraries.md.
    skip : collection of str
        Passes to leave out.

    Raises
    ------
    UsageError
        If target, level, a size, a library or a pass does not exist.
    MissingExtraError
        If a library that is named is not installed.
    """
    if not isinstance(graph, Graph):
        raise UsageError(f"ms.compile takes a Graph, such as ms.load returns, not {graph!r:.60}")
    unknown = sorted(set(sizes or {}) - set(graph.symbols))
    if unknown:
        raise UsageError(
            f"graph '{graph.name}' has no dimension {', '.join(unknown)}; "
            f"named dimensions: {', '.join(graph.symbols) or 'none'}"
        )
    negative = [f"{name}={size}" for name, size in (sizes or {}).items() if size < 0]
    if negative:
        raise UsageError(f"sizes cannot be negative: {', '.join(negative)}")
    goal = Target(find_machine(target), dict(sizes or {}), usable_levels(level, libraries))
    compiled, reports = run_passes(graph, goal, PASSES, skip)
    plan = make_plan(graph, compiled, goal, reports)
    return Executable(plan.source, plan.graph, plan.target, plan.steps, plan.reports)


def compile_dense(graph: Graph, sizes: Mapping[str, int] | None = None) -> Executable:
    """Return the plan that runs a graph as it is, without any pass: the dense reference."""
    return compile(graph, sizes=sizes, skip=tuple(PASSES))


@dataclass(frozen=True)
class Evaluation:
    """How good and how fast a plan is on labelled inputs.

    Attributes
    ----------
    accuracy : float
        Fraction of inputs whose largest output is at their label.
    count : int
        Number of inputs.
    timing : Timing
        Seconds of one run over all inputs at once.
    weight_bytes : int
        Bytes of all constants as stored.
    """

    accuracy: float
    count: int
    timing: Timing
    weight_bytes: int

    def __str__(self) -> str:
        """Return one line."""
        return (
            f"accuracy {self.accuracy:.4f} on {self.count} inputs, "
            f"{self.timing.median * 1e3:.3g} ms a run (+-{self.timing.spread:.0%}), "
            f"weights {self.weight_bytes / 1000:.1f} kB"
        )


def labels_of(plan: Executable, inputs: Any) -> Array:
    """Return the index of the largest output for each input, int64 ``[batch]``."""
    outputs = plan(inputs)
    if isinstance(outputs, dict) or outputs.ndim != 2:
        raise ShapeError("labels need a model with one output [batch, classes]")
    return np.asarray(outputs.argmax(axis=1))


def check_labels(labels: Any, outputs: Array) -> Array:
    """Return labels as an array that fits outputs ``[batch, classes]``.

    Raises
    ------
    ShapeError
        If there is not one label for each row of the outputs.
    UsageError
        If a label is not a whole number from 0 to ``classes - 1``.
    """
    given: Array = np.asarray(labels)
    if outputs.ndim != 2 or given.shape != outputs.shape[:1]:
        raise ShapeError(
            f"outputs {outputs.shape} need labels of shape {outputs.shape[:1]}, not {given.shape}"
        )
    if given.dtype.kind not in "iu":
        raise UsageError(f"labels are {given.dtype}; they must be whole numbers, one an input")
    if given.size and not 0 <= given.min() <= given.max() < outputs.shape[1]:
        raise UsageError(
            f"labels go from {given.min()} to {given.max()}, but the model has the classes "
            f"0 to {outputs.shape[1] - 1}"
        )
    return given


def evaluate(plan: Executable, inputs: Any, labels: Any, rounds: int = 7) -> Evaluation:
    """Run a plan on labelled inputs; return accuracy, time and bytes of weights.

    Parameters
    ----------
    plan : Executable
        What ``ms.compile`` returned; it has one input and one output ``[batch, classes]``.
    inputs : ndarray
        The whole batch.
    labels : ndarray of int, shape (batch,)
        The right class of each input.
    rounds : int
        How often to run for the time.

    Raises
    ------
    ShapeError, UsageError
        If there are not as many labels as inputs, or a label is not the number of an output.
    """
    found = labels_of(plan, inputs)
    labels = check_labels(labels, plan(inputs))
    timing = measure({"run": lambda: plan(inputs)}, rounds=rounds)["run"]
    accuracy = float((found == labels).mean()) if len(labels) else float("nan")
    weights = sum(constant.nbytes for constant in plan.graph.constants.values())
    return Evaluation(accuracy, len(labels), timing, weights)
