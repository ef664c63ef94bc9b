"""Reading and writing ``.npz`` archives: bounded, never unpickled, written whole or not at all.

The layout of a member is NumPy's: magic, version, length, and a header that is a dict of three
(NEP 1, 2007). The header is matched, not evaluated, so there is nothing in it to run.
"""

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.errors import ModelFileError
from minisparse.core.files import allowed_bytes, written_whole

LARGEST_TOTAL = 1 << 32
"""Bytes that all arrays of one archive may have together, unless a caller says otherwise."""
_LARGEST_HEADER = 10_000
_CHUNK = 1 << 20
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_HEADER_ITEMS = {
    "descr": re.compile(r"'descr'\s*:\s*'([<>=|]?[?biufcOSUV][0-9]{0,6})'"),
    "fortran_order": re.compile(r"'fortran_order'\s*:\s*(True|False)"),
    "shape": re.compile(r"'shape'\s*:\s*\(((?:[0-9]{1,19}\s*,\s*)*(?:[0-9]{1,19}\s*)?)\)"),
}
_DAMAGE = (ValueError, TypeError, OverflowError, EOFError, zlib.error, zipfile.BadZipFile)


def read_npz(path: str | Path, *, largest: int | None = None) -> dict[str, Array]:
    """Read all arrays of an ``.npz`` file.

    Memory is bounded before it is asked for: by the sizes that the archive's directory gives,
    which a compressed member is never unpacked beyond.

    Parameters
    ----------
    path : str or Path
        The file.
    largest : int, optional
        Bytes that its arrays may have together. Unless told, what
        :func:`~minisparse.core.files.allowed_bytes` gives for its size, and at most 4 GiB.

    Returns
    -------
    dict
        From member names, without ``.npy``, to read-only arrays.

    Raises
    ------
    ModelFileError
        If the file is missing, is no zip archive, is truncated or damaged, unpacks to more, or
        holds a member that is not a plain array (pickled objects are never read); the message
        names the member.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            _check_directory(infos, path, largest)
            return {i.filename.removesuffix(".npy"): _read_member(archive, i, path) for i in infos}
    except ModelFileError:
        raise
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file") from error
    # What zipfile raises for a damaged directory is not told by its documentation.
    except (OSError, RuntimeError, struct.error, IndexError, KeyError, *_DAMAGE) as error:
        raise ModelFileError(
            f"{path}: not a readable .npz archive ({error}); is it complete?"
        ) from error


def read_npy(path: str | Path) -> Array:
    """Read the array of an ``.npy`` file, with the checks and errors of :func:`read_npz`."""
    path = Path(path)
    try:
        with path.open("rb") as stream:
            return _read_array(stream, path.stat().st_size)
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file") from error
    except (OSError, *_DAMAGE) as error:
        raise ModelFileError(f"{path}: not a readable .npy array: {error}") from error


def allowed_total(path: Path, largest: int | None = None) -> int:
    """Return how many bytes the arrays of an archive may have together; ``largest`` if told."""
    if largest is not None:
        return largest
    return min(LARGEST_TOTAL, allowed_bytes(path.stat().st_size))


def _check_directory(infos: list[zipfile.ZipInfo], path: Path, largest: int | None) -> None:
    """Refuse an archive by its directory alone: too much, twice the same, unknown compression."""
    largest = allowed_total(path, largest)
    total = sum(info.file_size for info in infos)
    if total > largest:
        raise ModelFileError(f"{path}: its arrays would take {total} bytes, above {largest}")
    seen = set()
    for info in infos:
        name = info.filename.removesuffix(".npy")  # by which it will be known
        if name in seen:
            raise ModelFileError(f"{path}: member '{name}' is there twice")
        seen.add(name)
        # Others are unpacked without a bound, whatever size the directory gives.
        if info.compress_type not in _COMPRESSIONS:
            raise ModelFileError(
                f"{path}: member '{info.filename}' has compression type {info.compress_type}: "
                f"it must be stored or deflated"
            )


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Array:
    """Read one ``.npy`` member of an archive."""
    try:
        with archive.open(info) as stream:
            return _read_array(stream, info.file_size)
    except _DAMAGE as error:
        raise ModelFileError(f"{path}: member '{info.filename}': {error}") from error


def _read_array(stream: IO[bytes], size: int) -> Array:
    """Read the one array of a file of ``size`` bytes, comparing its header with its length."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"unknown .npy version {version}")
    width = 2 if version == (1, 0) else 4
    length = int.from_bytes(_read_exactly(stream, width), "little")
    if length > _LARGEST_HEADER:
        raise ValueError(f"its header says that it has {length} bytes, above {_LARGEST_HEADER}")
    shape, fortran, dtype = _parse_header(_read_exactly(stream, length).decode("utf-8"))
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never read")
    count, follow = math.prod(shape) * dtype.itemsize, size - 8 - width - length
    if count != follow:
        raise ValueError(f"its header says {shape} of {dtype}, but {follow} bytes follow")
    data = _read_exactly(stream, count)
    if stream.read(1):  # a zip member's checksum is compared where it ends
        raise ValueError(f"more than {count} bytes follow its header")
    if dtype.kind == "b" and count and np.frombuffer(data, np.uint8).max() > 1:
        raise ValueError("it holds bools that are neither 0 nor 1")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    array.flags.writeable = False
    return array


def _parse_header(text: str) -> tuple[tuple[int, ...], bool, DType]:
    """Return shape, whether in Fortran's order, and dtype."""
    found = {}
    for name, pattern in _HEADER_ITEMS.items():
        match = pattern.search(text)
        if match is None:
            raise ValueError(f"its header has no '{name}' of a plain array")
        found[name] = match[1]
        text = text[: match.start()] + text[match.end() :]
    if re.fullmatch(r"\s*\{[\s,]*\}\s*", text) is None:
        raise ValueError("its header says more than what a plain array is")
    shape = tuple(int(d) for d in found["shape"].split(",") if d.strip())
    return shape, found["fortran_order"] == "True", np.dtype(found["descr"])


def _read_exactly(stream: IO[bytes], count: int) -> bytes | bytearray:
    """Read so many bytes, piece by piece: a zip member is then unpacked no further either."""
    data = bytearray(count)
    at = 0
    while at < count:
        piece = stream.read(min(_CHUNK, count - at))
        if not piece:
            raise EOFError(f"it ends {count - at} bytes too early")
        data[at : at + len(piece)] = piece
        at += len(piece)
    return data


def write_npz(path: str | Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays to a compressed ``.npz`` file, whole or not at all.

    Raises
    ------
    ModelFileError
        If an array holds Python objects, which could only be pickled.
    """
    pickled = [name for name, array in arrays.items() if array.dtype.hasobject]
    if pickled:
        raise ModelFileError(f"{path}: '{pickled[0]}' holds Python objects and is not written")
    with written_whole(path) as stream:
        np.savez_compressed(stream, **dict(arrays))  # type: ignore[arg-type]
