"""Linear layers: ``C[…, m, n] = sum_k A[…, m, k] * B[…, k, n]``, whatever holds the weight.

Rows of A and columns of B are tied to those of C, and k ends here. What index k adds to C is a
constant where both factors are, or one of them is zero; and what goes only to a column that goes
too is nobody's loss. The constants that leave are added up and stay as a bias: in ``gemm`` as its
third operand, else in an ``add`` of its own.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.symbolic import UNKNOWN
from minisparse.graph import Node
from minisparse.ops import OPS
from minisparse.passes.shrinking.channels import Facts, Partial
from minisparse.passes.shrinking.cut import Cut
from minisparse.passes.shrinking.dependencies import Sink, Way
from minisparse.passes.shrinking.rules.rule import Ends, Place, Rule, nothing_known


def _turns(node: Node) -> tuple[bool, bool]:
    """Return which operands stand transposed in the formula."""
    if node.op.name == "gemm":
        return bool(node.attrs["transA"]), bool(node.attrs["transB"])
    return node.op.name == "spmm_t", False


def _factors(node: Node, facts: Facts) -> tuple[Partial, Partial]:
    """Return what is known of A ``[…, M, K]`` and B ``[…, K, N]``."""
    found = []
    for name, turned in zip(node.inputs[:2], _turns(node), strict=True):
        partial = facts[name]
        perm = [*range(partial.rank - 2), partial.rank - 1, partial.rank - 2]
        found.append(partial.transposed(perm) if turned else partial)
    return found[0], found[1]


def _by_index(a: Partial, b: Partial, size: int) -> tuple[Partial, Partial]:
    """Return both factors with the axis k in full size."""
    left = a.expanded((*(1,) * (a.rank - 1), size), [a.rank - 1])
    right = b.expanded((*(1,) * (b.rank - 2), size, 1), [b.rank - 2])
    return left, right


def ties(ends: Ends) -> None:
    """Tie rows, columns and stacked axes; end k."""
    place = ends.place
    if min(type.ndim for type in place.types[:2]) < 2:
        return
    turned_a, turned_b = _turns(place.node)
    row, k_of_a = (-1, -2) if turned_a else (-2, -1)
    k_of_b, column = (-1, -2) if turned_b else (-2, -1)
    ends.tie(ends.into(0, row), ends.out(-2))
    ends.tie(ends.into(1, column), ends.out(-1))
    _tie_stacks(ends)
    if len(place.types) > 2:
        ends.tie_broadcast(2)
    k, other_k = ends.into(0, k_of_a), ends.into(1, k_of_b)
    ends.tie(k, other_k)
    if k is not None and other_k is not None:
        _end(ends, k)


def _tie_stacks(ends: Ends) -> None:
    """Tie the axes before the last two, along which products are stacked."""
    result = ends.place.results[0]
    for i, type in enumerate(ends.place.types[:2]):
        for axis in range(-type.ndim, -2):
            if type.shape[axis] != 1 or result.shape[axis] == 1:
                ends.tie(ends.into(i, axis), ends.out(axis))


def _end(ends: Ends, k: Array) -> None:
    """Say which columns, and which rows, need an index of k."""
    place = ends.place
    a, b = _by_index(*_factors(place.node, place.facts), len(k))
    folding = _can_fold(place)
    ways = (
        Way(ends.out(-1), _needs(a, b, folding)),
        Way(ends.out(-2), _needs(_turned(b), _turned(a), folding)),
    )
    reads = f"{place.called} reads it, and it is not constant"
    ends.dependencies.sinks.append(Sink(place.node.name, k, ways, {reads: np.ones(len(k), bool)}))


def _turned(p: Partial) -> Partial:
    return p.transposed([*range(p.rank - 2), p.rank - 1, p.rank - 2])


def _needs(a: Partial, b: Partial, folding: bool) -> Array:
    """Return for which k and n a product holds a term, of any m, that cannot be put elsewhere."""

    def of_k(mask: Array) -> Array:
        return np.asarray(mask.reshape(-1, mask.shape[-1]).any(axis=0))[:, np.newaxis]

    def of_k_and_n(mask: Array) -> Array:
        return np.asarray(mask.reshape(-1, *mask.shape[-2:]).any(axis=0))

    some_a, some_b = of_k(~a.is_zero), of_k_and_n(~b.is_zero)
    never_zero: Array = of_k(~np.isfinite(a.value)) | of_k_and_n(~np.isfinite(b.value))
    if not folding:
        return never_zero | (some_a & some_b)
    return never_zero | (of_k(~a.known) & some_b) | (some_a & of_k_and_n(~b.known))


def _can_fold(place: Place) -> bool:
    """Tell whether constants can be put elsewhere: in floating-point numbers, in a constant."""
    plain = place.results[0].format == "dense" and place.results[0].dtype.kind == "f"
    bias = place.node.op.name != "gemm" or len(place.types) < 3 or place.is_weight(2)
    return plain and bias


def facts(place: Place) -> tuple[Partial, ...]:
    """Return the sums of which every term is known."""
    if min(type.ndim for type in place.types[:2]) < 2:
        return nothing_known(place)
    found = _sums(place)
    if place.node.op.name == "matmul":
        return (_means(place, found),)
    if place.node.op.name != "gemm":
        return (found,)
    alpha, beta = place.node.attrs["alpha"], place.node.attrs["beta"]
    known, value = found.known, found.value * alpha
    if len(place.partials) > 2:
        bias = place.partials[2].lifted(2)
        known, value = known & bias.known, value + beta * bias.value
    return (Partial(known, value),)


def _sums(place: Place) -> Partial:
    turned_a, turned_b = _turns(place.node)
    size = place.types[0].shape[-2 if turned_a else -1]
    a, b = _factors(place.node, place.facts)
    if isinstance(size, int) and size == place.types[1].shape[-1 if turned_b else -2]:
        a, b = _by_index(a, b, size)
    else:
        a, b, size = a.uniform([a.rank - 1]), b.uniform([b.rank - 2]), UNKNOWN

    def meet(left: Array, right: Array) -> Array:
        return np.asarray(np.matmul(left.astype(np.float32), right.astype(np.float32)) > 0)

    varying = meet(~a.known, ~b.is_zero) | meet(~a.is_zero, ~b.known)
    value = np.matmul(a.numbers, b.numbers)
    if not isinstance(size, int):
        varying = varying | (value != 0)  # as many terms as the run tells
    return Partial(~varying, value)


def _means(place: Place, sums: Partial) -> Partial:
    """Return besides that a mean of equal numbers is that number: softmax's weights sum to 1."""
    weights = place.graph.producers.get(place.node.inputs[0])
    rank = place.types[0].ndim
    if weights is None or weights.op.name != "softmax" or weights.attrs["axis"] % rank != rank - 1:
        return sums
    b = place.partials[1]
    same = b.uniform([b.rank - 2])
    return Partial(sums.known | same.known, np.where(sums.known, sums.value, same.value))


