"""Arrays of pixels as PNG files.

The format is W3C's "Portable Network Graphics (PNG) Specification", third edition: a signature,
then chunks of length, type, data and CRC. Every line starts with the number of its filter; ours is
0, none.
"""

import struct
import zlib

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, ShapeError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""From channels to the specification's color type: gray, gray + alpha, RGB, RGB + alpha."""


def encode_png(pixels: Array) -> bytes:
    r"""Return a PNG file.

    Parameters
    ----------
    pixels : array, uint8
        ``[height, width]`` gray values, or ``[height, width, channels]`` with gray, gray and alpha,
        RGB, or RGB and alpha.

    Raises
    ------
    ShapeError
        If that is not its shape, or there is no pixel at all, which PNG does not allow.
    DTypeError
        If the pixels are not uint8.

    Examples
    --------
    >>> encode_png(np.zeros((2, 3), np.uint8))[:4]
    b'\x89PNG'
    """
    if pixels.dtype != np.uint8:
        raise DTypeError(f"encode_png: pixels are {pixels.dtype}; give uint8")
    grid = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if grid.ndim != 3 or grid.size == 0 or grid.shape[2] not in _COLOR_TYPES:
        raise ShapeError(
            f"encode_png: pixels have shape {pixels.shape}; "
            "give [height, width] or [height, width, 1 to 4 channels], none of them 0"
        )
    height, width, channels = grid.shape
    lines = np.zeros((height, 1 + width * channels), np.uint8)
    lines[:, 1:] = grid.reshape(height, width * channels)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPES[channels], 0, 0, 0)
    return (
        SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    """Return length, type, data, and the CRC of type and data."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
