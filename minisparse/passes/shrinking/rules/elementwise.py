"""Ops that compute each element from the elements at the same place."""

import numpy as np

from minisparse.ops import OPS
from minisparse.passes.shrinking.channels import Partial
from minisparse.passes.shrinking.rules.rule import Ends, Place, Rule, nothing_known

UNARY = tuple(name for name, op in OPS.items() if op.elementwise and not op.parts)
BROADCASTING = (
    "add sub div pow mod max min prelu where equal less greater less_or_equal greater_or_equal "
    "and or xor identity"
).split()


def ties(ends: Ends) -> None:
    """Tie each axis of each operand to the axis of the result that it broadcasts to."""
    place = ends.place
    for i in range(len(place.node.inputs)):
        ends.tie_broadcast(i)
    mixing = f"{place.called} brings in values that differ from input to input"
    (result,), known = facts_of_all(place), place.partials
    for axis in range(place.results[0].ndim):
        outs = ends.out(axis)
        if outs is None or len(known) < 2:
            continue
        for name, partial in zip(place.node.inputs, known, strict=True):
            if name in place.graph.constants:
                continue
            before = partial.lifted(result.rank).along(axis, len(outs)).known
            after = result.along(axis, len(outs)).known
            if len(outs) > 1:
                ends.dependencies.remark(outs[before & ~after], mixing)


def facts_of_all(place: Place) -> tuple[Partial, ...]:
    """Return what is known of the result by this file's rule for the op."""
    return product_facts(place) if place.node.op.name == "multiply" else facts(place)


def facts(place: Place) -> tuple[Partial, ...]:
    """Return the op's own meaning where all operands are known."""
    rank = place.results[0].ndim
    partials = [p.lifted(rank) for p in place.partials]
    known = partials[0].known
    for partial in partials[1:]:
        known = known & partial.known
    if not known.any():
        return nothing_known(place)
    values = [p.value for p in partials]
    return (Partial(known, np.asarray(place.node.op.dense(values, place.node.attrs))),)


def product_facts(place: Place) -> tuple[Partial, ...]:
    """Return that besides, zero times anything is zero."""
    ((a, b), (all_known,)) = place.partials, facts(place)
    zero = a.is_zero | b.is_zero
    return (Partial(all_known.known | zero, np.where(zero, 0, all_known.value)),)


ELEMENTWISE = Rule((*UNARY, *BROADCASTING), ties, facts)
PRODUCT = Rule(("multiply",), ties, product_facts)
