"""The interpreter: one list of values, one step after another.

:func:`run` and :func:`events` execute the same steps; the one returns the outputs at the end, the
other stops before and after each step to tell of it, and goes on when the next event is asked for.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import MinisparseError
from minisparse.core.tensor_type import known_type
from minisparse.dispatch import Plan, Step
from minisparse.formats import Matrix
from minisparse.graph import Constant
from minisparse.kernels import execute, pack
from minisparse.runtime.events import DidRun, Event, WillRun
from minisparse.runtime.feeds import check_feeds


def run(plan: Plan, feeds: Mapping[str, Any]) -> dict[str, Array]:
    """Run a plan and return its outputs by name.

    Parameters
    ----------
    plan : Plan
        What to run.
    feeds : mapping
        From every input's name to an array; see :func:`minisparse.runtime.check_feeds`.
    """
    values = _start(plan, feeds)
    slots = plan.slots
    for step in plan.steps:
        operands = tuple(values[slots[name]] for name in step.node.inputs)
        for name, result in zip(step.node.outputs, _execute(step, operands), strict=True):
            values[slots[name]] = result
    return _outputs(plan, values)


def events(plan: Plan, feeds: Mapping[str, Any]) -> Iterator[Event]:
    """Run a plan and tell of each step before and after it.

    The iterator is lazy: nothing is computed between two events until the second is asked for.
    """
    values = _start(plan, feeds)
    slots = plan.slots
    for index, step in enumerate(plan.steps):
        operands = tuple(values[slots[name]] for name in step.node.inputs)
        yield WillRun(index, step, operands)
        start = time.perf_counter()
        results = _execute(step, operands)
        seconds = time.perf_counter() - start
        for name, result in zip(step.node.outputs, results, strict=True):
            values[slots[name]] = result
        yield DidRun(index, step, operands, results, start, seconds)


def _start(plan: Plan, feeds: Mapping[str, Any]) -> list[Any]:
    """Return the list of values with inputs and constants in their slots."""
    given = check_feeds(plan.graph, feeds)
    computed = len(plan.slots) - len(given) - len(plan.graph.constants)
    return [*given.values(), *plan.graph.constants.values(), *[None] * computed]


def _execute(step: Step, operands: tuple[Constant, ...]) -> tuple[Constant, ...]:
    """Run one kernel on one node's operands, the weight in the form it was prepared in."""
    if step.unsettled:
        _check(step, operands)
    at = step.node.op.base.weight
    if at is not None and step.level.prepare is not None:
        packed = pack(step.level, operands[at]) if step.packed is None else step.packed
        operands = (*operands[:at], packed, *operands[at + 1 :])
    with np.errstate(all="ignore"):  # 0 * inf and overflow are values here, not accidents
        result = execute(step.node.op, step.level, operands, step.node.attrs)
    return result if isinstance(result, tuple) else (result,)


def _check(step: Step, operands: tuple[Constant, ...]) -> None:
    """Raise the error of the first constraint that operands break, now that sizes are known."""
    types = [x.type if isinstance(x, Matrix) else known_type(x) for x in operands]
    try:
        step.node.op.infer(types, step.node.attrs)
    except MinisparseError as error:
        raise type(error)(f"node '{step.node.name}': {error}") from error


def _outputs(plan: Plan, values: list[Any]) -> dict[str, Array]:
    return {name: values[plan.slots[value]] for name, value in plan.graph.outputs.items()}
