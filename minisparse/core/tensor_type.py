"""What is known of a value before it exists: shape, dtype, and how it is stored."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from minisparse.core.dtypes import Array, DType
from minisparse.core.errors import ShapeError

Dim = int | str
"""One dimension: a number, or a name such as ``"batch"`` for one that is known only at run time."""


class Layout(NamedTuple):
    """How a value is stored: a format and, where it has one, the block size.

    Examples
    --------
    >>> print(Layout("csr"), Layout("bsr", (8, 8)), Layout("nm", (2, 4)), sep=", ")
    csr, bsr 8x8, nm 2:4
    """

    format: str
    block: tuple[int, int] | None = None

    def __str__(self) -> str:
        """Return the format and its block: ``bsr 8x8``."""
        if self.block is None:
            return self.format
        return f"{self.format} {self.block[0]}{':' if self.format == 'nm' else 'x'}{self.block[1]}"


DENSE = Layout("dense")


@dataclass(frozen=True, slots=True)
class TensorType:
    """The type of a value: shape, dtype and storage format.

    Parameters
    ----------
    shape : tuple of int or str
        The dimensions; a string names one that is known only at run time.
    dtype : numpy.dtype
        Element type.
    format : str
        ``"dense"`` or a sparse format's name: ``"csr"``, ``"bsr"`` …
    stored : int, optional
        Number of stored entries; None where every element is stored.
    index_dtype : numpy.dtype, optional
        Width of the indices of a sparse format.
    block : tuple of int, optional
        Height and width of the blocks of ``"bsr"``; n and m of ``"nm"``.

    Examples
    --------
    >>> import numpy as np
    >>> TensorType(("batch", 64), np.dtype("float32"))
    float32[batch, 64]
    >>> TensorType((512, 64), np.dtype("float32"), "csr", 3277, np.dtype("int32")).density
    0.100006103515625
    """

    shape: tuple[Dim, ...]
    dtype: DType
    format: str = "dense"
    stored: int | None = None
    index_dtype: DType | None = None
    block: tuple[int, int] | None = None

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def layout(self) -> Layout:
        """Format and block."""
        return Layout(self.format, self.block)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the dimensions that are not numbers yet, each once, in order."""
        return tuple(dict.fromkeys(d for d in self.shape if isinstance(d, str)))

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape as numbers.

        Raises
        ------
        ShapeError
            If a dimension is still a name: :meth:`bind` it first.
        """
        if self.symbols:
            raise ShapeError(
                f"{self}: the size of {', '.join(self.symbols)} is not known yet; bind it first"
            )
        return tuple(d for d in self.shape if isinstance(d, int))

    @property
    def size(self) -> int:
        """Number of elements, stored or not."""
        return math.prod(self.dims)

    @property
    def nnz(self) -> int:
        """Number of stored entries; all of them where the format is dense."""
        return self.size if self.stored is None else self.stored

    @property
    def density(self) -> float:
        """Stored entries over elements; 0 for a value without elements."""
        return self.nnz / self.size if self.size else 0.0

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def index_itemsize(self) -> int:
        """Bytes of one index; 0 where the format has none."""
        return 0 if self.index_dtype is None else self.index_dtype.itemsize

    def bind(self, sizes: Mapping[str, int]) -> "TensorType":
        """Return the type with named dimensions replaced by the given numbers."""
        shape = tuple(sizes.get(d, d) if isinstance(d, str) else d for d in self.shape)
        return replace(self, shape=shape)

    def __repr__(self) -> str:
        """Return it as ``float32[512, 64] csr nnz=3277``."""
        text = f"{self.dtype}[{', '.join(map(str, self.shape))}]"
        return text if self.format == "dense" else f"{text} {self.layout} nnz={self.nnz}"


def dense_type(array: Array) -> TensorType:
    """Return the type of a plain array.

    Examples
    --------
    >>> import numpy as np
    >>> dense_type(np.zeros((2, 3)))
    float64[2, 3]
    """
    return TensorType(tuple(array.shape), array.dtype)
