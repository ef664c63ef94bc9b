"""Ops that keep the order of the elements and change the shape: ``reshape``, ``flatten`` and kin.

Both shapes are cut into the shortest runs of axes with the same number of elements:
``[batch, 12 * 64] -> [batch, 12, 64]`` into ``batch`` and ``12 * 64 -> 12, 64``. Both sides of a
run are products of the same factors, here 12 and 64, and an index of an axis is a digit for each of
its factors. What has the same digit of one factor may go as a whole: a head with all its channels,
a channel with all its pixels. The outermost factor that nothing holds is taken; the others stay.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import InternalError
from minisparse.core.symbolic import Dim, multiply
from minisparse.graph import Node
from minisparse.passes.shrinking.channels import Partial
from minisparse.passes.shrinking.cut import Cut
from minisparse.passes.shrinking.dependencies import Choice, Digits
from minisparse.passes.shrinking.rules.rule import Ends, Place, Rule

SPLITS = "splits or merges that axis"
TOGETHER = "makes it part of a block that is not dead as a whole"

Run = tuple[tuple[int, ...], tuple[int, ...]]
"""Axes before and axes after that hold the same elements."""


def runs(before: Sequence[Dim], after: Sequence[Dim]) -> list[Run]:
    """Return the shortest runs of axes that hold the same elements.

    Examples
    --------
    >>> runs(("batch", 768), ("batch", 12, 64))
    [((0,), (0,)), ((1,), (1, 2))]
    >>> runs((4, "n", 3), ("4*n", 3)), runs((1, 5), (5,))
    ([((0, 1), (0,)), ((2,), (1,))], [((0, 1), (0,))])
    """
    front = _runs_in_front(before, after)
    i, j = (sum(len(run[side]) for run in front) for side in (0, 1))
    back = _runs_in_front(before[i:][::-1], after[j:][::-1])
    back = [
        (
            tuple(len(before) - 1 - a for a in reversed(x)),
            tuple(len(after) - 1 - a for a in reversed(y)),
        )
        for x, y in reversed(back)
    ]
    k, m = (len(s) - sum(len(run[side]) for run in back) for side, s in ((0, before), (1, after)))
    middle = (tuple(range(i, k)), tuple(range(j, m)))
    return [*front, *([middle] if any(middle) else []), *back]


def _runs_in_front(before: Sequence[Dim], after: Sequence[Dim]) -> list[Run]:
    """Return as many runs as can be told from the front."""
    found: list[Run] = []
    i = j = 0
    while True:
        sizes = [multiply(before[i:k]) for k in range(i + 1, len(before) + 1)]
        wanted = [multiply(after[j:k]) for k in range(j + 1, len(after) + 1)]
        match = next(
            ((a, wanted.index(size)) for a, size in enumerate(sizes) if size in wanted), None
        )
        if match is None:
            return found
        found.append((tuple(range(i, i + match[0] + 1)), tuple(range(j, j + match[1] + 1))))
        i, j = found[-1][0][-1] + 1, found[-1][1][-1] + 1


def ties(ends: Ends) -> None:
    """Tie axes that stay as they are, and the outermost of those that are split or merged."""
    place = ends.place
    before, after = place.types[0].shape, place.results[0].shape
    if not _can_be_written(place):
        return
    for here, there in runs(before, after):
        if len(here) == len(there) == 1:
            ends.tie(ends.into(0, here[0]), ends.out(there[0]))
            continue
        if (
            factors := common_factors([before[a] for a in here], [after[a] for a in there])
        ) is None:
            continue
        candidates = []
        for factor in factors:
            x = _digits(before, here, factor, lambda axis: ends.into(0, axis))
            y = _digits(after, there, factor, ends.out)
            candidates.append((x, y))
        reasons = f"{place.called} {SPLITS}", f"{place.called} {TOGETHER}"
        ends.dependencies.choices.append(Choice(tuple(candidates), *reasons))


def common_factors(before: Sequence[Dim], after: Sequence[Dim]) -> list[tuple[int, int]] | None:
    """Return the factors, with their strides, of which both shapes are products; None if none are.

    Each axis of both is a product of neighboring factors; those of 1 are left out.

    Examples
    --------
    >>> common_factors((2, 64), (8, 16)), common_factors((2, 3), (3, 2))
    ([(2, 64), (4, 16), (16, 1)], None)
    """
    strides = {1}
    for shape in (before, after):
        stride = 1
        for size in reversed(shape):
            if not isinstance(size, int):
                return None
            stride *= size
            strides.add(stride)
    steps = sorted(strides, reverse=True)
    if any(outer % inner for outer, inner in pairwise(steps)):
        return None
    return [(outer // inner, inner) for outer, inner in pairwise(steps)]


def _digits(
    shape: Sequence[Dim],
    axes: Sequence[int],
    factor: tuple[int, int],
    atoms: Callable[[int], Array | None],
) -> Digits:
    """Return the axis of a run that holds a factor, with the factor's digit of each index."""
    size, stride = factor
    below = 1
    for axis in reversed(axes):
        ids = atoms(axis) if below <= stride < below * _number(shape[axis]) else None
        if ids is not None:
            return ids, np.arange(len(ids)) // (stride // below) % size
        below *= _number(shape[axis])
    raise InternalError(f"no axis of {tuple(shape)} holds the factor {size} at {stride}")


def _number(size: Dim) -> int:
    """Return a size that is known, 1 if it is not."""
    return size if isinstance(size, int) else 1


def _can_be_written(place: Place) -> bool:
    """Tell whether the wanted shape can be said as one constant: at most one size is open."""
    if place.node.op.name == "squeeze" and len(place.node.inputs) < 2:
        return False  # it would squeeze what has shrunk to 1
    if place.node.op.name != "reshape":
        return True
    before, after = place.types[0].shape, place.results[0].shape
    open_ones = [
        d for i, d in enumerate(after) if not isinstance(d, int) and d not in before[i : i + 1]
    ]
    return len(open_ones) <= 1 and 0 not in (*before, *after)


def facts(place: Place) -> tuple[Partial, ...]:
    """Return the same facts in the other shape."""
    before, after = place.types[0].shape, place.results[0].shape
    x = place.partials[0]
    sizes = [1] * len(after)
    for here, there in runs(before, after):
        if all(
            isinstance(d, int) for d in (*(before[a] for a in here), *(after[a] for a in there))
        ):
            if any(part.shape[a] != 1 for part in (x.known, x.value) for a in here):
                x = x.expanded(before, here)
                for a in there:
                    sizes[a] = _number(after[a])
        else:
            x = x.uniform(here)
    shape = np.broadcast_shapes(x.known.shape, x.value.shape)
    known, value = (np.broadcast_to(part, shape).reshape(sizes) for part in (x.known, x.value))
    return (Partial(known, value),)


def shrunk(node: Node, cut: Cut) -> Sequence[Node]:
    """Return the node, a reshape with the new shape: 0 copies a size, and -1 is what is left."""
    if node.op.name != "reshape":
        return (node,)
    before, after = (cut.graph.types[name].shape for name in (node.inputs[0], node.output))
    wanted = []
    for i, size in enumerate(after):
        if isinstance(size, int):
            wanted.append(len(cut.kept(node.output, i)))
        else:
            wanted.append(0 if before[i : i + 1] == (size,) else -1)
    shape = cut.add(f"{node.name}:shape", np.array(wanted, np.int64))
    return (replace(node, inputs=(node.inputs[0], shape), attrs={**node.attrs, "allowzero": 0}),)


RESHAPING = Rule(("reshape", "flatten", "squeeze", "unsqueeze"), ties, facts, shrunk)
