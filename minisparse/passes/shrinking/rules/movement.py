"""Ops that move elements about: to other axes, into a longer axis, out of a longer axis."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.graph import Node
from minisparse.passes.shrinking.channels import Partial
from minisparse.passes.shrinking.cut import Cut
from minisparse.passes.shrinking.rules.rule import Ends, Place, Rule, nothing_known


def _perm(place: Place) -> tuple[int, ...]:
    perm = place.node.attrs["perm"]
    return tuple(reversed(range(place.types[0].ndim))) if perm is None else tuple(perm)


def transpose_ties(ends: Ends) -> None:
    """Tie each axis to where it went."""
    for to, axis in enumerate(_perm(ends.place)):
        ends.tie(ends.into(0, axis), ends.out(to))


def transpose_facts(place: Place) -> tuple[Partial, ...]:
    """Return the same facts with the axes in another order."""
    return (place.partials[0].transposed(_perm(place)),)


def concat_ties(ends: Ends) -> None:
    """Tie each operand to its part of the result."""
    place = ends.place
    rank = place.results[0].ndim
    axis = place.node.attrs["axis"] % rank
    whole, start = ends.out(axis), 0
    for i in range(len(place.types)):
        part = ends.into(i, axis)
        if whole is None or part is None:
            ends.tie(part, None)
        else:
            ends.tie(part, whole[start : start + len(part)])
            start += len(part)
        ends.tie_same(i, [other for other in range(rank) if other != axis])
    if any(ends.into(i, axis) is None for i in range(len(place.types))):
        ends.tie(whole, None)


def concat_facts(place: Place) -> tuple[Partial, ...]:
    """Return the facts one after another."""
    axis = place.node.attrs["axis"] % place.results[0].ndim
    if not isinstance(place.results[0].shape[axis], int):
        return nothing_known(place)
    parts = [p.expanded(t.shape, [axis]) for p, t in zip(place.partials, place.types, strict=True)]
    sizes = list(np.broadcast_shapes(*([*np.delete(p.known.shape, axis)] for p in parts)))

    def joined(arrays: Sequence[Array]) -> Array:
        wide = []
        for array in arrays:
            shape = [*sizes[:axis], array.shape[axis], *sizes[axis:]]
            wide.append(np.broadcast_to(array, shape))
        return np.concatenate(wide, axis)

    return (Partial(joined([p.known for p in parts]), joined([p.numbers for p in parts])),)


def _split_at(place: Place) -> tuple[int, list[int] | None]:
    """Return the axis of a split and where each part begins; None if that is not known."""
    axis = place.node.attrs["axis"] % place.types[0].ndim
    sizes = [result.shape[axis] for result in place.results]
    starts = [0]
    for size in sizes:
        if not isinstance(size, int):
            return axis, None
        starts.append(starts[-1] + size)
    return axis, starts


def split_ties(ends: Ends) -> None:
    """Tie each part to where it came from."""
    place = ends.place
    axis, starts = _split_at(place)
    whole = ends.into(0, axis)
    for k in range(len(place.results)):
        part = ends.out(axis, k)
        if whole is None or starts is None:
            ends.tie(part, None)
            ends.tie(whole, None)
        else:
            ends.tie(whole[starts[k] : starts[k + 1]], part)
        for other in range(place.types[0].ndim):
            if other != axis:
                ends.tie(ends.into(0, other), ends.out(other, k))


def split_facts(place: Place) -> tuple[Partial, ...]:
    """Return the parts of the facts."""
    axis, starts = _split_at(place)
    if starts is None:
        return nothing_known(place)
    whole = place.partials[0].expanded(place.types[0].shape, [axis])
    before = (slice(None),) * axis
    pieces = [(*before, slice(a, b)) for a, b in pairwise(starts)]
    return tuple(Partial(whole.known[piece], whole.value[piece]) for piece in pieces)


def split_shrunk(node: Node, cut: Cut) -> Sequence[Node]:
    """Return the node with the sizes that its parts have now."""
    axis = node.attrs["axis"] % cut.graph.types[node.inputs[0]].ndim
    if not cut.leaving(node.inputs[0], axis).any():
        return (node,)
    sizes = [len(cut.kept(output, axis)) for output in node.outputs]
    name = cut.add(f"{node.name}:sizes", np.array(sizes, np.int64))
    attrs = {**node.attrs, "num_outputs": None}
    return (replace(node, inputs=(node.inputs[0], name), attrs=attrs),)


def _windows(place: Place) -> dict[int, tuple[int, int]] | None:
    """Return by axis which indices a slice takes; None unless it takes neighbors, in order."""
    starts, ends = place.numbers(1), place.numbers(2)
    count = len(place.node.inputs)
    axes = place.numbers(3) if count > 3 else tuple(range(len(starts or ())))
    steps = place.numbers(4) if count > 4 else None
    if starts is None or ends is None or axes is None or (count > 4 and steps is None):
        return None
    found = {}
    for axis, start, end, step in zip(axes, starts, ends, steps or (1,) * len(starts), strict=True):
        axis %= place.types[0].ndim
        size = place.types[0].shape[axis]
        if step != 1 or not isinstance(size, int):
            return None
        first, stop, _ = slice(start, end).indices(size)
        found[axis] = first, max(first, stop)
    return found


def slice_ties(ends: Ends) -> None:
    """Tie what is taken to what it becomes; what is not taken, no one needs here."""
    place = ends.place
    windows = _windows(place)
    if windows is None:
        return
    for axis in range(place.types[0].ndim):
        x, y = ends.into(0, axis), ends.out(axis)
        if axis in windows and x is not None:
            start, stop = windows[axis]
            x = x[start:stop]
        ends.tie(x, y)


def slice_facts(place: Place) -> tuple[Partial, ...]:
    """Return the facts of what is taken."""
    windows = _windows(place)
    if windows is None:
        return nothing_known(place)
    whole = place.partials[0].expanded(place.types[0].shape, list(windows))
    taken = tuple(
        slice(*windows[axis]) if axis in windows else slice(None) for axis in range(whole.rank)
    )
    return (Partial(whole.known[taken], whole.value[taken]),)


def slice_shrunk(node: Node, cut: Cut) -> Sequence[Node]:
    """Return the node with the places at which its window begins and ends now."""
    windows = _windows(Place(cut.graph, node, cut.facts)) or {}
    moved = []
    for axis, (start, stop) in windows.items():
        stays = ~cut.leaving(node.inputs[0], axis)
        moved.append((axis, int(stays[:start].sum()), int(stays[:stop].sum())))
    names = [
        cut.add(f"{node.name}:{what}", np.array(numbers, np.int64))
        for what, numbers in zip(
            ("starts", "ends", "axes"),
            ([m[1] for m in moved], [m[2] for m in moved], [m[0] for m in moved]),
            strict=True,
        )
    ]
    return (replace(node, inputs=(node.inputs[0], *names)),)


def gather_ties(ends: Ends) -> None:
    """Tie the axes that are not looked up, and those of the indices."""
    place = ends.place
    axis = place.node.attrs["axis"] % place.types[0].ndim
    extra = place.types[1].ndim
    ends.keep(ends.into(0, axis), "looks up indices along that axis")
    for other in range(place.types[0].ndim):
        if other != axis:
            ends.tie(ends.into(0, other), ends.out(other if other < axis else other + extra - 1))
    for other in range(extra):
        ends.tie(ends.into(1, other), ends.out(axis + other))


def gather_facts(place: Place) -> tuple[Partial, ...]:
    """Return what is the same at every place that could be looked up."""
    axis = place.node.attrs["axis"] % place.types[0].ndim
    same = place.partials[0].uniform([axis])
    ones = (1,) * place.types[1].ndim
    known, value = (
        np.broadcast_to(x, np.broadcast_shapes(same.known.shape, same.value.shape))
        for x in (same.known, same.value)
    )
    shape = (*known.shape[:axis], *ones, *known.shape[axis + 1 :])
    return (Partial(known.reshape(shape), value.reshape(shape)),)


def pad_ties(ends: Ends) -> None:
    """Tie the axes that nothing is added to."""
    place = ends.place
    added = _added(place)
    for axis in range(place.types[0].ndim):
        if added is not None and axis not in added:
            ends.tie_same(0, (axis,))


def _added(place: Place) -> tuple[int, ...] | None:
    """Return which axes a pad makes longer or shorter; None if that is not known."""
    pads, rank = place.numbers(1), place.types[0].ndim
    axes = place.numbers(3) if len(place.node.inputs) > 3 else tuple(range(rank))
    if pads is None or axes is None:
        return None
    count = len(axes)
    return tuple(axis % rank for i, axis in enumerate(axes) if pads[i] != 0 or pads[count + i] != 0)


def pad_facts(place: Place) -> tuple[Partial, ...]:
    """Return constants that are padded with themselves."""
    added = _added(place)
    if added is None:
        return nothing_known(place)
    same = place.partials[0].uniform(added)
    if place.node.attrs["mode"] != "constant":
        return (same,)
    filler = place.partials[2].value.reshape(-1)[0] if len(place.partials) > 2 else 0
    if len(place.partials) > 2 and not place.partials[2].is_constant:
        return nothing_known(place)
    return (Partial(same.known & (same.value == filler), same.value),)


def shape_ties(ends: Ends) -> None:
    """Let go of sizes that no reader of the shape looks at."""
    place = ends.place
    shape = place.types[0].shape
    read: set[int] = set()
    for node in place.graph.readers(place.node.output):
        read |= _looked_at(Place(place.graph, node, place.facts), len(shape))
    if place.node.output in place.graph.outputs.values() or place.node.attrs["start"] != 0:
        return
    for axis in set(range(len(shape))) - read:
        ends.into(0, axis)


def _looked_at(reader: Place, rank: int) -> set[int]:
    """Return which elements of a shape a node reads; all, if that is not clear."""
    if reader.node.op.name == "gather" and reader.types[0].ndim == 1:
        indices = reader.numbers(1)
        if indices is not None:
            return {i % rank for i in indices}
    if reader.node.op.name == "slice":
        windows = _windows(reader)
        if windows is not None:
            return set(range(*windows.get(0, (0, rank))))
    return set(range(rank))


TRANSPOSE = Rule(("transpose",), transpose_ties, transpose_facts)
CONCAT = Rule(("concat",), concat_ties, concat_facts)
SPLIT = Rule(("split",), split_ties, split_facts, split_shrunk)
SLICE = Rule(("slice",), slice_ties, slice_facts, slice_shrunk)
GATHER = Rule(("gather",), gather_ties, gather_facts)
PAD = Rule(("pad",), pad_ties, pad_facts)
SHAPE = Rule(("shape",), shape_ties)
