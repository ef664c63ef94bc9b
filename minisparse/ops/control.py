"""Control flow: ``if_else`` runs one of two bodies, ``loop`` one body again and again.

After ONNX's If and Loop (onnx/docs/Operators.md). What a body reads from outside is captured: an
operand, so that a control node reads what it needs as any other node does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, ShapeError, UnsupportedOpError
from minisparse.core.symbolic import UNKNOWN, is_unknown
from minisparse.core.tensor_type import TensorType, known_type
from minisparse.core.xp import namespace
from minisparse.ops.body import Body
from minisparse.ops.control_samples import if_samples, loop_samples
from minisparse.ops.op import Attrs, Constraint, Op, Types

Run = Callable[[Sequence[Any]], Sequence[Any]]
"""From a body's inputs to its outputs."""

_ITERATION = TensorType((), np.dtype(np.int64))
_CONDITION = TensorType((), np.dtype(bool))


def formal_types(op: Op, types: Types, attrs: Attrs) -> dict[str, tuple[TensorType, ...]]:
    """Return the types of the inputs of each body that may run, by the attribute that holds it.

    Parameters
    ----------
    op : Op
        ``if_else`` or ``loop``.
    types, attrs
        Operand types and complete attributes, valid by the op's constraints.
    """
    if op is LOOP:
        return {"body": _settled(types, attrs)}
    return dict.fromkeys(_possible(types), tuple(types[1:]))


def _element(given: TensorType) -> Any:
    """Return the one element of a type where it is a known number, else None."""
    known = given.known
    return None if known is None or isinstance(known[0], str) else known[0]


def _one_element(given: TensorType) -> bool:
    return all(dim == 1 or is_unknown(dim) for dim in given.shape)


def _joined(a: TensorType, b: TensorType) -> TensorType:
    """Return a type that both have: sizes that differ are unknown."""
    shape = tuple(d if d == e else UNKNOWN for d, e in zip(a.shape, b.shape, strict=True))
    return replace(a, shape=shape, known=a.known if a.known == b.known else None)


# -- if_else -------------------------------------------------------------------------------------


def _possible(types: Types) -> tuple[str, ...]:
    """Return which branches the condition leaves, as far as it is known."""
    taken = _element(types[0])
    if taken is None:
        return ("then_branch", "else_branch")
    return ("then_branch",) if taken else ("else_branch",)


def _branches_fit(types: Types, attrs: Attrs) -> bool:
    branches = (attrs["then_branch"], attrs["else_branch"])
    return all(isinstance(b, Body) and len(b.inputs) == len(types) - 1 for b in branches)


