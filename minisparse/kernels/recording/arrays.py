"""Arrays and matrices that write down which of their elements are touched."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from minisparse.core.dtypes import Array, DType
from minisparse.core.errors import InternalError
from minisparse.formats import Matrix
from minisparse.kernels.recording.scalars import ASKING, FREE, Index, Number, plain, source_of
from minisparse.kernels.recording.tally import Root, Tally

ASKS: set[Callable[..., Any]] = {np.result_type, np.shape, np.ndim, np.size}
"""Functions that ask for an array's type or shape, and touch no element."""
VIEWS: set[Callable[..., Any]] = {np.broadcast_to, np.transpose, np.reshape, np.squeeze}
"""Functions that only say how elements lie."""
LIKE: dict[Callable[..., Any], bool] = {
    np.zeros_like: True, np.ones_like: True, np.full_like: True, np.empty_like: False,
}  # fmt: skip
"""Functions that make an array like another, and whether they fill it."""
COPIES: dict[Callable[..., Any], str] = {
    np.pad: "values", np.argsort: "indices", np.lexsort: "indices",
}  # fmt: skip
"""Functions that read whole arrays and return a new one, and what it holds."""


class Memory:
    """What an array that the loops made lies in: when the last view is gone, it is free again."""

    __slots__ = ("root", "tally")

    def __init__(self, tally: Tally, root: Root) -> None:
        self.tally, self.root = tally, root

    def __del__(self) -> None:
        self.tally.free.append(self.root)


class RecordedArray(NDArrayOperatorsMixin):
    """An array, a view or a widened copy of one; every access is noted.

    What it does not know raises AttributeError or InternalError, so that nothing goes past it.

    Attributes
    ----------
    tally : Tally
        Where accesses are noted.
    root : Root
        Which array this is a view of.
    values, where : ndarray
        The elements, and the number of each in the root.
    source : int
        Through which reading of an index the view was taken; 0 if through none.
    memory : Memory, optional
        What it lies in, if the loops made it.
    """

    __slots__ = ("memory", "root", "source", "tally", "values", "where")

    def __init__(self, tally: Tally, root: Root, values: Array) -> None:
        self.tally, self.root, self.values, self.source = tally, root, values, 0
        self.where = np.arange(values.size).reshape(values.shape)
        self.memory: Memory | None = None

    def seen_as(self, values: Array, where: Array, source: int = 0) -> "RecordedArray":
        """Return a view or a copy that stands for this array: its elements, and where they are."""
        found = object.__new__(RecordedArray)
        found.tally, found.root, found.memory = self.tally, self.root, self.memory
        found.values, found.where, found.source = values, where, max(self.source, source)
        return found

    # -- elements --------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        value = self.values[index]
        source = self.source if type(index) is int else max(self.source, source_of(index))
        if type(value) is np.ndarray:
            return self.seen_as(value, self.where[index], source)
        root, tally, element = self.root, self.tally, int(self.where[index])
        tally.note(root, element, False, source)
        if root.role == "values":
            return Number(value, tally)
        if root.role == "indices":
            return Index(int(value), tally.reading(root, element, source))
        return Index(int(value), source) if source else int(value)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check_made()
        where = self.where[index]
        source = max(self.source, source_of(index))
        if type(where) is np.ndarray:
            part = self.seen_as(self.values[index], where, source)
            self.tally.note_whole([value] if isinstance(value, RecordedArray) else [], part)
        else:
            self.tally.note(self.root, int(where), True, source)
        self.values[index] = value.value if type(value) is Number else bare(value)

    def _check_made(self) -> None:
        if not self.root.made:
            raise InternalError(f"recording: the loops write to {self.root.name}, an operand")

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    # -- what touches no element -----------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        shape: tuple[int, ...] = self.values.shape
        return shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.values.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.values.size

    @property
    def dtype(self) -> DType:
        """Element type."""
        dtype: DType = self.values.dtype
        return dtype

    @property
    def T(self) -> "RecordedArray":  # noqa: N802 - the name NumPy gave it
        """The transpose, a view."""
        return self._view(lambda x: x.T)

    def reshape(self, *shape: Any) -> "RecordedArray":
        """Return the array in another shape."""
        return self._view(lambda x: x.reshape(*shape))

    def transpose(self, *axes: Any) -> "RecordedArray":
        """Return the array with its axes in another order, a view."""
        return self._view(lambda x: x.transpose(*axes))

    def astype(self, dtype: Any, copy: bool = True) -> "RecordedArray":
        """Return a copy in another dtype; it stands for the array itself."""
        return self.standing_for(self.values.astype(dtype, copy=copy))

    def standing_for(self, values: Array) -> "RecordedArray":
        """Return a copy with these values; accesses to it are accesses to this array."""
        if values is not self.values:
            self.tally.made_bytes += values.nbytes
        return self.seen_as(values, self.where)

    def _view(self, look: Callable[[Array], Array]) -> "RecordedArray":
        return self.seen_as(look(self.values), look(self.where))

    # -- functions of NumPy ----------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **more: Any) -> Any:
        """Compute on whole arrays, a flop for each element of the result."""
        into = more.pop("out", (None,))[0]
        if method != "__call__" or set(more) - {"dtype"}:
            raise InternalError(f"recording: np.{ufunc.__name__}.{method} is not recorded")
        result = ufunc(*(bare(x) for x in inputs), **more)
        if into is None:
            into = made(self.tally, result)
        else:
            into._check_made()
            into.values[...] = result
        self.tally.note_whole([x for x in inputs if isinstance(x, RecordedArray)], into)
        if ufunc not in FREE and ufunc not in ASKING:
            self.tally.flops += result.size
        return into

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """Refuse to become a plain array, of which nothing would be noted."""
        raise InternalError(f"recording: {self.root.name} is made a plain array on the way")

    def __array_function__(self, function: Any, types: Any, args: Any, more: Any) -> Any:
        """Call a function of NumPy that is known not to go past the record."""
        if function in ASKS:
            return function(*bare(args), **bare(more))
        if function is np.broadcast_arrays:
            shape = np.broadcast_shapes(*(x.shape for x in args))
            return tuple(np.broadcast_to(x, shape) for x in args)
        if function in VIEWS:
            return self._view(lambda x: function(x, *args[1:], **more))
        if function in LIKE:
            return made(self.tally, function(*bare(args), **bare(more)), filled=LIKE[function])
        if function in COPIES:
            return _copied(function, args, more, self.tally)
        raise InternalError(f"recording: np.{function.__name__} is not recorded")


