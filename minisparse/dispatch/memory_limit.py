"""A limit on memory: what would go beyond it is refused before anything runs."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from minisparse.core.errors import MemoryLimitError, UsageError
from minisparse.dispatch.memory_plan import MemoryPlan, lay_out_values, plan_memory
from minisparse.dispatch.rehearsal import Scratch
from minisparse.dispatch.weight_bytes import weights_of
from minisparse.show import human_bytes

if TYPE_CHECKING:
    from minisparse.dispatch.plan import Plan

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def as_limit(given: Any) -> int:
    """Return a limit in bytes.

    Parameters
    ----------
    given : int or str
        Bytes, or a number with a unit: ``"64 MB"`` is 64,000,000 bytes and ``"64 MiB"`` 67,108,864.

    Raises
    ------
    UsageError
        If it is neither, or not above 0.

    Examples
    --------
    >>> as_limit(1000), as_limit("64 MB"), as_limit("1.5kB")
    (1000, 64000000, 1500)
    """
    number, unit = given, ""
    if isinstance(given, str):
        found = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]{0,3})\s*", given)
        number, unit = (float(found[1]), found[2].upper()) if found else (None, "")
    elif isinstance(given, bool) or not isinstance(given, int):
        number = None
    if number is None or unit not in _UNITS or number * _UNITS[unit] < 1:
        raise UsageError(
            f"memory_limit must be bytes, such as 64000000, or a text such as '64 MB' or "
            f"'1.5 GiB', and above 0; not {given!r:.60}"
        )
    return int(number * _UNITS[unit])


def check_limit(plan: "Plan", sizes: Mapping[str, int], limit: int) -> None:
    """Raise where a run would need more than a limit.

    Where the values alone are too much that is all that is looked at; else kernels are rehearsed.

    Parameters
    ----------
    plan : Plan
        What would run.
    sizes : mapping
        From named dimensions to sizes.
    limit : int
        Bytes of weights and of what a run needs besides, inputs not counted.

    Raises
    ------
    MemoryLimitError
        With the peak, where it is reached, what is alive there, and what would help.
    """
    names = tuple(step.node.name for step in plan.steps)
    layout, none = lay_out_values(plan, sizes), Scratch((0,) * len(names), 0, ())
    least = MemoryPlan(plan.graph.name, dict(sizes), names, layout, none, weights_of(plan))
    found = least if least.total > limit else plan_memory(plan, sizes)
    if found.total > limit:
        raise MemoryLimitError(_told(found, limit))


def _told(memory: MemoryPlan, limit: int) -> str:
    """Return what is too much, and what would help."""
    sizes = ", ".join(f"{name}={size}" for name, size in memory.sizes.items())
    found = (
        f"plan '{memory.name}' needs {human_bytes(memory.total)}{f' with {sizes}' if sizes else ''}"
        f", but memory_limit is {human_bytes(limit)}: weights {human_bytes(memory.weight_bytes)}, "
        f"and {human_bytes(memory.peak)} while it runs"
    )
    if memory.steps:
        largest = memory.alive(memory.fullest)[:3]
        alive = ", ".join(f"{b.values[-1]} ({human_bytes(b.nbytes)})" for b in largest)
        found += f", most of it at node '{memory.steps[memory.fullest]}', where {alive} are alive"
    if memory.weight_bytes > limit:
        stored = sum(w.stored for w in memory.weights)
        if stored <= limit:
            packed = human_bytes(memory.weight_bytes - stored)
            return (
                f"{found}; kernels pack {packed} of the weights besides what is stored: choose "
                f"another layout for the largest (choose=), or take a larger limit"
            )
        return f"{found}; the weights alone are too many: prune them, or take a larger limit"
    if sizes:
        return f"{found}; run it with less than {sizes} at a time, or take a larger limit"
    return f"{found}; take a larger limit, or a smaller model"
