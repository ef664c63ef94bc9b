"""What a contract's call line says: the names of the arguments, and of what is returned."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.oracle.narrowed import is_value


class Signature(NamedTuple):
    """Names of the arguments and of the arrays that are returned."""

    arguments: tuple[str, ...]
    returns: tuple[str, ...]


def signature(call: str) -> Signature:
    """Read a contract's call line.

    Examples
    --------
    >>> signature("(row, col, data [n], shape) -> (indptr, indices, data), sorted")
    Signature(arguments=('row', 'col', 'data', 'shape'), returns=('indptr', 'indices', 'data'))
    >>> signature("(indptr, indices, data, shape, x) -> y").returns
    ('y',)
    """
    before, _, after = re.sub(r"\[.*?\]", "", call).partition("->")
    return Signature(_names(before), _names(after))


def _names(text: str) -> tuple[str, ...]:
    text = text.strip()
    inside = text[1:].partition(")")[0] if text.startswith("(") else text
    found = re.findall(r"\w+", inside)
    return tuple(found) if text.startswith("(") else tuple(found[:1])


class Due(NamedTuple):
    """One array that a call must return.

    Attributes
    ----------
    name : str
        How the call line calls it.
    dtype : dtype
        What it must have; of index arrays, what it may have.
    shape : tuple of int
        -1 where only the implementation knows.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]


def due(returns: Sequence[str], arguments: Mapping[str, Any]) -> list[Due]:
    """Return what a call with these arguments must return.

    Examples
    --------
    >>> b = np.ones((3, 5), "float64")
    >>> due(["c"], {"data": np.ones(2, "float32"), "shape": (4, 3), "b": b})
    [Due(name='c', dtype=dtype('float64'), shape=(4, 5))]
    """
    values: list[Array] = [x for name, x in arguments.items() if is_value(name, x)]
    dtype: DType = np.result_type(*values)
    if len(returns) == 1:
        return [Due(returns[0], dtype, _dense_shape(returns[0], arguments))]
    block = tuple(arguments.get("block", ()))
    return [
        Due(name, dtype, (-1, *block)) if name == "data" else Due(name, np.dtype(np.int64), (-1,))
        for name in returns
    ]


def _dense_shape(name: str, arguments: Mapping[str, Any]) -> tuple[int, ...]:
    if name == "data":
        return tuple(arguments["data"].shape)
    rows = int(arguments["shape"][0])
    return (rows, arguments["b"].shape[1]) if "b" in arguments else (rows,)
