"""Why a candidate was chosen, and why each of the others was not: one line each, with figures."""

from collections.abc import Sequence

from minisparse.cost import Candidate, Price, Target
from minisparse.show import human_seconds

PARTS = {
    "compute": "computes",
    "values": "moves values",
    "indices": "moves indices",
    "gather": "gathers",
    "calls": "enters NumPy",
}
"""What is done in the time that each part of a price is."""
_ALIKE = 1.02  # predicted times this close are as good as equal


def reason(
    chosen: Candidate, candidates: Sequence[Candidate], target: Target, asked_for: bool = False
) -> str:
    """Say why a candidate was chosen.

    Parameters
    ----------
    chosen : Candidate
        The one that will run.
    candidates : sequence of Candidate
        All that there were, the chosen one among them.
    target : Target
        For how many calls, and by which policy it was chosen.
    asked_for : bool
        Whether the caller asked for it.
    """
    others = [c for c in candidates if c is not chosen]
    if not others:
        return "the only way there is"
    if chosen.measured_seconds is not None and not asked_for:
        return _measured(chosen, [c for c in others if c.measured_seconds is not None])
    best = min(others, key=Candidate.order)
    ratio = _ratio(best.seconds, chosen.seconds)
    if asked_for:
        return f"asked for; predicted {_compared(ratio)} {best.name}"
    if ratio >= 1:
        return _fastest(chosen, others)
    faster = f"{best.name} is predicted {1 / ratio:.2f} times as fast"
    if best.layout == chosen.layout or _pays(best, chosen, target):
        return f"{faster}, but no pass converts to it"
    return f"{faster}, but {_not_worth(best, chosen, target)}"


def _fastest(chosen: Candidate, others: Sequence[Candidate]) -> str:
    """Say how much faster the chosen one is than the next that is told apart from it."""
    ordered = sorted(others, key=Candidate.order)
    ratios = [(_ratio(c.seconds, chosen.seconds), c.name) for c in ordered]
    alike = [name for ratio, name in ratios if ratio < _ALIKE]
    apart = [f"{ratio:.2f} times as fast as {name}" for ratio, name in ratios if ratio >= _ALIKE]
    if not alike:
        return f"predicted {apart[0]}"
    more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
    return ", and ".join([f"predicted as fast as {alike[0]}{more}", *apart[:1]])


def why_not(candidate: Candidate, chosen: Candidate, target: Target) -> str:
    """Say why a candidate was not chosen: how much slower it is, and what its time goes into.

    Parameters
    ----------
    candidate : Candidate
        One of a node's that does not run.
    chosen : Candidate
        The one that does.
    target : Target
        For how many calls it was chosen.
    """
    if candidate.measured_seconds is not None and chosen.measured_seconds is not None:
        ratio = _ratio(candidate.measured_seconds, chosen.measured_seconds)
        return f"measured {ratio:.2f}x slower"
    ratio = _ratio(candidate.seconds, chosen.seconds)
    if ratio >= _ALIKE:
        return f"{ratio:.2f}x slower: {_most_of(candidate.price, chosen.price)}"
    if ratio >= 1:
        return "nearly as fast"
    if candidate.layout == chosen.layout:
        return f"{1 / ratio:.2f} times as fast, but another was asked for"
    return _not_worth(candidate, chosen, target)


def _most_of(price: Price, other: Price) -> str:
    """Name the part of a price that makes most of the difference to another."""
    parts = {name: price.parts[name] - other.parts[name] for name in PARTS}
    most = max(parts, key=lambda name: parts[name])
    return f"{PARTS[most]} {human_seconds(price.parts[most])}"


def _not_worth(candidate: Candidate, chosen: Candidate, target: Target) -> str:
    """Say why a candidate was left that is predicted to be faster, or as fast."""
    if candidate.total_seconds(target.calls) <= chosen.total_seconds(target.calls):
        return "that is too little to be worth a conversion"
    once = human_seconds(candidate.once_seconds)
    return f"converting and packing take {once}, too much for {target.calls} calls"


def _measured(chosen: Candidate, others: Sequence[Candidate]) -> str:
    best = min(others, key=lambda c: c.measured_seconds or 0.0)
    ratio = _ratio(best.measured_seconds or 0.0, chosen.measured_seconds or 0.0)
    return f"measured {ratio:.2f} times as fast as {best.name}"


def _pays(best: Candidate, chosen: Candidate, target: Target) -> bool:
    return best.total_seconds(target.calls) * _ALIKE < chosen.total_seconds(target.calls)


def _compared(ratio: float) -> str:
    return f"{ratio:.2f} times as fast as" if ratio >= 1 else f"{1 / ratio:.2f} times as slow as"


def _ratio(a: float, b: float) -> float:
    return a / b if b else float("inf")
