"""Tensors packed with a bitmask, as ``compressed-tensors`` writes them into checkpoints.

Of a tensor ``name [M, K]`` there are, after its ``Sparse24BitMaskCompressor`` and
``BitmaskCompressor`` (vllm-project/compressed-tensors, ``compressors/sparse_compressors``, formats
``sparse-24-bitmask`` and ``sparse-bitmask``; a trailing ``.weight`` of the name is left out)::

    name.bitmask      [M, ceil(K / 8)] uint8: bit j of byte i of a row, from the least significant,
                      tells whether column 8 i + j is stored
    name.compressed   the stored values, row after row: [M, K / 2] where it is 2:4, else flat
    name.shape        M and K, flat or [2, 1]
    name.row_offsets  [M], only where it is not 2:4: how many values stand before each row

In 2:4 each four neighbors hold exactly two stored values, zeros among them where fewer were not
zero.
"""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError
from minisparse.formats.base import Matrix
from minisparse.formats.csr import CSR
from minisparse.formats.files.archive import named
from minisparse.formats.nm import NM

_LARGEST_EMPTY = 2**31 - 1
_PARTS = ("compressed", "bitmask", "shape")


def unpack_bitmasks(tensors: dict[str, Array], where: str) -> dict[str, Array | Matrix]:
    """Return the tensors with those that belong together made one matrix.

    Parameters
    ----------
    tensors : dict
        Arrays by name.
    where : str
        The file's name, for messages.

    Raises
    ------
    FormatError
        If the parts of a packed tensor contradict each other.

    Examples
    --------
    >>> packed = {
    ...     "w.compressed": np.array([[5.0, 7.0]]),
    ...     "w.bitmask": np.array([[0b1001]], np.uint8),
    ...     "w.shape": np.array([[1], [4]]),
    ... }
    >>> unpack_bitmasks(packed, "x.safetensors")["w"].to_dense()
    array([[5., 0., 0., 7.]])
    """
    names = [n.removesuffix(".bitmask") for n in tensors if n.endswith(".bitmask")]
    names = [n for n in names if all(f"{n}.{part}" in tensors for part in _PARTS)]
    parts = {f"{n}.{part}" for n in names for part in (*_PARTS, "row_offsets")}
    found: dict[str, Array | Matrix] = {n: t for n, t in tensors.items() if n not in parts}
    for name in names:
        if name in found:
            raise FormatError(f"{where}: tensor {name!r} is there both packed and plain")
        values, bits, shape = (tensors[f"{name}.{part}"] for part in _PARTS)
        with named(f"{where}: tensor {name!r}"):
            found[name] = _unpack(values, bits, shape, tensors.get(f"{name}.row_offsets"))
    return found


def _unpack(values: Array, bits: Array, shape: Array, row_offsets: Array | None) -> Matrix:
    """Return the matrix: n:m without row offsets, else CSR."""
    m, k = _parse_shape(shape)
    if bits.dtype != np.uint8 or bits.shape != (m, -(-k // 8)):
        raise FormatError(
            f"bitmask is {bits.dtype} of shape {bits.shape}: it must be uint8 of shape "
            f"{(m, -(-k // 8))}, a bit for each of {m}x{k} cells"
        )
    if bits.size == 0 and max(m, k) > _LARGEST_EMPTY:
        raise FormatError(f"shape is {m}x{k}, without a cell: a dimension is at most 2**31 - 1")
    mask = np.unpackbits(bits, axis=1, bitorder="little").view(bool)
    if mask[:, k:].any():
        raise FormatError(f"bitmask has bits beyond column {k - 1}")
    mask = mask[:, :k]
    stored = int(np.count_nonzero(mask))
    if stored != values.size:
        raise FormatError(f"bitmask has {stored} bits set for {values.size} values")
    if row_offsets is None and k % 4 == 0:
        return _as_two_four(values, mask)
    # Before anything of m elements is made: where k is 0, no byte of the file stands for a row.
    if row_offsets is not None and row_offsets.size != m:
        raise FormatError(f"row_offsets has {row_offsets.size} elements for {m} rows")
    indptr = np.zeros(m + 1, np.int64)
    np.cumsum(np.count_nonzero(mask, axis=1), out=indptr[1:])
    if row_offsets is not None and not np.array_equal(row_offsets.reshape(-1), indptr[:-1]):
        raise FormatError("row_offsets are not those of the bitmask")
    return CSR(values.reshape(-1), mask.nonzero()[1], indptr, (m, k))


def _as_two_four(values: Array, mask: Array) -> NM:
    """Return the n:m matrix of a mask with two of each four set."""
    m, k = mask.shape
    held = mask.reshape(m, k // 4, 4).sum(axis=2)
    if (held != 2).any():
        i, g = np.argwhere(held != 2)[0]
        raise FormatError(
            f"bitmask has {held[i, g]} of columns {4 * g} to {4 * g + 3} of row {i} set: without "
            f"row_offsets it must be 2:4, with exactly two"
        )
    positions = (mask.nonzero()[1] % 4).reshape(m, k // 2)
    return NM(values.reshape(m, k // 2), positions, (m, k), m=4, n=2)


def _parse_shape(shape: Array) -> tuple[int, int]:
    if shape.size != 2 or shape.dtype.kind not in "iu" or (shape < 0).any():
        raise FormatError(f"shape holds {shape.size} of {shape.dtype}: it must be M and K")
    m, k = shape.reshape(-1).tolist()
    return m, k
