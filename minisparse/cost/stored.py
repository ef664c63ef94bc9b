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
