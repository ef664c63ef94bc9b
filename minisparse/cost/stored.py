"""A weight as it would be stored: its type in another layout, and what its node says then."""

from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import DType
from minisparse.core.index import index_dtype
from minisparse.core.tensor_type import DENSE, Layout, TensorType
from minisparse.formats import Pattern
from minisparse.graph import Node
from minisparse.ops import Attrs


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


def packed_bytes(weight: TensorType, padding: float) -> int:
    """Return about how many bytes a level keeps of a weight that it packed.

    It keeps the cells that it multiplies. Where some of them are padding it also keeps the entries,
    to compute with these alone where the other operand is not finite: as values and 64-bit indices.
    Blocks need neither: their padding is stored, and so multiplied in any case.

    Parameters
    ----------
    weight : TensorType
        As it is stored, sizes known.
    padding : float
        How many times as much is multiplied as is stored.
    """
    cells = weight.nnz * max(padding, 1.0) * weight.itemsize
    if weight.format == "bsr":
        return round(cells)
    entries = weight.nnz * (weight.itemsize + 8)
    return round(cells + entries if padding > 1 else entries)
