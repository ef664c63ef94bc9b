"""What a sparse product will do, as far as the types of its operands tell: of random patterns.

Where entries lie is not part of a type, so each entry of A is taken to meet the mean row of B, and
products to lie anywhere in C: of its cells, ``cells (1 - exp(-products / cells))`` are met.
"""

import math

from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Work
from minisparse.kernels.spgemm.panels import BYTES, PRODUCT_TIME, WIDEST, time_of_term
from minisparse.kernels.spgemm.rows import PRODUCTS
from minisparse.kernels.wide import wide_dtype

PASSES = 12.0
"""Elements fetched or stored for each product: by whom, with whom, both values, the column, the
cell, and what sorting or the table takes."""
CALLS = 40.0
"""Calls into NumPy for each group of rows."""


def expected_products(a: TensorType, b: TensorType) -> float:
    """Return how many multiply-adds there will be."""
    return a.nnz * b.nnz / b.dims[0] if b.dims[0] else 0.0


def expected_stored(a: TensorType, b: TensorType) -> float:
    """Return how many cells of C will be met.

    Examples
    --------
    >>> import numpy as np
    >>> a = TensorType((1, 10), np.dtype("float32"), "csr", 10)
    >>> round(expected_stored(a, TensorType((10, 1000), a.dtype, "csr", 1000)))
    632
    """
    cells = a.dims[0] * b.dims[1]
    return cells * -math.expm1(-expected_products(a, b) / cells) if cells else 0.0


def expected_bytes(a: TensorType, b: TensorType, pointers: int) -> int:
    """Return the bytes of A once, of B's entries once for each product, and of C once."""
    products, stored = expected_products(a, b), expected_stored(a, b)
    values = a.nnz * a.itemsize + (products + stored) * b.itemsize
    indices = pointers + a.nnz + products + stored
    return int(values + indices * a.index_itemsize)


def expected_work(nnz: int, types: tuple[TensorType, ...], moved: int) -> Work:
    """Return the work of the array code, for A with so many entries: by products or by panels."""
    a, b = types
    products = nnz * b.nnz / b.dims[0] if b.dims[0] else 0.0
    terms, wide = a.dims[0] * b.size, wide_dtype(a.dtype, b.dtype)
    fits = wide.kind in "fc" and max(b.dims) <= WIDEST
    if fits and products * PRODUCT_TIME > terms * time_of_term(wide):
        laid_out = 2 * (a.size + terms // max(b.dims[0], 1))
        return Work(4.0 * terms, moved, laid_out, 1.0 + CALLS * laid_out * wide.itemsize // BYTES)
    calls = CALLS * (1 + products // PRODUCTS)
    return Work(2.0 * products, moved, PASSES * products, calls, unit="elementwise")
