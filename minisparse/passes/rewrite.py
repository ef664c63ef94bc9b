"""What a pass is, in which order passes run, and the report that each leaves.

A pass is a plain value. Its file says Before / After / Why / When / Keeps, and ends by declaring
it; the folder finds it. The order follows from what each pass says must come before it.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from minisparse.core.errors import InternalError, UsageError
from minisparse.core.symbolic import UNKNOWN, is_unknown
from minisparse.core.tensor_type import TensorType
from minisparse.cost import Target
from minisparse.graph import Graph

NOTHING = "nothing to do"
"""What a report says of a pass that changed nothing."""


@dataclass(frozen=True)
class Pass:
    """A rewrite of a graph that keeps its meaning.

    Attributes
    ----------
    name : str
        ``verb_noun``.
    run : callable
        From a graph and the target it is compiled for to a graph.
    after, before : tuple of str
        Passes that have to come before this one, and after it, where they run at all.
    on_request : bool
        Whether it runs only where it is asked for.
    """

    name: str
    run: Callable[[Graph, Target], Graph]
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    on_request: bool = False

    @property
    def summary(self) -> str:
        """The first line of the pass's documentation."""
        return (self.run.__doc__ or "").strip().split("\n")[0]


@dataclass(frozen=True)
class PassReport:
    """What one pass did.

    Attributes
    ----------
    name : str
        The pass.
    before, after : Graph
        The graph it was given and the one it returned.
    seconds : float
        How long it took.
    """

    name: str
    before: Graph
    after: Graph
    seconds: float

    @property
    def changed(self) -> bool:
        """Whether anything but the order of nodes differs."""
        return bool(self.changes)

    @property
    def changes(self) -> tuple[str, ...]:
        """What differs, each as a short phrase; empty if nothing does."""
        return (*_node_changes(self), *_wish_changes(self), *_constant_changes(self))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was only written down, each as a short phrase: ``noted instruction of 3 nodes``."""
        before, counts = self.before.metadata, dict[str, int]()
        for key, text in self.after.metadata.items():
            if before.get(key) != text:
                kind = key.partition(".")[0]
                counts[kind] = counts.get(kind, 0) + 1
        return tuple(
            f"noted {kind} of {count} node{'s' * (count > 1)}" for kind, count in counts.items()
        )

    def __str__(self) -> str:
        """Return one line: ``fuse_epilogue: 2 spmm_bias_relu for 2 spmm, 2 add_bias, 2 relu``."""
        return f"{self.name}: {'; '.join((*self.changes, *self.notes)) or NOTHING}"


def in_order(passes: Mapping[str, Pass]) -> tuple[Pass, ...]:
    """Return passes so that each comes after and before those it names, ties by name.

    Raises
    ------
    InternalError
        If the passes' wishes form a cycle.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter(
        {name: sorted(set(p.after) & set(passes)) for name, p in sorted(passes.items())}
    )
    for name, p in sorted(passes.items()):
        for later in sorted(set(p.before) & set(passes)):
            sorter.add(later, name)
    try:
        return tuple(passes[name] for name in sorter.static_order())
    except CycleError as error:
        raise InternalError(f"passes wait for each other: {error.args[1]}") from error


def run_passes(
    graph: Graph, target: Target, passes: Mapping[str, Pass], skip: Collection[str] = ()
) -> tuple[Graph, tuple[PassReport, ...]]:
    """Run all passes but those skipped, and verify the graph between any two.

    A graph verifies itself when it is made; here it is checked besides that no pass changed what
    goes in and what comes out.

    Raises
    ------
    UsageError
        If ``skip`` names a pass that does not exist.
    InternalError
        If a pass changed the graph's interface.
    """
    unknown = sorted(set(skip) - set(passes))
    if unknown:
        raise UsageError(
            f"there is no pass {', '.join(unknown)}; passes: "
            f"{', '.join(p.name for p in in_order(passes))}"
        )
    reports = []
    for step in in_order(passes):
        if step.name in skip:
            continue
        start = time.perf_counter()
        rewritten = step.run(graph, target)
        reports.append(PassReport(step.name, graph, rewritten, time.perf_counter() - start))
        _check_interface(reports[-1])
        graph = rewritten
    return graph, tuple(reports)


def _check_interface(report: PassReport) -> None:
    """Raise InternalError if inputs, or names and types of outputs, changed."""

    def interface(graph: Graph) -> tuple[object, ...]:
        outputs = {name: _unnumbered(graph.types[value]) for name, value in graph.outputs.items()}
        return dict(graph.inputs), outputs

    if interface(report.before) != interface(report.after):
        raise InternalError(
            f"pass {report.name} changed the graph's inputs or outputs: "
            f"{interface(report.before)} became {interface(report.after)}"
        )


def _unnumbered(type: TensorType) -> TensorType:
    """Return a type in which sizes that nothing tells have no numbers, which a pass may change."""
    return replace(type, shape=tuple(UNKNOWN if is_unknown(d) else d for d in type.shape))


def _node_changes(report: PassReport) -> tuple[str, ...]:
    """Count by op what went and what came."""
    counts: dict[str, int] = {}
    for graph, sign in ((report.before, -1), (report.after, 1)):
        for node in graph.nodes:
            counts[node.op.name] = counts.get(node.op.name, 0) + sign
    came = ", ".join(f"{n} {op}" for op, n in counts.items() if n > 0)
    went = ", ".join(f"{-n} {op}" for op, n in counts.items() if n < 0)
    if came and went:
        return (f"{came} for {went}",)
    return (f"added {came}",) if came else (f"removed {went}",) if went else ()


def _wish_changes(report: PassReport) -> tuple[str, ...]:
    """Tell which operands are wanted in which layout now."""
    before = {node.name: node.wants for node in report.before.nodes}
    return tuple(
        f"{node.inputs[i]} as {layout}"
        for node in report.after.nodes
        for i, layout in node.wants.items()
        if before.get(node.name, {}).get(i) != layout
    )


def _constant_changes(report: PassReport) -> tuple[str, ...]:
    """Tell what became known of the weights, and their bytes where those changed."""
    found = [
        f"{name} {pattern.describe()}"
        for name, pattern in report.after.patterns.items()
        if name not in report.before.patterns and name in report.after.constants
    ]
    bytes_before, bytes_after = report.before.weight_bytes, report.after.weight_bytes
    if bytes_before != bytes_after:
        found.append(f"weights {bytes_before / 1000:.1f} -> {bytes_after / 1000:.1f} kB")
    return tuple(found)
