"""Reading and writing ``.npz`` archives: bounded, never unpickled, written whole or not at all."""

import math
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ModelFileError

LARGEST_TOTAL = 1 << 32
"""Bytes that all arrays of one archive may have together."""
_LARGEST_HEADER = 10_000


def read_npz(path: str | Path) -> dict[str, Array]:
    """Read all arrays of an ``.npz`` file.

    An array is allocated only after its declared size was found to agree with the archive's
    directory, so a small file cannot ask for a large allocation by its header alone.

    Returns
    -------
    dict
        From member names, without ``.npy``, to read-only arrays.

    Raises
    ------
    ModelFileError
        If the file is missing, is no zip archive, is truncated or damaged, or holds a member that
        is not a plain array (pickled objects are never read); the message names the member.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            total = sum(info.file_size for info in infos)
            if total > LARGEST_TOTAL:
                raise ModelFileError(
                    f"{path}: its arrays would take {total} bytes, above {LARGEST_TOTAL}"
                )
            return {i.filename.removesuffix(".npy"): _read_member(archive, i, path) for i in infos}
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file") from error
    except (OSError, zipfile.BadZipFile, EOFError, RuntimeError) as error:
        raise ModelFileError(
            f"{path}: not a readable .npz archive ({error}); is it complete?"
        ) from error


def read_npy(path: str | Path) -> Array:
    """Read the array of an ``.npy`` file, with the checks and errors of :func:`read_npz`."""
    path = Path(path)
    try:
        with path.open("rb") as stream:
            return _read_array(stream)
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file") from error
    except (OSError, ValueError, TypeError, SyntaxError) as error:
        raise ModelFileError(f"{path}: not a readable .npy array: {error}") from error


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Array:
    """Read one ``.npy`` member of an archive."""
    try:
        with archive.open(info) as stream:
            return _read_array(stream)
    except (ValueError, TypeError, SyntaxError, zlib.error, zipfile.BadZipFile, EOFError) as error:
        raise ModelFileError(f"{path}: member '{info.filename}': {error}") from error


def _read_array(stream: IO[bytes]) -> Array:
    """Read one array after comparing its header with the bytes that follow."""
    version = np.lib.format.read_magic(stream)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise ValueError(f"unknown .npy version {version}")
    shape, fortran, dtype = read_header(stream, max_header_size=_LARGEST_HEADER)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never read")
    data = stream.read()
    if min(shape, default=0) < 0 or len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"its header says {shape} of {dtype}, but {len(data)} bytes follow")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def write_npz(path: str | Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays to a compressed ``.npz`` file.

    The archive is written beside its final place and renamed, so a failure leaves whatever was
    there before.

    Raises
    ------
    ModelFileError
        If an array holds Python objects, which could only be pickled.
    """
    path = Path(path)
    pickled = [name for name, array in arrays.items() if array.dtype.hasobject]
    if pickled:
        raise ModelFileError(f"{path}: '{pickled[0]}' holds Python objects and is not written")
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as stream:
            keywords: dict[str, Any] = dict(arrays)
            np.savez_compressed(stream, **keywords)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
