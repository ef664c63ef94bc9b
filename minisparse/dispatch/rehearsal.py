"""What kernels need while they compute, beside operands and result: found by rehearsing them.

How much a kernel gathers, pads or lays out at once follows from sizes, but by rules that each has
for itself. So each is called once on ones of the sizes to come, one step after another, and
watched: what it allocates and lets go of, and what it keeps from call to call (see
:mod:`minisparse.kernels.scratch`). It takes about as long as a run, and the memory of one step.
"""

import threading
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minisparse.core.errors import MinisparseError
from minisparse.core.tensor_type import TensorType
from minisparse.dispatch.lifetimes import Lifetimes
from minisparse.dispatch.live_rows import STAY
from minisparse.dispatch.views import Strides
from minisparse.kernels import bind
from minisparse.kernels.scratch import forget_scratch, held_scratch, kept_scratch

if TYPE_CHECKING:
    from minisparse.dispatch.plan import Plan, Step

_WATCHING = threading.Lock()  # there is one tracemalloc, and what is kept is forgotten meanwhile


class Scratch(NamedTuple):
    """What kernels need.

    Attributes
    ----------
    passing : tuple of int
        For each step the most bytes that are allocated at once, beside the result, and not kept.
    kept : int
        Bytes that kernels keep from call to call, all steps and threads together.
    unknown : tuple of str
        Nodes that could not be rehearsed: what they need is not counted.
    """

    passing: tuple[int, ...]
    kept: int
    unknown: tuple[str, ...]


class _Watched(NamedTuple):
    passing: int
    kept: Mapping[tuple[str, bool], int]


def rehearse(plan: "Plan", lives: Lifetimes, sizes: Mapping[str, int]) -> Scratch:
    """Return what each step of a plan needs beside its operands and results.

    On a GPU nothing is rehearsed: what kernels need there comes from CuPy's pool, unwatched.

    Parameters
    ----------
    plan : Plan
        What would run.
    lives : Lifetimes
        Of its values, with the sizes of a run.
    sizes : mapping
        From named dimensions to sizes, for the plans of bodies.
    """
    if plan.placement is not None:
        names = tuple(step.node.name for step in plan.steps if step.device == "gpu")
        return Scratch((0,) * len(plan.steps), 0, names)
    others = plan.resizes.steps_for(sizes)
    known: dict[Any, _Watched | None] = {}
    kept: dict[tuple[str, bool], int] = {}
    passing, unknown = [], []
    for i, step in enumerate(plan.steps):
        if step.bodies:
            passing.append(_of_bodies(step, sizes))
            continue
        if i in others:
            step = others[i].step
        key = _key(step, lives)
        if key not in known:
            call = others[i].call if i in others else None
            known[key] = _rehearsed(plan, i, lives, call)
        found = known[key]
        passing.append(max(_skipping(step, lives), found.passing if found else 0))
        if found is None:
            unknown.append(step.node.name)
        else:
            kept |= {use: max(n, kept.get(use, 0)) for use, n in found.kept.items()}
    return Scratch(tuple(passing), sum(kept.values()), tuple(unknown))


def _key(step: "Step", lives: Lifetimes) -> Any:
    """Return what two steps have in common that need the same."""
    node = step.node
    operands = tuple((lives.types[n].shape, lives.types[n].dtype) for n in node.inputs)
    how = node.output in lives.told, lives.over.get(node.output)
    return node.op.name, step.chosen.name, operands, how, repr(node.attrs), id(step.packed)


def _skipping(step: "Step", lives: Lifetimes) -> int:
    """Return what a step that skips rows of its weight may gather of it; 0 for one that does not.

    For one row of the operand at a time, of about the density up to which it skips.
    """
    if step.live is None or lives.types[step.node.inputs[0]].symbols:
        return 0
    rows = lives.types[step.node.inputs[0]].dims[0]
    return int(min(1.0, step.live.limit(rows) * STAY) * step.live.weight.nbytes)


def _of_bodies(step: "Step", sizes: Mapping[str, int]) -> int:
    """Return what the largest body of a control op needs while it runs."""
    from minisparse.dispatch.memory_plan import plan_memory  # of which this is a part

    return max(plan_memory(body, sizes).peak for body in step.bodies.values())


def _rehearsed(
    plan: "Plan", i: int, lives: Lifetimes, other: Callable[..., Any] | None
) -> _Watched | None:
    """Return what a step needs, perhaps as computed in another way; None where nothing tells."""
    step, instruction = plan.steps[i], plan.program.instructions[i]
    node = step.node
    if node.op.moves:
        return _Watched(0, {})  # a view, or a copy that counts as a value
    if any(lives.types[name].symbols for name in node.outputs):
        return None
    operands = [
        x if x is not None else _made_up(lives.types[name], lives.strides[name])
        for x, name in zip(
            (plan.program.blank[place] for place in instruction.reads), node.inputs, strict=True
        )
    ]
    if any(x is None for x in operands):
        return None
    call = other or instruction.call
    if step.live is not None:  # to look at what is made up would change what the next run chooses
        call = bind(node.op, step.level, node.attrs)
    if node.output in lives.over:
        at = lives.over[node.output]
        operands[at] = np.array(operands[at])
        call = partial(call, out=operands[at])
    elif node.output in lives.told:
        type = lives.types[node.output]
        call = partial(call, out=np.empty(type.dims, type.dtype))
    return _watched(call, operands, fresh=node.output not in lives.told)


def _made_up(type: TensorType, strides: Strides | None) -> Any:
    """Return an operand of a type: its elements where they are known, else ones, or indices 0.

    It lies as the operand will, for what does not lie in order may have to be copied.
    """
    if type.symbols or type.format != "dense":
        return None
    if type.known is not None and all(not isinstance(x, str) for x in type.known):
        return np.array(type.known, type.dtype).reshape(type.dims)
    fill = np.zeros if type.dtype.kind in "iub" else np.ones
    if strides is None or not type.size:
        return fill(type.dims, type.dtype)
    reach = 1 + sum((n - 1) * s for n, s in zip(type.dims, strides, strict=True))
    memory = fill(reach, type.dtype)
    apart = tuple(s * type.itemsize for s in strides)
    return np.lib.stride_tricks.as_strided(memory, type.dims, apart, writeable=False)


def _watched(call: Callable[..., Any], operands: Sequence[Any], *, fresh: bool) -> _Watched | None:
    """Call a kernel and return what it allocated, its result not counted where it is ``fresh``."""
    with _WATCHING, np.errstate(all="ignore"):
        forget_scratch()
        watched_before = tracemalloc.is_tracing()
        tracemalloc.start()
        try:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            result = call(*operands)
            _, peak = tracemalloc.get_traced_memory()
        except MinisparseError:  # what is made up need not be what it takes
            return None
        finally:
            if not watched_before:
                tracemalloc.stop()
        here, kept = held_scratch(), kept_scratch()
    results = result if isinstance(result, tuple) else (result,)
    own = sum(x.nbytes for x in results) if fresh else 0
    return _Watched(max(0, peak - before - own - here), kept)