def _copied(function: Any, args: Any, more: Any, tally: Tally) -> RecordedArray:
    """Note every element that a function reads; those it writes count as filled."""
    for x in (*args, *(args[0] if isinstance(args[0], list | tuple) else ())):
        if isinstance(x, RecordedArray):
            tally.note_whole([x], None)
    return made(tally, function(*bare(args), **bare(more)), role=COPIES[function])


def made(tally: Tally, values: Array, filled: bool = True, role: str = "values") -> RecordedArray:
    """Return an array that the loops have just made."""
    found = RecordedArray(tally, tally.make(values, filled, role), values)
    found.memory = Memory(tally, found.root)
    return found


def bare(x: Any) -> Any:
    """Return what is behind recorded arrays and numbers, in lists and mappings too."""
    if isinstance(x, RecordedArray):
        return x.values
    if isinstance(x, RecordedMatrix):
        return x.matrix
    if isinstance(x, list | tuple) and not hasattr(x, "_fields"):
        return type(x)(bare(item) for item in x)
    if isinstance(x, dict):
        return {name: bare(item) for name, item in x.items()}
    return int(x) if isinstance(x, Index) else plain(x)


class RecordedMatrix:
    """A matrix whose arrays are recorded; beside them only facts that touch no element."""

    def __init__(self, matrix: Matrix, arrays: dict[str, RecordedArray]) -> None:
        self._matrix, self._arrays = matrix, arrays

    @classmethod
    def of(cls, tally: Tally, matrix: Matrix, name: str) -> "RecordedMatrix":
        """Return a matrix, an operand of that name."""
        return cls(
            matrix,
            {
                array: RecordedArray(tally, tally.add(f"{name}.{array}", x, matrix.roles[array]), x)
                for array, x in matrix.arrays.items()
            },
        )

    def __getattr__(self, name: str) -> Any:
        if name in self._arrays:
            return self._arrays[name]
        found = getattr(self._matrix, name)
        if isinstance(found, int | tuple | str | np.dtype):
            return found
        raise InternalError(f"recording: {name} of a matrix is not recorded")

    def canonical(self) -> "RecordedMatrix":
        """Return the matrix whose facts are asked for; its arrays are none of the loops'."""
        return RecordedMatrix(self._matrix.canonical(), {})

    def with_data(self, data: RecordedArray) -> "RecordedMatrix":
        """Return a matrix with the same stored positions and other values."""
        return RecordedMatrix(self._matrix.with_data(data.values), {**self._arrays, "data": data})

    @property
    def matrix(self) -> Matrix:
        """The matrix itself."""
        return self._matrix

    @property
    def arrays(self) -> dict[str, RecordedArray]:
        """Its arrays, by name."""
        return self._arrays
