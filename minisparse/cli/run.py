"""The verb ``run``: compile, run, time against dense, judge; everything measured, nothing drawn."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minisparse.api import compile, compile_dense
from minisparse.cli.models import Inputs, find_inputs, find_model
from minisparse.core.dtypes import Array
from minisparse.core.errors import ModelFileError
from minisparse.dispatch import Step
from minisparse.evaluation import check_labels
from minisparse.formats import Matrix
from minisparse.graph import Graph
from minisparse.oracle import NodeJudgement
from minisparse.runtime import Executable, Timing, measure
from minisparse.show import human_seconds

JUDGED_TERMS = 40_000_000
"""Products of weights that the oracle sums exactly in one run, about a second's worth."""
IGNORING_ZEROS = ("recognize_sparsity", "select_format", "insert_conversions")
"""Passes without which a model is compiled all the same, but no zero is noticed."""
_TRACES = 7


@dataclass(frozen=True)
class RunReport:
    """Everything that one ``minisparse run`` found out.

    Attributes
    ----------
    model : str
        As the command line named it.
    plan, dense : Executable
        The compiled plan, and the same graph without any pass.
    inputs : Inputs
        What both ran on.
    outputs, dense_outputs : dict
        What they returned.
    seconds, dense_seconds : mapping
        From node names to measured seconds, medians.
    timing : dict
        End-to-end timings, measured in turns: ``"dense"``, ``"unaware"`` (compiled by the passes
        that do not look at zeros) and ``"sparse"``.
    judgements : list of NodeJudgement
        The oracle's verdict on each node.
    judged : int
        How many items of the batch the oracle looked at.
    """

    model: str
    plan: Executable
    dense: Executable
    inputs: Inputs
    outputs: dict[str, Array]
    dense_outputs: dict[str, Array]
    seconds: Mapping[str, float]
    dense_seconds: Mapping[str, float]
    timing: dict[str, Timing]
    judgements: list[NodeJudgement]
    judged: int

    @property
    def stores_sparse(self) -> bool:
        """Whether any weight is stored in a sparse format."""
        return any(isinstance(c, Matrix) for c in self.plan.graph.constants.values())

    @property
    def not_finite(self) -> int:
        """How many elements of the outputs are NaN or infinite."""
        return sum(int((~np.isfinite(x)).sum()) for x in self.outputs.values())

    @property
    def oracle_passed(self) -> bool:
        """Whether the oracle failed no node."""
        return all(judgement.verdict != "FAIL" for judgement in self.judgements)

    @property
    def labels(self) -> tuple[Array, Array] | None:
        """Labels of the dense and the sparse run, where the model gives ``[batch, classes]``."""
        if len(self.outputs) != 1:
            return None
        (dense,), (sparse,) = self.dense_outputs.values(), self.outputs.values()
        if dense.ndim != 2 or not dense.size:
            return None
        return dense.argmax(axis=1), sparse.argmax(axis=1)

    @property
    def same_labels(self) -> bool:
        """Whether both runs found the same label everywhere; True where there are none."""
        return self.labels is None or bool(np.array_equal(*self.labels))

    @property
    def speedup(self) -> float:
        """Time of the dense run over time of the sparse run."""
        return self.timing["dense"].median / self.timing["sparse"].median

    @property
    def largest_difference(self) -> float:
        """Largest absolute difference between outputs of the two runs."""
        return max(
            (
                float(np.abs(self.outputs[n] - x).max(initial=0))
                for n, x in self.dense_outputs.items()
            ),
            default=0.0,
        )


def run(model: str, input_file: str | None, target: str) -> RunReport:
    """Compile a model, run it sparse and dense in turns, and have every node judged."""
    graph = find_model(model)
    _check_weights(graph, model)
    inputs = find_inputs(graph, model, input_file)
    sizes = inputs.sizes(graph)
    plan = compile(graph, target, sizes=sizes)
    dense = compile_dense(graph, sizes=sizes)
    unaware = compile(graph, target, sizes=sizes, skip=IGNORING_ZEROS)
    timing = measure(
        {
            "dense": lambda: dense.run(inputs.feeds),
            "unaware": lambda: unaware.run(inputs.feeds),
            "sparse": lambda: plan.run(inputs.feeds),
        }
    )
    outputs = plan.run(inputs.feeds)
    if inputs.labels is not None and len(outputs) == 1:
        check_labels(inputs.labels, *outputs.values())
    judged = min(_affordable(plan), inputs.items)
    return RunReport(
        model,
        plan,
        dense,
        inputs,
        outputs,
        dense.run(inputs.feeds),
        _node_seconds(plan, inputs),
        _node_seconds(dense, inputs),
        timing,
        plan.verify(inputs.feeds, columns=max(judged, 1)),
        judged,
    )


def _affordable(plan: Executable) -> int:
    """Return how many items of the batch the oracle can judge in about a second."""
    one = plan.graph.bind(**dict.fromkeys(plan.graph.symbols, 1))
    products = [n for n in one.nodes if n.op.base.sums_products]
    flops = sum(node.op.flops(one.operand_types(node), node.attrs) for node in products)
    return max(4, 2 * JUDGED_TERMS // max(flops, 1))


def _check_weights(graph: Graph, model: str) -> None:
    """Raise ModelFileError for a weight that holds a NaN: every result would be one."""
    for name, constant in graph.constants.items():
        values = constant.data if isinstance(constant, Matrix) else constant
        if values.dtype.kind not in "iub" and np.isnan(values).any():
            count = int(np.isnan(values).sum())
            raise ModelFileError(
                f"{model}: weight '{name}' holds {count} NaN, so the model's results mean nothing: "
                f"mend the weights, or see where it leads with: minisparse step {model} --break nan"
            )


def _node_seconds(plan: Executable, inputs: Inputs) -> dict[str, float]:
    """Return the median measured time of each node over a few traces."""
    taken: dict[str, list[float]] = {step.node.name: [] for step in plan.steps}
    for _ in range(_TRACES):
        for record in plan.trace(inputs.feeds).records:
            taken[record.step.node.name].append(record.seconds)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def why_slower(report: RunReport) -> str:
    """Say which node cost the sparse run its lead, with the figures."""
    excess, step = max(
        (
            (report.seconds[step.node.name] - _dense_seconds(report, step), step)
            for step in report.plan.steps
        ),
        key=lambda pair: pair[0],
    )
    return f"{step.node.name} ({step.chosen.layout}) took {human_seconds(excess)} more"


def _dense_seconds(report: RunReport, step: Step) -> float:
    """Return how long the dense run took for what a step computes, 0 if it has no counterpart."""
    source = report.dense.graph
    nodes = {node.name: node for node in source.nodes}
    node = nodes.get(step.node.name)
    if node is None:
        return 0.0
    seconds = report.dense_seconds[node.name]
    for part in step.node.op.epilogue:
        readers = source.readers(node.output)
        if len(readers) == 1 and readers[0].op == part:
            node = readers[0]
            seconds += report.dense_seconds[node.name]
    return seconds
