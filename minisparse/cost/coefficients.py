"""What one way of a kernel takes on one machine: seconds for each thing that its work counts.

    t = fixed + call * calls + row * rows + entry * entries + flop * flops / efficiency
      + gather[g] * gathered + byte[l] * bytes - overlap * min(arithmetic, traffic)

where l is the memory level in which all operands fit together, and g that in which what is
gathered from does; of what a level keeps in part, the figure lies between it and the next. Figures
are for float32; what is done to wider elements takes as much longer as they are wider, and a
product as much as the machine's peak is lower.

Fitted coefficients (:mod:`minisparse.cost.fitting`) hold what is *not* hidden behind something
else, so they simply add up. Where nothing was fitted they are the machine's own figures, of which
the smaller of arithmetic and traffic is taken to be hidden: the roofline of Williams, Waterman and
Patterson, CACM 52(4), 2009.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.cost.price import Price
from minisparse.kernels import Work

ITEM = 4
"""Bytes of the elements that figures are for."""
SCALARS = ("fixed", "call", "row", "entry", "flop")
"""The coefficients that are one number each, in the order of :func:`features`."""


class Fit(NamedTuple):
    """How well coefficients predict problems that they were not fitted to.

    Attributes
    ----------
    problems : int
        How many were measured.
    error : float
        The median factor between predicted and measured, at least 1.
    within : float
        The share that is predicted within a factor of 1.5.
    """

    problems: int
    error: float
    within: float


@dataclass(frozen=True)
class Coefficients:
    """Seconds for each thing that is counted; see the module.

    Attributes
    ----------
    fixed, call, row, entry, flop : float
        For a call of the kernel; for each call into the array library, row, entry and
        floating-point operation.
    gather : tuple of float
        For each gathered element, by the level where it lies.
    byte : tuple of float
        For each byte moved, by level.
    overlap : float
        The share of the smaller of arithmetic and traffic that is hidden behind the other.
    fit : Fit or None
        How good they are; None where they were not fitted.
    """

    fixed: float
    call: float
    row: float
    entry: float
    flop: float
    gather: tuple[float, ...]
    byte: tuple[float, ...]
    overlap: float = 0.0
    fit: Fit | None = None

    @property
    def vector(self) -> Array:
        """All of them, in the order of :func:`features`."""
        return np.array([*(getattr(self, n) for n in SCALARS), *self.gather, *self.byte])

    @classmethod
    def of_vector(cls, values: Array, fit: Fit | None = None) -> "Coefficients":
        """Return the coefficients that a vector holds."""
        fixed, call, row, entry, flop, *levels = (float(x) for x in values)
        half = len(levels) // 2
        gather, byte = tuple(levels[:half]), tuple(levels[half:])
        return cls(fixed, call, row, entry, flop, gather, byte, fit=fit)


class Scale(NamedTuple):
    """What a call's figures are multiplied by, and where its data lies.

    Attributes
    ----------
    width : float
        Of an element over that of float32.
    slowness : float
        How many times as long a floating-point operation takes as in float32.
    level, reach : float
        In which memory level all operands lie, and in which those that are gathered from do;
        between two where one keeps a part: see :meth:`minisparse.cost.Machine.level_of`.
    levels : int
        How many levels there are.
    """

    width: float
    slowness: float
    level: float
    reach: float
    levels: int


def width_of(dtype: DType) -> float:
    """Return how wide an element is, as a multiple of a float32."""
    return dtype.itemsize / ITEM


def between(levels: Sequence[float], at: float) -> float:
    """Return a figure of a memory level, or of a place between two.

    Examples
    --------
    >>> between((1.0, 3.0), 0.25), between((1.0, 3.0), 1.0)
    (1.5, 3.0)
    """
    i, part = int(at), at % 1
    return levels[i] + part * (levels[i + 1] - levels[i]) if part else levels[i]


def features(work: Work, scale: Scale) -> Array:
    """Return what coefficients are multiplied with, in their order."""
    found = np.zeros(len(SCALARS) + 2 * scale.levels)
    found[: len(SCALARS)] = (
        1.0,
        work.calls,
        work.rows,
        work.entries * scale.width,
        work.flops / work.efficiency * scale.slowness,
    )
    gather, byte = found[len(SCALARS) :].reshape(2, scale.levels)
    for counts, at, count in (
        (gather, scale.reach, work.gathered * scale.width),
        (byte, scale.level, work.bytes),
    ):
        counts[int(at)] = (1 - at % 1) * count
        if at % 1:
            counts[int(at) + 1] = at % 1 * count
    return found


def price_with(c: Coefficients, work: Work, scale: Scale) -> Price:
    """Return the price of some work: the same sum as ``vector @ features``, by parts."""
    byte = between(c.byte, scale.level)
    indices = min(work.indices, work.bytes) * byte
    values = work.bytes * byte - indices
    compute = c.flop * work.flops / work.efficiency * scale.slowness
    return Price(
        compute=compute,
        values=values + c.entry * work.entries * scale.width,
        indices=indices,
        gather=between(c.gather, scale.reach) * work.gathered * scale.width,
        calls=c.fixed + c.call * work.calls + c.row * work.rows,
        overlap=-c.overlap * min(compute, work.bytes * byte),
    )
