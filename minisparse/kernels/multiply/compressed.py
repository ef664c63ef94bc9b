"""``C = A * B``, cell by cell, of two matrices in CSR, CSC or BSR: line by line, an intersection.

m runs over what is compressed: rows, columns, or block rows; k over places in a line. C stores a
cell where both store it. The lists must be in order: slots are taken in the order of their
places, so that lines need not be sorted; but no cell may be stored twice, since a product of sums
is not the sum of the products.
"""

from typing import Any

import numpy as np

from minisparse.formats import BSR, CSC, CSR
from minisparse.kernels.cells import each_cell_once
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.merge_counts import count_products
from minisparse.kernels.merging import bytes_moved, products
from minisparse.kernels.merging_on_device import PRODUCTS
from minisparse.ops import MULTIPLY


def loops(a: CSR | CSC | BSR, b: CSR | CSC | BSR) -> CSR | CSC | BSR:
    """Go on in whichever list has the smaller place next; multiply where both have the same."""
    each_cell_once(a, "multiply")
    each_cell_once(b, "multiply")
    dtype = np.result_type(a.data, b.data)
    a_data, b_data = a.data.astype(dtype), b.data.astype(dtype)
    data: list[Any] = []
    indices: list[Any] = []
    indptr = [0]
    for m in range(len(a.indptr) - 1):
        left = sorted(range(a.indptr[m], a.indptr[m + 1]), key=a.indices.__getitem__)
        right = sorted(range(b.indptr[m], b.indptr[m + 1]), key=b.indices.__getitem__)
        i, j = 0, 0
        while i < len(left) and j < len(right):
            if a.indices[left[i]] < b.indices[right[j]]:
                i = i + 1
            elif a.indices[left[i]] > b.indices[right[j]]:
                j = j + 1
            else:
                data.append(a_data[left[i]] * b_data[right[j]])
                indices.append(a.indices[left[i]])
                i, j = i + 1, j + 1
        indptr.append(len(data))
    values = np.array(data, dtype).reshape(len(data), *a.data.shape[1:])
    return type(a)(values, np.array(indices, a.indices.dtype), np.array(indptr), a.shape)


MULTIPLY_CSR = Kernel(
    MULTIPLY,
    CSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(products, device=PRODUCTS),
    counts=count_products,
)
MULTIPLY_CSC = Kernel(
    MULTIPLY,
    CSC,
    bytes_moved,
    loops=loops,
    vectorized=Level(products, device=PRODUCTS),
    counts=count_products,
)
MULTIPLY_BSR = Kernel(
    MULTIPLY,
    BSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(products, device=PRODUCTS),
    counts=count_products,
)
