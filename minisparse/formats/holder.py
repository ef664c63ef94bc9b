"""How a matrix holds its arrays: verified once, never written to, told apart by their role."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NoReturn, Self

from minisparse.core.dtypes import Array, DType
from minisparse.core.errors import FormatError
from minisparse.core.index import index_dtype
from minisparse.core.xp import device_of, to_device
from minisparse.formats.intake import as_values, beside, frozen

Block = tuple[int, int] | None
"""Height and width of blocks, n and m of an n:m format, or None where a format has neither."""

_FACTS = ("has_sorted_indices", "has_canonical_format")


class Holder:
    """A shape and arrays that cannot be rebound or written through.

    Arrays that fit as they are, are not copied: whoever keeps a writeable array and writes into
    it breaks the matrix.
    """

    format: ClassVar[str]
    """The format's short name, as used in :meth:`to`: ``"csr"``."""
    roles: ClassVar[Mapping[str, str]]
    """From each array's name to its role: ``"values"``, ``"indices"`` or ``"pointers"``."""

    shape: tuple[int, int]
    data: Array

    @property
    def arrays(self) -> dict[str, Array]:
        """The arrays that hold the matrix, by name."""
        return {name: getattr(self, name) for name in self.roles}

    @property
    def block(self) -> Block:
        """Height and width of the blocks, n and m of an n:m format, or None."""
        return None

    @property
    def device(self) -> str:
        """Where the arrays lie, and so where they are computed with: ``"cpu"`` or ``"gpu"``."""
        return device_of(self.data)

    def to_device(self, device: str) -> Self:
        """Return the same matrix in main memory or on the current GPU; itself if it is there.

        Else its arrays are copied over the bus. Facts that were found about them stay found.

        Parameters
        ----------
        device : str
            ``"cpu"`` or ``"gpu"``.

        Raises
        ------
        UsageError
            If the device is unknown, or there is no GPU; the message says what CUDA said.
        MissingExtraError
            If CuPy is not installed.

        Examples
        --------
        >>> from minisparse.formats import from_dense
        >>> A = from_dense([[1, 2]], "csr")
        >>> A.device, A.to_device("cpu") is A
        ('cpu', True)
        """
        where = f"{type(self).__name__}.to_device"
        arrays = {name: to_device(array, device, where) for name, array in self.arrays.items()}
        if device == self.device:
            return self
        moved = self._trusted(self.shape, **self._extras, **arrays)
        moved.__dict__.update({f: self.__dict__[f] for f in _FACTS if f in self.__dict__})
        return moved

    @classmethod
    def _index_dtype(cls, shape: tuple[int, int], stored: int) -> DType:
        """Return the dtype of indices and pointers."""
        return index_dtype(shape, stored)

    def _padding(self) -> Array | None:
        """Return which stored values stand for cells outside the shape; None where none can."""
        return None

    def _check_padding(self) -> None:
        """Raise FormatError if a cell outside the shape is not zero; most formats have none."""

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, Any], shape: tuple[int, int], block: Block = None
    ) -> Self:
        """Return the matrix whose arrays, shape and block are these, checked: what files store.

        Parameters
        ----------
        arrays : mapping
            What :attr:`arrays` returned; exactly the names in :attr:`roles`.
        shape : tuple of int
            ``(M, K)``.
        block : tuple of int, optional
            What :attr:`block` returned.

        Raises
        ------
        FormatError
            If an array is missing or unknown, or a rule of the format is broken.
        """
        if not isinstance(arrays, Mapping):
            raise FormatError(f"{cls.__name__}: arrays are a {type(arrays).__name__}, not a dict")
        if set(arrays) != set(cls.roles):
            raise FormatError(
                f"{cls.__name__}: arrays are {', '.join(arrays) or 'none'}: they must be "
                f"{', '.join(cls.roles)}"
            )
        made = cls._from_arrays([arrays[name] for name in cls.roles], shape, block)
        if made.block != block:
            raise FormatError(f"{cls.__name__}: block is {block}, but the arrays say {made.block}")
        return made

    @classmethod
    def _from_arrays(cls, arrays: Sequence[Any], shape: tuple[int, int], block: Block) -> Self:
        construct: Callable[..., Self] = cls
        return construct(*arrays, shape)

    @classmethod
    def _trusted(cls, shape: tuple[int, int], **fields: Any) -> Self:
        """Return a matrix of arrays that are valid by construction; nothing is checked.

        For results of minisparse's own code: a conversion must not pay for the check twice.
        """
        self = cls.__new__(cls)
        self._store(shape, fields)
        return self

    def _store(self, shape: tuple[int, int], fields: Mapping[str, Any]) -> None:
        width = self._index_dtype(shape, fields["data"].size)
        stored = dict(fields)
        for name, role in self.roles.items():
            array = fields[name]
            stored[name] = frozen(array if role == "values" else array.astype(width, copy=False))
        self.__dict__.update(stored, shape=shape)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        """Refuse: a matrix is immutable."""
        raise AttributeError(f"a {self.format} matrix is immutable; '{name}' cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse: a matrix is immutable."""
        raise AttributeError(f"a {self.format} matrix is immutable; '{name}' cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a call of :meth:`from_arrays`, so that what arrives is checked again."""
        return type(self).from_arrays, (self.arrays, self.shape, self.block)

    def with_data(self, data: Any) -> Self:
        """Return a matrix with the same stored positions and other values.

        Parameters
        ----------
        data : array_like
            As many values, in the same order and shape, as :attr:`data`; any supported dtype.

        Raises
        ------
        FormatError
            If the shape differs, or a padding cell would no longer be zero.
        """
        where = f"{type(self).__name__}.with_data"
        data = as_values(data, self.data.ndim, f"{where}: data")
        if type(data) is not type(self.data):
            data = beside(self, data, f"{where}: data")
        if data.shape != self.data.shape:
            raise FormatError(
                f"{where}: data has shape {data.shape}, but the stored positions want "
                f"{self.data.shape}"
            )
        new = self._trusted(self.shape, **{**self.arrays, **self._extras, "data": data})
        new._check_padding()
        # The facts are about positions alone, and these are shared.
        new.__dict__.update({f: self.__dict__[f] for f in _FACTS if f in self.__dict__})
        return new

    @property
    def _extras(self) -> Mapping[str, Any]:
        """What :meth:`_trusted` needs beside shape and arrays."""
        return {}

    def _forget_facts(self) -> None:
        """Drop what was found about the arrays, so that the next question looks again."""
        for fact in _FACTS:
            self.__dict__.pop(fact, None)
