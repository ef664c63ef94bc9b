"""``C = A + B`` of two matrices in CSR, CSC or BSR: line by line, a merge of two lists.

m runs over what is compressed: rows, columns, or block rows; k over places in a line. C stores a
cell where either stores it, whatever the sum there (docs/language.md, rule S19). The lists must
be in order for a merge: slots are taken in the order of their places, equal places one after the
other, so that lines need not be sorted, and may hold a cell twice.
"""

from typing import Any

import numpy as np

from minisparse.formats import BSR, CSC, CSR
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.merge_counts import count_sums
from minisparse.kernels.merging import bytes_moved, sums
from minisparse.kernels.merging_on_device import SUMS
from minisparse.kernels.wide import wide_dtype
from minisparse.ops import ADD


def loops(a: CSR | CSC | BSR, b: CSR | CSC | BSR) -> CSR | CSC | BSR:
    """Take from whichever list has the smaller place next; add where that is the last one's."""
    dtype = np.result_type(a.data, b.data)
    wide = wide_dtype(dtype)
    a_data, b_data = a.data.astype(wide), b.data.astype(wide)
    data: list[Any] = []
    indices: list[Any] = []
    indptr = [0]
    for m in range(len(a.indptr) - 1):
        left = sorted(range(a.indptr[m], a.indptr[m + 1]), key=a.indices.__getitem__)
        right = sorted(range(b.indptr[m], b.indptr[m + 1]), key=b.indices.__getitem__)
        i, j = 0, 0
        while i < len(left) or j < len(right):
            if j == len(right) or (i < len(left) and a.indices[left[i]] <= b.indices[right[j]]):
                k, value = a.indices[left[i]], a_data[left[i]]
                i = i + 1
            else:
                k, value = b.indices[right[j]], b_data[right[j]]
                j = j + 1
            if len(indices) > indptr[m] and indices[-1] == k:
                data[-1] = data[-1] + value
            else:
                data.append(value)
                indices.append(k)
        indptr.append(len(data))
    values = np.array(data, wide).reshape(len(data), *a.data.shape[1:]).astype(dtype)
    return type(a)(values, np.array(indices, a.indices.dtype), np.array(indptr), a.shape)


ADD_CSR = Kernel(
    ADD, CSR, bytes_moved, loops=loops, vectorized=Level(sums, device=SUMS), counts=count_sums
)
ADD_CSC = Kernel(
    ADD, CSC, bytes_moved, loops=loops, vectorized=Level(sums, device=SUMS), counts=count_sums
)
ADD_BSR = Kernel(
    ADD, BSR, bytes_moved, loops=loops, vectorized=Level(sums, device=SUMS), counts=count_sums
)
