"""From a thread program to a function that the simulator runs, and what it is given."""

import ast
from collections.abc import Callable
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from minisparse.gpu.rewrite import Resumable, ask, coded, parsed
from minisparse.gpu.simulation.checked import Checked
from minisparse.gpu.simulation.here import Here, largest, smallest
from minisparse.gpu.simulation.instrument import Instrumented
from minisparse.gpu.simulation.sites import SimulationError, Site

if TYPE_CHECKING:
    from minisparse.gpu.program import Program

MOST_THREADS, MOST_DEEP = 1024, 64
"""Threads of a block: in all, and along the last axis."""
MOST_BLOCKS, MOST_ROWS = 2**31 - 1, 65535
"""Blocks of a grid: along the first axis, and along each other one."""
Sizes = tuple[int, int, int]


def runnable(
    program: "Program", here: Here, *, pauses: bool = False, device: bool = False
) -> Callable[..., Any]:
    """Return a program with ``jit`` being ``here``: a generator function if threads wait in it.

    Parameters
    ----------
    program : Program
        What to run.
    here : Here
        What its ``jit`` is to be.
    pauses : bool
        Whether to call ``jit.pause`` where a thread begins.
    device : bool
        Whether it is a function that threads call.
    """
    helpers = {name: runnable(p, here, device=True) for name, p in program.helpers.items()}
    checked = isinstance(here, Checked)
    key = ("simulated", checked, pauses, device)
    if key not in program._compiled:
        program._compiled[key] = _rewritten(program, checked, pauses, device)
    code, sites = program._compiled[key]
    names: dict[str, Any] = {
        "min": smallest,
        "max": largest,
        **program.names,
        **helpers,
        **sites,
        "jit": here,
        "__name__": program.function.__module__,
    }
    exec(code, names)
    found: Callable[..., Any] = names[program.name]
    return found


def _rewritten(
    program: "Program", checked: bool, pauses: bool, device: bool
) -> tuple[CodeType, dict[str, Site]]:
    """Return the code that defines a function as the simulator runs it, and what it refers to."""
    function = program.function
    waiting = {name for name, p in program.helpers.items() if p.waits}
    made = Instrumented(function, waiting, device) if checked else Resumable(function, waiting)
    tree = parsed(function)
    if ast.get_docstring(tree) is not None and len(tree.body) > 1:
        del tree.body[0]
    tree = made.visit(tree)
    if pauses:
        tree.body.insert(0, ast.copy_location(ast.Expr(ask("pause", tree)), tree))
    return coded(tree, function.__code__.co_filename), made.sites


def sizes(name: str, grid: tuple[int, ...], block: tuple[int, ...]) -> tuple[Sizes, Sizes]:
    """Return the sizes of a launch along three axes.

    A size of 0 is taken as 1, as CuPy does: a program must see by itself that there is no work.

    Raises
    ------
    SimulationError
        If no card launches as much (CUDA C++ Programming Guide, "Technical Specifications per
        Compute Capability").

    Examples
    --------
    >>> sizes("program", (4,), (32, 2))
    ((4, 1, 1), (32, 2, 1))
    """
    x, y, z = (max(1, int(size)) for size in (*grid, 1, 1)[:3])
    a, b, c = (max(1, int(size)) for size in (*block, 1, 1)[:3])
    if a * b * c > MOST_THREADS or c > MOST_DEEP:
        raise SimulationError(
            f"{name}: a block of {a} x {b} x {c} threads: there may be {MOST_THREADS} in all, and "
            f"{MOST_DEEP} along the last axis: take more blocks"
        )
    if x > MOST_BLOCKS or max(y, z) > MOST_ROWS:
        raise SimulationError(
            f"{name}: a grid of {x} x {y} x {z} blocks: there may be {MOST_BLOCKS} along the first "
            f"axis, and {MOST_ROWS} along each other one: count along the first"
        )
    return (x, y, z), (a, b, c)


def on_card(x: Any) -> Any:
    """Return an argument as a card gets it: a plain number has 32 bits there."""
    if isinstance(x, bool):
        return np.bool_(x)
    if isinstance(x, int):
        return np.int32(x)
    return np.float32(x) if type(x) is float else x
