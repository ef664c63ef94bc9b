"""One sentence on how good a calibration is: what its prices can be trusted with, and what not."""

from collections.abc import Iterable, Mapping

from minisparse.cost import Machine
from minisparse.cost.coefficients import Fit

WITHIN = 1.5
"""By this factor a prediction may be off."""
TRUSTED = 0.5
"""What is predicted so well for less than this share of the problems is not to be trusted."""
_ONCE = {"convert": "conversions", "prepare": "packings"}
"""Levels of what is done once for a weight, in words; all others are kernels."""


def verdict(machine: Machine) -> str:
    """Return one sentence on a machine's coefficients; of what is not there it says so.

    Shares are of the problems that were left out when the coefficients that predict them were
    fitted, each way of a kernel counting for as many as it was measured on.

    Parameters
    ----------
    machine : Machine
        With coefficients, fitted or not.
    """
    fits = {names: c.fit for names, c in machine.coefficients.items() if c.fit is not None}
    groups: dict[str, list[Fit]] = {}
    for (_, level), fit in fits.items():
        groups.setdefault(_ONCE.get(level, "kernels"), []).append(fit)
    if not groups:
        return "Nothing was fitted: too few problems were measured, and no price can be trusted."
    ordered = sorted(groups, key=lambda what: what != "kernels")
    shares = ", ".join(f"{what} for {_share(groups[what]):.0%}" for what in ordered)
    bad = _untrusted(fits)
    told = f"not to be trusted: {bad}" if bad else "none is worse than for half of its own"
    return f"Predicted within {WITHIN:g} are {shares} of the problems left out; {told}."


def _share(fits: Iterable[Fit]) -> float:
    """Return the share of all problems of some fits that are predicted well."""
    some = list(fits)
    return sum(f.within * f.problems for f in some) / sum(f.problems for f in some)


def _untrusted(fits: Mapping[tuple[str, str], Fit]) -> str:
    """Return which fits predict too few of their problems well, the worst first."""
    bad = sorted((f.within, *names) for names, f in fits.items() if f.within < TRUSTED)
    return ", ".join(f"{name} {level} ({within:.0%})" for within, name, level in bad)
