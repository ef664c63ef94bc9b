"""What is known of a value before it exists: shape, dtype, and how it is stored."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.errors import ShapeError
from minisparse.core.symbolic import Dim, names_in, replace_names

Known = tuple[Dim | float, ...]
"""Elements of a small array, in order, as far as they are known before a run."""

KNOWN_LIMIT = 64
"""Arrays of more elements are not looked into for shapes and axes."""


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
    known : tuple, optional
        The elements themselves, where it is a small array that is known before the run, such as
        the shape for a ``reshape``; dimensions among them may be texts. None: nothing is known.

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
    known: Known | None = field(default=None, compare=False)

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
        """Names in the dimensions that are not numbers yet, each once, in order."""
        if all(isinstance(d, int) for d in self.shape):
            return ()
        return tuple(dict.fromkeys(name for d in self.shape for name in names_in(d)))

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
        """Return the type with names in its dimensions replaced by the given numbers."""
        known = self.known
        if known is not None:
            known = tuple(replace_names(d, sizes) if isinstance(d, str) else d for d in known)
        shape = tuple(replace_names(d, sizes) for d in self.shape)
        return replace(self, shape=shape, known=known)

    def __repr__(self) -> str:
        """Return it as ``float32[512, 64] csr nnz=3277``."""
        text = f"{self.dtype}[{', '.join(map(str, self.shape))}]"
        return text if self.format == "dense" else f"{text} {self.layout} nnz={self.nnz}"


def known_type(array: Array) -> TensorType:
    """Return the type of a constant or of an array at hand, its elements noted if it is small.

    Examples
    --------
    >>> import numpy as np
    >>> known_type(np.array([2, -1])).known
    (2, -1)
    """
    small = array.ndim <= 1 and array.size <= KNOWN_LIMIT and array.dtype.kind in "biuf"
    noted = small and isinstance(array, np.ndarray)  # not what lies on a device
    known = tuple(array.reshape(-1).tolist()) if noted else None
    return TensorType(tuple(array.shape), array.dtype, known=known)


def dense_type(array: Array) -> TensorType:
    """Return the type of a plain array.

    Examples
    --------
    >>> import numpy as np
    >>> dense_type(np.zeros((2, 3)))
    float64[2, 3]
    """
    return TensorType(tuple(array.shape), array.dtype)
