"""What a product of dense matrices does beside its multiply-adds.

A BLAS first packs both factors, and then multiplies tiles of a few columns that fit into
registers; columns that are left over are cut into pieces of 8, 4, 2 and 1, each of which goes
through the other factor again (Goto and van de Geijn, "Anatomy of high-performance matrix
multiplication", ACM TOMS 34(3), 2008). With a few columns that is most of the time. Small products
OpenBLAS does not pack at all (its ``interface/gemm.c``, "small matrix optimization", for AVX-512).
"""

from minisparse.kernels.kernel import Work

REGISTERS = 16
"""Columns of a tile that is multiplied in registers."""
SMALL = 1e6
"""Multiply-adds up to which nothing is packed."""

OUTER = 0.012
"""Part of the peak that a product with a single term reaches: NumPy hands none to the BLAS."""


def pieces(columns: int) -> int:
    """Return into how many pieces a BLAS cuts so many columns, whole tiles counting as one.

    Examples
    --------
    >>> [pieces(n) for n in (1, 7, 8, 16, 31, 256)]
    [1, 3, 1, 1, 5, 1]
    """
    return (columns >= REGISTERS) + (columns % REGISTERS).bit_count()


def product_work(m: int, k: int, n: int, itemsize: int, way: str = "product") -> Work:
    """Return the work of ``[m, k] @ [k, n]``.

    Parameters
    ----------
    m, k, n : int
        The sizes.
    itemsize : int
        Bytes of an element.
    way : str
        As :attr:`Work.way`.
    """
    packs = min(m, n) > 1 and m * k * n > SMALL
    passes = float(m * k * pieces(n) + k * n * pieces(m)) if packs else 0.0
    moved = float((m * k + k * n + m * n) * itemsize)
    outer = k == 1 and m > 1 and n > 1
    return Work(2.0 * m * k * n, moved, entries=passes, efficiency=OUTER if outer else 1.0, way=way)
