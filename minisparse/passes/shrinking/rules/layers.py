"""Normalizations, pools and reductions: some work channel by channel, others mix channels."""

import numpy as np

from minisparse.passes.shrinking.channels import Partial
from minisparse.passes.shrinking.rules.rule import Ends, Place, Rule, nothing_known


def by_channel_ties(ends: Ends) -> None:
    """Tie scale, bias and the like to the channels, and every other axis to itself."""
    place = ends.place
    mixed = place.node.op.name == "instance_normalization"
    ends.tie_same(0, (0, 1) if mixed else range(place.types[0].ndim))
    for i in range(1, len(place.node.inputs)):
        ends.tie(ends.into(i, 0), ends.out(1))


def batch_facts(place: Place) -> tuple[Partial, ...]:
    """Return channels that were constant, and those whose scale is zero: they give the bias."""
    count = place.results[0].shape[1]
    facts = place.partials
    if not isinstance(count, int) or not all(p.is_constant for p in facts[1:]):
        return nothing_known(place)
    x = facts[0].along(1, count)
    scale, bias, mean, variance = (p.value for p in facts[1:])
    steady = scale == 0
    numbers = np.where(steady, 0, x.numbers)
    value = (numbers - mean) / np.sqrt(variance + place.node.attrs["epsilon"]) * scale + bias
    shape = (1, count, *(1,) * (place.types[0].ndim - 2))
    known = (x.known | steady).reshape(shape)
    return (Partial(known, np.where(steady, bias, value).reshape(shape)),)


def instance_facts(place: Place) -> tuple[Partial, ...]:
    """Return the bias for channels that are zero or have scale zero.

    Of another constant the mean is subtracted with rounding, and the difference divided by almost
    nothing: what that gives is not exactly the bias.
    """
    count = place.results[0].shape[1]
    x, scale, bias = place.partials
    if not isinstance(count, int) or not (scale.is_constant and bias.is_constant):
        return nothing_known(place)
    known = x.along(1, count).is_zero | (scale.value == 0)
    shape = (1, count, *(1,) * (place.types[0].ndim - 2))
    return (Partial(known.reshape(shape), bias.value.reshape(shape)),)


def mixing_ties(ends: Ends) -> None:
    """Keep the axes over which means are taken; the others pass."""
    place = ends.place
    rank = place.types[0].ndim
    if place.node.op.name == "group_normalization":
        mixed = range(1, rank)
    elif place.node.op.name.endswith("softmax"):
        axis = place.node.attrs["axis"] % rank
        mixed = range(axis, axis + 1)
    else:
        mixed = range(place.node.attrs["axis"] % rank, rank)
    for axis in range(rank):
        if axis in mixed:
            for ids in (ends.into(0, axis), ends.out(axis)):
                ends.keep(ids, "mixes what lies along that axis")
        else:
            ends.tie_same(0, (axis,))


def pool_ties(ends: Ends) -> None:
    """Tie examples and channels; windows slide over the rest."""
    for k in range(len(ends.place.results)):
        for axis in (0, 1):
            ends.tie(ends.into(0, axis), ends.out(axis, k))


def max_pool_facts(place: Place) -> tuple[Partial, ...]:
    """Return what is constant all over the image: places around it are never chosen."""
    first = place.partials[0].uniform(range(2, place.types[0].ndim))
    return (first, *nothing_known(place)[1:])


def average_pool_facts(place: Place) -> tuple[Partial, ...]:
    """Return zeros; other constants only where no padding is averaged with them."""
    attrs = place.node.attrs
    first = place.partials[0].uniform(range(2, place.types[0].ndim))
    if attrs["count_include_pad"] and (any(attrs["pads"] or ()) or attrs["ceil_mode"]):
        return (Partial(first.is_zero, first.value),)
    return (first,)


def _reduced(place: Place) -> tuple[int, ...]:
    rank = place.types[0].ndim
    axes = place.node.attrs["axes"]
    return tuple(range(rank)) if not axes else tuple(sorted(axis % rank for axis in axes))


def reduction_ties(ends: Ends) -> None:
    """Tie the axes that stay; those that are reduced are needed whole."""
    place = ends.place
    reduced, to = _reduced(place), 0
    for axis in range(place.types[0].ndim):
        if axis not in reduced:
            ends.tie(ends.into(0, axis), ends.out(to))
        to += axis not in reduced or bool(place.node.attrs["keepdims"])


def reduction_facts(place: Place) -> tuple[Partial, ...]:
    """Return the constant where all that is reduced is one; for a sum where that is zero."""
    reduced = _reduced(place)
    sizes = [place.types[0].shape[axis] for axis in reduced]
    if any(not isinstance(size, int) or size == 0 for size in sizes):
        return nothing_known(place)  # of nothing a mean is NaN
    found = place.partials[0].uniform(reduced)
    if place.node.op.name in SUMS:
        found = Partial(found.is_zero, found.value)
    if place.node.attrs["keepdims"]:
        return (found,)
    return (Partial(np.squeeze(found.known, reduced), np.squeeze(found.value, reduced)),)


def attention_ties(ends: Ends) -> None:
    """Tie what a query gives to the columns of V; the scores need the rest."""
    if ends.place.types[3].ndim == 2:
        ends.tie(ends.into(3, 1), ends.out(1))


def add_bias_ties(ends: Ends) -> None:
    """Tie one value to each row."""
    ends.tie_same(0, range(ends.place.types[0].ndim))
    ends.tie(ends.into(1, 0), ends.out(0))


def add_bias_facts(place: Place) -> tuple[Partial, ...]:
    """Return the sum where both are known."""
    c, bias = place.partials
    column = (-1, *(1,) * (c.rank - 1))
    known, value = bias.known.reshape(column), bias.value.reshape(column)
    return (Partial(c.known & known, c.value + value),)


SUMS = ("reduce_sum", "reduce_l1", "reduce_l2", "reduce_sum_square")
REDUCTIONS = (*SUMS, "reduce_mean", "reduce_max", "reduce_min")

BATCH_NORMALIZATION = Rule(("batch_normalization",), by_channel_ties, batch_facts)
INSTANCE_NORMALIZATION = Rule(("instance_normalization",), by_channel_ties, instance_facts)
MIXING = Rule(
    tuple("layer_normalization rms_normalization group_normalization softmax log_softmax".split()),
    mixing_ties,
)
MAX_POOL = Rule(("max_pool", "max_pool_with_indices"), pool_ties, max_pool_facts)
AVERAGE_POOL = Rule(("average_pool",), pool_ties, average_pool_facts)
REDUCTION = Rule(REDUCTIONS, reduction_ties, reduction_facts)
ATTENTION = Rule(("attention",), attention_ties)
ADD_BIAS = Rule(("add_bias",), add_bias_ties, add_bias_facts)
