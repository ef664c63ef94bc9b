"""What a generated vectorized form does, told from the pattern alone: what dispatch prices."""

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Pattern
from minisparse.kernels.generate.expression import expression_of
from minisparse.kernels.generate.runs import MOST_DIAGONALS, group_rows
from minisparse.kernels.generate.written import AT_ONCE
from minisparse.kernels.kernel import Work
from minisparse.kernels.spmm.choice import FULL_RATE, HEIGHTS
from minisparse.kernels.spmm.work import LINE
from minisparse.ops import OPS, Attrs

CALLS = 12
"""What a call costs whatever it computes: to look at the operands and to lay b out."""
INDEX_BYTES = 8
"""Gathers want indices of 64 bits."""


def generated_work(
    op: str, pattern: Pattern | None, types: tuple[TensorType, ...], attrs: Attrs | None = None
) -> Work:
    """Return the work of a generated kernel's vectorized form for one call.

    Parameters
    ----------
    op : str
        The base op's name.
    pattern : Pattern or None
        Where the nonzeros are; None of a plain array.
    types : tuple of TensorType
        Of the base's operands, sizes known, the matrix's as it would be stored.
    attrs : mapping, optional
        Of the base, which has none.

    Examples
    --------
    >>> from minisparse.formats import find_pattern
    >>> f4 = np.dtype("float32")
    >>> types = TensorType((3, 3), f4, "csr", 4), TensorType((3, 10), f4)
    >>> pattern = find_pattern(np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0]]))
    >>> found = generated_work("spmm", pattern, types)
    >>> found.flops, found.gathered, found.calls
    (80.0, 40.0, 20.0)
    """
    expression = expression_of(op)
    at = OPS[op].weight or 0
    a, others = types[at], [t for i, t in enumerate(types) if i != at]
    if a.format == "dense" or pattern is None:
        return Work(OPS[op].flops(types, {}), float(sum(t.size * t.itemsize for t in types)))
    if expression.scale is not None:
        return _sampled_work(a, others)
    axis = 0 if expression.stored.letters[0] in expression.result.letters else 1
    height, width = (a.block[axis], a.block[1 - axis]) if _is_blocked(a) and a.block else (1, 1)
    n = others[0].size // max(a.dims[1 - axis], 1)
    itemsize = max(t.itemsize for t in types)
    if whole_diagonals(pattern) and a.format in ("coo", "csr", "csc"):
        return _diagonal_work(pattern, n, itemsize, turned=op == "dsmm")
    slots = gathered = moved = calls = products = 0.0
    for length, rows in group_rows(_counts(pattern, a, axis)):
        count = len(rows)
        size = length * width * count * n
        slots += length * count
        products += count
        gathered += size
        moved += 3 * count * height * n * itemsize  # the product, and C that it is copied to
        calls += 1 + 3 * max(1, math.ceil(size / AT_ONCE))
    indices = slots * INDEX_BYTES
    moved += indices + slots * height * width * itemsize
    moved += 2 * n * a.dims[1 - axis] * itemsize  # B is laid out line by line
    if op == "dsmm":  # B and C are turned, element by element
        gathered += n * sum(a.dims)
    rate = HEIGHTS[max(h for h in HEIGHTS if h <= height)] / FULL_RATE
    return Work(
        flops=2.0 * gathered * height,
        bytes=moved,
        gathered=gathered,
        calls=calls + CALLS,
        efficiency=min(1.0, rate),
        unit="matmul" if expression.free else "elementwise",
        indices=indices,
        rows=products,
        entries=LINE * slots if expression.free else 0.0,
        way="runs",
    )


def whole_diagonals(pattern: Pattern) -> int:
    """Return how many diagonals a matrix consists of, if all around the main one are whole; else 0.

    Examples
    --------
    >>> from minisparse.formats import find_pattern
    >>> [whole_diagonals(find_pattern(x)) for x in (np.eye(4), np.tri(4), np.ones((2, 2)))]
    [1, 0, 3]
    """
    m, k = pattern.shape
    found = range(-pattern.bandwidth, pattern.bandwidth + 1)
    if len(found) > MOST_DIAGONALS:
        return 0
    cells = sum(max(0, min(m, k - d) - max(0, -d)) for d in found)
    return len(found) if cells == pattern.nnz > 0 else 0


