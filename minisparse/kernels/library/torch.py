"""PyTorch on the CPU: its sparse tensors around our memory.

CSR with int32 indices goes straight to the MKL that PyTorch is built with; with int64 ones they are
copied at each call. One thread, unless OMP_NUM_THREADS says otherwise: its workers and those of
NumPy's OpenBLAS both wait by spinning, and where calls take turns they starve each other.
"""

import threading
import warnings
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.extras import is_installed, require
from minisparse.formats import Matrix
from minisparse.kernels.kernel import Level
from minisparse.kernels.library.provider import (
    INT32_MAX,
    Held,
    Offer,
    Provider,
    copied_bytes,
    int32_parts,
    only_dtypes,
    square_blocks,
    threads_asked,
    whole_blocks,
)
from minisparse.ops.op import Types

_THREADS = threading.Lock()
DTYPES = "float32 float64 complex64 complex128"


def _torch() -> Any:
    return require("torch", "torch", "the level 'torch'")


class _Writeable:
    """An array's memory, told to be writeable: PyTorch warns of any other, and only reads."""

    def __init__(self, x: Array) -> None:
        self.__array_interface__ = {**x.__array_interface__, "data": (x.ctypes.data, False)}
        self.kept = x


def _tensor(x: Array) -> Any:
    """Return a tensor around an array's memory; copied if it lies backwards."""
    if any(stride < 0 for stride in x.strides):
        x = np.ascontiguousarray(x)
    return _torch().from_numpy(x if x.flags.writeable else np.asarray(_Writeable(x)))


def _prepare(a: Matrix, columns: int = 256) -> Held:
    """Make PyTorch's tensor of the same format; of indices only int64 ones are copied."""
    a.check()
    torch = _torch()
    data = a.arrays["data"]
    if a.format == "coo":
        where = np.stack([a.arrays["row"], a.arrays["col"]]).astype(np.int64)
        parts: tuple[Array, ...] = (where,)
        make = torch.sparse_coo_tensor
    else:
        parts = int32_parts(a, "indptr", "indices")
        make = getattr(torch, f"sparse_{a.format}_tensor")
    with warnings.catch_warnings():  # that its sparse tensors are in beta, once a process
        warnings.filterwarnings("ignore", message=".*beta state", category=UserWarning)
        t = make(*map(_tensor, parts), _tensor(data), a.shape, check_invariants=False)
    return Held(t, a.shape, a.dtype, a.nnz, copied_bytes(a, parts))


def _multiply(a: Held, b: Array) -> Array:
    """Return ``A @ b``; a single column is a vector, for which PyTorch is several times faster."""
    torch, tensor = _torch(), _tensor(b.reshape(-1) if b.shape[1:] == (1,) else b)
    with _THREADS:  # how many is said to the whole process, so one of ours after another
        before = torch.get_num_threads()
        torch.set_num_threads(threads_asked("OMP_NUM_THREADS"))
        try:
            c: Array = (a.handle @ tensor).numpy()
        finally:
            torch.set_num_threads(before)
    return c.reshape(a.shape[0], *b.shape[1:])


def _refuses(types: Types) -> str:
    a = types[0]
    wrong = only_dtypes("PyTorch", DTYPES, types)
    wrong = wrong or square_blocks("PyTorch", types) or whole_blocks("PyTorch", types)
    if wrong:
        return wrong
    if max(*a.dims, a.nnz) > INT32_MAX:
        return "PyTorch's fast kernels take 32-bit integers, which cannot count what A holds"
    return ""


_OFFER = Offer(Level(_multiply, _prepare), _refuses)

TORCH = Provider(
    "torch",
    "PyTorch",
    "torch",
    "torch",
    lambda: is_installed("torch"),
    {
        **{("spmm", format): _OFFER for format in ("coo", "csr", "csc", "bsr")},
        **{("spmv", format): _OFFER for format in ("coo", "csr", "csc", "bsr")},
    },
)
