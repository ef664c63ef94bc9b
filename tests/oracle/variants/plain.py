"""One plain implementation of every contract: right, slow, and short enough to be believed.

Wrong kernels are these with something broken; legitimate variants are these done another way.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minisparse.core.dtypes import accumulator

Fn = Callable[..., Any]


def lines_of(indptr: Any) -> Any:
    """Return the number of the line of every slot."""
    starts = indptr.astype(np.int64)
    return np.repeat(np.arange(len(starts) - 1), starts[1:] - starts[:-1])


def pointers(lines: Any, count: int) -> Any:
    """Return the pointers of slots that are sorted by line."""
    return np.concatenate([[0], np.cumsum(np.bincount(lines.astype(np.int64), minlength=count))])


def multiply(row: Any, col: Any, data: Any, rows: int, b: Any) -> Any:
    """Return the product of entries in any order with ``b [K, N]``."""
    dtype = np.result_type(data, b)
    wide = accumulator(dtype)
    c = np.zeros((rows, b.shape[1]), wide)
    np.add.at(c, row, data.astype(wide)[:, None] * b.astype(wide)[col])
    return c.astype(dtype)


def spmm_csr(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    return multiply(lines_of(indptr), indices, data, shape[0], b)


def spmv_csr(indptr: Any, indices: Any, data: Any, shape: Any, x: Any) -> Any:
    return multiply(lines_of(indptr), indices, data, shape[0], x[:, None])[:, 0].copy()


def spmm_coo(row: Any, col: Any, data: Any, shape: Any, b: Any) -> Any:
    return multiply(row, col, data, shape[0], b)


def spmm_csc(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    return multiply(indices, lines_of(indptr), data, shape[0], b)


def cells_of_blocks(indptr: Any, indices: Any, data: Any) -> Any:
    """Return row, column and value of every cell of every block."""
    _, r, c = data.shape
    row = lines_of(indptr)[:, None, None] * r + np.arange(r)[:, None]
    col = indices.astype(np.int64)[:, None, None] * c + np.arange(c)
    row, col = np.broadcast_to(row, data.shape), np.broadcast_to(col, data.shape)
    return row.ravel(), col.ravel(), data.ravel()


def spmm_bsr(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    row, col, value = cells_of_blocks(indptr, indices, data)
    return multiply(row, col, value, shape[0], b)


def spmm_nm(values: Any, positions: Any, shape: Any, b: Any) -> Any:
    row, slot = np.indices(values.shape)
    col = slot // 2 * 4 + positions
    return multiply(row.ravel(), col.ravel(), values.ravel(), shape[0], b)


def bias_relu(c: Any, bias: Any) -> Any:
    """Return ``max(c + bias, 0)`` with NaN let through."""
    c = c + bias[:, None]
    return np.maximum(c, c.dtype.type(0))


def spmm_bias_relu_csr(indptr: Any, indices: Any, data: Any, shape: Any, b: Any, bias: Any) -> Any:
    return bias_relu(spmm_csr(indptr, indices, data, shape, b), bias)


def spgemm_csr(ap: Any, ai: Any, ax: Any, a_shape: Any, bp: Any, bi: Any, bx: Any,
               b_shape: Any) -> Any:  # fmt: skip
    """Gustavson, row by row, with a dictionary."""
    dtype = np.result_type(ax, bx)
    wide = accumulator(dtype)
    ax, bx = ax.astype(wide), bx.astype(wide)
    indptr, indices, data = [0], [], []
    for m in range(a_shape[0]):
        row: dict[int, Any] = {}
        for p in range(int(ap[m]), int(ap[m + 1])):
            for q in range(int(bp[ai[p]]), int(bp[int(ai[p]) + 1])):
                n = int(bi[q])
                row[n] = row.get(n, wide.type(0)) + ax[p] * bx[q]
        indices += list(row)
        data += list(row.values())
        indptr.append(len(indices))
    return np.array(indptr), np.array(indices, int), np.array(data, wide).astype(dtype)


def sddmm_csr(indptr: Any, indices: Any, data: Any, shape: Any, x: Any, y: Any) -> Any:
    dtype = np.result_type(data, x, y)
    wide = accumulator(dtype)
    terms = x.astype(wide)[lines_of(indptr)] * y.astype(wide).T[indices]
    return (data.astype(wide) * terms.sum(axis=1, dtype=wide)).astype(dtype)


def softmax_csr(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    wide = accumulator(data.dtype)
    found = np.zeros(len(data), wide)
    for m in range(shape[0]):
        p = slice(int(indptr[m]), int(indptr[m + 1]))
        if p.stop > p.start:
            e = np.exp(data[p].astype(wide) - data[p].astype(wide).max())
            found[p] = e / e.sum()
    return found.astype(data.dtype)


def coo_to_csr(row: Any, col: Any, data: Any, shape: Any) -> Any:
    cells: dict[tuple[int, int], Any] = {}
    for m, k, x in zip(row.tolist(), col.tolist(), data, strict=True):
        cells[m, k] = cells[m, k] + x if (m, k) in cells else x
    order = sorted(cells)
    indices, values = [k for _, k in order], [cells[cell] for cell in order]
    starts = pointers(np.array([m for m, _ in order], int), shape[0])
    return starts, np.array(indices, int), np.array(values, data.dtype)


def csr_to_coo(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    return lines_of(indptr), indices.copy(), data.copy()


def csr_to_csc(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    order = np.argsort(indices, kind="stable")
    return pointers(indices, shape[1]), lines_of(indptr)[order], data[order]


def csr_to_bsr(indptr: Any, indices: Any, data: Any, shape: Any, block: Any) -> Any:
    r, c = block
    blocks: dict[tuple[int, int], Any] = {}
    for m, k, x in zip(lines_of(indptr).tolist(), indices.tolist(), data, strict=True):
        here = blocks.setdefault((m // r, k // c), np.zeros((r, c), data.dtype))
        here[m % r, k % c] += x
    order = sorted(blocks)
    made = np.array([blocks[b] for b in order], data.dtype).reshape(-1, r, c)
    starts = pointers(np.array([i for i, _ in order], int), shape[0] // r)
    return starts, np.array([j for _, j in order], int), made


def dense_to_csr(dense: Any) -> Any:
    row, col = np.nonzero(dense)
    return pointers(row, dense.shape[0]), col, dense[row, col]


PLAIN: dict[str, Fn] = {
    fn.__name__: fn
    for fn in (
        spmm_csr, spmv_csr, spmm_coo, spmm_csc, spmm_bsr, spmm_nm, spmm_bias_relu_csr,
        spgemm_csr, sddmm_csr, softmax_csr, coo_to_csr, csr_to_coo, csr_to_csc, csr_to_bsr,
        dense_to_csr,
    )
}  # fmt: skip
"""One for each contract, by its name."""
