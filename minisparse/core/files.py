"""Files in general: how much memory one may ask for, and writing it whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

FREE_BYTES = 1 << 26
"""Bytes that any file may unpack to, however small it is: 64 MiB."""
LARGEST_RATIO = 100
"""How many times its own size a larger file may unpack to; deflate can reach a thousand."""


def allowed_bytes(size: int) -> int:
    """Return how many bytes a compressed file of ``size`` bytes may unpack to, unless told.

    Examples
    --------
    >>> allowed_bytes(20) == 64 * 2**20, allowed_bytes(10**8)
    (True, 10000000000)
    """
    return max(FREE_BYTES, LARGEST_RATIO * size)


@contextmanager
def written_whole(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a new file for writing that takes the place of ``path`` when the block ends well.

    It is written beside its final place and renamed, so a failure leaves whatever was there.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as stream:
            yield stream
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
