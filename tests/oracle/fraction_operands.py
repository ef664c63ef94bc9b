"""What the second oracle's answers of ops share: operands as numbers, and the largest of some."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

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


def largest(seen: list[Number]) -> Number:
    if any(v[0] != v[0] for v in seen):
        return (math.nan,)
    return max(seen, key=lambda v: (Fraction(v[0]) if math.isfinite(v[0]) else v[0],))
