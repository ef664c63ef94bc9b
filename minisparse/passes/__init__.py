"""Rewrites of a graph, one a file; each keeps what the graph means."""

from minisparse.core.discover import declared
from minisparse.passes.rewrite import Pass, PassReport, in_order, run_passes

_DECLARED = {p.name: p for p in declared(__name__, __path__, Pass, folders=False).values()}

PASSES: dict[str, Pass] = {name: p for name, p in _DECLARED.items() if not p.on_request}
"""Every pass that a graph goes through, by name."""

ON_REQUEST: dict[str, Pass] = {name: p for name, p in _DECLARED.items() if p.on_request}
"""Passes that run only where they are asked for, by name."""

__all__ = ["ON_REQUEST", "PASSES", "Pass", "PassReport", "in_order", "run_passes"]
