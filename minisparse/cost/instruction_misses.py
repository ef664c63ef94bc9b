"""Why an instruction cannot be used although the machine has it: narrowly, and by how much."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import Matrix, NearGroups, find_near_groups
from minisparse.kernels.instructions.table import MachineInstruction

SEARCHED = 2**17
"""Elements up to which an order of columns is looked for unless said otherwise: some tenths of a
second."""


@dataclass(frozen=True)
class Miss:
    """One reason why an instruction does not apply.

    Attributes
    ----------
    kind : {"machine", "dtype", "rounding", "pattern", "saturation"}
        The machine does not have it; it multiplies other numbers; it would round what it is given;
        the zeros lie elsewhere; sums would be cut where they should wrap.
    text : str
        The reason in words.
    near : NearGroups, optional
        Of a pattern: how far it is from the n:m, and the order of columns that mends it.
    first : tuple of int, optional
        Row, and first and last column, of the first group or pair that stands in the way.
    """

    kind: str
    text: str
    near: NearGroups | None = None
    first: tuple[int, int, int] | None = None


def misses_group(mask: Array, n: int, m: int, search: int) -> tuple[Miss, ...]:
    """Return the reason why a weight is not n:m along K, if it is not.

    Parameters
    ----------
    mask : ndarray of bool, shape (M, K)
        Where the nonzeros are.
    n, m : int
        At most n nonzeros among m neighbors.
    search : int
        Up to how many elements an order of columns is looked for.

    Examples
    --------
    >>> mask = np.array([[1, 1, 1, 0, 0, 0, 0, 1]], bool)
    >>> print(misses_group(mask, 2, 4, search=100)[0].text)
    2:4 in all but 1 of 2 groups (first: row 0, columns 0-3, which hold 3); after a permutation of \
columns it fits
    """
    room = mask.shape[1] // m * n + min(n, mask.shape[1] % m)
    overfull = int((np.count_nonzero(mask, axis=1) > room).sum())
    searched = mask.size <= search and not overfull
    near = find_near_groups(mask, n, m, permute=searched)
    if not near.violations:
        return ()
    if mask.all():
        return (Miss("pattern", f"dense: {n}:{m} has {m - n} zeros in every {m}", near),)
    row, start, held = _first_group(mask, n, m)
    stop = min(start + m, mask.shape[1]) - 1
    told = (
        f"{n}:{m} in all but {near.violations:,} of {near.groups:,} groups (first: row {row}, "
        f"columns {start}-{stop}, which hold {held}); "
    )
    if overfull:
        rows = "row holds" if overfull == 1 else "rows hold"
        told += f"no order of columns can fit: {overfull:,} {rows} more than {room:,} nonzeros"
    else:
        told += _by_permutation(near) if searched else "an order that fits was not looked for"
    return (Miss("pattern", told, near, (row, start, stop)),)


def _by_permutation(near: NearGroups) -> str:
    """Say what an order of columns would change."""
    if near.permutation is None:
        return "no order of columns that was tried is better"
    if not near.excess_permuted:
        return "after a permutation of columns it fits"
    return (
        f"after a permutation of columns {near.excess_permuted:,} nonzeros are too many, "
        f"instead of {near.excess:,}"
    )


def _first_group(mask: Array, n: int, m: int) -> tuple[int, int, int]:
    """Return row and first column of the first group with more than n nonzeros, and how many."""
    starts = np.arange(0, mask.shape[1], m)
    for row, line in enumerate(mask):
        held = np.add.reduceat(line, starts, dtype=np.int64)
        if (held > n).any():
            g = int(np.argmax(held > n))
            return row, g * m, int(held[g])
    raise AssertionError("every group fits")


def misses_of_bytes(
    instruction: MachineInstruction, weight: Any, dtypes: tuple[str, str]
) -> tuple[Miss, ...]:
    """Return the reason why sums of bytes might be cut, if the weight's values allow it.

    Sums of integers wrap (rule S8), so that an instruction that cuts them may be used only where no
    activations whatever can bring a sum to its edge.

    Parameters
    ----------
    instruction : MachineInstruction
        One that cuts, or any other, which is let pass.
    weight : ndarray or Matrix, shape (M, K)
        Of int8 or uint8.
    dtypes : tuple of str
        Of the weight and of what it is multiplied by.
    """
    if not instruction.cuts:
        return ()
    dense = weight.to_dense() if isinstance(weight, Matrix) else weight
    # With the weight unsigned, B is signed; otherwise B is unsigned, shifted where it was not.
    lowest, highest = (-128, 127) if dtypes[0] == "uint8" else (0, 255)
    wide = dense.astype(np.int16)  # which holds any one product: 255 * 128 < 2**15
    ends = wide * np.int16(lowest), wide * np.int16(highest)
    above, below = np.maximum(*ends), np.minimum(*ends)
    if instruction.cuts == 16:
        return _cut_pairs(wide, above, below)
    up, down = (x.sum(axis=1, dtype=np.int64) for x in (above, below))
    over = np.flatnonzero((up >= 2**31) | (down < -(2**31)))
    if not len(over):
        return ()
    row = int(over[0])
    told = (
        f"row {row} can reach {max(up[row], -down[row]):,}, and sums are cut at 2**31, not wrapped"
    )
    return (Miss("saturation", told, None, (row, 0, dense.shape[1] - 1)),)


def _cut_pairs(wide: Array, above: Array, below: Array) -> tuple[Miss, ...]:
    """Return the reason against sums of two products that 16 bits may not hold."""
    starts = np.arange(0, wide.shape[1], 2)
    if not wide.size:
        return ()
    up, down = (np.add.reduceat(x, starts, axis=1, dtype=np.int32) for x in (above, below))
    over = (up >= 2**15) | (down < -(2**15))
    if not over.any():
        return ()
    row, pair = (int(found[0]) for found in np.nonzero(over))
    start, stop = 2 * pair, min(2 * pair + 1, wide.shape[1] - 1)
    told = (
        f"{int(over.sum()):,} of {over.size:,} pairs of weights can exceed the 16 bits at which "
        f"their sum is cut (first: row {row}, columns {start}-{stop}: {wide[row, start]} and "
        f"{wide[row, stop]})"
    )
    return (Miss("saturation", told, None, (row, start, stop)),)
