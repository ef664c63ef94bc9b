"""Breaches of the ops that run bodies."""

from minisparse.ops import OPS, RELU
from minisparse.ops.body import Body
from minisparse.ops.node import Node
from tests.ops.breaches import Breach, of

_YES = of(dtype="bool")
_TRIPS = of(dtype="int64")
_ONE = Body(("x",), (Node("y", RELU, ("x",), ("y",)),), ("y",))
_TWO = Body(("x",), (), ("x", "x"))
_NONE = Body(("x",), (), ())
_PAIR = Body(("x", "y"), (), ("x",))
_PARTED = Body(
    ("x",), (Node("y", OPS["split"], ("x",), ("y", "z"), {"axis": 0, "num_outputs": 2}),), ("y",)
)
_STEP = Body(("i", "go", "x"), (), ("go", "x"))

BREACHES = (
    Breach("if_else", "C1", (of(2, dtype="bool"), of(3)), {"then_branch": _ONE}),
    Breach("if_else", "C2", (of(dtype="int64"), of(3)), {"then_branch": _ONE}),
    Breach("if_else", "C3", (_YES, of(3)), {"then_branch": _ONE}),
    Breach("if_else", "C3", (_YES, of(3)), {"then_branch": _ONE, "else_branch": _PAIR}),
    Breach("if_else", "C4", (_YES, of(3)), {"then_branch": _ONE, "else_branch": _TWO}),
    Breach("if_else", "C4", (_YES, of(3)), {"then_branch": _NONE, "else_branch": _NONE}),
    Breach("loop", "C1", (of(2, dtype="int64"), _YES, of(3)), {"body": _STEP}),
    Breach("loop", "C1", (_TRIPS, of(0, dtype="bool"), of(3)), {"body": _STEP}),
    Breach("loop", "C2", (of(dtype="int32"), _YES, of(3)), {"body": _STEP}),
    Breach("loop", "C2", (_TRIPS, _TRIPS, of(3)), {"body": _STEP}),
    Breach("loop", "C3", (_TRIPS, _YES, of(3))),
    Breach("loop", "C3", (_TRIPS, _YES, of(3)), {"body": _ONE, "carried": 1}),
    Breach("loop", "C3", (_TRIPS, _YES, of(3)), {"body": _STEP, "carried": 2}),
    Breach("loop", "C3", (_TRIPS, _YES, of(3)), {"body": _STEP, "carried": -1}),
    Breach("loop", "C3", (_TRIPS, _YES), {"body": Body(("i", "go"), (), ("go",))}),
    Breach("chain", "C1", (of(3),)),
    Breach("chain", "C1", (of(3),), {"body": _PAIR}),
    Breach("chain", "C1", (of(3),), {"body": _TWO}),
    Breach("chain", "C2", (of(4),), {"body": _PARTED}),
)
