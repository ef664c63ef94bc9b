"""A stand-in for nvmath's bindings of cuSPARSE, and what it has in common with others.

Such stand-ins compute, on what lies at the addresses that they are given (the pretend device's
arrays lie in the host's memory), and by the descriptors alone: a wrong size, order, type or a stale
address gives a wrong result. They are strict where the libraries' references are: a handle must be
the library's own, a call must be given what its plan or its preprocessing was given, and as many
arguments as the real one takes, a workspace must be as large as was asked for, a descriptor is
destroyed once, and what is written is ``alpha A B + beta C``, C read where beta is not 0.
"""

import ctypes
import itertools
import json
from collections import Counter
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from minisparse.core.dtypes import Array
from tests.kernels.nvmath_record import FILE

DTYPES = {2: "float16", 0: "float32", 1: "float64", 4: "complex64", 5: "complex128"}


def at(address: int, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return the array that lies at an address of the host's memory."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(address), dtype).reshape(shape)


RECORD: dict[str, dict[str, str]] = json.loads(FILE.read_text())


class PretendError(Exception):
    """What the bindings raise; like theirs, it is no RuntimeError."""


class Library:
    """Handles and descriptors, and a count of the calls."""

    functions: ClassVar[dict[str, str]] = {}
    """From the names of the library's functions to the names of their parameters."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.refused: set[str] = set()
        self.alive: dict[int, Any] = {}
        self.sizes: dict[int, int] = {}
        self._numbers = itertools.count(1000)

    def __getattribute__(self, name: str) -> Any:
        """Return a function that checks how many arguments it is given, as the real one would."""
        found = super().__getattribute__(name)
        parameters = type(self).functions.get(name)
        if parameters is None:
            return found

        def checked(*given: Any) -> Any:
            assert len(given) == len(parameters.split()), f"{name}({parameters}): {given}"
            return found(*given)

        return checked

    def make(self, **fields: Any) -> int:
        number = next(self._numbers)
        self.alive[number] = SimpleNamespace(**fields)
        return number

    def destroy(self, number: int) -> None:
        del self.alive[number]

    def write(self, workspace: int, size: int) -> None:
        """Write to a workspace as a kernel would, which must be as large as it was said to be."""
        assert self.sizes[workspace] >= size
        at(workspace, (size,), "uint8")[:] = 1

    def check(self, handle: int, dtype: str = "") -> None:
        assert self.alive[handle].kind == "handle"
        if dtype in self.refused:
            raise PretendError("NOT_SUPPORTED (10): the operation or  data type is not supported")


def scalar(address: int, compute: int) -> Any:
    return at(address, (1,), DTYPES[compute])[0]


def accumulated(dtype: str, compute: int) -> None:
    """Check that halves are summed in float32, as the reference wants it, all else in itself."""
    assert DTYPES[compute] == ("float32" if dtype == "float16" else dtype)


class PretendCusparse(Library):
    """nvmath.bindings.cusparse."""

    functions = RECORD["cusparse"]
    cuSPARSEError = PretendError  # noqa: N815 - nvmath's name
    IndexType = SimpleNamespace(INDEX_32I=2, INDEX_64I=3)
    IndexBase = SimpleNamespace(ZERO=0, ONE=1)
    Order = SimpleNamespace(COL=1, ROW=2)
    Operation = SimpleNamespace(NON_TRANSPOSE=0, TRANSPOSE=1)
    SpMMAlg = SimpleNamespace(DEFAULT=0, CSR_ALG2=6, CSR_ALG3=12, BSR_ALG1=14)
    SpMVAlg = SimpleNamespace(DEFAULT=0, CSR_ALG2=3, BSR_ALG1=6)
    SDDMMAlg = SimpleNamespace(DEFAULT=0)

    def create(self) -> int:
        return self.make(kind="handle", stream=None)

    def set_stream(self, handle: int, stream: int) -> None:
        self.check(handle)
        self.alive[handle].stream = stream

    def create_csr(self, m: int, k: int, nnz: int, *rest: Any) -> int:
        starts, columns, values, start_type, column_type, base, kind = rest
        assert (start_type, base) == (column_type, 0)
        places = (starts, columns, values)
        return self.make(kind="csr", shape=(m, k), nnz=nnz, places=places, index=start_type,
                         block=(1, 1), dtype=DTYPES[kind], active=None)  # fmt: skip

    def create_bsr(self, m: int, k: int, nnz: int, r: int, c: int, *rest: Any) -> int:
        starts, columns, values, start_type, column_type, base, kind, order = rest
        assert (start_type, base, order) == (column_type, 0, self.Order.ROW)
        places = (starts, columns, values)
        return self.make(kind="bsr", shape=(m, k), nnz=nnz, places=places, index=start_type,
                         block=(r, c), dtype=DTYPES[kind], active=None)  # fmt: skip

    def create_dn_mat(self, m: int, n: int, ld: int, values: int, kind: int, order: int) -> int:
        assert ld >= (n if order == self.Order.ROW else m)
        more = {"ld": ld, "place": values, "dtype": DTYPES[kind], "order": order}
        return self.make(kind="dense", shape=(m, n), **more)

    def create_dn_vec(self, n: int, values: int, kind: int) -> int:
        return self.make(kind="vector", shape=(n,), place=values, dtype=DTYPES[kind])

    def destroy_sp_mat(self, number: int) -> None:
        self.destroy(number)

    destroy_dn_mat = destroy_dn_vec = destroy_sp_mat

    def dn_mat_set_values(self, number: int, values: int) -> None:
        self.alive[number].place = values

    dn_vec_set_values = dn_mat_set_values

    def _dense(self, number: int) -> Array:
        d = self.alive[number]
        if d.kind == "vector":
            return at(d.place, d.shape, d.dtype)
        if d.order == self.Order.ROW:
            return at(d.place, (d.shape[0], d.ld), d.dtype)[:, : d.shape[1]]
        return at(d.place, (d.shape[1], d.ld), d.dtype)[:, : d.shape[0]].T

    def _stored(self, number: int) -> tuple[Array, Array, Array]:
        """Return rows and columns of blocks, and their values."""
        d = self.alive[number]
        index = {2: "int32", 3: "int64"}[d.index]
        starts = at(d.places[0], (d.shape[0] + 1,), index)
        columns = at(d.places[1], (d.nnz,), index)
        values = at(d.places[2], (d.nnz, *d.block), d.dtype)
        return np.repeat(np.arange(d.shape[0]), np.diff(starts)), columns, values

    def _sparse(self, number: int) -> Array:
        d = self.alive[number]
        (m, k), (r, c) = d.shape, d.block
        full = np.zeros((m, r, k, c), np.result_type(d.dtype, "float32"))
        for row, column, block in zip(*self._stored(number), strict=True):
            full[row, :, column, :] += block
        return full.reshape(m * r, k * c)

    def _product(self, given: tuple[Any, ...]) -> None:
        *_, alpha, a, b, beta, c, compute, _ = given
        accumulated(self.alive[a].dtype, compute)
        result = self._dense(c)
        assert result.shape == (self._sparse(a).shape[0], *self._dense(b).shape[1:])
        added = scalar(beta, compute)
        old = added * result if added else np.zeros_like(result)
        product = self._sparse(a) @ self._dense(b).astype(np.result_type(self.alive[b].dtype, "f"))
        result[...] = scalar(alpha, compute) * product + old

    def sp_mm_buffer_size(self, handle: int, *given: Any) -> int:
        self.calls["sp_mm_buffer_size"] += 1
        self.check(handle, self.alive[given[3]].dtype)
        d = self.alive[given[3]]
        assert given[-1] == (self.SpMMAlg.CSR_ALG3 if d.kind == "csr" else self.SpMMAlg.BSR_ALG1)
        return 24

    def sp_mm_preprocess(self, handle: int, *given: Any) -> None:
        self.calls["sp_mm_preprocess"] += 1
        self.check(handle)
        self.alive[given[3]].active = given

    def sp_mm(self, handle: int, *given: Any) -> None:
        self.calls["sp_mm"] += 1
        self.check(handle)
        *most, buffer = given
        self.write(buffer, 24)
        a = self.alive[given[3]]
        assert a.active == given if a.kind == "csr" else a.active is None
        self._product(tuple(most))

    def sp_mv_buffer_size(self, handle: int, *given: Any) -> int:
        self.check(handle, self.alive[given[2]].dtype)
        assert given[-1] in (self.SpMVAlg.CSR_ALG2, self.SpMVAlg.BSR_ALG1)
        return 8

    def sp_mv_preprocess(self, handle: int, *given: Any) -> None:
        self.alive[given[2]].active = given

    def sp_mv(self, handle: int, *given: Any) -> None:
        self.calls["sp_mv"] += 1
        self.check(handle)
        assert self.alive[given[2]].active in (None, given)
        self._product(given[:-1])

    def sddmm_buffer_size(self, handle: int, *given: Any) -> None:
        *_, size = given
        self.check(handle, self.alive[given[3]].dtype)
        at(size, (1,), np.uintp)[0] = 40

    def sddmm_preprocess(self, handle: int, *given: Any) -> None:
        self.calls["sddmm_preprocess"] += 1
        self.check(handle)
        self.alive[given[6]].active = given

    def csr_set_pointers(self, number: int, *places: int) -> None:
        self.alive[number].places = places

    def sddmm(self, handle: int, *given: Any) -> None:
        *_, alpha, x, y, beta, c, compute, _, buffer = given
        self.check(handle)
        assert self.alive[c].active == given
        accumulated(self.alive[c].dtype, compute)
        self.write(buffer, 40)
        rows, columns, values = self._stored(c)
        product = (self._dense(x) @ self._dense(y))[rows, columns]
        added = scalar(beta, compute)
        old = added * values[:, 0, 0] if added else 0
        values[:, 0, 0] = scalar(alpha, compute) * product + old
