"""Open the loops of a node's kernel on the node's own operands."""

import re
from collections.abc import Mapping
from typing import Any

from minisparse.core.errors import UsageError
from minisparse.core.tensor_type import Layout
from minisparse.debugger.into import KernelSession
from minisparse.dispatch import Plan, Step
from minisparse.dispatch.source import generated_for
from minisparse.formats import Matrix, from_dense
from minisparse.graph import Constant
from minisparse.kernels import GENERATED, Kernel, Level, find_level, kernels_for, pack


def open_kernel(
    plan: Plan, step: Step, values: Mapping[str, Constant], format: str | None = None
) -> KernelSession:
    """Return a session inside of the loops of a step's kernel.

    Parameters
    ----------
    plan : Plan
        Named in errors: which of its nodes have loops.
    step : Step
        Whose kernel is opened.
    values : mapping
        Every value known by now.
    format : str, optional
        Open the op's kernel for another format instead, the weight converted to it: ``"csr"``,
        ``"bsr 8x8"``, ``"nm 2:4"``.

    Raises
    ------
    UsageError
        If the kernel has no loops, or an operand is not computed yet.
    UnsupportedOpError
        If there is no kernel with loops for ``format``.
    """
    node = step.node
    kernel, level = _loops(plan, step, format)
    missing = [name for name in node.inputs if name not in values]
    if missing:
        raise UsageError(
            f"node '{node.name}' reads '{missing[0]}', which is not computed yet: "
            f"go there first: break {node.name}, then c; "
            f"in Python session.break_on(name='{node.name}') and session.run()"
        )
    operands: list[Any] = [values[name] for name in node.op.split(node.inputs)[0]]
    at = node.op.base.weight
    if at is not None:
        weight = operands[at] if format is None else _stored_as(operands[at], format)
        operands[at] = pack(level, weight)
    title = f"{node.name}: {kernel.name} loops"
    if node.op.epilogue:
        title += f", before {', '.join(part.name for part in node.op.epilogue)}"
    return KernelSession(title, level.run, operands, node.op.attrs_of(node.op.base, node.attrs))


def _loops(plan: Plan, step: Step, format: str | None) -> tuple[Kernel, Level]:
    """Return the kernel to open and its loops."""
    if format is not None:
        return find_level(step.node.op, format.split()[0], "loops")
    kernel = step.chosen.kernel
    if step.chosen.level == GENERATED:
        kernel = generated_for(plan, step, step.node.op.base).kernel
    if "loops" in kernel.levels:
        return kernel, kernel.levels["loops"]
    others = [k.format_name for k in kernels_for(step.node.op) if "loops" in k.levels]
    nodes = [s.node.name for s in plan.steps if "loops" in s.chosen.kernel.levels]
    remedy = (
        f"step into the op's loops for another format: {', '.join(others)}"
        if others
        else f"nodes with loops: {', '.join(nodes) or 'none'}"
    )
    raise UsageError(
        f"node '{step.node.name}' has no loops to step into, kernel {kernel.name} has only "
        f"{', '.join(kernel.levels)}; {remedy}"
    )


def _stored_as(weight: Constant, format: str) -> Constant:
    """Return a weight in another format; a plain one as a matrix, filters as its rows."""
    if format == "dense":
        return weight.to_dense() if isinstance(weight, Matrix) else weight
    layout = _layout(format)
    if isinstance(weight, Matrix):
        return weight.to(layout)
    return from_dense(weight.reshape(len(weight), -1), layout)


def _layout(text: str) -> Layout:
    """Return the layout that a text such as ``bsr 8x8`` or ``nm 2:4`` spells."""
    name, *rest = text.split()
    sizes = [int(size) for part in rest for size in re.split("[x:,]", part) if size.isdecimal()]
    if len(sizes) not in (0, 2):
        raise UsageError(f"'{text}' is no layout; write csr, bsr 8x8 or nm 2:4")
    if not sizes and name in ("bsr", "nm"):
        raise UsageError(f"'{name}' needs its block as well: bsr 8x8, nm 2:4")
    return Layout(name, (sizes[0], sizes[1]) if sizes else None)
