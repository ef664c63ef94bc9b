"""Every way in which a node could be computed, each with its price."""

from collections.abc import Collection, Iterator, Sequence

from minisparse.core.errors import MinisparseError
from minisparse.core.symbolic import is_unknown
from minisparse.core.tensor_type import DENSE, Layout, TensorType
from minisparse.cost.candidate import Candidate, Rejected
from minisparse.cost.model import (
    Basis,
    names_of,
    price,
    price_epilogue,
    price_library,
    work_of,
)
from minisparse.cost.once import convert_seconds, prepare_seconds
from minisparse.cost.stored import as_stored, packed_bytes, stored_attrs
from minisparse.cost.target import Target
from minisparse.formats import stored_bytes
from minisparse.graph import Graph, Node
from minisparse.kernels import (
    GENERATED,
    HOST_LEVELS,
    PROVIDERS,
    Kernel,
    Work,
    kernels_for,
    level_of,
)
from minisparse.ops import CONVERT, Attrs
from minisparse.ops.dims import may_equal

BLOCK_SIZES = (4, 8, 16, 32)
"""Square blocks that are tried for BSR."""
UNPADDED = ("coo", "csr", "csc")
"""Formats that store nothing but the entries that they are given."""
WRITTEN = ("csr", "bsr", "nm")
"""Formats for which kernels are generated; the others give the code that CSR gives."""
SPARSE_ENOUGH = 0.5
"""Density up to which they are."""


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
    # An op may have none of these levels, or they may refuse; then ours on the host remain.
    ours = HOST_LEVELS if target.device == "cpu" else ("vectorized",)
    legal = _legal(graph, node, target, target.levels) or _legal(graph, node, target, ours)
    return tuple(sorted(legal, key=Candidate.order))


def rejected(graph: Graph, node: Node, target: Target) -> tuple[Rejected, ...]:
    """Return the ways at the target's levels that are no candidates of a node, and why.

    Parameters
    ----------
    graph, node, target
        As for :func:`candidates`.
    """
    found = _priced_ways(graph, node, target, target.levels)
    return tuple(each for each in found if isinstance(each, Rejected))


def _legal(graph: Graph, node: Node, target: Target, levels: Collection[str]) -> list[Candidate]:
    """Return the candidates at some levels."""
    found = _priced_ways(graph, node, target, levels)
    return [each for each in found if isinstance(each, Candidate)]


def _priced_ways(
    graph: Graph, node: Node, target: Target, levels: Collection[str]
) -> Iterator[Candidate | Rejected]:
    """Yield every way at some levels, priced or rejected."""
    for kernel, names in _ways(graph, node, levels):
        for layout in _layouts(graph, node, kernel):
            for level in names:
                yield _priced(graph, node, kernel, level, layout, target)


def _ways(
    graph: Graph, node: Node, levels: Collection[str]
) -> Iterator[tuple[Kernel, Sequence[str]]]:
    """Yield the kernels of a node's op, each with those of some levels that it has."""
    for kernel in kernels_for(node.op):
        yield kernel, _levels(kernel, levels)
    if GENERATED in levels:
        for kernel in _generated(graph, node):
            yield kernel, (GENERATED,)


def _levels(kernel: Kernel, levels: Collection[str]) -> list[str]:
    """Return which of some levels a kernel has, its own and then those that libraries offer."""
    offered = (kernel.op.name, kernel.format_name)
    own = [name for name in kernel.levels if name in levels]
    lent = [name for name, p in PROVIDERS.items() if name in levels and offered in p.offers]
    return own + lent


def _generated(graph: Graph, node: Node) -> Iterator[Kernel]:
    """Yield the kernels that would write themselves for a node's constant weight.

    Only where it has zeros to speak of, and in formats that lead to different code.
    """
    at = node.op.base.weight
    name = node.inputs[at] if at is not None and at < len(node.inputs) else ""
    pattern = graph.patterns.get(name)
    if name not in graph.constants or pattern is None or pattern.density > SPARSE_ENOUGH:
        return
    from minisparse.kernels.generate import can_generate, generated_kernels  # which few plans need

    for format in sorted({*WRITTEN, graph.types[name].format} - {"dense"}):
        if can_generate(node.op, format):
            yield generated_kernels(node.op, format, node.attrs)


