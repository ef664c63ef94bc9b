"""Rewrites of a graph, one a file; each keeps what the graph means."""

from minisparse.core.discover import declared
from minisparse.passes.rewrite import Pass, PassReport, in_order, run_passes

PASSES: dict[str, Pass] = {p.name: p for p in declared(__name__, __path__, Pass).values()}
"""Every pass by name."""

__all__ = ["PASSES", "Pass", "PassReport", "in_order", "run_passes"]