def shrunk(node: Node, cut: Cut) -> Sequence[Node]:
    """Return the node, with what left it for good as a bias."""
    moved = _moved(node, cut)
    if moved is None:
        return (node,)
    if node.op.name == "gemm":
        return (_with_bias(node, cut, moved * node.attrs["alpha"]),)
    moved = cut.like_result(node.output, moved)
    if _joined_the_next_sum(node, cut, moved):
        return (node,)
    dtype = cut.graph.types[node.output].dtype
    product = f"{node.output}:kept"
    name = cut.add(f"{node.output}:constant", moved.astype(dtype))
    return (
        replace(node, outputs=(product, *node.outputs[1:])),
        Node(f"{node.output}:plus", OPS["add"], (product, name), (node.output,), {}),
    )


def _joined_the_next_sum(node: Node, cut: Cut, moved: Array) -> bool:
    """Add a constant to the one that is added next, if there is one: a layer's bias."""
    readers = cut.graph.readers(node.output)
    if len(readers) != 1 or readers[0].op.name != "add" or cut.is_output(node.output):
        return False
    others = [name for name in readers[0].inputs if name != node.output]
    bias = cut.constants.get(others[0]) if others else None
    if not isinstance(bias, np.ndarray) or not cut.is_read_once(others[0]):
        return False
    extra = moved.ndim - bias.ndim
    if extra > 0:
        if moved.shape[:extra] != (1,) * extra:
            return False
        moved = moved.reshape(moved.shape[extra:])
    if np.broadcast_shapes(moved.shape, bias.shape) != bias.shape:
        return False
    cut.constants[others[0]] = (bias.astype(np.float64) + moved).astype(bias.dtype)
    return True


def _moved(node: Node, cut: Cut) -> Array | None:
    """Return what the indices that go contributed; None if that is nothing."""
    turned_a, _ = _turns(node)
    leaving = cut.leaving(node.inputs[0], -2 if turned_a else -1)
    if not leaving.any():
        return None
    a, b = _by_index(*_factors(node, cut.facts), len(leaving))
    found: Array = np.matmul(a.numbers[..., leaving], b.numbers[..., leaving, :])
    staying = cut.like_result(node.output, found)
    return found if staying.any() else None


def _with_bias(node: Node, cut: Cut, moved: Array) -> Node:
    """Return a gemm whose third operand has taken up a constant."""
    beta = node.attrs["beta"]
    moved = cut.like_result(node.output, moved)
    dtype = cut.graph.types[node.output].dtype
    if len(node.inputs) < 3 or beta == 0:
        name = cut.add(f"{node.name}:bias", moved.astype(dtype))
        attrs = {**node.attrs, "beta": 1.0}
        return replace(node, inputs=(*node.inputs[:2], name), attrs=attrs)
    bias = np.asarray(cut.constants[node.inputs[2]])
    folded = (bias.astype(np.float64) + moved / beta).astype(dtype)
    if bias.ndim == 1 and folded.shape[0] == 1:
        folded = folded[0]
    name = cut.instead_of(node.inputs[2], folded)
    return replace(node, inputs=(*node.inputs[:2], name))


LINEAR = Rule(("gemm", "matmul", "spmm", "spmm_t", "dsmm"), ties, facts, shrunk)
