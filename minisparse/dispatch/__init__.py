"""From what to how: one kernel for every node, with every candidate's price and the reason."""

from minisparse.dispatch.plan import Plan, Step
from minisparse.dispatch.planner import make_plan
from minisparse.dispatch.program import Instruction, Program

__all__ = ["Instruction", "Plan", "Program", "Step", "make_plan"]
