"""Which pass changed the values: the graph after each pass, run exactly and as planned.

Exact runs tell what a graph means, whatever kernels run it: where they differ from the source's,
a pass rewrote the meaning. Where they agree and the planned run does not, a kernel is wrong, and
the oracle names the node.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.dispatch import Plan
from minisparse.dispatch.planner import make_plan
from minisparse.graph import Graph
from minisparse.oracle import NodeJudgement, distances, run_exact, verify_nodes
from minisparse.oracle.bounds import unit_roundoff
from minisparse.oracle.verdict import FAIL
from minisparse.runtime.trace import trace
from minisparse.show import card, paragraph, table, table_text, wrap

_HEADERS = ("after", "nodes", "meaning", "run", "worst node", "of its bound")


@dataclass(frozen=True)
class Stage:
    """The graph after one pass, and how far its values are from the source's.

    Attributes
    ----------
    name : str
        The pass; ``"(source)"`` for the graph before any.
    nodes : int
        Number of nodes.
    meaning : float
        Largest difference of the exact outputs from the source's exact outputs, over the largest
        of these: what the pass changed.
    run : float
        The same for the outputs of the planned run: rounding, and what kernels got wrong.
    judgements : tuple of NodeJudgement
        The oracle's verdict on each node of that run.
    """

    name: str
    nodes: int
    meaning: float
    run: float
    judgements: tuple[NodeJudgement, ...]

    @property
    def worst(self) -> NodeJudgement | None:
        """The node whose error is largest beside its bound."""
        return max(self.judgements, key=lambda j: j.error_over_bound, default=None)

    @property
    def wrong_nodes(self) -> tuple[NodeJudgement, ...]:
        """The nodes that the oracle found wrong."""
        return tuple(j for j in self.judgements if j.verdict == FAIL)


@dataclass(frozen=True)
class Bisection:
    """What :func:`bisect` found.

    Attributes
    ----------
    stages : tuple of Stage
        The source, and the graph after each pass, in order.
    tolerance : float
        The difference from which a stage counts as different.
    """

    stages: tuple[Stage, ...]
    tolerance: float

    @cached_property
    def first_pass(self) -> str | None:
        """The first pass after which the graph means something else; None if none does."""
        return next((s.name for s in self.stages if not s.meaning <= self.tolerance), None)

    @cached_property
    def first_wrong(self) -> tuple[str, NodeJudgement] | None:
        """The first stage in which a kernel is wrong, and the node; None if none is."""
        return next(((s.name, j) for s in self.stages for j in s.wrong_nodes), None)

    @property
    def passed(self) -> bool:
        """Whether every pass kept the meaning and every node was right."""
        return self.first_pass is None and self.first_wrong is None

    @property
    def finding(self) -> str:
        """The finding in a sentence or two."""
        found = []
        if self.first_pass is not None:
            found.append(f"Pass {self.first_pass} changed what the graph means.")
        if self.first_wrong is not None:
            stage, judgement = self.first_wrong
            message = judgement.judgement.message
            found.append(f"After {stage}, node {judgement.node} is wrong: {message}.")
        return " ".join(found) or (
            f"Every pass kept the meaning within {self.tolerance:.1e}, and every node is right."
        )

    def __str__(self) -> str:
        """Return a row for each stage, and the finding."""
        return f"{table_text(_HEADERS, self._rows(), align='lrrrlr')}\n\n{wrap(self.finding)}"

    def _repr_html_(self) -> str:
        """Return the same as a card for a notebook."""
        return card("bisect", table(_HEADERS, self._rows()), paragraph(self.finding))

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for stage in self.stages:
            worst = stage.worst
            node, ratio = (worst.node, f"{worst.error_over_bound:.2g}") if worst else ("-", "-")
            rows.append(
                (stage.name, str(stage.nodes), f"{stage.meaning:.1e}", f"{stage.run:.1e}",
                 node, ratio)
            )  # fmt: skip
        return rows


def bisect(
    plan: Plan, feeds: Mapping[str, Any], *, columns: int = 4, tolerance: float | None = None
) -> Bisection:
    """Find the first pass after which the values differ.

    Parameters
    ----------
    plan : Plan
        What ``ms.compile`` returned.
    feeds : mapping
        From input names to arrays; exact runs are slow, so a few items of the batch are enough.
    columns : int
        How many items of the batch the oracle looks at in each node.
    tolerance : float, optional
        Difference over the largest output from which a stage counts as different: by default the
        root of the outputs' unit roundoff, 2.4e-4 for float32. Passes move roundings; what they
        break shows far above it.

    Raises
    ------
    UsageError
        If ``tolerance`` is negative or an input is missing.
    """
    if tolerance is not None and not tolerance >= 0:
        raise UsageError(f"bisect: tolerance is {tolerance}; it must be at least 0")
    given = {name: np.asarray(x) for name, x in feeds.items()}
    exact = run_exact(plan.given, given)
    graphs = [("(source)", plan.given), *((r.name, r.after) for r in plan.reports)]
    stages = tuple(_stage(plan, name, graph, given, exact, columns) for name, graph in graphs)
    return Bisection(stages, _default(exact) if tolerance is None else tolerance)


def _stage(
    plan: Plan, name: str, graph: Graph, feeds: dict[str, Array], exact: dict[str, Array],
    columns: int,
) -> Stage:  # fmt: skip
    partial = make_plan(plan.given, graph, plan.target)
    run = trace(partial, feeds)
    judgements = verify_nodes(graph, run.values, columns=columns)
    outputs = {shown: np.asarray(run.values[value]) for shown, value in graph.outputs.items()}
    return Stage(
        name,
        len(graph.nodes),
        _worst(distances(run_exact(graph, feeds), exact)),
        _worst(distances(outputs, exact)),
        tuple(judgements),
    )


def _default(outputs: Mapping[str, Array]) -> float:
    """Return the root of the widest roundoff; integers must be equal."""
    floats = [x.dtype for x in outputs.values() if x.dtype.kind not in "biu"]
    return max((unit_roundoff(dtype) ** 0.5 for dtype in floats), default=0.0)


def _worst(found: Mapping[str, float]) -> float:
    return max(found.values(), default=0.0)
