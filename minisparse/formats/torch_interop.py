"""To PyTorch's sparse tensors and back; always a copy, since PyTorch's may be written into."""

import math
import warnings
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, as_dtype
from minisparse.core.errors import DTypeError, ShapeError, UnsupportedOpError
from minisparse.core.extras import require
from minisparse.formats.base import Matrix
from minisparse.formats.bsr import BSR
from minisparse.formats.coo import COO
from minisparse.formats.csc import CSC
from minisparse.formats.csr import CSR
from minisparse.formats.intake import on_cpu


def from_torch(t: Any) -> Matrix:
    """Return a copy of a PyTorch sparse tensor.

    Parameters
    ----------
    t : torch.Tensor
        With layout ``sparse_coo`` (coalesced or not), ``sparse_csr``, ``sparse_csc``,
        ``sparse_bsr`` or ``sparse_bsc``, on any device. Stored entries keep their order,
        duplicates and explicit zeros included.

    Returns
    -------
    Matrix
        COO, CSR, CSC or BSR. Blocked columns become blocked rows, sorted anew.

    Raises
    ------
    UnsupportedOpError
        If it is dense, no tensor, or on a device that holds no values, such as ``meta``.
    ShapeError
        If it is no matrix: batched, or with dense dimensions.
    DTypeError
        If minisparse has no arithmetic for its values.
    MissingExtraError
        If they are bfloat16, and ``ml_dtypes`` is not installed.
    """
    found = str(getattr(t, "layout", type(t).__name__))
    layout = found.removeprefix("torch.sparse_")
    if layout == found or layout not in ("coo", "csr", "csc", "bsr", "bsc"):
        raise UnsupportedOpError(
            f"from_torch: {layout}: it must be a sparse tensor; of a dense one, "
            f"from_dense(t.numpy(), 'csr') stores what is not zero"
        )
    if t.is_meta:
        raise UnsupportedOpError("from_torch: a tensor on the device 'meta' holds no values")
    t = t.detach()
    if t.ndim != 2 or t.dense_dim() != 0:
        raise ShapeError(
            f"from_torch: {tuple(t.shape)} with {t.dense_dim()} dense dimensions: it must be a "
            f"matrix (M, K)"
        )
    shape = (int(t.shape[0]), int(t.shape[1]))
    if layout == "coo":
        row, col = to_array(t._indices())
        return COO(to_array(t._values()), row, col, shape)
    values = to_array(t.values())
    if layout in ("csr", "bsr"):
        indices, indptr = to_array(t.col_indices()), to_array(t.crow_indices())
        return (CSR if layout == "csr" else BSR)(values, indices, indptr, shape)
    indices, indptr = to_array(t.row_indices()), to_array(t.ccol_indices())
    if layout == "csc":
        return CSC(values, indices, indptr, shape)
    return BSR(values.transpose(0, 2, 1), indices, indptr, shape[::-1]).T


def to_torch(A: Matrix, *, columns: bool = False) -> Any:
    """Return a copy as a PyTorch sparse tensor of the same format; ``A.to_torch()``.

    Parameters
    ----------
    A : Matrix
        COO, CSR, CSC or BSR, its entries in any order.
    columns : bool
        Of BSR, make it PyTorch's ``sparse_bsc``: block columns compressed instead of block rows.

    Returns
    -------
    torch.Tensor
        On the CPU; a COO one is marked as coalesced only where A is canonical.

    Raises
    ------
    UnsupportedOpError
        If PyTorch has no such format, or the blocks do not divide the shape.
    ShapeError
        If there are too many cells for PyTorch, which counts them in 64 bits.
    """
    on_cpu(A, "to_torch")
    A.check()  # PyTorch does not look at what it is given
    torch = require("torch", "torch", f"{type(A).__name__}.to_torch")
    if columns and A.format != "bsr":
        raise UnsupportedOpError(f"to_torch: columns=True is for 'bsr', but A is {A.format!r}")
    if A.format not in ("coo", "csr", "csc", "bsr"):
        raise UnsupportedOpError(
            f"to_torch: PyTorch has no format {A.format!r}; write A.to('csr').to_torch()"
        )
    if A.block is not None and (A.shape[0] % A.block[0] or A.shape[1] % A.block[1]):
        raise UnsupportedOpError(
            f"to_torch: PyTorch's blocks have no padding, and {A.block[0]}x{A.block[1]} do not "
            f"divide {A.shape[0]}x{A.shape[1]}; write A.to('csr').to_torch()"
        )
    if math.prod(A.shape) > 2**63 - 1:
        raise ShapeError(
            f"to_torch: A is {A.shape[0]}x{A.shape[1]}: PyTorch's tensors have at most 2**63 - 1 "
            f"cells"
        )
    held = A.T if columns else A  # block columns of A are block rows of its transpose
    data = held.data.transpose(0, 2, 1) if columns else held.data
    values = _to_tensor(torch, data)
    if isinstance(A, COO):
        indices = torch.from_numpy(np.stack([A.row, A.col]).astype(np.int64))
        return torch.sparse_coo_tensor(
            indices, values, A.shape, is_coalesced=A.has_canonical_format, check_invariants=True
        )
    make = getattr(torch, "sparse_bsc_tensor" if columns else f"sparse_{A.format}_tensor")
    parts = (torch.from_numpy(held.arrays[name].copy()) for name in ("indptr", "indices"))
    with warnings.catch_warnings():  # that its sparse tensors are in beta, once a process
        warnings.filterwarnings("ignore", message=".*beta state", category=UserWarning)
        return make(*parts, values, A.shape, check_invariants=False)


def to_array(t: Any) -> Array:
    """Return the values of a dense tensor, on any device, as an array of its own.

    Raises
    ------
    DTypeError
        If minisparse has no such dtype.
    MissingExtraError
        If it is bfloat16, and ``ml_dtypes`` is not installed.
    """
    t = t.cpu().resolve_conj().resolve_neg()
    if str(t.dtype) == "torch.bfloat16":
        wanted = as_dtype("bfloat16", "from_torch")
        raw = t.contiguous().view(require("torch", "torch", "from_torch").int16)
        found: Array = raw.numpy().view(wanted).copy()
        return found
    try:
        copied: Array = t.numpy().copy()
    except TypeError as error:
        raise DTypeError(
            f"from_torch: minisparse has no {t.dtype}; convert the values first, as in "
            f"t.to(torch.float32)"
        ) from error
    return copied


def _to_tensor(torch: Any, data: Array) -> Any:
    """Return values as a tensor of its own."""
    data = np.array(data, order="C")
    if data.dtype.name == "bfloat16":
        return torch.from_numpy(data.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(data)
