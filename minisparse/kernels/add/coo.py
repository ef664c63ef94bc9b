"""``C = A + B`` of two matrices in COO: a merge of two lists of coordinates.

C stores a cell where either stores it, whatever the sum there (docs/language.md, rule S19). The
lists must be in order for a merge: slots are taken by row, then by column, equal cells one after
the other, so that entries need not be sorted, and may hold a cell twice.
"""

from typing import Any

import numpy as np

from minisparse.formats import COO
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.merge_counts import count_sums_of_cells
from minisparse.kernels.merging import bytes_moved, sums
from minisparse.kernels.merging_on_device import SUMS
from minisparse.kernels.wide import wide_dtype
from minisparse.ops import ADD


def loops(a: COO, b: COO) -> COO:
    """Take from whichever list has the smaller cell next; add where that is the last one's."""
    dtype = np.result_type(a.data, b.data)
    wide = wide_dtype(dtype)
    a_data, b_data = a.data.astype(wide), b.data.astype(wide)
    left = np.lexsort((a.col, a.row))
    right = np.lexsort((b.col, b.row))
    data: list[Any] = []
    row: list[Any] = []
    col: list[Any] = []
    i, j = 0, 0
    while i < len(left) or j < len(right):
        cell_a = (a.row[left[i]], a.col[left[i]]) if i < len(left) else a.shape
        cell_b = (b.row[right[j]], b.col[right[j]]) if j < len(right) else b.shape
        if cell_a <= cell_b:
            (m, k), value = cell_a, a_data[left[i]]
            i = i + 1
        else:
            (m, k), value = cell_b, b_data[right[j]]
            j = j + 1
        if len(data) > 0 and row[-1] == m and col[-1] == k:
            data[-1] = data[-1] + value
        else:
            data.append(value)
            row.append(m)
            col.append(k)
    return COO(
        np.array(data, wide).astype(dtype),
        np.array(row, a.row.dtype),
        np.array(col, a.col.dtype),
        a.shape,
    )


ADD_COO = Kernel(
    ADD,
    COO,
    bytes_moved,
    loops=loops,
    vectorized=Level(sums, device=SUMS),
    counts=count_sums_of_cells,
)
