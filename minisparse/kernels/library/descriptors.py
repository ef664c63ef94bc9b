"""cuSPARSE's low-level calls, as nvmath-python has them, and what they are given: descriptors.

A descriptor says where an array lies, how large it is and of which type; a plan holds those of one
product with its workspace, so that a call sets two addresses and launches. The functions are those
of the cuSPARSE reference, "Generic API Functions"; nvmath's names are the same without the prefix.

Not yet run on a GPU.
"""

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.errors import MinisparseError
from minisparse.core.extras import require
from minisparse.formats import Matrix
from minisparse.kernels.library.card import LIBRARIES, cupy_here

TYPES = {"float16": 2, "float32": 0, "float64": 1, "complex64": 4, "complex128": 5}
"""From names of dtypes to CUDA's numbers for them: ``cudaDataType`` in ``library_types.h``."""
PURPOSE = "the level 'cusparse'"


class CuSparseError(MinisparseError, RuntimeError):
    """The library refuses a call, with its own reason."""


def bindings() -> Any:
    """Return nvmath's functions."""
    return require("nvmath.bindings.cusparse", LIBRARIES, PURPOSE)


@contextmanager
def said(what: str) -> Iterator[None]:
    """Tell what was being done when the library refused."""
    try:
        yield
    except bindings().cuSPARSEError as error:
        raise CuSparseError(f"cuSPARSE: {what}: {' '.join(str(error).split())}") from error


@cache
def handle_of(device: int, thread: int) -> int:
    """Return the library's handle for a card and a thread of the host, made once."""
    with said("create"):
        made: int = bindings().create()
    return made


def handle() -> int:
    """Return the handle to call with here, set to the current stream."""
    cuda = cupy_here(PURPOSE).cuda
    found = handle_of(cuda.Device().id, threading.get_ident())
    bindings().set_stream(found, cuda.get_current_stream().ptr)
    return found


def address(x: Array) -> int:
    """Return where an array lies in the card's memory."""
    where: Any = x.data
    found: int = where.ptr
    return found


class Scalar:
    """A number in the host's memory, in the dtype that the library computes in."""

    def __init__(self, value: float, dtype: DType) -> None:
        self._value = np.array(value, accumulator(dtype))
        self.type = TYPES[self._value.dtype.name]

    @property
    def address(self) -> int:
        """Where it lies."""
        found: int = self._value.ctypes.data
        return found


class Descriptor:
    """One of the library's, destroyed when nobody holds it any more."""

    def __init__(self, value: int, destroy: Callable[[int], None], *kept: Array) -> None:
        self.value, self._kept = value, kept
        # At the end of a process the library may be gone before the descriptor.
        weakref.finalize(self, destroy, value).atexit = False


