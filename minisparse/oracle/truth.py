"""The exact answer of an op, with what may be demanded of a computed one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from minisparse.core.dtypes import Array, DType

if TYPE_CHECKING:
    from minisparse.oracle.verdict import Judgement


@dataclass(frozen=True)
class Truth:
    """An exact result ``hi + lo`` and the largest error that a right implementation can make.

    Integers and bool are held as int64 in ``hi``, wrapped as their dtype wraps, and must be met
    exactly. Complex numbers are held as complex128; real and imaginary parts of ``bound`` are
    those of the two parts.

    Attributes
    ----------
    hi : ndarray of int64, float64 or complex128
        The exact result, rounded; NaN and ±inf where the result must be that.
    lo : ndarray, same shape
        What that rounding left over.
    bound : ndarray, same shape
        Largest right ``abs(computed - hi - lo)``, the uncertainty of ``hi + lo`` included.
    may_overflow : ndarray of bool, same shape
        Where a partial sum in some order may exceed the largest finite number although the
        result does not: there inf and NaN are tolerated, and counted as vacuous. Where the result
        is infinite anyhow, NaN is tolerated beside it.
    dtype : numpy.dtype
        What the computed result's dtype must be.
    """

    hi: Array
    lo: Array
    bound: Array
    may_overflow: Array
    dtype: DType

    @property
    def shape(self) -> tuple[int, ...]:
        """The result's shape."""
        return tuple(self.hi.shape)

    @property
    def is_integer(self) -> bool:
        """Whether the result is of integers or bool, to be met exactly."""
        return self.dtype.kind in "biu"

    def map(self, move: Callable[[Array], Array]) -> "Truth":
        """Return it with elements moved or repeated alike in every array."""
        return replace(
            self,
            hi=move(self.hi),
            lo=move(self.lo),
            bound=move(self.bound),
            may_overflow=move(self.may_overflow),
        )

    def rounded(self) -> Array:
        """Return the exact result rounded to its dtype, once (but for ties closer than 2**-53)."""
        with np.errstate(all="ignore"):
            return self.hi.astype(self.dtype)

    def judge(self, got: Any) -> "Judgement":
        """Tell whether a computed result is near enough; see :func:`~.verdict.judge`."""
        from minisparse.oracle.verdict import judge

        return judge(got, self)

    def as_dtype(self, dtype: DType) -> "Truth":
        """Return what an operation between this and something of another dtype works with."""
        if not self.is_integer or dtype.kind in "biu":
            return replace(self, dtype=dtype)
        wide = self.hi.astype(dtype)  # an integer of more bits than dtype has is rounded here
        return from_array(wide)

    def __repr__(self) -> str:
        """Return dtype, shape and the largest bound."""
        largest = float(parts(self.bound).max(initial=0.0))
        return f"Truth({self.dtype}[{', '.join(map(str, self.shape))}], bounds up to {largest:.3g})"


def from_array(x: Array) -> Truth:
    """Return values that are known exactly: an operand, as it is."""
    hi = widened(x)
    zero = np.zeros_like(hi)
    return Truth(hi, zero, zero, np.zeros(hi.shape, bool), x.dtype)


def widened(x: Array) -> Array:
    """Return an array as int64, float64 or complex128: exact for every supported dtype."""
    if x.dtype.kind in "biu":
        return x.astype(np.int64)
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def wrapped(x: Array, dtype: DType) -> Array:
    """Return int64 values as ``dtype`` would hold them, still as int64; bool is "not zero"."""
    return x.astype(dtype).astype(np.int64)


def parts(x: Array) -> Array:
    """Return real and imaginary parts along a new last axis; real numbers have one part."""
    if x.dtype.kind == "c":
        return np.stack([x.real, x.imag], axis=-1)
    return x[..., None]


def joined(real: Array, imag: Array) -> Array:
    """Return complex128 of two parts; unlike ``real + 1j * imag`` it keeps infinities apart."""
    both = np.empty(real.shape, np.complex128)
    both.real, both.imag = real, imag
    return both


def by_parts(function: Callable[..., Array], *arrays: Array) -> Array:
    """Return a real function of real numbers, applied to real and imaginary parts alike."""
    if all(x.dtype.kind != "c" for x in arrays):
        return function(*arrays)
    return joined(function(*(x.real for x in arrays)), function(*(x.imag for x in arrays)))
