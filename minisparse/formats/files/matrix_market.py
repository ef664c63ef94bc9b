"""Reading Matrix Market files: a banner, comments, sizes, and then one entry a line.

``%%MatrixMarket matrix coordinate real general`` says the object, whether entries come with their
coordinates (from 1) or as an array in column-major order, what numbers they are, and whether only
a lower triangle is there. After Boisvert, Pozo and Remington, The Matrix Market Exchange Formats:
Initial Design, NISTIR 5935, 1996.

Nothing is allocated by what the sizes say: the text is parsed in pieces, and what was found is
compared with what was announced.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError
from minisparse.core.files import LARGEST_RATIO
from minisparse.core.index import index_dtype
from minisparse.formats.coo import COO
from minisparse.formats.files.matrix_market_header import (
    LONGEST_LINE,
    NUMBERS,
    Header,
    check_length,
    fail_as_long,
    read_header,
)
from minisparse.formats.files.tokens import (
    Tokens,
    check_columns,
    parse_floats,
    parse_integers,
    tokenize,
)

_FREE_TEXT = 1 << 22
_TEXT_RATIO = LARGEST_RATIO // 4  # as numbers, a text may take many times its own bytes
_PIECE = 1 << 20


def read_mtx(path: str | Path, *, largest: int | None = None) -> COO:
    r"""Read a Matrix Market file, plain or compressed by gzip.

    Parameters
    ----------
    path : str or Path
        The file; that it is compressed is seen in its first bytes, whatever its name.
    largest : int, optional
        Bytes that the text of a compressed file may have; unless told, 4 MiB, or 25 times the
        file's own size where that is more.

    Returns
    -------
    COO
        The entries in the order of the file, duplicates and zeros included; those of the other
        triangle follow. An array file gives a matrix with every cell stored. ``real`` is float64,
        ``integer`` int64, ``complex`` complex128, and the entries of a ``pattern`` are 1.0.

    Raises
    ------
    FormatError
        With the number of the line where the file breaks the format; what stands above the
        diagonal of a symmetric file is no less an error than what is no number.

    Examples
    --------
    >>> import tempfile
    >>> text = "%%MatrixMarket matrix coordinate real symmetric\n2 2 2\n1 1 5\n2 1 -5d-1\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "small.mtx")
    ...     _ = path.write_text(text)
    ...     A = read_mtx(path)
    >>> A.to_dense()
    array([[ 5. , -0.5],
           [-0.5,  0. ]])
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not compressed:
                return _read(file, str(path), None)
            if largest is None:
                largest = max(_FREE_TEXT, _TEXT_RATIO * path.stat().st_size)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read(io.BufferedReader(unpacked), str(path), largest)
    except FileNotFoundError as error:
        raise FormatError(f"{path}: no such file") from error
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"{path}: cannot be read ({error}); is it complete?") from error


def _read(stream: IO[bytes], where: str, largest: int | None) -> COO:
    header = read_header(stream, where, largest)
    pieces = [_parse_piece(tokenize(b"", 0, where), header)]  # for the dtypes, if for nothing else
    pieces += [_parse_piece(t, header) for t in _pieces(stream, header, where, largest)]
    row, col, data = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    del pieces
    if len(data) != header.entries:
        raise FormatError(
            f"{where}: it ends after {len(data)} entries: line {header.lines} says that there "
            f"are {header.entries}"
        )
    if not header.coordinate:
        row, col = _array_coordinates(header)
    if header.symmetry != "general":
        row, col, data = _with_other_triangle(row, col, data, header.symmetry, where)
    return COO(data, row, col, header.shape)


def _pieces(stream: IO[bytes], header: Header, where: str, largest: int | None) -> Iterator[Tokens]:
    """Yield the entries' tokens, whole lines at a time, and check that lines are well formed."""
    width = NUMBERS[header.field] + (2 if header.coordinate else 0)
    what = "row and column and its value" if header.coordinate else "the value of one cell"
    line, found, rest = header.lines + 1, 0, [b""]
    while rest:
        piece = stream.read(_PIECE)
        check_length(stream, where, largest)
        end = piece.rfind(b"\n") + 1 if piece else 0
        text = b"".join([*rest, piece[:end]]) if end or not piece else b""
        rest = ([piece[end:]] if end else [*rest, piece]) if piece else []
        if sum(map(len, rest)) > max(LONGEST_LINE, _PIECE):  # the begin of one line
            fail_as_long(where, line + text.count(b"\n"))
        if not text:
            continue
        tokens = tokenize(text, line, where)
        line += text.count(b"\n")
        check_columns(tokens, width, what)
        found += len(tokens.start) // width
        if found > header.entries:
            extra = (header.entries - found) * width
            tokens.fail(extra + len(tokens.start), f"is one entry more than {header.entries}")
        yield tokens