def sparse_descriptor(a: Matrix, values: Array | None = None) -> Descriptor:
    """Return the descriptor of a CSR or a BSR, perhaps with other values."""
    lib, data = bindings(), a.arrays["data"] if values is None else values
    indptr, indices = a.arrays["indptr"], a.arrays["indices"]
    index = {4: lib.IndexType.INDEX_32I, 8: lib.IndexType.INDEX_64I}[indices.dtype.itemsize]
    places = (address(indptr), address(indices), address(data), index, index, lib.IndexBase.ZERO)
    with said(f"create_{a.format}"):
        if a.block is None:
            made = lib.create_csr(*a.shape, a.nnz, *places, TYPES[data.dtype.name])
        else:
            r, c = a.block
            sizes = (a.shape[0] // r, a.shape[1] // c, a.nnz // (r * c), r, c)
            made = lib.create_bsr(*sizes, *places, TYPES[data.dtype.name], lib.Order.ROW)
    return Descriptor(made, lib.destroy_sp_mat, indptr, indices, data)


def dense_descriptor(x: Array) -> Descriptor:
    """Return the descriptor of a contiguous array, its rows one after another, or a vector."""
    lib, kind = bindings(), TYPES[x.dtype.name]
    with said("create_dn"):
        if x.ndim == 1:
            return Descriptor(lib.create_dn_vec(len(x), address(x), kind), lib.destroy_dn_vec)
        made = lib.create_dn_mat(*x.shape, x.shape[1], address(x), kind, lib.Order.ROW)
    return Descriptor(made, lib.destroy_dn_mat)


class Plan:
    """A product of a sparse matrix and a dense one of some width, or a vector.

    Parameters
    ----------
    a : Matrix
        On a card.
    b, c : array
        On the card, contiguous: what it is multiplied with, and what is written.
    way : str
        The name of the library's algorithm; by default one whose bits are the same in every run.
    """

    def __init__(self, a: Matrix, b: Array, c: Array, way: str = "") -> None:
        lib, cupy = bindings(), cupy_here(PURPOSE)
        self._lock = threading.Lock()
        self._one, self._zero = Scalar(1, c.dtype), Scalar(0, c.dtype)
        self._operands = [sparse_descriptor(a), dense_descriptor(b), dense_descriptor(c)]
        name, plain = ("sp_mv" if b.ndim == 1 else "sp_mm"), lib.Operation.NON_TRANSPOSE
        operations = (plain,) if b.ndim == 1 else (plain, plain)
        left, right, result = (x.value for x in self._operands)
        numbers = (self._one.address, left, right, self._zero.address, result, self._one.type)
        ways = lib.SpMVAlg if b.ndim == 1 else lib.SpMMAlg
        each = "BSR_ALG1" if a.block else "CSR_ALG2" if b.ndim == 1 else "CSR_ALG3"
        rest = (*operations, *numbers, getattr(ways, way or each))
        self._set = lib.dn_vec_set_values if b.ndim == 1 else lib.dn_mat_set_values
        with said(f"{name} of {a.format}"):
            size = getattr(lib, f"{name}_buffer_size")(handle(), *rest)
            self._workspace = cupy.empty(max(int(size), 1), "uint8")
            given = (*rest, address(self._workspace))
            if a.block is None:
                getattr(lib, f"{name}_preprocess")(handle(), *given)
        self._launch: Callable[[int], None] = lambda h: getattr(lib, name)(h, *given)
        self._what = f"{name} of {a.format}"
        self.nbytes = int(self._workspace.nbytes)

    def __call__(self, b: Array, c: Array) -> None:
        """Write the product with ``b`` to ``c``, both of the sizes of the plan."""
        _, right, result = self._operands
        with self._lock, said(self._what):
            self._set(right.value, address(b))
            self._set(result.value, address(c))
            self._launch(handle())


class SamplePlan:
    """The library's SDDMM: ``(x @ y)`` where a matrix stores entries.

    Parameters
    ----------
    a : CSR
        On a card.
    x, y, values : array
        On the card, contiguous: the factors, and what is written, as many as A has values.
    """

    def __init__(self, a: Matrix, x: Array, y: Array, values: Array) -> None:
        lib, cupy = bindings(), cupy_here(PURPOSE)
        self._lock, self._a = threading.Lock(), a
        self._one, self._zero = Scalar(1, a.dtype), Scalar(0, a.dtype)
        self._operands = [dense_descriptor(x), dense_descriptor(y), sparse_descriptor(a, values)]
        left, right, result = (d.value for d in self._operands)
        plain = lib.Operation.NON_TRANSPOSE
        numbers = (self._one.address, left, right, self._zero.address, result, self._one.type)
        rest = (plain, plain, *numbers, lib.SDDMMAlg.DEFAULT)
        with said(f"sddmm of {a.format}"):
            size = np.zeros(1, np.uintp)
            lib.sddmm_buffer_size(handle(), *rest, size.ctypes.data)
            self._workspace = cupy.empty(max(int(size[0]), 1), "uint8")
            self._given = (*rest, address(self._workspace))
            lib.sddmm_preprocess(handle(), *self._given)

    def __call__(self, x: Array, y: Array, values: Array) -> None:
        """Write the sampled product to ``values``, all of the sizes of the plan."""
        lib, arrays = bindings(), self._a.arrays
        left, right, result = self._operands
        with self._lock, said(f"sddmm of {self._a.format}"):
            lib.dn_mat_set_values(left.value, address(x))
            lib.dn_mat_set_values(right.value, address(y))
            places = (address(arrays["indptr"]), address(arrays["indices"]), address(values))
            lib.csr_set_pointers(result.value, *places)
            lib.sddmm(handle(), *self._given)
