"""Why two plans compute a node in different ways: which part of a price turned, and what made it.

Each plan prices the other's way too. What the first plan's way is ahead of the second's in the one,
less what it is ahead in the other, is a sum over the parts of the prices; the part that adds most
turned the choice. That part is an amount of work at a rate, and either may be another in the other
plan: the amount where weights or sizes differ, the rate where machines do.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from minisparse.dispatch.reasons import PARTS
from minisparse.show import human_bytes, human_count, human_seconds

if TYPE_CHECKING:
    from minisparse.dispatch.explanation import CandidateExplanation, NodeExplanation


class _Amount(NamedTuple):
    """What a part of a price is the time of, and how amounts and rates of it are written."""

    field: str
    amount: Callable[[float], str]
    rate: Callable[[float], str]


def _operations(n: float) -> str:
    return f"{human_count(n)} operations"


def _elements(n: float) -> str:
    return f"{human_count(n)} elements"


def _entries(n: float) -> str:
    return f"{n:.0f} calls"


_AMOUNTS = {
    "compute": _Amount("flops", _operations, lambda r: f"{human_count(r)} operations/s"),
    "values": _Amount("bytes", human_bytes, lambda r: f"{human_bytes(r)}/s"),
    "indices": _Amount("bytes", human_bytes, lambda r: f"{human_bytes(r)}/s"),
    "gather": _Amount("gathered", _elements, lambda r: f"{human_count(r)} elements/s"),
    "calls": _Amount("calls", _entries, lambda r: f"{human_seconds(1 / r)} a call"),
}


def why_otherwise(a: "NodeExplanation | None", b: "NodeExplanation | None") -> str:
    """Return why two plans compute a node in different ways; nothing where they do not.

    Parameters
    ----------
    a, b : NodeExplanation or None
        The node in plan A and in plan B; None where there is no such node.
    """
    if a is None or b is None:
        return "only in A" if b is None else "only in B"
    if a.op != b.op:
        return "not the same op"
    if a.chosen.name == b.chosen.name:
        return ""
    for plan, node in (("A", a), ("B", b)):
        if node.asked_for:
            return f"asked for in {plan}"
    for plan, node, other in (("A", a, b), ("B", b, a)):
        missing = _missing(node, other.chosen.name)
        if missing:
            return f"{plan} has no {other.chosen.name}{missing}"
    return _decided(a, b)


def _missing(node: "NodeExplanation", name: str) -> str:
    """Return what a node says of a way that is no candidate of it; nothing where it is one."""
    if any(c.name == name for c in node.candidates):
        return ""
    said = [r.why for r in node.rejected if r.name == name]
    return f": {said[0]}" if said else ", such a layout does not fit there"


def _decided(a: "NodeExplanation", b: "NodeExplanation") -> str:
    """Return the reason where each plan could have taken the other's way."""
    names = a.chosen.name, b.chosen.name
    of_a, of_b = ([_named(node, name) for name in names] for node in (a, b))
    for plan, (one, other) in (("A", of_a), ("B", of_b)):
        if one.measured_seconds is not None and other.measured_seconds is not None:
            times = human_seconds(one.measured_seconds), human_seconds(other.measured_seconds)
            return f"{plan} measured {names[0]} {times[0]}, {names[1]} {times[1]}"
    for plan, node, (one, other) in (("A", a, of_a), ("B", b, of_b[::-1])):
        if other.seconds < one.seconds:  # so that it was not the time of a call that decided
            return f"{plan}: {node.why}"
    turned = {part: _ahead(part, of_a) - _ahead(part, of_b) for part in PARTS}
    part = max(turned, key=lambda name: turned[name])
    pairs = list(zip(of_a, of_b, strict=True))
    before, after = max(pairs, key=lambda pair: abs(_part(part, pair[1]) - _part(part, pair[0])))
    return f"{before.name} {PARTS[part]} {_change(part, before, after)}"


def _named(node: "NodeExplanation", name: str) -> "CandidateExplanation":
    return next(c for c in node.candidates if c.name == name)


def _part(part: str, candidate: "CandidateExplanation") -> float:
    return candidate.price.parts[part]


def _ahead(part: str, both: "list[CandidateExplanation]") -> float:
    """Return by how much of a part the first of two ways is cheaper than the second."""
    return _part(part, both[1]) - _part(part, both[0])


def _change(part: str, before: "CandidateExplanation", after: "CandidateExplanation") -> str:
    """Return a part's time in both plans, and the amount or the rate, whichever differs more."""
    seconds = _part(part, before), _part(part, after)
    told = f"{human_seconds(seconds[0])} -> {human_seconds(seconds[1])}"
    field, amount, rate = _AMOUNTS[part]
    amounts = getattr(before, field), getattr(after, field)
    if not (min(amounts) > 0 and min(seconds) > 0):
        return told
    rates = amounts[0] / seconds[0], amounts[1] / seconds[1]
    if abs(math.log(amounts[1] / amounts[0])) > abs(math.log(rates[1] / rates[0])):
        return f"{told}: {amount(amounts[0])} -> {amount(amounts[1])}"
    return f"{told}: {rate(rates[0])} -> {rate(rates[1])}"