def _chosen_type(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    """Return what both branches give, or the one that alone can be taken."""
    found = [attrs[name].infer(types[1:]) for name in _possible(types)]
    if len(found) == 1:
        return tuple(found[0])
    for i, (a, b) in enumerate(zip(*found, strict=True)):
        if a.dtype != b.dtype:
            raise DTypeError(
                f"if_else: result {i} is {a.dtype} of then_branch but {b.dtype} of else_branch: "
                "both must have the same dtype; cast one of them"
            )
        if a.ndim != b.ndim:
            raise UnsupportedOpError(
                f"if_else: result {i} is {a} of then_branch but {b} of else_branch: both must have "
                "the same number of dimensions, unless the condition is known before the run; "
                "give the inputs sizes that are numbers, or fold the condition"
            )
    return tuple(_joined(a, b) for a, b in zip(*found, strict=True))


def _choose(operands: Sequence[Any]) -> str:
    """Return the attribute with the branch that ``if_else`` runs on these operands."""
    return "then_branch" if operands[0].item() else "else_branch"


def _fresh(results: Sequence[Array], operands: Sequence[Array]) -> tuple[Array, ...]:
    """Return results, copied where a body hands back what it was handed (rule S5)."""
    found: list[Array] = []
    for x in results:
        beside = [y for y in (*operands, *found) if namespace(y) is namespace(x)]
        shared = any(np.may_share_memory(x, y) for y in beside)
        found.append(x.copy() if shared else x)
    return tuple(found)


# -- loop ----------------------------------------------------------------------------------------


def _body_fits(types: Types, attrs: Attrs) -> bool:
    body, carried = attrs["body"], attrs["carried"]
    return (
        isinstance(body, Body)
        and 0 <= carried <= len(types) - 2
        and len(body.inputs) == len(types)
        and len(body.outputs) > max(carried, 1 if carried == 0 else 0)
    )


def _settled(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    """Return the types of the body's inputs that hold for every iteration.

    Sizes of carried values that an iteration changes are unknown; that may make others change, so
    the body is inferred again until nothing changes.
    """
    body, count = attrs["body"], attrs["carried"]
    condition = replace(_CONDITION, known=_lasting(types, attrs))
    carried = tuple(replace(t, known=None) for t in types[2 : 2 + count])
    while True:
        formal = (_ITERATION, condition, *carried, *types[2 + count :])
        after = body.infer(formal)
        if after[0].dtype != bool or not _one_element(after[0]):
            raise ShapeError(
                f"loop: the body's first output is {after[0]}: it must be the condition to go on, "
                "a bool with one element"
            )
        pairs = zip(carried, after[1 : 1 + count], strict=True)
        wider = tuple(_next(i, *pair) for i, pair in enumerate(pairs))
        if wider == carried:
            return formal
        carried = wider


def _next(i: int, before: TensorType, after: TensorType) -> TensorType:
    """Return the type of a carried value that may be as before an iteration or as after it."""
    if before.dtype != after.dtype:
        raise DTypeError(
            f"loop: carried value {i} is {before.dtype} before an iteration and {after.dtype} "
            "after it: both must be the same; cast one of them"
        )
    if before.ndim != after.ndim:
        raise UnsupportedOpError(
            f"loop: carried value {i} is {before} before an iteration and {after} after it: the "
            "number of dimensions must stay; carry it with axes of size 1"
        )
    return replace(_joined(before, after), known=None)


def _lasting(types: Types, attrs: Attrs) -> tuple[bool] | None:
    """Return the condition where it is true at first and the body hands it back as it is."""
    body: Body = attrs["body"]
    came_from = {node.output: node for node in body.nodes}
    name = body.outputs[0]
    while name in came_from and came_from[name].op.name == "identity":
        name = came_from[name].inputs[0]
    lasts = name == body.inputs[1] and _element(types[1]) is not None
    return (True,) if lasts and _element(types[1]) else None


def _count(types: Types, attrs: Attrs, after: TensorType) -> int | str:
    """Return the number of iterations, unknown unless it is the trip count."""
    trips, condition = _element(types[0]), _element(types[1])
    if (trips is not None and trips <= 0) or (condition is not None and not condition):
        return 0
    goes_on = condition is not None and bool(_element(after))
    return int(trips) if trips is not None and goes_on else UNKNOWN


def _looped_type(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    """Return the carried values, and what is collected with an axis in front for the iterations."""
    formal = _settled(types, attrs)
    after = attrs["body"].infer(formal)
    count = attrs["carried"]
    length = _count(types, attrs, after[0])
    collected = (replace(t, shape=(length, *t.shape), known=None) for t in after[1 + count :])
    return (*formal[2 : 2 + count], *collected)


def _iterate(run: Run, operands: Sequence[Any], attrs: Attrs) -> tuple[Array, ...]:
    """Return what ``loop`` means, each iteration computed by ``run``."""
    count = attrs["carried"]
    trips, go_on = (x.item() for x in operands[:2])
    xp = namespace(*operands)
    yes = xp.full((), True)
    carried, captured = tuple(operands[2 : 2 + count]), operands[2 + count :]
    rows: list[Sequence[Any]] = []
    for i in range(trips):
        if not go_on:
            break
        condition, *results = run((xp.full((), i, np.int64), yes, *carried, *captured))
        go_on = condition.item()
        carried, row = tuple(results[:count]), results[count:]
        if row:
            rows.append(row)
    if rows:
        collected = [np.stack(column) for column in zip(*rows, strict=True)]
    else:
        collected = _nothing_collected(operands, attrs)
    return (*_fresh(carried, operands), *collected)


def _nothing_collected(operands: Sequence[Array], attrs: Attrs) -> list[Array]:
    """Return empty arrays of the sizes that a body would give; those that only it tells are 0."""
    xp = namespace(*operands)
    types = _looped_type([known_type(x) for x in operands], attrs)[attrs["carried"] :]
    shapes = [tuple(d if isinstance(d, int) else 0 for d in t.shape) for t in types]
    return [xp.empty(shape, t.dtype) for shape, t in zip(shapes, types, strict=True)]


# -- both ----------------------------------------------------------------------------------------


def flow(op: Op, runs: Mapping[str, Run], operands: Sequence[Any], attrs: Attrs) -> Any:
    """Return the result of a control op, or a tuple of several, its bodies run as one says.

    Parameters
    ----------
    op : Op
        ``if_else`` or ``loop``.
    runs : mapping
        For each attribute with a body that may run, what computes its outputs from its inputs.
    operands, attrs
        The op's.
    """
    if op is LOOP:
        results = _iterate(runs["body"], operands, attrs)
    else:
        results = _fresh(runs[_choose(operands)](operands[1:]), operands)
    return results[0] if len(results) == 1 else results


def captured(op: Op, attrs: Attrs) -> int:
    """Return the place of the first operand that bodies capture: the same at every iteration."""
    return 2 + int(attrs["carried"]) if op is LOOP else 1


def _meant(op: Op, operands: Sequence[Array], attrs: Attrs) -> Any:
    """Return what a control op means: its bodies are run by what their ops mean."""
    bodies = {name: body for name, body in attrs.items() if isinstance(body, Body)}
    return flow(op, {name: body.dense for name, body in bodies.items()}, operands, attrs)


# -- the ops -------------------------------------------------------------------------------------

IF_ELSE: Op = Op(
    "if_else",
    ("condition", "captured*"),
    (
        Constraint(
            "C1",
            "condition must have one element",
            lambda types, attrs: _one_element(types[0]),
        ),
        Constraint(
            "C2",
            "condition must be bool",
            lambda types, attrs: types[0].dtype == bool,
            DTypeError,
        ),
        Constraint(
            "C3",
            "then_branch and else_branch must be bodies with an input for each captured value",
            _branches_fit,
        ),
        Constraint(
            "C4",
            "both branches must give the same number of results, at least one",
            lambda types, attrs: (
                len(attrs["then_branch"].outputs) == len(attrs["else_branch"].outputs) > 0
            ),
        ),
    ),
    _chosen_type,
    lambda operands, attrs: _meant(IF_ELSE, operands, attrs),
    lambda types, attrs: max(attrs[name].flops(types[1:]) for name in _possible(types)),
    if_samples,
    attrs={"then_branch": None, "else_branch": None},
    told=(0,),
)

LOOP: Op = Op(
    "loop",
    ("trip_count", "condition", "carried_and_captured*"),
    (
        Constraint(
            "C1",
            "trip_count and condition must have one element each",
            lambda types, attrs: _one_element(types[0]) and _one_element(types[1]),
        ),
        Constraint(
            "C2",
            "trip_count must be int64 and condition bool",
            lambda types, attrs: types[0].dtype == np.int64 and types[1].dtype == bool,
            DTypeError,
        ),
        Constraint(
            "C3",
            "body must be a body with an input for the iteration, the condition and each operand "
            "after it, carried the number of those that go around, and its outputs the condition, "
            "these, and what is collected",
            _body_fits,
        ),
    ),
    _looped_type,
    lambda operands, attrs: _meant(LOOP, operands, attrs),
    lambda types, attrs: attrs["body"].flops(_settled(types, attrs)) * _assumed_count(types),
    loop_samples,
    attrs={"body": None, "carried": 0},
    told=(0, 1),
)


def _assumed_count(types: Types) -> int:
    """Return the trip count, 1 where it is not known or says nothing."""
    trips = _element(types[0])
    return 1 if trips is None or trips == 2**63 - 1 else max(int(trips), 0)
