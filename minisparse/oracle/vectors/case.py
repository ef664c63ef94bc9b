"""One case of a suite: the arrays of a call, what it must return, and where their bytes lie."""

import hashlib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, as_dtype
from minisparse.core.errors import FormatError
from minisparse.oracle.contracts import Expectation
from minisparse.oracle.structures import SparseTruth
from minisparse.oracle.truth import Truth
from minisparse.oracle.vectors.values import VALUES, from_values

FORMAT, VERSION = "minisparse-vectors", 1
"""What the first line of a suite must name; what a reader must know of is a new version."""
INDEX_DTYPES = "int8 uint8 int16 uint16 int32 uint32 int64 uint64".split()


@dataclass(frozen=True)
class Entry:
    """One array in ``suite.bin``, little-endian and in C order.

    Attributes
    ----------
    name : str
        What it is in the call, or in the expected result.
    dtype : str
        NumPy's name; bool takes 1 byte, bfloat16 the upper 2 of a float32.
    shape : tuple of int
        Its dimensions.
    offset, nbytes : int
        Where it begins, a multiple of 16, and how long it is.
    sha256 : str
        Of its bytes.
    is_tuple : bool
        Whether it stands for a tuple of Python's integers: a shape, or the size of a block.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int
    sha256: str
    is_tuple: bool = False

    def read(self, stored: bytes) -> Any:
        """Return a fresh array, or the tuple.

        Raises
        ------
        MissingExtraError
            If it is of bfloat16 and ``ml_dtypes`` is not installed.
        """
        dtype = _dtype(self.dtype).newbyteorder("<") if self.dtype != "bfloat16" else None
        raw = stored[self.offset : self.offset + self.nbytes]
        if dtype is None:
            bits = np.frombuffer(raw, "<u2").astype(np.uint16)
            return bits.view(as_dtype("bfloat16", "this case")).reshape(self.shape)
        found = np.frombuffer(raw, dtype).astype(dtype.newbyteorder("=")).reshape(self.shape)
        return tuple(map(int, found)) if self.is_tuple else found

    def as_json(self) -> dict[str, Any]:
        """Return it as it stands in a line."""
        found = {
            "name": self.name,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "offset": self.offset,
            "nbytes": self.nbytes,
            "sha256": self.sha256,
        }
        return found | ({"tuple": True} if self.is_tuple else {})


@dataclass(frozen=True)
class Case:
    """One question and its answer.

    Attributes
    ----------
    id : str
        ``"spmm_csr/unsorted-0a1b2c3d"``: op, label, and the beginning of the contents' digest. So
        a case whose contents change has another id.
    op, call : str
        The contract, and how it is called.
    label : str
        What is hard about it.
    rules : tuple of str
        The rules of ``docs/language.md`` that it is about.
    seed : int
        Of the random numbers in it.
    inputs : tuple of Entry
        The arguments, in order.
    result : mapping
        What is known of the result but for its arrays: ``kind``, ``dtype``, ``shape`` and, for
        sparse results, ``is_sorted``, ``is_distinct`` and ``block``.
    expected : tuple of Entry
        ``hi``, ``lo``, ``bound``, ``special``; for sparse results ``row``, ``col``, ``optional``
        too. Those that are zero throughout are left out.
    stored : bytes
        The whole of ``suite.bin``.
    """

    id: str
    op: str
    call: str
    label: str
    rules: tuple[str, ...]
    seed: int
    inputs: tuple[Entry, ...]
    result: Mapping[str, Any]
    expected: tuple[Entry, ...]
    stored: bytes

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the call by name and in order, as fresh arrays."""
        return {entry.name: entry.read(self.stored) for entry in self.inputs}

    def truth(self) -> Expectation:
        """Return what a right implementation returns, with ``judge`` and ``rounded``."""
        found = {entry.name: entry.read(self.stored) for entry in self.expected}
        dtype = _dtype(self.result["dtype"])
        if self.result["kind"] == "dense":
            return from_values(found, dtype)
        rows: Array = found["row"]
        return SparseTruth(
            self.result["kind"],
            tuple(self.result["shape"]),
            rows,
            found["col"],
            from_values(found, dtype),
            found.get("optional", np.zeros(len(rows), bool)).astype(bool),
            self.result["is_sorted"],
            self.result["is_distinct"],
            tuple(self.result["block"]),
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as it stands in a line."""
        return {
            "id": self.id,
            "op": self.op,
            "call": self.call,
            "label": self.label,
            "rules": list(self.rules),
            "seed": self.seed,
            "inputs": [entry.as_json() for entry in self.inputs],
            "expected": {**self.result, "arrays": [entry.as_json() for entry in self.expected]},
        }

    def digest(self) -> str:
        """Return the sha256 of what the case asks and answers, wherever its bytes lie."""
        arrays = [[_without_offset(e) for e in group] for group in (self.inputs, self.expected)]
        text = json.dumps([self.op, dict(self.result), *arrays], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def __repr__(self) -> str:
        """Return the id, and the inputs' types."""
        inputs = ", ".join(f"{e.name} {e.dtype}{list(e.shape)}" for e in self.inputs)
        return f"Case({self.id}: {inputs})"


def _without_offset(entry: Entry) -> dict[str, Any]:
    return replace(entry, offset=0).as_json()


def _dtype(name: str) -> DType:
    return np.dtype(name) if name in INDEX_DTYPES else as_dtype(name, "this case")


def itemsize(name: str) -> int:
    """Return how many bytes an element has, whether or not NumPy knows the dtype here.

    Raises
    ------
    FormatError
        If no array of a suite has that dtype.
    """
    if name == "bfloat16":
        return 2
    if name in INDEX_DTYPES or name in VALUES:
        return np.dtype(name).itemsize
    raise FormatError(f"{name!r} is no dtype of a suite")


def release() -> str:
    """Return minisparse's version: of the package that is loaded, whatever is installed.

    It is looked up, not imported: the oracle imports nothing that reaches a kernel.
    """
    return str(sys.modules["minisparse"].__version__)


def size_of(shape: Sequence[int]) -> int:
    """Return the number of elements."""
    return math.prod(shape)


def result_of(truth: Truth | SparseTruth) -> dict[str, Any]:
    """Return what is to be known of a result besides its arrays."""
    if isinstance(truth, Truth):
        return {"kind": "dense", "dtype": truth.dtype.name, "shape": list(truth.shape)}
    return {
        "kind": truth.kind,
        "dtype": truth.values.dtype.name,
        "shape": [int(n) for n in truth.shape],
        "is_sorted": truth.is_sorted,
        "is_distinct": truth.is_distinct,
        "block": [int(n) for n in truth.block],
    }