def _diagonal_work(pattern: Pattern, n: int, itemsize: int, turned: bool) -> Work:
    """Return the work of a product of slices for each diagonal, added to those before.

    Parameters
    ----------
    pattern : Pattern
        Where the nonzeros are.
    n, itemsize : int
        Columns of the dense operand, and bytes of an element.
    turned : bool
        Whether the dense operand and the result are turned.
    """
    count = whole_diagonals(pattern)
    elements = float(pattern.nnz * n)
    reads = 2 + 3 * (count - 1) / count  # b, what is written; a sum reads and writes once more
    return Work(
        flops=2.0 * elements - pattern.shape[0] * n,
        bytes=elements * reads * itemsize + pattern.nnz * itemsize,
        gathered=float(turned * n * sum(pattern.shape)),
        calls=float(CALLS // 2 + 3 * count),
        unit="elementwise",
        rows=float(pattern.nnz),
        way="diagonals",
    )


def _is_blocked(a: TensorType) -> bool:
    return a.format == "bsr"


def _counts(pattern: Pattern, a: TensorType, axis: int) -> Array:
    """Return how many slots each line of the result has: of blocks and n:m all equally many."""
    if a.format == "bsr" and a.block is not None:
        counts = pattern.row_counts if axis == 0 else pattern.col_counts
        across = -(-a.dims[1 - axis] // a.block[1 - axis])
        return expected_blocks(counts, a.nnz // math.prod(a.block), a.block[axis], across)
    if a.format == "nm":  # along columns about as many: where the padding lies is not known
        lines, others = a.dims[axis], a.dims[1 - axis]
        return np.full(lines, min(a.nnz // max(lines, 1), others))
    return pattern.row_counts if axis == 0 else pattern.col_counts


def expected_blocks(counts: Array, blocks: int, height: int, across: int) -> Array:
    """Return how many blocks the block rows are expected to hold, as far as that can be told.

    As many as their rows let expect, and as far from it, now above and now below, as in a binomial
    distribution. Which block row has which does not matter here.

    Parameters
    ----------
    counts : ndarray of int, shape (M,)
        Nonzeros of each row.
    blocks, height, across : int
        How many blocks are stored, how high they are, and how many a block row has room for.

    Examples
    --------
    >>> expected_blocks(np.full(64, 16), 64, 8, 16)
    array([ 5,  6,  7,  8,  8,  9, 10, 11])
    """
    rows = -(-len(counts) // height)
    if not rows or not blocks:
        return np.zeros(rows, np.int64)
    held = np.add.reduceat(counts, np.arange(0, len(counts), height)) + 1e-9
    mean = np.minimum(held * (blocks / held.sum()), across)
    spread = np.sqrt(mean * (1 - mean / across)) * _places(rows)
    return np.asarray(np.clip(np.rint(mean + spread), 0, across), np.int64)


@lru_cache(maxsize=64)
def _places(count: int) -> Array:
    """Return where so many draws from a normal distribution lie, evenly spread."""
    inverse = NormalDist().inv_cdf
    return np.array([inverse((i + 0.5) / count) for i in range(count)])


def _sampled_work(a: TensorType, others: list[TensorType]) -> Work:
    """Return the work of gathering both factors of every slot and of their dots."""
    depth, itemsize = others[0].dims[1], others[0].itemsize
    lines = a.nnz * 2.0
    if a.format == "bsr" and a.block is not None:
        lines = a.nnz / (a.block[0] * a.block[1]) * sum(a.block)
    gathered = lines * depth + a.dims[1] * depth  # Y is turned
    moved = gathered * itemsize + a.nnz * (2 * INDEX_BYTES + 3 * itemsize)
    calls = CALLS + 4 * max(1, math.ceil(gathered / AT_ONCE))
    return Work(
        flops=2.0 * a.nnz * depth,
        bytes=moved,
        gathered=gathered,
        calls=float(calls),
        unit="elementwise",
        indices=2.0 * INDEX_BYTES * a.nnz,
        entries=LINE * lines,
        way="slots",
    )
