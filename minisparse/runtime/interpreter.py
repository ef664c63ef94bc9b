"""The interpreter: one list of values, one step after another.

:func:`run` and :func:`events` make the same calls; the one returns the outputs at the end and lets
go of every value after its last reader, the other stops before and after each step to tell of it,
and goes on when the next event is asked for.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import MinisparseError, UsageError
from minisparse.core.xp import device_of
from minisparse.dispatch import Plan
from minisparse.dispatch.bound import run_plan
from minisparse.dispatch.memory_plan import sizes_in
from minisparse.dispatch.placement import moved
from minisparse.gpu.card import wait
from minisparse.graph import Constant
from minisparse.graph.feeds import check_feeds
from minisparse.runtime.events import DidRun, Event, WillRun


def run(plan: Plan, feeds: Mapping[str, Any], *, poison: bool = False) -> dict[str, Array]:
    """Run a plan and return its outputs by name.

    Parameters
    ----------
    plan : Plan
        What to run.
    feeds : mapping
        From every input's name to an array; see :func:`minisparse.runtime.check_feeds`.
    poison : bool
        Whether memory is filled with garbage as soon as the memory plan takes it to be dead, and
        before it is written to first: a test of that plan, since no result may depend on it.

    Raises
    ------
    MemoryLimitError
        If it would need more than the limit that the plan was compiled with.
    """
    given = check_places(plan, check_feeds(plan.graph, feeds))
    program = plan.program
    with np.errstate(all="ignore"):  # 0 * inf and overflow are values here, not accidents
        values = run_plan(plan, tuple(given.values()), poison=poison)
    outputs = {name: values[place] for name, place in program.outputs.items()}
    if plan.placement is None:
        return outputs
    # What was made of sizes is sent there.
    return {name: cast("Array", moved(value, "gpu")) for name, value in outputs.items()}


def check_places(plan: Plan, feeds: dict[str, Array]) -> dict[str, Array]:
    """Return what is fed to a plan, all of it where the plan runs.

    Raises
    ------
    UsageError
        If an array lies elsewhere: nothing is copied unasked; the message says how to move it.
    """
    device = plan.target.device
    for name, array in feeds.items():
        if device_of(array) != device:
            where, move = (
                ("in main memory, but the plan runs on the GPU", "cupy.asarray(x)")
                if device == "gpu"
                else ("on the GPU, but the plan runs in main memory", "x.get()")
            )
            raise UsageError(
                f"input '{name}' lies {where}: nothing is copied unasked; give {move}, or compile "
                f"for target '{device_of(array)}'"
            )
    return feeds


def events(plan: Plan, feeds: Mapping[str, Any]) -> Iterator[Event]:
    """Run a plan and tell of each step before and after it.

    The iterator is lazy: nothing is computed between two events until the second is asked for.
    """
    fed = check_places(plan, check_feeds(plan.graph, feeds))
    values: dict[str, Constant] = {**plan.graph.constants, **fed}
    program = plan.program
    others = plan.resizes.steps_for(sizes_in(plan.graph, [x.shape for x in fed.values()]))
    for index, (step, instruction) in enumerate(zip(plan.steps, program.instructions, strict=True)):
        if index in others:
            step, call = others[index]
            instruction = instruction._replace(call=call)
        operands = tuple(values[name] for name in step.node.inputs)
        packed = [program.blank[place] for place in instruction.reads]
        given = [x if p is None else p for x, p in zip(operands, packed, strict=True)]
        yield WillRun(index, step, operands)
        start = time.perf_counter()
        try:
            with np.errstate(all="ignore"):
                result = instruction.call(*given)
                if step.device == "gpu":
                    wait()
        except MinisparseError as error:
            raise instruction.error(error) from error
        seconds = time.perf_counter() - start
        results = result if len(step.node.outputs) > 1 else (result,)
        values.update(zip(step.node.outputs, results, strict=True))
        yield DidRun(index, step, operands, results, start, seconds)
