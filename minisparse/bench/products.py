"""Those who multiply a sparse matrix with a dense one or a vector: ours, NumPy, and libraries."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from minisparse.bench.patterns import draw_csr, draw_values
from minisparse.bench.suite import Answer, Cell, Contender, Need, Operands, Ready
from minisparse.core.dtypes import Array
from minisparse.core.extras import require

_ROWS = 1024
"""The answer is computed for so many rows at once."""
_LARGEST_DENSE = 1 << 24
"""Elements of the largest matrix that is also laid out with its zeros."""


def problem(cell: Cell, rng: np.random.Generator) -> dict[str, Array]:
    """Draw A ``[M, K]`` and B ``[K, N]``, or a vector where N is 0."""
    m, k = cell.shape
    columns = (cell.columns,) if cell.columns else ()
    return {
        **draw_csr(rng, cell.pattern, (m, k), cell.density, cell.dtype),
        "b": draw_values(rng, (k, *columns), cell.dtype),
    }


def answer(cell: Cell, operands: Operands) -> Answer:
    """Multiply densely in float64, some rows at a time."""
    b = operands["b"].astype(np.float64)
    m, k = cell.shape
    starts = range(0, m, _ROWS)
    parts = [dense_rows(operands, i, min(i + _ROWS, m), k) @ b for i in starts]
    return Answer(np.concatenate(parts), sum_tolerance(np.diff(operands["indptr"]), cell.dtype))


def dense_rows(operands: Operands, begin: int, end: int, k: int) -> Array:
    """Return some rows of A as a plain array of float64."""
    indptr = operands["indptr"]
    stored = slice(indptr[begin], indptr[end])
    row = np.repeat(np.arange(end - begin), np.diff(indptr[begin : end + 1]))
    found = np.zeros((end - begin, k))
    found[row, operands["indices"][stored]] = operands["data"][stored]
    return found


def sum_tolerance(terms: Array, dtype: str) -> float:
    """Return how far sums of so many positive products may be off, relative to themselves.

    Twice the bound ``n * u`` of any order of summation (Higham, Accuracy and Stability of
    Numerical Algorithms, 2002, section 4.2), and a little for the products and the answer.
    """
    return float((np.max(terms, initial=0) + 4) * np.finfo(dtype).eps)


def as_csr(cell: Cell, operands: Operands) -> Any:
    """Return A as minisparse's CSR."""
    from minisparse.formats import CSR

    m, k = cell.shape
    return CSR(operands["data"], operands["indices"], operands["indptr"], (m, k))


def suited(cell: Cell, operands: Operands) -> Any:
    """Return A in the format that its pattern asks for: blocks, 2:4, else CSR."""
    csr = as_csr(cell, operands)
    side, _, other = cell.pattern.partition("x")
    if other:
        return csr.to("bsr", block=(int(side), int(other)))
    return csr.to("nm", n=2, m=4) if cell.pattern == "2:4" else csr


def _ours(op: str) -> Callable[[Cell, Operands], Ready]:
    def make(cell: Cell, operands: Operands) -> Ready:
        from minisparse.kernels import prepare

        a, b = suited(cell, operands), operands["b"]
        packed = prepare(op, a, columns=max(cell.columns, 1))
        return Ready(lambda: packed(b), str(a.type.layout))

    return make


def _dispatch(op: str) -> Callable[[Cell, Operands], Ready]:
    def make(cell: Cell, operands: Operands) -> Ready:
        """Compile a graph of one node, whose weight is given with all its zeros."""
        from minisparse.api import compile
        from minisparse.graph import GraphBuilder

        graph, b = GraphBuilder("cell"), operands["b"]
        a = graph.constant("a", as_csr(cell, operands).to_dense())
        c = graph.op(op, a, graph.input("b", b.shape, b.dtype))
        plan = compile(graph.build({"c": c}))
        return Ready(lambda: plan(b), plan.steps[-1].chosen.name)

    return make


def _dense(cell: Cell, operands: Operands) -> Ready:
    a, b = as_csr(cell, operands).to_dense(), operands["b"]
    return Ready(lambda: a @ b)


