"""What every sparse format has in common: a shape, verified arrays, an account of its bytes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.tensor_type import Layout, TensorType
from minisparse.core.triplets import Triplets
from minisparse.core.xp import is_on_gpu, namespace
from minisparse.formats.compressed import Compressed, put_at
from minisparse.formats.elsewhere import name_here
from minisparse.formats.holder import Block, Holder
from minisparse.formats.operations import Operations
from minisparse.formats.ordering import CHUNK
from minisparse.formats.storage import Storage
from minisparse.show import spy_text

if TYPE_CHECKING:
    from minisparse.formats.pattern import Pattern
    from minisparse.formats.views import View


class Matrix(Operations, Holder, ABC):
    """An immutable 2-D matrix in one storage format.

    The arrays are views that cannot be written through, as far as NumPy's go; they are checked at
    construction, and facts about them (sorted, canonical) are found by looking, never assumed.
    Arrays that fit as they are, are not copied: whoever keeps a writeable array and writes into it
    breaks the matrix, and :meth:`check` finds out. Where they lie, in main memory or on a card, is
    where it is computed with (:attr:`device`).

    A new format is one file with one subclass: the five abstract members below, ``_from_triplets``
    and ``_predicted_bytes``. Its constructor takes the arrays in the order of :attr:`roles`, then
    the shape.
    """

    layout_names: ClassVar[tuple[str, ...]] = ()
    """What :meth:`to` must be told beside the format's name: ``("block",)`` or ``("n", "m")``."""
    __array_ufunc__ = None  # makes ``ndarray @ A`` call A.__rmatmul__

    # -- what a format says ----------------------------------------------------------------------

    @abstractmethod
    def check(self) -> None:
        """Verify every invariant; raise FormatError naming the first broken one.

        The facts ``has_sorted_indices`` and ``has_canonical_format`` are looked up afresh after.
        """

    @abstractmethod
    def triplets(self) -> Triplets:
        """Return the stored entries as coordinates; no cell outside the shape.

        In stored order, except that BSR goes row by row through the blocks of a block row.
        """

    @property
    @abstractmethod
    def has_sorted_indices(self) -> bool:
        """Whether the stored entries are in the format's order; found by looking, then kept."""

    @property
    @abstractmethod
    def has_canonical_format(self) -> bool:
        """Whether they are sorted and no cell is stored twice; found by looking, then kept."""

    @property
    @abstractmethod
    def T(self) -> "Matrix":  # noqa: N802 - the name NumPy gave it
        """The transpose."""

    @classmethod
    @abstractmethod
    def _from_triplets(cls, triplets: Triplets, block: Block) -> Self:
        """Return the matrix of valid triplets, sorted, duplicates summed in stored order."""

    @classmethod
    @abstractmethod
    def _predicted_bytes(cls, pattern: "Pattern", block: Block, itemsize: int) -> int:
        """Return ``nbytes`` of a matrix of that pattern, without making one."""

    @classmethod
    def _from_entries(cls, triplets: Triplets, block: Block) -> Self:
        """Return the matrix of valid triplets, as unsorted and repeated as the format can hold."""
        return cls._from_triplets(triplets, block)

    @classmethod
    def _from_matrix(cls, A: "Matrix", block: Block) -> Self:
        """Return the same matrix in this format, canonical; formats know faster ways."""
        return cls._from_triplets(A.triplets(), block)

    def _rows(self) -> Compressed | None:
        """Return CSR's arrays of the same matrix, or None where they are not at hand.

        Sorted, and no cell twice, where :attr:`has_canonical_format` says so of the matrix; else
        duplicates keep their stored order.
        """
        return None

    def _columns(self) -> Compressed | None:
        """Return CSC's arrays of the same matrix, in the same way."""
        return None

    @classmethod
    def _from_dense(cls, x: Array, block: Block) -> Self:
        """Return the matrix of what is not zero in ``x [M, K]``; formats know faster ways."""
        row, col = np.nonzero(x)
        return cls._from_triplets(Triplets(row, col, x[row, col], x.shape), block)

    @classmethod
    def _as_block(cls, layout: Mapping[str, Any]) -> Block:
        """Return the validated block from what :attr:`layout_names` asked for."""
        return None

    # -- what every format can tell --------------------------------------------------------------

    @property
    def nnz(self) -> int:
        """Number of stored values, explicit zeros and padding inside blocks included."""
        return int(self.data.size)

    @property
    def ndim(self) -> int:
        """Number of dimensions: 2."""
        return 2

    @property
    def dtype(self) -> DType:
        """Element type."""
        dtype: DType = self.data.dtype
        return dtype

    @property
    def type(self) -> TensorType:
        """The matrix's type: shape, dtype, format, stored entries, index width, block."""
        index = [a.dtype for n, a in self.arrays.items() if self.roles[n] != "values"]
        return TensorType(
            self.shape, self.dtype, self.format, self.nnz, index[0] if index else None, self.block
        )

    @property
    def storage(self) -> Storage:
        """Where the bytes go."""
        of = {"values": 0, "indices": 0, "pointers": 0}
        for name, array in self.arrays.items():
            of[self.roles[name]] += array.nbytes
        return Storage(**of, dense=self.shape[0] * self.shape[1] * self.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return self.storage.total

    @property
    def density(self) -> float:
        """Stored values over elements; 0 for a matrix without elements."""
        size = self.shape[0] * self.shape[1]
        return self.nnz / size if size else 0.0

    # -- what every format can be turned into ----------------------------------------------------

    def to(self, format: "str | Layout", **layout: Any) -> "Matrix":
        """Return the same matrix in another format; see :func:`minisparse.formats.convert`.

        Parameters
        ----------
        format : str or Layout
            ``"coo"``, ``"csr"``, ``"csc"``, ``"bsr"`` or ``"nm"``.
        **layout
            What the format wants to know: ``block=(r, c)`` for BSR, ``n=`` and ``m=`` for NM.
        """
        from minisparse.formats.conversion import convert

        return convert(self, format, **layout)

    def canonical(self) -> "Matrix":
        """Return the same matrix sorted and with duplicates summed; itself if it is so already."""
        if self.has_canonical_format:
            return self
        return self._from_triplets(self.triplets(), self.block)

    def to_dense(self) -> Array:
        """Return a plain array ``[M, K]``; duplicates are summed in stored order."""
        dense: Array = namespace(self.data).zeros(self.shape, self.dtype)
        row, col, data, _ = self.triplets()
        on_gpu = is_on_gpu(data)
        distinct, step = on_gpu and self.has_canonical_format, len(data) + 1 if on_gpu else CHUNK
        for p in range(0, len(data), step):
            cell = row[p : p + step].astype(np.intp)
            cell *= self.shape[1]
            cell += col[p : p + step]
            put_at(dense.reshape(-1), cell, data[p : p + step], distinct=distinct)
        return dense

    def to_scipy(self) -> Any:
        """Return a copy as a SciPy sparse array of the same format."""
        from minisparse.formats.scipy_interop import to_scipy

        return to_scipy(self)

    def to_torch(self) -> Any:
        """Return a copy as a PyTorch sparse tensor of the same format."""
        from minisparse.formats.torch_interop import to_torch

        return to_torch(self)

    def __matmul__(self, other: Array) -> Array:
        """Return ``A @ b`` for a plain vector ``[K]`` or matrix ``[K, N]``, computed once.

        For many products with one A use ``ms.prepare``, which packs A for speed.
        """
        from minisparse.formats.product import multiply

        return multiply(self, other)

    def __rmatmul__(self, other: Array) -> Array:
        """Return ``b @ A`` for a plain vector ``[M]`` or matrix ``[N, M]``."""
        from minisparse.formats.product import multiply_from_left

        return multiply_from_left(other, self)

    def __array__(self, *_: Any, **__: Any) -> Array:
        """Refuse: turning a sparse matrix into a dense one is never implicit."""
        raise TypeError(f"a {self.format} matrix is not an array; write .to_dense() to make it one")

    def spy(self) -> str:
        """Return a picture in ASCII of where the stored entries are.

        Examples
        --------
        >>> from minisparse.formats import from_dense
        >>> print(from_dense([[1, 0, 0], [0, 2, 3]], "csr").spy())
        +-----+
        |# . .|
        |. # #|
        +-----+
        """
        row, col, _, shape = self.triplets()
        return spy_text(row, col, shape)

    def show(
        self, array: str | None = None, *, row: int | None = None, col: int | None = None
    ) -> "View":
        """Show the arrays side by side, or follow one of them through a row or a column.

        Parameters
        ----------
        array : str, optional
            What to follow: ``"indptr"`` in CSR, CSC and BSR, ``"row"`` or ``"col"`` in COO,
            ``"positions"`` in NM. Without it, all arrays are shown.
        row, col : int, optional
            Which one to follow it for: ``col`` for CSC and for ``"col"``, else ``row``, of which
            BSR shows the block row. By default one that stores the most.

        Returns
        -------
        View
            Prints as text of at most 80 columns; in a notebook it is a card.

        Raises
        ------
        UsageError
            If the format has no such array to follow, or no such row or column.

        Examples
        --------
        >>> from minisparse.formats import CSR
        >>> CSR([5, 1, 2, 3], [0, 3, 1, 2], [0, 2, 2, 4], (3, 4)).show("indptr", row=2)
        CSR(3x4 int64, 4 stored, density 0.333, 0.064 kB)
        <BLANKLINE>
        Row 2 starts at slot indptr[2] = 2 and ends before indptr[3] = 4: 2 entries.
        <BLANKLINE>
        i       0  1  2  3
        indptr  0  2  2  4
                      ^  ^
        <BLANKLINE>
        indices says which column each of them is in, data what stands there.
        <BLANKLINE>
        p        0  1  2  3
        indices  0  3  1  2
        data     5  1  2  3
                       ^  ^
        <BLANKLINE>
        As a dense row, with a dot where nothing is stored:
        <BLANKLINE>
        column  0  1  2  3
        row 2   .  2  3  .
        """
        from minisparse.formats.views import show

        return show(self, array, {"row": row, "col": col})

    def _repr_html_(self) -> str:
        """Return the matrix's card for a notebook: its facts beside a spy picture."""
        from minisparse.formats.card import card_of

        return card_of(self)

    if not TYPE_CHECKING:  # to a type checker, every name would be there

        def __getattr__(self, name: str) -> Any:
            """Refuse a name that another library has, and say what it is here."""
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}{name_here(name)}"
            )

    def __repr__(self) -> str:
        """Return one line: ``CSR(512x64 float32, 3277 stored, density 0.1, 28.3 kB)``."""
        m, k = self.shape
        layout = str(Layout(self.format, self.block)).removeprefix(self.format).strip()
        return (
            f"{type(self).__name__}({m}x{k} {f'{layout} ' if layout else ''}{self.dtype}, "
            f"{self.nnz} stored, density {self.density:.3g}, {_size(self.nbytes)})"
        )


def _size(count: int) -> str:
    """Return bytes in kB, or MB where there are many."""
    return f"{count / 1e3:.3g} kB" if count < 1e6 else f"{count / 1e6:.3g} MB"
