"""The reasoning behind ``shrink_structures``: what is constant, what is tied, what may go.

Read :mod:`.channels` first, then :mod:`.dependencies`; :mod:`.rules` says both for each op.
:mod:`.decide` draws the conclusion, :mod:`.cut` carries it out, and :mod:`.report` tells.
"""

from minisparse.passes.shrinking.report import Layer, ShrinkReport, Staying
from minisparse.passes.shrinking.shrink import shrink

__all__ = ["Layer", "ShrinkReport", "Staying", "shrink"]
