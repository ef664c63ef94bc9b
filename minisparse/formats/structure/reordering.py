"""Orders in which rows, or rows and columns, are better neighbors.

Each function returns permutations, and changes nothing: ``A.permute_rows(order)`` applies one, and
``np.argsort(order)`` undoes it. What the zeros mean is not touched; what changes is which rows are
computed one after another, and so which parts of the other operand are near when they are needed.
"""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.core.triplets import Triplets
from minisparse.core.xp import namespace
from minisparse.formats.base import Matrix
from minisparse.formats.compressed import pointers
from minisparse.formats.intake import on_cpu
from minisparse.formats.ordering import stable_order
from minisparse.gpu.segments import reduce_segments

HASHES = 4
"""Hash functions that tell which rows are alike; more tell finer differences."""


def by_length(A: Matrix) -> Array:
    """Return the rows in descending order of their stored entries; equal ones as they were.

    Neighbors then have about equally much to do: panels, warps and slices of equal height are
    filled with little padding (sliced ELLPACK; Monakov, Lokhmotov, Avetisyan, HiPEAC 2010).

    Parameters
    ----------
    A : Matrix
        ``[M, K]``.

    Returns
    -------
    ndarray of intp, shape (M,)
        For :meth:`Matrix.permute_rows`.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> by_length(from_dense([[0, 0, 1], [1, 1, 1], [0, 1, 1]], "csr"))
    array([1, 2, 0])
    """
    lengths = np.bincount(_entries(A, "by_length").row, minlength=A.shape[0])
    return np.argsort(-lengths, kind="stable")


def by_similarity(A: Matrix, seed: int = 0) -> Array:
    """Return the rows so that those which use the same columns stand together.

    The columns are shuffled; a row's hash is the first of its columns in that order. Two rows have
    the same hash with the probability that their columns overlap, the size of the intersection over
    that of the union (min-hash; Broder 1997; for sparse rows Jiang, Hong, Agrawal, PPoPP 2020).
    Rows are sorted by several such hashes.

    Parameters
    ----------
    A : Matrix
        ``[M, K]``.
    seed : int
        Of the shuffles: the same seed gives the same order.

    Returns
    -------
    ndarray of intp, shape (M,)
        Rows without entries come last.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> order = by_similarity(from_dense([[1, 1, 0, 0], [0, 0, 1, 1]] * 2, "csr"))
    >>> sorted(order[:2].tolist()), sorted(order[2:].tolist())
    ([0, 2], [1, 3])
    """
    row, col, _, (m, k) = _entries(A, "by_similarity")
    order = stable_order(row, m)
    row, col = row[order], col[order]
    indptr = pointers(np.bincount(row, minlength=m))
    rng, xp = np.random.default_rng(seed), namespace(col)
    hashes = xp.full((HASHES, m), k)
    for of_rows in hashes:
        place = xp.asarray(rng.permutation(k))
        reduce_segments(np.minimum, place[col], indptr, of_rows)
    return np.lexsort(hashes[::-1])


def reverse_cuthill_mckee(A: Matrix) -> tuple[Array, Array]:
    """Return orders of rows and of columns that bring the entries near to the diagonal.

    A breadth-first search numbers the neighbors of a vertex one after another, those with few
    neighbors first, and the result is turned around (Cuthill and McKee, ACM 1969; George 1971). It
    starts where the graph is longest, as far as a few searches find out (George and Liu, ACM TOMS
    5(3), 1979).

    Parameters
    ----------
    A : Matrix
        ``[M, K]``. Of a square one the graph has an edge between i and j wherever either cell is
        stored, and rows and columns get the same order. Of any other one rows and columns are
        vertices of their own, and each stored cell is an edge between its row and its column.

    Returns
    -------
    tuple of ndarray of intp, shapes (M,) and (K,)
        For :meth:`Matrix.permute_rows` and :meth:`Matrix.permute_columns`.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> A = from_dense([[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1]], "csr")
    >>> rows, columns = reverse_cuthill_mckee(A)
    >>> A.permute_rows(rows).permute_columns(columns).to_dense()
    array([[1, 1, 0, 0],
           [1, 1, 1, 0],
           [0, 1, 1, 1],
           [0, 0, 1, 1]])
    """
    row, col, _, (m, k) = _entries(A, "reverse_cuthill_mckee", anywhere=False)
    if m == k:
        order = _search_all(row, col, m)
        return order, order
    order = _search_all(row, m + col.astype(np.int64), m + k)
    return order[order < m], order[order >= m] - m