def as_scipy(cell: Cell, operands: Operands) -> Any:
    """Return A as SciPy's CSR."""
    sparse = require("scipy.sparse", "peers", "comparing with SciPy")
    parts = (operands["data"], operands["indices"], operands["indptr"])
    return sparse.csr_array(parts, shape=cell.shape)


def _scipy(cell: Cell, operands: Operands) -> Ready:
    a, b = as_scipy(cell, operands), operands["b"]
    side, _, other = cell.pattern.partition("x")
    if other:
        a = a.tobsr((int(side), int(other)))
    return Ready(lambda: a @ b, a.format)


def _torch(cell: Cell, operands: Operands) -> Ready:
    torch = require("torch", "torch", "comparing with PyTorch")
    parts = (torch.from_numpy(operands[name]) for name in ("indptr", "indices", "data"))
    a, b = torch.sparse_csr_tensor(*parts, cell.shape), torch.from_numpy(operands["b"])
    return Ready(lambda: a @ b, "csr")


def _mkl(op: str) -> Callable[[Cell, Operands], Ready]:
    def make(cell: Cell, operands: Operands) -> Ready:
        """Hold a handle: MKL has blocks, but no n:m."""
        from minisparse.kernels import prepare

        a, b = suited(cell, operands), operands["b"]
        a = a if a.format == "bsr" else as_csr(cell, operands)
        packed = prepare(op, a, columns=max(cell.columns, 1), level="mkl")
        return Ready(lambda: packed(b), str(a.type.layout))

    return make


def _sparse_dot_mkl(cell: Cell, operands: Operands) -> Ready:
    multiply = import_module("sparse_dot_mkl").dot_product_mkl
    sparse = require("scipy.sparse", "peers", "comparing with MKL")
    parts = (operands["data"], operands["indices"], operands["indptr"])
    a, b = sparse.csr_matrix(parts, shape=cell.shape), operands["b"]
    return Ready(lambda: multiply(a, b), "csr")


def _finds_mkl() -> bool:
    from minisparse.kernels import PROVIDERS

    return PROVIDERS["mkl"].is_installed


SCIPY = Need("scipy", "minisparse[peers]")
TORCH = Need("torch", "minisparse[torch]")
MKL = Need("mkl_rt", "minisparse[mkl]", _finds_mkl)
SPARSE_DOT_MKL = Need("sparse_dot_mkl", "sparse_dot_mkl")


def fits_dense(cell: Cell) -> bool:
    """Tell whether a matrix is small enough to be laid out with its zeros."""
    return cell.shape[0] * cell.shape[1] <= _LARGEST_DENSE


def contenders(op: str) -> tuple[Contender, ...]:
    """Return ours, what dispatch chooses, NumPy on the zeros and all, SciPy, PyTorch and MKL."""
    return (
        Contender("ours", _ours(op), weighed=True),
        Contender("dispatch", _dispatch(op), weighed=True, takes=fits_dense),
        Contender("dense", _dense, takes=fits_dense),
        Contender("scipy", _scipy, (SCIPY,)),
        Contender("torch", _torch, (TORCH,)),
        Contender("mkl", _mkl(op), (MKL,)),
        Contender("sparse_dot_mkl", _sparse_dot_mkl, (MKL, SPARSE_DOT_MKL, SCIPY)),
    )


def cost(cell: Cell) -> Mapping[str, float]:
    """Return about how many seconds a call takes, on a server of two cores."""
    m, k = cell.shape
    columns = max(cell.columns, 1)
    wide = 2 if cell.dtype == "float64" else 1
    stored, whole = 2e-9 * m * k * cell.density * columns * wide, 2e-9 * m * k * columns * wide
    by_row = 2e-9 * m * columns
    return {
        "ours": stored / 30 + by_row,
        "dispatch": stored / 30 + by_row,
        "dense": whole / 100 + by_row,
        "scipy": stored / 2 + by_row,
        "torch": stored / 6 + by_row,
        "mkl": stored / 6 + by_row,
        "sparse_dot_mkl": stored / 6 + by_row,
    }


def setup(cell: Cell) -> float:
    """Return about how many seconds making the problem, its answer and all packings takes."""
    m, k = cell.shape
    elements, stored = m * k, m * k * cell.density
    return 0.1 + 6e-8 * elements + 1e-7 * stored + 2e-11 * elements * cell.columns
