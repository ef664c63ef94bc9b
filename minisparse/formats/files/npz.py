"""SciPy's ``.npz`` files: the arrays of a matrix by name, beside its format and its shape.

Written by ``scipy.sparse.save_npz``: ``format`` (bytes), ``shape``, ``data``, and ``indices`` and
``indptr``, or ``row`` and ``col``. SciPy knows nothing of n:m, of BSR with padding or of float16:
these are stored as :mod:`~minisparse.formats.files.binsparse` lays them out.
"""

from pathlib import Path

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError
from minisparse.core.npz import write_npz
from minisparse.formats.base import Matrix
from minisparse.formats.bsr import BSR
from minisparse.formats.coo import COO
from minisparse.formats.csc import CSC
from minisparse.formats.csr import CSR
from minisparse.formats.files.archive import member, named, read_archive
from minisparse.formats.files.binsparse import DESCRIPTOR, save_binsparse, unpack
from minisparse.formats.intake import on_cpu

_COMPRESSED: dict[str, type[CSR | CSC | BSR]] = {"csr": CSR, "csc": CSC, "bsr": BSR}


def save_npz(path: str | Path, A: Matrix) -> None:
    """Write a matrix to an ``.npz`` file, which ``scipy.sparse.load_npz`` reads too.

    Parameters
    ----------
    path : str or Path
        Where to, suffix and all; the file appears whole or not at all.
    A : Matrix
        Any format and dtype, as it is stored. What SciPy has no matrix for (n:m, padded BSR,
        float16 and bfloat16) is written in a layout that :func:`load_npz` reads, and SciPy not.

    Examples
    --------
    >>> import tempfile
    >>> from minisparse.formats import from_dense
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_npz(f"{folder}/a.npz", from_dense([[0, 1, 0, 2]], "nm", n=2, m=4))
    ...     load_npz(f"{folder}/a.npz")
    NM(1x4 2:4 int64, 2 stored, density 0.5, 0.018 kB)
    """
    on_cpu(A, "save_npz")
    if not _has_twin(A):
        save_binsparse(path, A)
        return
    said = {"format": np.array(A.format.encode()), "shape": np.array(A.shape, np.int64)}
    write_npz(path, {**said, **A.arrays, "_is_array": np.array(True)})


def load_npz(path: str | Path, *, largest: int | None = None) -> Matrix:
    """Read a matrix that :func:`save_npz` or ``scipy.sparse.save_npz`` wrote.

    Parameters
    ----------
    path : str or Path
        The file.
    largest : int, optional
        Bytes that its arrays may have together; unless told, 64 MiB or a hundred times the
        file's own size, whichever is more, and at most 4 GiB.

    Returns
    -------
    Matrix
        COO, CSR, CSC, BSR or NM, as it was stored, duplicates and explicit zeros included.

    Raises
    ------
    FormatError
        If the file is missing, damaged or larger, or no matrix; the message names the member.
    DTypeError
        If minisparse has no arithmetic for the values.
    """
    arrays, left = read_archive(path, largest)
    with named(path):
        return unpack(arrays, left) if DESCRIPTOR in arrays else _unpack_scipy(arrays)


def _has_twin(A: Matrix) -> bool:
    """Tell whether SciPy has such a matrix."""
    if A.format == "bsr" and A.block is not None:
        padded = A.shape[0] % A.block[0] or A.shape[1] % A.block[1]
        return not padded and A.dtype.name not in ("float16", "bfloat16")
    return A.format in ("coo", *_COMPRESSED) and A.dtype.name not in ("float16", "bfloat16")


def _unpack_scipy(arrays: dict[str, Array]) -> Matrix:
    format, shape = _parse_format(member(arrays, "format")), member(arrays, "shape")
    if shape.ndim != 1 or len(shape) != 2 or shape.dtype.kind not in "iu":
        raise FormatError(f"member 'shape' holds {shape.size} of {shape.dtype}: not (M, K)")
    sizes, data = (int(shape[0]), int(shape[1])), member(arrays, "data")
    if format == "coo":
        row, col = _coordinates(arrays)
        return COO(data, row, col, sizes)
    if format not in _COMPRESSED:
        raise FormatError(
            f"member 'format' is {format!r}: it must be coo, csr, csc or bsr; "
            f"scipy.sparse.load_npz(path).tocsr() may read it"
        )
    indices, indptr = member(arrays, "indices"), member(arrays, "indptr")
    if indptr.ndim == 1 and indptr.size and indptr.dtype.kind in "iu" and indptr[-1] >= 0:
        kept = int(indptr[-1])  # SciPy's arrays may be longer than what they hold
        if min(data.ndim, indices.ndim) > 0:
            data, indices = data[:kept], indices[:kept]
    return _COMPRESSED[format](data, indices, indptr, sizes)


def _parse_format(array: Array) -> str:
    """Return what the member ``format`` says: bytes, or a str from SciPy before 1.0."""
    array = array.astype(array.dtype.newbyteorder("="))
    if array.ndim != 0 or array.dtype.kind not in "SU":
        raise FormatError(f"member 'format' is no text: {array.dtype} of shape {array.shape}")
    return array.astype("S").item().decode("ascii", "replace") if _is_ascii(array) else "?"


def _is_ascii(array: Array) -> bool:
    """Tell whether a text is one that :meth:`astype` can turn into bytes."""
    if array.dtype.kind == "S":
        return True
    return bool((array.reshape(1).view(np.uint32) < 128).all())


def _coordinates(arrays: dict[str, Array]) -> tuple[Array, Array]:
    """Return row and col, which newer files hold as one array ``coords [2, nnz]``."""
    if "coords" not in arrays:
        return member(arrays, "row"), member(arrays, "col")
    coords = arrays["coords"]
    if coords.ndim != 2 or len(coords) != 2:
        raise FormatError(f"member 'coords' has shape {coords.shape}: it must be (2, nnz)")
    return coords[0], coords[1]
