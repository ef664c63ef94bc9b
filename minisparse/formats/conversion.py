"""From one format to another, from dense arrays, from triplets.

Every conversion goes through the stored entries as triplets (bare views or one linear expansion),
never through a dense array, and costs time linear in what is stored: the sorts are radix sorts.

A conversion gives a canonical matrix: sorted, duplicates summed in stored order. Explicit zeros
stay stored, and so do the zeros inside the blocks of BSR and the padding of n:m, where their cell
lies within the shape. n:m alone drops explicit zeros where a group has no room for them.
"""

from typing import Any

from minisparse.core.errors import ShapeError, UsageError
from minisparse.core.tensor_type import Layout
from minisparse.core.triplets import Triplets
from minisparse.formats.base import Matrix
from minisparse.formats.coo import COO
from minisparse.formats.intake import as_array, as_values


def convert(A: Matrix, format: str | Layout, **layout: Any) -> Matrix:
    """Return the same matrix in another format.

    Parameters
    ----------
    A : Matrix
        Any format. Duplicates are summed.
    format : str or Layout
        ``"coo"``, ``"csr"``, ``"csc"``, ``"bsr"`` or ``"nm"``; a Layout brings its block along.
    **layout
        ``block=(r, c)`` for BSR, ``n=`` and ``m=`` for NM.

    Returns
    -------
    Matrix
        Canonical, unless A had that format and block already: then A itself, as it is.

    Raises
    ------
    UsageError
        If the format is unknown, or its block is missing or not asked for.
    FormatError
        If the format cannot hold the matrix: more than n nonzeros in a group of m.

    Examples
    --------
    >>> from minisparse.formats import CSR, convert
    >>> A = CSR([1.0, 2.0, 3.0], [0, 2, 1], [0, 2, 3], (2, 3))
    >>> convert(A, "bsr", block=(2, 2))
    BSR(2x3 2x2 float64, 8 stored, density 1.33, 0.08 kB)
    """
    target, block = resolve(format, layout, "convert")
    if type(A) is target and A.block == block:
        return A
    return target._from_matrix(A, block)


def from_dense(x: Any, format: str | Layout, **layout: Any) -> Matrix:
    """Return a sparse matrix of what is not zero in a dense array.

    NaN is not zero; -0.0 is. BSR stores every cell of a block that has a nonzero one, NM n cells
    of each group of m.

    Parameters
    ----------
    x : array_like, shape (M, K)
        The matrix.
    format, **layout
        As for :func:`convert`.

    Raises
    ------
    ShapeError
        If ``x`` is not 2-D.
    UsageError, FormatError
        As for :func:`convert`.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> A = from_dense([[0.0, 1.0, 0.0, 2.0], [3.0, 0.0, 0.0, 0.0]], "nm", n=2, m=4)
    >>> A.positions
    array([[1, 3],
           [0, 1]], dtype=uint8)
    """
    target, block = resolve(format, layout, "from_dense")
    if isinstance(x, Matrix) or hasattr(x, "tocoo"):
        raise UsageError(
            f"from_dense: x is a {type(x).__name__}, which is sparse already; "
            f"use A.to({target.format!r}) or from_scipy"
        )
    if (found := as_array(x, "from_dense: x")).ndim != 2:
        raise ShapeError(f"from_dense: x has shape {found.shape}: it must be a matrix [M, K]")
    return target._from_dense(as_values(found, 2, "from_dense: x"), block)


def from_triplets(
    triplets: Triplets, format: str | Layout, *, canonical: bool = True, **layout: Any
) -> Matrix:
    """Return a matrix of entries given as coordinates.

    Parameters
    ----------
    triplets : Triplets
        ``row``, ``col``, ``data`` and ``shape``; checked as COO's are.
    format, **layout
        As for :func:`convert`.
    canonical : bool
        False keeps the stored order and duplicates where the format can hold them: COO exactly,
        CSR and CSC within each row or column.

    Examples
    --------
    >>> from minisparse.formats import Triplets, from_triplets
    >>> t = Triplets([0, 0], [1, 1], [2.0, 3.0], (1, 2))
    >>> from_triplets(t, "csr").data, from_triplets(t, "csr", canonical=False).data
    (array([5.]), array([2., 3.]))
    """
    target, block = resolve(format, layout, "from_triplets")
    row, col, data, shape = triplets
    entries = COO(data, row, col, shape).triplets()
    build = target._from_triplets if canonical else target._from_entries
    return build(entries, block)


def resolve(
    format: str | Layout, layout: dict[str, Any], where: str
) -> tuple[type[Matrix], tuple[int, int] | None]:
    """Return the class and the validated block that a caller asked for."""
    from minisparse.formats import FORMATS

    block = None
    if isinstance(format, Layout):
        format, block = format
    if format == "dense":
        raise UsageError(f"{where}: 'dense' is a plain array, not a class: write A.to_dense()")
    if format not in FORMATS:
        raise UsageError(f"{where}: unknown format {format!r}; formats: {', '.join(FORMATS)}")
    target = FORMATS[format]
    if block is not None:
        names = target.layout_names
        layout = dict(zip(names, block, strict=True)) if len(names) == 2 else {"block": block}
    if set(layout) != set(target.layout_names):
        wants = ", ".join(f"{name}=" for name in target.layout_names) or "nothing more"
        given = ", ".join(f"{name}=" for name in layout) or "nothing"
        raise UsageError(f"{where}: format {format!r} wants {wants}, but {given} was given")
    return target, target._as_block(layout)
