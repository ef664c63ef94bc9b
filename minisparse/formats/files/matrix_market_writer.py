"""Writing Matrix Market files; :mod:`~minisparse.formats.files.matrix_market` says what they are.

Numbers are written so that reading gives the same bits: shortest among the decimals that do.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError, UsageError
from minisparse.core.files import written_whole
from minisparse.core.triplets import Triplets
from minisparse.formats.base import Matrix
from minisparse.formats.intake import as_values, on_cpu

_SYMMETRIES = ("general", "symmetric", "skew-symmetric", "hermitian")
_LINES = 1 << 16  # made at a time
_LONGEST_COMMENT = 1000  # bytes in a line; the format allows 1024 with all that stands around


def write_mtx(
    path: str | Path, A: Matrix | Array, *, symmetry: str = "general", comment: str = ""
) -> None:
    """Write a Matrix Market file, compressed by gzip if its name ends in ``.gz``.

    Parameters
    ----------
    path : str or Path
        Where to; the file appears whole or not at all.
    A : Matrix or ndarray, shape (M, K)
        A sparse matrix becomes a ``coordinate`` file of its stored entries, in stored order,
        duplicates and explicit zeros included; a plain array an ``array`` file.
    symmetry : str
        ``"general"``, or ``"symmetric"``, ``"skew-symmetric"`` or ``"hermitian"``: then only the
        lower triangle is written, of the canonical matrix.
    comment : str
        Lines to stand below the banner.

    Raises
    ------
    FormatError
        If A does not have that symmetry.
    UsageError
        If there is no such symmetry, or a line of the comment has more than 1000 bytes.

    Notes
    -----
    Floating-point numbers are ``real``, integers ``integer``, and bool a ``pattern`` where all
    stored values are True, else ``integer``. Narrow dtypes are not told by the format: what was
    float32 is read as float64 with the same values.

    Examples
    --------
    >>> import tempfile
    >>> from minisparse.formats import COO
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.mtx")
    ...     write_mtx(path, COO([0.1, -2.0], [0, 1], [2, 0], (2, 3)))
    ...     print(path.read_text())
    %%MatrixMarket matrix coordinate real general
    2 3 2
    1 3 0.1
    2 1 -2.0
    """
    if symmetry not in _SYMMETRIES:
        raise UsageError(
            f"write_mtx: symmetry is {symmetry!r}: it must be one of {', '.join(_SYMMETRIES)}"
        )
    if max((len(line.encode()) for line in comment.splitlines()), default=0) > _LONGEST_COMMENT:
        raise UsageError(
            f"write_mtx: a line of the comment has more than {_LONGEST_COMMENT} bytes; break it"
        )
    if isinstance(A, Matrix):
        on_cpu(A, "write_mtx")
        entries = _lower_triangle(A, symmetry) if symmetry != "general" else A.triplets()
        lines = _coordinate_lines(entries, symmetry, comment)
    else:
        lines = _array_lines(as_values(A, 2, "write_mtx: A"), symmetry, comment)
    with written_whole(path) as stream:
        if Path(path).suffix == ".gz":
            # Without name and time, the same matrix always gives the same file.
            with gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed:
                _write(packed, lines)
        else:
            _write(stream, lines)


def _write(stream: IO[bytes] | gzip.GzipFile, lines: Iterator[str]) -> None:
    for piece in lines:
        stream.write(piece.encode())


def _banner(kind: str, field: str, symmetry: str, comment: str) -> str:
    comments = "".join(f"% {line}\n" for line in comment.splitlines())
    return f"%%MatrixMarket matrix {kind} {field} {symmetry}\n{comments}"


def _coordinate_lines(entries: Triplets, symmetry: str, comment: str) -> Iterator[str]:
    row, col, data, shape = entries
    field = _field_of(data)
    if data.dtype == bool and data.all() and symmetry in ("general", "symmetric"):
        field = "pattern"
    yield _banner("coordinate", field, symmetry, comment)
    yield f"{shape[0]} {shape[1]} {len(data)}\n"
    for p in range(0, len(data), _LINES):
        now = slice(p, p + _LINES)
        rows, cols = (row[now].astype(np.int64) + 1).tolist(), (col[now].astype(np.int64) + 1)
        if field == "pattern":
            pairs = zip(rows, cols.tolist(), strict=True)
            yield "".join(f"{r} {c}\n" for r, c in pairs)
        else:
            triples = zip(rows, cols.tolist(), _texts(data[now]), strict=True)
            yield "".join(f"{r} {c} {v}\n" for r, c, v in triples)


def _array_lines(x: Array, symmetry: str, comment: str) -> Iterator[str]:
    values = x.reshape(-1, order="F")
    if symmetry != "general":
        square = x.shape[0] == x.shape[1]
        _check_symmetry(x.shape, x, x.T if square else x, np.diagonal(x), symmetry)
        col, row = np.triu_indices(len(x), 1 if symmetry == "skew-symmetric" else 0)
        values = x[row, col]
    yield _banner("array", _field_of(x), symmetry, comment)
    yield f"{x.shape[0]} {x.shape[1]}\n"
    for p in range(0, len(values), _LINES):
        yield "".join(f"{v}\n" for v in _texts(values[p : p + _LINES]))


def _field_of(data: Array) -> str:
    if data.dtype.kind in "biu":
        return "integer"
    return "complex" if data.dtype.kind == "c" else "real"


def _texts(data: Array) -> list[str]:
    """Return each number as text that is read back to the same bits."""
    if data.dtype.kind == "c":
        parts = data.real.astype(np.float64).tolist(), data.imag.astype(np.float64).tolist()
        return [f"{re!r} {im!r}" for re, im in zip(*parts, strict=True)]
    wide = data.astype(np.int64 if data.dtype.kind in "biu" else np.float64)
    return [repr(v) for v in wide.tolist()]


def _lower_triangle(A: Matrix, symmetry: str) -> Triplets:
    """Return the stored entries of the lower triangle, having compared them with the others."""
    canonical = A.to("coo").canonical()
    row, col, data, shape = canonical.triplets()
    other = canonical.T.canonical().triplets()
    if not (np.array_equal(row, other.row) and np.array_equal(col, other.col)):
        raise FormatError(f"write_mtx: A is not {symmetry}: its stored cells are not")
    _check_symmetry(shape, data, other.data, data[row == col], symmetry)
    kept = row > col if symmetry == "skew-symmetric" else row >= col
    return Triplets(row[kept], col[kept], data[kept], shape)


def _check_symmetry(
    shape: tuple[int, ...], data: Array, other: Array, diagonal: Array, symmetry: str
) -> None:
    """Compare values with those of the transpose."""
    if shape[0] != shape[1]:
        raise FormatError(f"write_mtx: A is {shape[0]}x{shape[1]}: {symmetry} ones are square")
    if symmetry == "hermitian" and data.dtype.kind != "c":
        raise FormatError(f"write_mtx: A is {data.dtype}: hermitian files hold complex numbers")
    if symmetry == "skew-symmetric" and data.dtype.kind in "bu":
        raise FormatError(f"write_mtx: A is {data.dtype}, and cannot be skew-symmetric")
    expected, wrong = other, False
    if symmetry == "hermitian":
        expected, wrong = other.conj(), bool((diagonal.imag != 0).any())
    if symmetry == "skew-symmetric":
        # The least integer is its own negative.
        least = data.dtype.kind == "i" and (data == np.iinfo(data.dtype).min).any()
        expected, wrong = -other, bool(least or (diagonal != 0).any())
    if wrong or not ((data == expected) | ((data != data) & (expected != expected))).all():
        raise FormatError(f"write_mtx: A is not {symmetry}: its values are not")
