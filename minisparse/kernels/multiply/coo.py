"""``C = A * B``, cell by cell, of two matrices in COO: an intersection of two lists of coordinates.

C stores a cell where both store it. The lists must be in order: slots are taken by row, then by
column, so that entries need not be sorted; but no cell may be stored twice, since a product of sums
is not the sum of the products.
"""

from typing import Any

import numpy as np

from minisparse.formats import COO
from minisparse.kernels.cells import each_cell_once
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.merge_counts import count_products_of_cells
from minisparse.kernels.merging import bytes_moved, products
from minisparse.kernels.merging_on_device import PRODUCTS
from minisparse.ops import MULTIPLY


def loops(a: COO, b: COO) -> COO:
    """Go on in whichever list has the smaller cell next; multiply where both have the same."""
    each_cell_once(a, "multiply")
    each_cell_once(b, "multiply")
    dtype = np.result_type(a.data, b.data)
    a_data, b_data = a.data.astype(dtype), b.data.astype(dtype)
    left = np.lexsort((a.col, a.row))
    right = np.lexsort((b.col, b.row))
    data: list[Any] = []
    row: list[Any] = []
    col: list[Any] = []
    i, j = 0, 0
    while i < len(left) and j < len(right):
        cell_a = (a.row[left[i]], a.col[left[i]])
        cell_b = (b.row[right[j]], b.col[right[j]])
        if cell_a < cell_b:
            i = i + 1
        elif cell_a > cell_b:
            j = j + 1
        else:
            data.append(a_data[left[i]] * b_data[right[j]])
            row.append(a.row[left[i]])
            col.append(a.col[left[i]])
            i, j = i + 1, j + 1
    return COO(
        np.array(data, dtype), np.array(row, a.row.dtype), np.array(col, a.col.dtype), a.shape
    )


MULTIPLY_COO = Kernel(
    MULTIPLY,
    COO,
    bytes_moved,
    loops=loops,
    vectorized=Level(products, device=PRODUCTS),
    counts=count_products_of_cells,
)
