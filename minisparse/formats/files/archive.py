"""What the readers of ``.npz`` archives share: one kind of error, and the file's name in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError, MinisparseError, ModelFileError
from minisparse.core.npz import read_npz


def read_archive(path: str | Path, largest: int | None) -> dict[str, Array]:
    """Read all arrays of an archive; what :func:`read_npz` refuses is a FormatError here."""
    try:
        return read_npz(path, largest=largest)
    except ModelFileError as error:
        raise FormatError(str(error)) from error


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
