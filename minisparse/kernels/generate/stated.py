"""What generated loops do, counted: as those written by hand, but for copies that are spared."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from minisparse.formats import BSR
from minisparse.kernels.counts import Counts, inside_blocks
from minisparse.kernels.generate.nest import Nest
from minisparse.kernels.kernel import Kernel
from minisparse.ops import OPS


def stated_counts(nest: Nest, by_hand: Kernel, operands: Sequence[Any]) -> Counts:
    """Return what the loops form of a nest without epilogue does on these operands.

    It touches what the loops written by hand touch, in the same order. They widen operands and
    round sums always; generated source knows the dtypes, and does it only where it changes any.

    Parameters
    ----------
    nest : Nest
        What was generated.
    by_hand : Kernel
        The kernel of the same op and format, which states its counts.
    operands : sequence
        Those of the op.
    """
    if by_hand.counts is None:
        raise NotImplementedError(by_hand.name)
    found = by_hand.counts(*operands)
    at = OPS[nest.op].weight
    plain = [x for i, x in enumerate(operands) if i != at]
    copied = sum(
        x.size
        for x, operand in zip(plain, nest.operands, strict=True)
        if operand.dtype != nest.wide
    )
    if nest.wide != nest.base:
        copied += _result_size(nest, operands)  # the sums, of which a rounded copy is returned
    a = operands[at or 0]
    calls = found.calls - (skipped_reads(a) if isinstance(a, BSR) else 0)
    return replace(found, scratch=copied * nest.wide.itemsize, calls=calls)


def _result_size(nest: Nest, operands: Sequence[Any]) -> int:
    at = OPS[nest.op].weight or 0
    if nest.expression.scale is not None:
        return int(operands[at].data.size if nest.layout.format != "dense" else operands[at].size)
    sizes: dict[str, int] = {}
    for name, x in zip(OPS[nest.op].operands, operands, strict=True):
        letters = next(r.letters for r in nest.expression.factors if r.name == name)
        sizes |= dict(zip(letters, x.shape, strict=True))
    return math.prod(sizes[letter] for letter in nest.expression.result.letters)


def skipped_reads(a: BSR) -> int:
    """Return how often loops by hand read a block's column for a row beyond the matrix."""
    heights, _ = inside_blocks(a)
    return int((a.block[0] - heights).sum()) * a.block[1]