def _entries(A: Matrix, where: str, *, anywhere: bool = True) -> Triplets:
    """Return the stored entries of what must be a matrix of ours; ``anywhere``, or on the CPU."""
    if not isinstance(A, Matrix):
        ours = "from_scipy(A)" if hasattr(A, "tocoo") else "from_dense(A, 'csr')"
        raise UsageError(
            f"{where}: A is of type {type(A).__name__}: it must be a Matrix: write ms.{ours}"
        )
    if not anywhere:  # what looks at one entry after another
        on_cpu(A, where)
    return A.triplets()


def _search_all(start: Array, end: Array, vertices: int) -> Array:
    """Return all vertices in reversed Cuthill-McKee order, one component after another."""
    indptr, neighbors = _graph(start, end, vertices)
    degree = np.diff(indptr)
    seen = np.zeros(vertices, bool)
    found = []
    for root in np.argsort(degree, kind="stable"):
        if not seen[root]:
            found.append(
                _search(_far_end(root, indptr, neighbors, degree), indptr, neighbors, degree)
            )
            seen[found[-1]] = True
    order = np.concatenate(found) if found else np.zeros(0, np.intp)
    return order[::-1].copy()


def _graph(start: Array, end: Array, vertices: int) -> tuple[Array, Array]:
    """Return each vertex's neighbors, those of few neighbors first, in CSR's way."""
    differ = start != end
    pairs = np.stack([start[differ], end[differ]]).astype(np.int64)
    edges = np.unique(np.concatenate([pairs, pairs[::-1]], axis=1), axis=1)
    degree = np.bincount(edges[0], minlength=vertices)
    order = np.lexsort((degree[edges[1]], edges[0]))
    return pointers(degree), edges[1][order]


def _far_end(root: int, indptr: Array, neighbors: Array, degree: Array) -> int:
    """Return a vertex at an end of the root's component: no other search goes much deeper."""
    depth = -1
    while True:
        levels = _levels(root, indptr, neighbors)
        if len(levels) <= depth:
            return root
        depth = len(levels)
        last = levels[-1]
        root = int(last[np.argmin(degree[last])])


def _levels(root: int, indptr: Array, neighbors: Array) -> list[Array]:
    """Return the vertices by their distance from the root."""
    seen = np.zeros(len(indptr) - 1, bool)
    seen[root] = True
    levels = [np.array([root], np.intp)]
    while len(levels[-1]):
        reached = np.unique(_neighbors_of(levels[-1], indptr, neighbors))
        levels.append(reached[~seen[reached]])
        seen[levels[-1]] = True
    return levels[:-1]


def _search(root: int, indptr: Array, neighbors: Array, degree: Array) -> Array:
    """Return the root's component in the order of Cuthill and McKee."""
    seen = np.zeros(len(indptr) - 1, bool)
    seen[root] = True
    queue = [np.array([root], np.intp)]
    while len(queue[-1]):
        reached = _neighbors_of(queue[-1], indptr, neighbors)
        _, first = np.unique(reached, return_index=True)  # by the first vertex that reaches each
        reached = reached[np.sort(first)]
        queue.append(reached[~seen[reached]])
        seen[queue[-1]] = True
    return np.concatenate(queue)


def _neighbors_of(vertices: Array, indptr: Array, neighbors: Array) -> Array:
    """Return the neighbors of some vertices, one vertex's after another's."""
    counts = indptr[vertices + 1] - indptr[vertices]
    first = np.repeat(indptr[vertices] - (np.cumsum(counts) - counts), counts)
    return neighbors[first + np.arange(len(first))]
