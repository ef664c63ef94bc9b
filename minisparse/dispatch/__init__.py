"""From what to how: one kernel for every node, with every candidate's price and the reason."""

from minisparse.dispatch.explanation import Explanation, NodeExplanation
from minisparse.dispatch.plan import Plan, Step
from minisparse.dispatch.planner import make_plan

__all__ = ["Explanation", "NodeExplanation", "Plan", "Step", "make_plan"]
