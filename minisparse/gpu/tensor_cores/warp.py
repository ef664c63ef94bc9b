"""What the instructions of ``instructions.cuh`` do, for the 32 lanes of a warp at once.

Registers are arrays whose last two axes are the lanes and the elements that each holds; leading
axes are many instructions at a time. Products are summed in float32 in an order of NumPy's: exact
where sums are, and otherwise to rounding. What a generation of tensor cores gives to the last bit
is what :func:`minisparse.kernels.instructions.emulate` computes.
"""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.gpu.jit import WARP
from minisparse.gpu.tensor_cores.fragments import A, B, C, SparseB
from minisparse.gpu.tensor_cores.metadata import unpack_metadata
from minisparse.gpu.tensor_cores.shared import PIECE


def mma(c: Array, a: Array, b: Array) -> Array:
    """Return ``C + A @ B`` of ``mma.sync.m16n8k16``, from fragments to fragments.

    Parameters
    ----------
    c : ndarray of float32, shape (…, 32, 4)
        Sums so far.
    a : ndarray of float16 or bfloat16, shape (…, 32, 8)
        A, 16 x 16.
    b : ndarray of the same dtype, shape (…, 32, 4)
        B, 16 x 8.

    Returns
    -------
    ndarray of float32, shape (…, 32, 4)
    """
    product = _float(A.unpack(a)) @ _float(B.unpack(b))
    return c + C.pack(product)


def mma_sp(c: Array, a: Array, b: Array, metadata: Array, selector: int) -> Array:
    """Return ``C + A @ B`` of ``mma.sp::ordered_metadata.sync.m16n8k32``, A being 2:4.

    Parameters
    ----------
    c : ndarray of float32, shape (…, 32, 4)
        Sums so far.
    a : ndarray of float16 or bfloat16, shape (…, 32, 8)
        The kept values of A, 16 x 16.
    b : ndarray of the same dtype, shape (…, 32, 8)
        B, 32 x 8.
    metadata : ndarray of uint32, shape (…, 32)
        What :func:`~minisparse.gpu.tensor_cores.metadata.pack_metadata` makes of two tiles.
    selector : int
        Which of the two tiles A is: 0 or 1.

    Raises
    ------
    UsageError
        If positions do not increase within a group: what a card does then is undefined.
    """
    positions = unpack_metadata(metadata)[..., 16 * selector : 16 * selector + 16, :]
    if (positions[..., 0::2] >= positions[..., 1::2]).any():
        raise UsageError(
            "mma.sp (ordered_metadata): positions must increase within a group: pack with "
            "pack_metadata what NM.positions holds"
        )
    # Each lane of the unit picks the row of B that a value belongs to.
    columns = positions + 4 * (np.arange(16) // 2)
    rows = _float(SparseB.unpack(b))[..., columns, :]  # tile row, slot, n
    values = _float(A.unpack(a))
    product = (values[..., None, :] @ rows)[..., 0, :]
    return c + C.pack(product)


def ldmatrix_trans(tile: Array, places: Array) -> Array:
    """Return what ``ldmatrix.x4.trans`` loads: four 8 x 8 matrices, each transposed.

    Lane 8 i + r says where row r of matrix i lies. Element (k, n) of a matrix goes to lane
    ``4 * n + k // 2``, which is where B's fragment wants it when a row of the matrix is a row k of
    B (PTX ISA 8.7, section 9.7.14.5.15).

    Parameters
    ----------
    tile : ndarray, shape (pieces, 8)
        Shared memory, in pieces of 16 bytes.
    places : ndarray of int, shape (…, 32)
        The piece that each lane addresses.

    Returns
    -------
    ndarray, shape (…, 32, 8)
        Two elements of each of the four matrices.
    """
    matrices = tile[places].reshape(*places.shape[:-1], 4, 8, PIECE)
    n, pair = np.divmod(np.arange(WARP), 4)
    held = [matrices[..., i, 2 * pair + half, n] for i in range(4) for half in range(2)]
    return np.stack(held, axis=-1)


def _float(x: Array) -> Array:
    return x.astype(np.float32)
