"""Dense times sparse as sparse times dense: ``C^T = A^T @ B^T``, what all formats share here.

A is packed by columns, as for :mod:`minisparse.kernels.spmm_t`. Some rows of B at a time are turned
into columns in scratch, multiplied there, and turned back into C: that is two more passes over B
and C, where gathering columns of a B that lies by rows would fetch every element by itself.
"""

from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Pattern
from minisparse.kernels.kernel import Finish, Work
from minisparse.kernels.scratch import scratch
from minisparse.kernels.spmm import panels
from minisparse.kernels.spmm.panels import TILE, Panels
from minisparse.kernels.spmm_t import columns
from minisparse.ops import Attrs

AT_ONCE = 1 << 19
"""Elements of B or C that are turned at once, a level-2 cache full; at least a tile of panels."""
LINES = 64
"""Rows of a product that become columns of C at once: a few cache lines of each of its rows."""


def run(b: Array, a: Panels, out: Array | None = None, finish: Finish | None = None) -> Array:
    """Return ``B @ A``.

    Parameters
    ----------
    b : ndarray, shape (N, M)
        Of any dtype and memory order.
    a : Panels
        Columns of the matrix ``[M, K]`` packed as rows.
    out : ndarray, shape (N, K), optional
        Where to write.
    finish : Finish, optional
        Applied to each tile of rows, all columns at once.
    """
    c = np.empty((b.shape[0], a.shape[0]), np.result_type(b, a.dtype)) if out is None else out
    step = max(TILE, AT_ONCE // max(*a.shape, 1) // TILE * TILE)
    for n in range(0, b.shape[0], step):
        rows = slice(n, min(n + step, b.shape[0]))
        product = scratch("turned", (a.shape[0], rows.stop - n), c.dtype)
        panels.run(a, b[rows].T, product)
        _turn(product, c[rows])
        if finish is not None:
            finish(c[rows], (rows, slice(0, a.shape[0])))
    return c


def _turn(product: Array, c: Array) -> None:
    """Write the transpose of ``product`` to ``c``, a few lines at a time that stay in a cache."""
    for k in range(0, len(product), LINES):
        c[:, k : k + LINES] = product[k : k + LINES].T


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the panels do, and two more passes over B and C."""
    b, a = types
    found = columns.work(pattern, (a, replace(b, shape=b.shape[::-1])))
    elements = float(b.dims[0] * (a.dims[0] + a.dims[1]))
    # Each element is fetched from, or brought to, another line of a cache.
    return replace(found, gathered=found.gathered + elements, calls=found.calls + 4)
