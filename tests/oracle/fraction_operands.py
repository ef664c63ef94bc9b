"""What the second oracle's answers of ops share: operands as numbers, and the largest of some."""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from minisparse.core.triplets import Triplets
from tests.oracle.fraction_oracle import Entry, Number, filled, number, numbers, of_dense, summed

Operands = Sequence[Any]
Attrs = Mapping[str, Any]


def dtype_of(operands: Operands) -> Any:
    """Return the dtype that all operands have; answers of a previous op have none."""
    found = (x.data.dtype if isinstance(x, Triplets) else x.dtype for x in operands)
    return next(dtype for dtype in found if dtype.kind != "O")


def as_numbers(x: Any, dtype: Any) -> Any:
    """Return an operand as an array of numbers, or as it is where it is one."""
    if isinstance(x, Triplets):
        return filled(summed(entries_of(x, dtype), dtype), x.shape, dtype)
    return x if x.dtype == object else numbers(x, dtype)


def entries_of(x: Any, dtype: Any) -> list[Entry]:
    """Return stored entries; every cell of what is dense."""
    if not isinstance(x, Triplets):
        return of_dense(x, dtype)
    return [
        (int(i), int(k), number(v, dtype)) for i, k, v in zip(x.row, x.col, x.data, strict=True)
    ]


def along(x: Any, axis: int, function: Callable[[list[float]], list[Any]]) -> Any:
    """Return a function of the rows along an axis, which gives as many real numbers."""
    found = np.empty(x.shape, object)
    rows, results = np.moveaxis(x, axis, -1), np.moveaxis(found, axis, -1)
    for at in np.ndindex(*rows.shape[:-1]):
        if rows.shape[-1]:
            for i, y in enumerate(function([float(v) for v in rows[at]])):
                results[(*at, i)] = (y,)
    return found


def largest(seen: list[Number]) -> Number:
    if any(v[0] != v[0] for v in seen):
        return (math.nan,)
    return max(seen, key=lambda v: (Fraction(v[0]) if math.isfinite(v[0]) else v[0],))