def _layouts(graph: Graph, node: Node, kernel: Kernel) -> Iterator[Layout]:
    """Yield the layouts of the weight that a kernel could be given."""
    at = node.op.base.weight
    if at is None or at >= len(node.inputs):
        if kernel.format is None:
            yield DENSE
        return
    name = node.inputs[at]
    pattern, now = graph.patterns.get(name), graph.types[name].layout
    if name not in graph.constants or pattern is None or node.op is CONVERT:
        if kernel.format_name == now.format:
            yield now
        return
    if node.op.base.masked:
        alike = {now, *map(Layout, UNPADDED)} if now.format in UNPADDED else {now}
        yield from (layout for layout in alike if layout.format == kernel.format_name)
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
) -> Candidate | Rejected:
    """Return a candidate with its price, or why op, level or library take no such weight."""
    types, name = graph.operand_types(node), f"{layout} {level}"
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
        mismatch = _mismatch(graph, node, types, attrs)
        if mismatch:
            return Rejected(name, mismatch)
    sizes = tuple(map(target.size, types))
    basis: Basis | None = None
    if not _meet(node, types, sizes, attrs):
        work = _rough_work(sizes)
        found = price(work, "vectorized", Basis(types[0].dtype), target.machine)
    elif refusal := _refused(node, kernel, level, layout, sizes):
        return Rejected(name, f"refused: {refusal}")
    elif level in PROVIDERS:
        work, found = price_library(node.op, kernel, level, sizes, attrs, target.machine)
    else:
        own = level_of(kernel, level).on(target.device == "gpu")
        work = work_of(node.op, kernel, own, pattern, sizes, attrs)
        result = target.size(graph.types[node.output])
        basis = _basis(node, kernel, work, sizes, result, weight_bytes)
        found = price(work, level, basis, target.machine)
        if level != "loops":
            found += price_epilogue(node.op, sizes, result, target.machine)
    packing, converting, packed = 0.0, 0.0, 0
    if pattern is not None and at is not None:
        own = level_of(kernel, level).on(target.device == "gpu")
        if own.prepare is not None and basis is not None:
            packed = packed_bytes(sizes[at], _padding(node, sizes, attrs, work))
        packing = prepare_seconds(kernel, own, work, sizes[at], target.machine)
        converting = convert_seconds(graph.types[node.inputs[at]], sizes[at], target.machine)
    return Candidate(
        kernel,
        level,
        layout,
        found,
        work,
        weight_bytes,
        packing,
        converting,
        basis=basis,
        packed_bytes=packed,
    )


def _mismatch(graph: Graph, node: Node, types: Sequence[TensorType], attrs: Attrs) -> str:
    """Return why an op with its weight so stored is not what the graph has there, or nothing."""
    for constraint in node.op.constraints:
        if not constraint.holds(types, attrs):
            return f"refused: {node.op.name} ({constraint.id}): {constraint.text}"
    now, then = graph.types[node.output], node.op.infer(types, attrs)[0]
    if now.layout != then.layout:  # who reads the result would find another kind of value
        return f"would change the result's layout from {now.layout} to {then.layout}"
    if now.ndim == then.ndim and all(map(may_equal, now.shape, then.shape)):
        return ""
    return f"would change the result's shape from {now} to {then}"


def _refused(
    node: Node, kernel: Kernel, level: str, layout: Layout, sizes: tuple[TensorType, ...]
) -> str:
    """Return why a level or a library does not take operands of these types, or nothing."""
    types = node.op.split(sizes)[0]
    if level in PROVIDERS:
        return PROVIDERS[level].why_not(kernel.op.name, layout.format, types)
    why_not = level_of(kernel, level).why_not
    return "" if why_not is None else why_not(types)


def _basis(
    node: Node,
    kernel: Kernel,
    work: Work,
    types: Sequence[TensorType],
    result: TensorType,
    weight_bytes: int,
) -> Basis:
    """Return on which data one of our levels computes.

    A weight is read as it was packed: with as many values as are multiplied for one column.
    """
    at = node.op.base.weight
    others = sum(t.nnz * t.itemsize for i, t in enumerate(types) if i != at)
    reach = float(others + result.nnz * result.itemsize)
    held = float(weight_bytes)
    if at is not None and at < len(types) and node.op.base.sums_products:
        columns = max(result.size // max(types[at].dims[0], 1), 1)
        held = max(held, work.flops / 2 / columns * types[at].itemsize)
    dtype = (types[0] if types else result).dtype
    return Basis(dtype, names_of(kernel, work), held + reach, reach)


def _padding(node: Node, sizes: Sequence[TensorType], attrs: Attrs, work: Work) -> float:
    """Return how many times as much a level multiplies as the op, padding of its own included."""
    op = node.op
    return work.flops / max(op.base.flops(op.split(sizes)[0], op.attrs_of(op.base, attrs)), 1)


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
