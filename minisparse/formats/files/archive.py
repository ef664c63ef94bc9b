"""What the readers of ``.npz`` archives share: one kind of error, and the file's name in it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError, MinisparseError, ModelFileError
from minisparse.core.npz import allowed_total, read_npz

_NARROWEST = 4
"""Bytes that an index takes in a matrix, however few it takes in a file."""


def read_archive(path: str | Path, largest: int | None) -> tuple[dict[str, Array], int]:
    """Read all arrays of an archive; what :func:`read_npz` refuses is a FormatError here.

    Returns also the bytes that are left of what they may take, for what is to be unpacked further.
    """
    try:
        arrays = read_npz(path, largest=largest)
        largest = allowed_total(Path(path), largest)
    except ModelFileError as error:
        raise FormatError(str(error)) from error
    total = sum(a.size * max(a.itemsize, _NARROWEST) for a in arrays.values())
    if total > largest:
        raise FormatError(f"{path}: its arrays would take {total} bytes, above {largest}")
    return arrays, largest - total


def member(arrays: dict[str, Array], name: str) -> Array:
    """Return an array, or raise FormatError that names it."""
    if name not in arrays:
        raise FormatError(f"there is no member '{name}'; there are {', '.join(arrays) or 'none'}")
    return arrays[name]


@contextmanager
def named(where: object) -> Iterator[None]:
    """Put the name of a file, or of a part of it, in front of what goes wrong in the block."""
    try:
        yield
    except MinisparseError as error:
        raise type(error)(f"{where}: {error}") from error


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a dict; of a name that is there twice, no reader knows which counts.

    Raises
    ------
    ValueError
        If a name is there twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{name[:80]!r} is there twice")
    return found
