"""For each op: what stays constant through it, which axes it ties, what it needs when they shrink.

An op without a rule makes everything unknown and keeps everything that it touches.
"""

from minisparse.core.discover import declared
from minisparse.passes.shrinking.rules.rule import Ends, Place, Rule

RULES: dict[str, Rule] = {
    op: rule for rule in declared(__name__, __path__, Rule).values() for op in rule.ops
}
"""Every rule by the ops it is for."""

__all__ = ["RULES", "Ends", "Place", "Rule"]
