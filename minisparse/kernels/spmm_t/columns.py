"""Columns of A packed as the rows of its transpose: what all formats share here.

``C = A^T @ B`` is a product with a matrix whose rows are A's columns. Sorted into columns once, its
entries become the row panels of :mod:`minisparse.kernels.spmm.panels`; each call is one of SpMM.
"""

from dataclasses import replace

import numpy as np

from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR, CSC, NM, Matrix, Pattern
from minisparse.kernels.kernel import Work
from minisparse.kernels.spmm import bsr
from minisparse.kernels.spmm.packing import pack
from minisparse.kernels.spmm.panels import Panels
from minisparse.kernels.spmm.rows import stored_columns, with_sort
from minisparse.kernels.spmm.work import block_work, panel_work
from minisparse.ops import Attrs


def prepare(a: Matrix, columns: int = 256) -> Panels:
    """Sort the entries into columns, and pack these as panels; blocks stay blocks."""
    if isinstance(a, BSR):
        return bsr.prepare(a.T, columns)
    return pack(stored_columns(a), a.has_canonical_format, columns)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the panels to expect of this pattern's columns do."""
    a, b = types
    turned = transposed(a), b
    if a.format == BSR.format:
        return block_work(turned, pattern.col_counts)
    if a.format == NM.format:  # where the padding lies is not known: as if evenly spread
        m, k = a.dims
        return with_sort(panel_work(np.full(k, min(a.nnz // max(k, 1), m)), m, turned), a)
    found = panel_work(pattern.col_counts, pattern.nonzero_rows, turned, pattern.blocks)
    return found if a.format == CSC.format else with_sort(found, a)


def transposed(a: TensorType) -> TensorType:
    """Return the type of a matrix whose rows are A's columns."""
    block = None if a.block is None else a.block[::-1]
    return replace(a, shape=a.shape[::-1], block=block)
