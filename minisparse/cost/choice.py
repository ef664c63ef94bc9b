"""Which candidate computes a node: the cheapest, the fastest when timed, or the one asked for."""

from collections.abc import Sequence
from dataclasses import replace

from minisparse.core.errors import UsageError
from minisparse.core.tensor_type import DENSE, Layout
from minisparse.cost.apart import apart
from minisparse.cost.candidate import Candidate
from minisparse.cost.candidates import candidates
from minisparse.cost.target import Target
from minisparse.graph import Graph, Node
from minisparse.kernels import GENERATED, LEVELS, PROVIDERS

TIMED = 3
"""How many of the candidates that are predicted to be fastest are timed, besides the dense one."""
WORTH = 1.02
"""What is predicted to save less than this is not worth a conversion: no prediction is so good."""


def rank(
    graph: Graph, node: Node, target: Target, layout: Layout | None = None
) -> tuple[Candidate, ...]:
    """Return a node's candidates, the one to be taken first.

    Parameters
    ----------
    graph : Graph
        With sizes known: see :meth:`Target.bind`.
    node : Node
        A node of it.
    target : Target
        What is asked for, and by which policy the rest is chosen.
    layout : Layout, optional
        In which the weight is; only such a candidate is taken then. Without it the weight's own
        is left only for what is predicted to be worth it.

    Raises
    ------
    UsageError
        If a candidate is asked for that the node does not have; those that it has are named.
    """
    found = candidates(graph, node, _allowing(node, target))
    if target.policy == "measured" and len(found) > 1 and _has_constant_weight(graph, node):
        found = _timed(graph, node, found, target)
    ready = [c for c in found if layout is None or c.layout == layout]
    timed = [c for c in ready if c.measured_seconds is not None]
    if node.name in target.choose:
        chosen = _asked_for(node, target.choose[node.name], found, ready)
    elif timed:
        chosen = min(timed, key=lambda c: c.measured_seconds or 0.0)
    elif ready:
        chosen = _cheapest(graph, node, ready, target)
    else:
        return found
    listed = _with_dense(graph, node, found, target)
    return (chosen, *(c for c in listed if c is not chosen))


def _with_dense(
    graph: Graph, node: Node, found: tuple[Candidate, ...], target: Target
) -> tuple[Candidate, ...]:
    """Return candidates with the dense one among them, though the weight is stored sparse.

    A filter that is stored sparse has lost its axes, so no kernel for plain arrays could take it.
    A mask as a plain array would mean another thing.
    """
    if any(c.layout == DENSE for c in found) or node.op.base.masked:
        return found
    before = apart(graph, node)
    dense = () if before is None else candidates(before, before.nodes[0], target)
    timed = (
        replace(c, measured_seconds=target.timings.get((node.name, c.name)))
        for c in dense
        if c.layout == DENSE
    )
    more = (*found, *timed)
    return tuple(sorted(more, key=Candidate.order))


def _timed(
    graph: Graph, node: Node, found: Sequence[Candidate], target: Target
) -> tuple[Candidate, ...]:
    """Return candidates, the few that are predicted to be fastest with their measured times.

    What was timed in this compilation is not timed again: a node whose weight was converted since,
    or that an epilogue was added to, keeps its name.
    """
    if not any((node.name, c.name) in target.timings for c in found):
        from minisparse.cost.measured import time_candidates  # which most runs do without

        best = _cheapest_first(found, target)[:TIMED]
        best += [c for c in found if c.layout == DENSE and c not in best]
        for name, seconds in time_candidates(graph, node, best, target).items():
            target.timings[node.name, name] = seconds
    known = (target.timings.get((node.name, c.name)) for c in found)
    return tuple(replace(c, measured_seconds=x) for c, x in zip(found, known, strict=True))


def _cheapest_first(found: Sequence[Candidate], target: Target) -> list[Candidate]:
    return sorted(found, key=lambda c: c.order(target.calls))


def _cheapest(graph: Graph, node: Node, ready: list[Candidate], target: Target) -> Candidate:
    """Return the cheapest candidate; one in the weight's own layout if that is nearly as cheap."""
    first = _cheapest_first(ready, target)[0]
    if not _has_constant_weight(graph, node):
        return first
    now = graph.types[node.inputs[node.op.base.weight or 0]].layout
    most = WORTH * first.total_seconds(target.calls)
    kept = [c for c in ready if c.layout == now and c.total_seconds(target.calls) <= most]
    return _cheapest_first(kept, target)[0] if kept else first


def _has_constant_weight(graph: Graph, node: Node) -> bool:
    at = node.op.base.weight
    return at is not None and at < len(node.inputs) and node.inputs[at] in graph.constants


def _allowing(node: Node, target: Target) -> Target:
    """Return the target with the level that is asked for among those that may be chosen."""
    level = target.choose.get(node.name, "").rpartition(" ")[2]
    known = level in (*LEVELS, GENERATED, *PROVIDERS)
    return replace(target, levels=(*target.levels, level)) if known else target


def _asked_for(
    node: Node, name: str, found: tuple[Candidate, ...], ready: list[Candidate]
) -> Candidate:
    """Return the candidate of that name, or the first in the layout of that name."""
    for candidate in ready:
        if name in (candidate.name, str(candidate.layout)):
            return candidate
    known = ", ".join(sorted(c.name for c in found))
    if any(name in (c.name, str(c.layout)) for c in found):
        raise UsageError(
            f"node '{node.name}' cannot be computed by '{name}': its weight is stored as "
            f"{', '.join({str(c.layout): '' for c in ready})} by then, and no pass converts it"
        )
    raise UsageError(
        f"node '{node.name}' has no candidate '{name}'; it has: {known} (an installed library's "
        "by its name: 'csr scipy')"
    )
