"""Convolutions: filters are output channels, and input channels end here unless each has its own.

A channel that is a constant other than zero adds a constant inside of the image; at its border,
where part of the window lies on padding, it adds less. So it can be folded into the bias only where
nothing is padded.

In groups, each group of filters reads its own channels: a group goes as a whole, or each loses
equally many filters, and equally many channels. Depthwise, where each channel is a group of its
own, a channel goes with its filters.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.graph import Node
from minisparse.passes.shrinking.channels import Facts, Partial
from minisparse.passes.shrinking.cut import Cut
from minisparse.passes.shrinking.dependencies import Even, Sink, Way
from minisparse.passes.shrinking.rules.rule import Ends, Place, Rule, nothing_known


def _is_padded(node: Node) -> bool:
    return any(node.attrs["pads"] or ())


def _filters(weight: Array, kernel: Sequence[int] | None) -> Array:
    """Return a weight as ``[M, C / group, places]``."""
    if weight.ndim == 2 and kernel is not None:
        return weight.reshape(len(weight), -1, int(np.prod(kernel)))
    return weight.reshape(*weight.shape[:2], -1)


def _weight(node: Node, facts: Facts) -> Array:
    return _filters(facts[node.inputs[1]].value, node.attrs["kernel_shape"])


def _sums(weight: Array) -> Array:
    """Return what each filter makes of a channel of ones, ``[M, C / group]``."""
    return np.asarray(weight.sum(axis=2, dtype=np.float64 if weight.dtype.kind == "f" else None))


def _channels(partial: Partial, size: int) -> Partial:
    """Return which channels are the same everywhere in the image, ``[C]``."""
    return partial.along(1, size)


def ties(ends: Ends) -> None:
    """Tie filters and images; end input channels."""
    place = ends.place
    outs, x = ends.out(1), ends.into(0, 1)
    ends.tie_same(0, (0,))
    if outs is None or x is None or not place.is_weight(1):
        ends.keep(outs, "computes its filters")
        ends.keep(x, "computes its filters")
        return
    ends.tie(ends.into(1, 0), outs)
    if len(place.node.inputs) > 2:
        ends.tie(ends.into(2, 0), outs)
    group = place.node.attrs["group"]
    if group == 1:
        if place.types[1].ndim == 2:  # a matrix [M, C * places]
            columns = ends.into(1, 1)
            ends.tie(np.repeat(x, 0 if columns is None else len(columns) // len(x)), columns)
        else:
            ends.tie(x, ends.into(1, 1))
    else:
        blocks = outs.reshape(group, -1), x.reshape(group, -1)
        # Each group may lose others, so the weight's second axis is tied to nothing and cut below.
        ends.dependencies.evens.append(Even(place.called, *blocks))
    _end(ends, x, outs)


def _end(ends: Ends, x: Array, outs: Array) -> None:
    """Say which filters need which channels."""
    place = ends.place
    channels = _channels(place.partials[0], len(x))
    weight = _weight(place.node, place.facts)  # [M, C / group, places]
    group = place.node.attrs["group"]
    needs, endless = np.zeros((2, len(x), len(outs)), bool)
    for g in range(group):
        here = np.s_[g * len(x) // group : (g + 1) * len(x) // group]
        there = np.s_[g * len(outs) // group : (g + 1) * len(outs) // group]
        needs[here, there] = (weight[there] != 0).any(axis=2).T
        endless[here, there] = ~np.isfinite(weight[there]).all(axis=2).T
    zero = channels.is_zero
    foldable = channels.known & (not _is_padded(place.node)) & _has_constant_bias(place)
    needs &= ~(zero | foldable)[:, np.newaxis]
    needs |= endless
    border = "is padded: it is a constant other than zero, and the border of the image would change"
    reasons = {
        f"{place.called} {border}": channels.known & ~zero & _is_padded(place.node),
        f"{place.called} reads it, and it is not constant": np.ones(len(x), bool),
    }
    ends.dependencies.sinks.append(Sink(place.node.name, x, (Way(outs, needs),), reasons))


def _has_constant_bias(place: Place) -> bool:
    real = place.results[0].dtype.kind == "f"
    return real and (len(place.node.inputs) < 3 or place.is_weight(2))


def facts(place: Place) -> tuple[Partial, ...]:
    """Return the filters that read constants alone."""
    result = place.results[0]
    ones = (1,) * (result.ndim - 2)
    size, count = place.types[0].shape[1], result.shape[1]
    if not isinstance(size, int) or not isinstance(count, int) or not place.is_weight(1):
        return nothing_known(place)
    channels = _channels(place.partials[0], size)
    weight = _weight(place.node, place.facts)
    group = place.node.attrs["group"]
    constant = channels.is_zero | (channels.known & (not _is_padded(place.node)))
    varies = np.repeat((~constant).reshape(group, -1), count // group, axis=0)
    numbers = np.repeat(channels.numbers.reshape(group, -1), count // group, axis=0)
    known = ~(varies & (weight != 0).any(axis=2)).any(axis=1)
    value = np.where(varies, 0, _sums(weight) * numbers).sum(axis=1)
    if len(place.partials) > 2:
        known, value = known & place.partials[2].known, value + place.partials[2].value
    return (Partial(known.reshape(1, -1, *ones), value.reshape(1, -1, *ones)),)


def shrunk(node: Node, cut: Cut) -> Sequence[Node]:
    """Return the node with fewer groups, and a bias for what left it for good."""
    x = node.inputs[0]
    leaving, filters_leaving = cut.leaving(x, 1), cut.leaving(node.output, 1)
    moved = _moved(node, cut, leaving)
    group = node.attrs["group"]
    if group > 1:
        node = _regrouped(node, cut, leaving.reshape(group, -1), filters_leaving.reshape(group, -1))
    if not moved[~filters_leaving].any():
        return (node,)
    dtype = cut.graph.types[node.output].dtype
    old = cut.constants[node.inputs[2]] if len(node.inputs) > 2 else 0
    bias = (np.asarray(old, np.float64) + moved[~filters_leaving]).astype(dtype)
    if len(node.inputs) > 2:
        name = cut.instead_of(node.inputs[2], bias)
    else:
        name = cut.add(f"{node.name}:bias", bias)
    return (replace(node, inputs=(x, node.inputs[1], name)),)


def _moved(node: Node, cut: Cut, leaving: Array) -> Array:
    """Return what the channels that go contributed to each filter, ``[M]``."""
    weight = _weight(node, cut.facts)
    channels = _channels(cut.facts[node.inputs[0]], len(leaving))
    group = node.attrs["group"]
    numbers = np.where(leaving, channels.numbers, 0).reshape(group, -1)
    terms = _sums(weight) * np.repeat(numbers, len(weight) // group, axis=0)
    return np.asarray(terms.sum(axis=1))


def _regrouped(node: Node, cut: Cut, x: Array, filters: Array) -> Node:
    """Return a grouped convolution in which each group reads and gives fewer channels.

    ``x`` and ``filters``, ``[groups, …]``, tell what leaves.
    """
    stays = ~(x.all(axis=1) & filters.all(axis=1))
    weight = np.asarray(cut.graph.constants[node.inputs[1]])
    blocks = weight.reshape(*filters.shape, *weight.shape[1:])
    cut_blocks = [
        np.compress(~x[g], np.compress(~filters[g], blocks[g], axis=0), axis=1)
        for g in np.flatnonzero(stays)
    ]
    weight_name = cut.instead_of(node.inputs[1], np.concatenate(cut_blocks))
    attrs = {**node.attrs, "group": int(stays.sum())}
    return replace(node, inputs=(node.inputs[0], weight_name, *node.inputs[2:]), attrs=attrs)


def transposed_ties(ends: Ends) -> None:
    """Tie the filters of a transposed convolution; its input channels end where they are zero."""
    place = ends.place
    ends.tie_same(0, (0,))
    outs, x = ends.out(1), ends.into(0, 1)
    if place.node.attrs["group"] != 1 or outs is None or x is None or not place.is_weight(1):
        ends.keep(outs, "has groups, or computes its filters")
        ends.keep(x, "has groups, or computes its filters")
        return
    ends.tie(ends.into(1, 0), x)
    ends.tie(ends.into(1, 1), outs)
    if len(place.node.inputs) > 2:
        ends.tie(ends.into(2, 0), outs)
    weight = place.partials[1].value
    needs = (weight != 0).reshape(*weight.shape[:2], -1).any(axis=2)
    zero = _channels(place.partials[0], len(x)).is_zero
    reads = f"{place.called} reads it, and it is not zero"
    ways = (Way(outs, needs & ~zero[:, np.newaxis]),)
    ends.dependencies.sinks.append(Sink(place.node.name, x, ways, {reads: np.ones(len(x), bool)}))


def transposed_facts(place: Place) -> tuple[Partial, ...]:
    """Return the bias of filters that read zeros alone."""
    result = place.results[0]
    ones = (1,) * (result.ndim - 2)
    size = place.types[0].shape[1]
    if place.node.attrs["group"] != 1 or not isinstance(size, int) or not place.is_weight(1):
        return nothing_known(place)
    weight = place.partials[1].value
    reads = (weight != 0).reshape(*weight.shape[:2], -1).any(axis=2)
    varies = (reads & ~_channels(place.partials[0], size).is_zero[:, np.newaxis]).any(axis=0)
    bias = place.partials[2] if len(place.partials) > 2 else None
    known = ~varies if bias is None else ~varies & bias.known
    value = np.zeros(len(varies)) if bias is None else bias.value
    return (Partial(known.reshape(1, -1, *ones), value.reshape(1, -1, *ones)),)


CONV = Rule(("conv",), ties, facts, shrunk)
CONV_TRANSPOSE = Rule(("conv_transpose",), transposed_ties, transposed_facts)
