"""Every way in which a node could be computed, each with its price."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from minisparse.core.dtypes import DType
from minisparse.core.errors import MinisparseError
from minisparse.core.index import index_dtype
from minisparse.core.symbolic import is_unknown
from minisparse.core.tensor_type import DENSE, Layout, TensorType
from minisparse.cost.model import price, price_library, work_of
from minisparse.cost.target import Target
from minisparse.formats import Pattern, stored_bytes
from minisparse.graph import Graph, Node
from minisparse.kernels import LEVELS, PROVIDERS, Kernel, Work, kernels_for
from minisparse.ops import Attrs
from minisparse.ops.dims import may_equal

BLOCK_SIZES = (4, 8, 16, 32)
"""Square blocks that are tried for BSR."""


@dataclass(frozen=True)
class Candidate:
    """One way to compute a node.

    Attributes
    ----------
    kernel : Kernel
        Which kernel, for which format.
    level : str
        At which level; of a library, its name.
    layout : Layout
        How the weight is stored for it.
    seconds : float
        Predicted time of one call.
    work : Work
        What the prediction is made of.
    weight_bytes : int
        Bytes of the weight in this layout; 0 for an op without one.
    """

    kernel: Kernel
    level: str
    layout: Layout
    seconds: float
    work: Work
    weight_bytes: int

    @property
    def name(self) -> str:
        """Layout and level: ``"bsr 8x8 vectorized"``, ``"csr scipy"``."""
        return f"{self.layout} {self.level}"


def candidates(graph: Graph, node: Node, target: Target) -> tuple[Candidate, ...]:
    """Return all candidates of a node, cheapest first.

    Formats other than the dense one are considered where the weight is a constant whose pattern
    is known, or where it is stored in that format already.

    Parameters
    ----------
    graph : Graph
        With sizes known: see :meth:`Target.bind`.
    node : Node
        A node of it.
    target : Target
        The machine, and the levels that may be chosen.
    """
    # An op may have none of these levels, or a library may refuse; then all of ours remain.
    legal = _legal(graph, node, target, target.levels) or _legal(graph, node, target, LEVELS)
    return tuple(sorted(legal, key=lambda c: (c.seconds, c.name)))


def _legal(graph: Graph, node: Node, target: Target, levels: Collection[str]) -> list[Candidate]:
    """Return the candidates at some levels."""
    found = [
        _priced(graph, node, kernel, level, layout, target)
        for kernel in kernels_for(node.op)
        for layout in _layouts(graph, node, kernel)
        for level in _levels(kernel, levels)
    ]
    return [candidate for candidate in found if candidate is not None]


def _levels(kernel: Kernel, levels: Collection[str]) -> list[str]:
    """Return which of some levels a kernel has, its own and then those that libraries offer."""
    offered = (kernel.op.name, kernel.format_name)
    own = [name for name in kernel.levels if name in levels]
    lent = [name for name, p in PROVIDERS.items() if name in levels and offered in p.offers]
    return own + lent


def _layouts(graph: Graph, node: Node, kernel: Kernel) -> Iterator[Layout]:
    """Yield the layouts of the weight that a kernel could be given."""
    at = node.op.base.weight
    if at is None or at >= len(node.inputs):
        if kernel.format is None:
            yield DENSE
        return
    name = node.inputs[at]
    pattern, now = graph.patterns.get(name), graph.types[name].layout
    if name not in graph.constants or pattern is None:
        if kernel.format_name == now.format:
            yield now
        return
    if kernel.format_name == "bsr":
        sizes = {(s, s) for s in BLOCK_SIZES if s <= min(pattern.shape)}
        sizes |= {now.block} if now.format == "bsr" and now.block is not None else set()
        yield from (Layout("bsr", block) for block in sorted(sizes))
    elif kernel.format_name == "nm":
        fitting = [nm for nm in pattern.nm if pattern.fits_nm(*nm)]
        # Of 1:4 and 2:4 that both fit, the second only stores more padding.
        tightest = {m: min(n for n, other in fitting if other == m) for _, m in fitting}
        yield from (Layout("nm", (n, m)) for m, n in tightest.items())
    elif not (kernel.format is None and now != DENSE and node.op.base.name == "conv"):
        yield Layout(kernel.format_name)


def _priced(
    graph: Graph, node: Node, kernel: Kernel, level: str, layout: Layout, target: Target
) -> Candidate | None:
    """Return a candidate with its price, or None where op or library take no such weight."""
    types = graph.operand_types(node)
    at = node.op.base.weight
    pattern, weight_bytes, attrs = None, 0, node.attrs
    if at is not None and at < len(types):
        pattern = graph.patterns.get(node.inputs[at])
        stored = types[at]
        if layout != stored.layout and pattern is not None:
            stored = as_stored(types[at], pattern, layout)
        types = (*types[:at], stored, *types[at + 1 :])
        sized = target.size(stored)
        weight_bytes = (
            sized.nnz * sized.itemsize
            if pattern is None
            else stored_bytes(pattern, layout, stored.itemsize)
        )
        attrs = stored_attrs(node, graph.operand_types(node)[at], layout)
        if not all(c.holds(types, attrs) for c in node.op.constraints):
            return None
        now, then = graph.types[node.output], node.op.infer(types, attrs)[0]
        alike = now.ndim == then.ndim and all(map(may_equal, now.shape, then.shape))
        if now.layout != then.layout or not alike:
            return None  # who reads the result would find another kind of value
    sizes = tuple(map(target.size, types))
    if not _meet(node, types, sizes, attrs):
        work = _rough_work(sizes)
        seconds = price(work, "vectorized", types[0].dtype, target.machine)
    elif level in PROVIDERS:
        if PROVIDERS[level].why_not(kernel.op.name, layout.format, node.op.split(sizes)[0]):
            return None
        work, seconds = price_library(node.op, kernel, level, sizes, attrs, target.machine)
    else:
        work = work_of(node.op, kernel, kernel.levels[level], pattern, sizes, attrs)
        first = types[0] if types else graph.types[node.output]
        seconds = price(work, level, first.dtype, target.machine)
    return Candidate(kernel, level, layout, seconds, work, weight_bytes)


def _meet(
    node: Node, types: Sequence[TensorType], sizes: Sequence[TensorType], attrs: Attrs
) -> bool:
    """Tell whether operands fit together once those of their sizes are assumed that nothing tells.

    A size that only the run tells is assumed to be the usual one, beside which another may be a
    number that it would have to be equal to.
    """
    if not any(is_unknown(dim) for type in types for dim in type.shape):
        return True
    try:
        node.op.infer(sizes, attrs)
    except MinisparseError:
        return False
    return True


def _rough_work(sizes: Sequence[TensorType]) -> Work:
    """Return the work of touching each operand once, where no more can be told."""
    elements = sum(type.nnz for type in sizes)
    return Work(elements, 2 * sum(type.nnz * type.itemsize for type in sizes), unit="elementwise")


def stored_attrs(node: Node, weight: TensorType, layout: Layout) -> Attrs:
    """Return a node's attributes once its weight is stored in a layout.

    A stored filter is a row, so its height and width have to be said beside it.
    """
    if "kernel_shape" not in node.op.attrs or layout == DENSE or weight.ndim < 3:
        return node.attrs
    return {**node.attrs, "kernel_shape": weight.shape[2:]}


def as_stored(type: TensorType, pattern: Pattern, layout: Layout) -> TensorType:
    """Return the type that a weight of this pattern has once stored in ``layout``."""
    if layout == DENSE:
        return TensorType(pattern.shape, type.dtype)
    m, k = pattern.shape
    stored = pattern.nnz
    width: DType | None = None
    if layout.format == "bsr" and layout.block is not None:
        r, c = layout.block
        stored = pattern.count_blocks(r, c) * r * c
    elif layout.format == "nm" and layout.block is not None:
        n, group = layout.block
        stored = m * -(-k // group) * n
        width = np.dtype(np.uint8)  # positions within a group
    return replace(
        type,
        shape=pattern.shape,
        format=layout.format,
        stored=stored,
        index_dtype=width or index_dtype(pattern.shape, stored),
        block=layout.block,
    )