def _parse_piece(tokens: Tokens, header: Header) -> tuple[Array, Array, Array]:
    """Return rows, columns (both empty for an array) and values."""
    lead = 2 if header.coordinate else 0
    width = lead + NUMBERS[header.field]
    index = index_dtype(header.shape, 0)
    row = col = np.zeros(0, index)
    if header.coordinate:
        row = _parse_index(tokens.every(width, 0), header.shape[0], "rows").astype(index)
        col = _parse_index(tokens.every(width, 1), header.shape[1], "columns").astype(index)
    if header.field == "pattern":
        data = np.ones(len(row))
    elif header.field == "integer":
        data = parse_integers(tokens.every(width, lead))
    elif header.field == "real":
        data = parse_floats(tokens.every(width, lead))
    else:
        data = np.empty(len(tokens.start) // width, np.complex128)
        data.real = parse_floats(tokens.every(width, lead))
        data.imag = parse_floats(tokens.every(width, lead + 1))
    if header.coordinate and header.symmetry != "general":
        _check_triangle(tokens.every(width, 0), row, col, data, header.symmetry)
    return row, col, data


def _parse_index(tokens: Tokens, bound: int, unit: str) -> Array:
    """Return indices from 0."""
    found = parse_integers(tokens)
    wrong = (found < 1) | (found > bound)
    if wrong.any():
        tokens.fail(int(wrong.argmax()), f"must be from 1 to {bound}, the number of {unit}")
    return found - 1


def _check_triangle(tokens: Tokens, row: Array, col: Array, data: Array, symmetry: str) -> None:
    """Refuse what a symmetric file does not hold."""
    if (row < col).any():
        i = int((row < col).argmax())
        tokens.fail(
            i, f"as a row, with column {col[i] + 1}: a {symmetry} file holds the lower triangle"
        )
    if symmetry == "skew-symmetric" and (row == col).any():
        tokens.fail(int((row == col).argmax()), "on the diagonal of a skew-symmetric file")
    if symmetry == "hermitian":
        wrong = (row == col) & (data.imag != 0)
        if wrong.any():
            tokens.fail(int(wrong.argmax()), "on the diagonal of a hermitian file must be real")


def _array_coordinates(header: Header) -> tuple[Array, Array]:
    """Return rows and columns of an array file's values, column after column."""
    (m, k), index = header.shape, index_dtype(header.shape, 0)
    if header.entries == 0:
        return np.zeros(0, index), np.zeros(0, index)
    rows, cols = np.arange(m, dtype=index), np.arange(k, dtype=index)
    if header.symmetry == "general":
        return np.tile(rows, k), np.repeat(cols, m)
    first = cols + 1 if header.symmetry == "skew-symmetric" else cols
    return np.concatenate([rows[i:] for i in first.tolist()]), np.repeat(cols, m - first)


def _with_other_triangle(
    row: Array, col: Array, data: Array, symmetry: str, where: str
) -> tuple[Array, Array, Array]:
    """Return the entries, and behind them those that the symmetry implies."""
    off = row != col
    other = data[off]
    if symmetry == "skew-symmetric":
        if other.dtype.kind == "i" and (other == np.iinfo(np.int64).min).any():
            raise FormatError(f"{where}: -({-(2**63)}) does not fit into 64 bits")
        other = -other
    elif symmetry == "hermitian":
        other = other.conj()
        if ((data.imag != 0) & ~off).any():  # of an array: coordinates were looked at before
            raise FormatError(f"{where}: the diagonal of a hermitian file must be real")
    both = np.concatenate([row, col[off]]), np.concatenate([col, row[off]])
    return (*both, np.concatenate([data, other]))
