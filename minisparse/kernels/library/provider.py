"""What a provider is: a library, how to find it, and what it computes for us."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.formats import Matrix
from minisparse.kernels.kernel import Level
from minisparse.ops.op import Types

INT32_MAX = int(np.iinfo(np.int32).max)


@dataclass(frozen=True, slots=True)
class Offer:
    """One op on one format, as a library computes it.

    Attributes
    ----------
    level : Level
        With the contract of our own levels. Its ``prepare`` begins with ``a.check()``: a matrix
        may lie in memory that its maker has written into since, and foreign code follows indices
        wherever they lead.
    refuses : callable
        ``refuses(types) -> str``: why operands of these types cannot be taken; ``""`` where they
        can. What a library would compute wrongly is refused here, before anything is computed.
    """

    level: Level
    refuses: Callable[[Types], str]


@dataclass(frozen=True)
class Provider:
    """A library whose kernels can take the place of ours.

    Attributes
    ----------
    name : str
        The level's name: ``ms.spmm(A, b, level="scipy")``.
    title : str
        As its authors write it.
    package : str
        The distribution that ``pip`` knows, for its version; where it is one of several, all, with
        spaces between them.
    extra : str
        The extra of minisparse that installs it.
    is_found : callable
        Tells whether it is installed, without importing it.
    offers : mapping
        From names of op and format to what is offered.
    refused : mapping
        From names of op and format to why they are not offered, though the library has them.
    place : str
        Where its operands lie: ``"cpu"``, or ``"gpu"`` for CuPy's arrays on a graphics card.
    """

    name: str
    title: str
    package: str
    extra: str
    is_found: Callable[[], bool]
    offers: Mapping[tuple[str, str], Offer]
    refused: Mapping[tuple[str, str], str] = field(default_factory=dict)
    place: str = "cpu"

    @property
    def is_installed(self) -> bool:
        """Whether it can be used; looked up once in a process."""
        return _found(self.is_found)

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f'pip install "minisparse[{self.extra}]"'

    @property
    def missing(self) -> str:
        """What to say where it is not installed."""
        here = ", or no graphics card is found" if self.place == "gpu" else ""
        return f"{self.title} is not installed{here}: {self.install}"

    @property
    def version(self) -> str:
        """Its version; empty where ``pip`` does not know it."""
        from importlib import metadata  # nearly as slow to import as all of the kernels

        for package in self.package.split():
            try:
                return metadata.version(package)
            except metadata.PackageNotFoundError:
                continue
        return ""

    def why_not(self, op: str, format: str, types: Types) -> str:
        """Return why an op cannot be computed here; empty where it can, or nothing is known yet.

        Parameters
        ----------
        op, format : str
            What to compute, and the format of its weight.
        types : sequence of TensorType
            Of the op's operands, those of a fused op's base only; none, where none is known.
        """
        if (op, format) in self.refused:
            return self.refused[op, format]
        offer = self.offers.get((op, format))
        if offer is None:
            formats = ", ".join(f for o, f in self.offers if o == op)
            return f"{self.title} has no {op} for {format}" + (
                f", only for {formats}" if formats else ""
            )
        return offer.refuses(types) if types else ""


@cache
def _found(is_found: Callable[[], bool]) -> bool:
    return is_found()


@dataclass(frozen=True, eq=False, slots=True)
class Held:
    """A matrix as a library holds it.

    Attributes
    ----------
    handle : object
        The library's own.
    shape : tuple of int
        ``(M, K)``.
    dtype : numpy.dtype
        Of its values.
    nnz : int
        How many entries are stored.
    nbytes : int
        What it takes beside the matrix that it was made of.
    arrays : tuple of ndarray
        Memory that the handle points to.
    """

    handle: Any
    shape: tuple[int, int]
    dtype: DType
    nnz: int
    nbytes: int
    arrays: tuple[Array, ...] = ()


def int32_parts(a: Matrix, *names: str) -> tuple[Array, ...]:
    """Return index arrays as contiguous int32, the matrix's own where they are that already."""
    return tuple(np.ascontiguousarray(a.arrays[name], np.int32) for name in names)


def threads_asked(variable: str) -> int:
    """Return how many threads an environment variable asks for; 1 where it is not set."""
    first = os.environ.get(variable, "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else 1


def copied_bytes(a: Matrix, arrays: Iterable[Array]) -> int:
    """Return the bytes of those arrays that are not the matrix's own memory."""
    own = tuple(a.arrays.values())
    return sum(x.nbytes for x in arrays if not any(np.shares_memory(x, y) for y in own))


def only_dtypes(title: str, names: str, types: Types) -> str:
    """Return why these dtypes are refused: others than those listed, or two that differ.

    Examples
    --------
    >>> from minisparse.core.tensor_type import dense_type
    >>> only_dtypes("MKL", "float32 float64", [dense_type(np.zeros(3, "int8"))])
    'MKL is used for float32 float64 only, not for int8'
    """
    for t in types:
        if t.dtype.name not in names.split():
            return f"{title} is used for {names} only, not for {t.dtype.name}"
    different = list(dict.fromkeys(t.dtype.name for t in types))
    if len(different) > 1:
        return f"{title} wants operands of one dtype, not {' and '.join(different)}"
    return ""


def square_blocks(title: str, types: Types) -> str:
    """Return why blocks are refused that are not square."""
    block = types[0].block
    if block is None or block[0] == block[1]:
        return ""
    return f"{title}'s blocks are square, not {block[0]}x{block[1]}"


def whole_blocks(title: str, types: Types) -> str:
    """Return why blocks are refused that reach beyond the matrix: the library has no padding."""
    a = types[0]
    if a.block is None or (a.dims[0] % a.block[0] == 0 and a.dims[1] % a.block[1] == 0):
        return ""
    r, c = a.block
    return f"{title} has no padding: blocks of {r}x{c} must divide {a.dims[0]}x{a.dims[1]}"
