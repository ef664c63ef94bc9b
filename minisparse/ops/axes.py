"""What ops that move elements ask of axes, indices and sizes, known or not."""

import re
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, is_plain
from minisparse.core.errors import DTypeError, ShapeError
from minisparse.core.symbolic import UNKNOWN, Dim
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace, to_device
from minisparse.ops.constraints import plain_dtypes_mix
from minisparse.ops.op import Attrs, Constraint, Types


def no_flops(types: Types, attrs: Attrs) -> int:
    """Return 0: elements are moved, none is computed."""
    return 0


def dtypes_are(
    number: str, text: str, whole: Collection[int] = (), mix: Collection[int] | None = None
) -> Constraint:
    """Every dtype is one of plain arrays, those at ``whole`` whole numbers, those at ``mix`` mix.

    Parameters
    ----------
    number, text : str
        Of the constraint.
    whole : collection of int
        Positions of operands that are indices, axes or sizes; absent optional ones are skipped.
    mix : collection of int, optional
        Positions of operands whose dtypes have a common one; by default those not ``whole``.
    """

    def holds(types: Types, attrs: Attrs) -> bool:
        mixed = [t for i, t in enumerate(types) if (i not in whole if mix is None else i in mix)]
        return (
            all(is_plain(t.dtype) for t in types)
            and all(types[i].dtype.kind in "iu" for i in whole if i < len(types))
            and (not mixed or plain_dtypes_mix(mixed, attrs))
        )

    return Constraint(number, text, holds, DTypeError)


def is_axis(value: Any, ndim: int) -> bool:
    """Tell whether a value names one of ``ndim`` axes, negative ones counted from the end."""
    return isinstance(value, int | np.integer) and bool(-ndim <= value < ndim)


def are_axes(values: Sequence[Any] | None, ndim: int) -> bool:
    """Tell whether values name axes, each once; of nothing known they may."""
    if values is None:
        return True
    return all(is_axis(v, ndim) for v in values) and len({v % ndim for v in values}) == len(values)


def has_axis(number: str) -> Constraint:
    """Return the constraint that the attribute ``axis`` names an axis of X."""
    return Constraint(
        number,
        "axis must name an axis of X",
        lambda types, attrs: is_axis(attrs["axis"], types[0].ndim),
    )


def length(vector: TensorType) -> int | None:
    """Return how many elements a vector has, 1 for a number; None where nothing tells."""
    size = vector.shape[0] if vector.ndim else 1
    return size if isinstance(size, int) else None


def is_vector(given: TensorType) -> bool:
    """Tell whether it is a vector, or a single number, whose length is known."""
    return given.ndim <= 1 and length(given) is not None


def is_single(given: TensorType) -> bool:
    """Tell whether it is a number, or a vector that may have one element."""
    return given.ndim == 0 or (given.ndim == 1 and length(given) in (1, None))


def whole_known(given: TensorType) -> tuple[int, ...] | None:
    """Return the elements of an operand where they are known, and all numbers."""
    if given.known is None:
        return None
    found = tuple(x for x in given.known if isinstance(x, int))
    return found if len(found) == len(given.known) else None


def sizes_known(given: TensorType) -> tuple[Dim, ...] | None:
    """Return the elements of an operand that is to be sizes: numbers and texts; None if unknown."""
    if given.known is None:
        return None
    return tuple(x if isinstance(x, str) else int(x) for x in given.known)


def as_ints(x: Array) -> tuple[int, ...]:
    """Return the elements of an array of indices, axes or sizes."""
    return tuple(map(int, x.reshape(-1).tolist()))


def settled(dim: Dim) -> Dim:
    """Return a dimension, :data:`UNKNOWN` where one that has no number is a part of it.

    Examples
    --------
    >>> settled("2*?"), settled("2*?1"), settled("2*batch")
    ('?', '2*?1', '2*batch')
    """
    return UNKNOWN if isinstance(dim, str) and re.search(r"\?(?!\d)", dim) else dim


def is_size(dim: Dim) -> bool:
    """Tell whether a dimension cannot be negative, whatever its names stand for.

    Examples
    --------
    >>> is_size("batch + 1"), is_size("batch - 1"), is_size(-1), is_size("?")
    (True, False, False, False)
    """
    if isinstance(dim, str):
        return " - " not in dim and not dim.startswith("-") and settled(dim) != UNKNOWN
    return dim >= 0


def inside(where: str, indices: Array, size: int, axis: int, text: str) -> Array:
    """Return indices counted from the start, all within an axis.

    Parameters
    ----------
    where : str
        Op and constraint for the message: ``"gather (C3)"``.
    indices : ndarray
        Whole numbers of any shape; negative ones count from the end.
    size, axis : int
        Of the axis that they point into.
    text : str
        The constraint in words.

    Raises
    ------
    ShapeError
        If one lies beyond the axis; the first of them is named, with its place.

    Examples
    --------
    >>> inside("gather (C3)", np.array([0, -1]), 3, 0, "indices must lie within the axis")
    array([0, 2])
    """
    if namespace(indices) is not np:
        return _inside_on_device(where, indices, size, axis, text)
    least, most = (int(indices.min()), int(indices.max())) if indices.size else (0, -1)
    if least < -size or most >= size:
        wrong = np.array([not -size <= int(i) < size for i in indices.reshape(-1)])
        place = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), indices.shape))
        raise ShapeError(
            f"{where}: indices[{', '.join(map(str, place))}] is {int(indices[place])}, "
            f"but axis {axis} has {size} elements: {text}"
        )
    found = indices.astype(np.int64, copy=False)
    return np.where(found < 0, found + size, found) if least < 0 else found


def _inside_on_device(where: str, indices: Array, size: int, axis: int, text: str) -> Array:
    """Return the same where indices lie on a device: whether all are within is asked once."""
    wrong = indices >= size
    if indices.dtype.kind == "i":
        wrong |= indices < -size
    if indices.size and bool(wrong.any()):
        inside(where, to_device(indices, "cpu"), size, axis, text)  # which says where
    found = indices.astype(np.int64, copy=False)
    return np.where(found < 0, found + size, found)


def may_lie_within(given: TensorType, size: Dim) -> bool:
    """Tell whether indices, where they are known, lie within an axis of a size."""
    indices = whole_known(given)
    if indices is None or not isinstance(size, int):
        return True
    return all(-size <= i < size for i in indices)
