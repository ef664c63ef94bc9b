"""Which atoms go: as many as possible, at once.

We begin with everything gone that no op holds, and bring back what is still needed until nothing
changes: the greatest fixed point. So two layers of which each is needed by the other alone both go,
and each thing is brought back at most once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.passes.shrinking.dependencies import Dependencies, Even

LAST = "an axis needs one index at least"
UNEVEN = "the groups of {} would keep unequal numbers of channels"


@dataclass(frozen=True)
class Decision:
    """What goes, and why the rest stays.

    Attributes
    ----------
    gone : ndarray of bool
        For each atom whether it goes.
    group : ndarray of int
        For each atom its group.
    reason : ndarray of int
        For each group the number of the reason why it stays, -1 if none is known.
    reasons : tuple of str
        The reasons.
    """

    gone: Array
    group: Array
    reason: Array
    reasons: tuple[str, ...]

    def why(self, atom: int) -> str:
        """Return why an atom stays."""
        number = self.reason[self.group[atom]]
        return self.reasons[number] if number >= 0 else "its values differ from input to input"


def decide(dependencies: Dependencies) -> Decision:
    """Return which atoms go."""
    group = dependencies.groups()
    stays = np.zeros(len(group), bool)
    for ids, _ in dependencies.kept:
        stays[group[ids]] = True
    asides: list[tuple[Array, str]] = []

    def back(ids: Array, why: str) -> bool:
        if len(ids):
            asides.append((ids, why))
            stays[group[ids]] = True
        return len(ids) > 0

    # Counting waits until no sum needs anything: before, half of what is live still seems gone.
    while True:
        _settle_sinks(dependencies, group, stays)
        if _even_out(dependencies, lambda: ~stays[group], back):
            continue
        if not _keep_one(dependencies, lambda: ~stays[group], back):
            break
    gone = ~stays[group]
    sinks = [
        (sink.ids[mask & ~gone[sink.ids]], text)
        for sink in dependencies.sinks
        for text, mask in sink.reasons.items()
    ]
    reasons = [*dependencies.kept, *asides, *dependencies.remarks, *sinks]
    reason = np.full(len(group), -1)
    for number in reversed(range(len(reasons))):  # the first is the most telling
        reason[group[reasons[number][0]]] = number
    return Decision(gone, group, reason, tuple(text for _, text in reasons))


def _settle_sinks(dependencies: Dependencies, group: Array, stays: Array) -> None:
    """Bring back what sums need; backward, because what a layer needs depends on its readers."""
    changed = True
    while changed:
        changed = False
        for sink in reversed(dependencies.sinks):
            gone = ~stays[group]
            failing = sink.ids[gone[sink.ids] & sink.fails(gone)]
            if len(failing):
                stays[group[failing]] = True
                changed = True


def _even_out(
    dependencies: Dependencies, gone: Callable[[], Array], back: Callable[[Array, str], bool]
) -> bool:
    """Bring back what is too much in some blocks of grouped convolutions."""
    found = False
    for even in dependencies.evens:
        found |= back(_surplus(even, gone()), UNEVEN.format(even.node))
    return found


def _surplus(even: Even, gone: Array) -> Array:
    """Return what must come back so that all blocks which stay keep equally many."""
    out, partner = gone[even.blocks], gone[even.partners]
    stay = np.asarray(~(out.all(axis=1) & partner.all(axis=1)))  # else the whole group goes
    if not stay.any():
        stay[0] = True
    found = []
    for blocks, mask in ((even.blocks, out), (even.partners, partner)):
        may = min(mask[stay].sum(axis=1).min(), blocks.shape[1] - 1)
        found += [block[m][may:] for block, m in zip(blocks[stay], mask[stay], strict=True)]
    return np.concatenate(found)


def _keep_one(
    dependencies: Dependencies, gone: Callable[[], Array], back: Callable[[Array, str], bool]
) -> bool:
    """Bring back the first index of one axis that would be empty; False if there is none."""
    now = gone()
    for ids in dependencies.atoms.axes().values():
        if len(ids) and now[ids].all():
            return back(ids[:1], LAST)
    return False
