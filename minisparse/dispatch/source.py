"""The source of what computes a node: of the kernel that runs, or of one generated for the node."""

import inspect
from typing import TYPE_CHECKING

from minisparse.core.errors import UsageError
from minisparse.kernels.generate import Generated, Specialized, generate, source_of
from minisparse.ops import Op

if TYPE_CHECKING:
    from minisparse.dispatch.plan import Plan, Step


def source_at(plan: "Plan", step: "Step", level: str | None) -> str:
    """Return source as :meth:`minisparse.dispatch.Plan.source` tells."""
    if level is not None:
        return generated_for(plan, step, step.node.op, level).source
    if isinstance(step.packed, Specialized):
        return step.packed.source
    run = inspect.unwrap(step.level.run)
    written = source_of(run)
    if written is not None:
        return written
    try:
        return inspect.getsource(run)
    except TypeError:  # a partial, an object that is called, or a library's own
        raise UsageError(
            f"node '{step.node.name}' is computed by '{step.chosen.name}', which is no function "
            f"of Python's: there is no source to show; source('{step.node.name}', level='loops') "
            f"generates a kernel for it"
        ) from None


def generated_for(plan: "Plan", step: "Step", op: Op, level: str = "loops") -> Generated:
    """Return a kernel generated for a step's weight as the plan stores it.

    Parameters
    ----------
    plan, step : Plan, Step
        Whose weight, and which types of operands.
    op : Op
        The step's op, or its base alone.
    level : str
        As for :func:`minisparse.kernels.generate.generate`.

    Raises
    ------
    UnsupportedOpError
        If there is no generated kernel for the op, or none at that level.
    """
    node, at = step.node, op.base.weight or 0
    types = plan.graph.operand_types(node)
    weight = plan.graph.constants.get(node.inputs[at], types[at])
    other = next((t for i, t in enumerate(types) if i != at), types[at])
    attrs = {name: node.attrs[name] for name in op.attrs}
    return generate(op, weight, level=level, dtype=other.dtype, attrs=attrs, name=node.name)
