"""Exact sums on their way to a verdict: scaled, added to, and at last given an error bound."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.triplets import Triplets
from minisparse.oracle import bounds
from minisparse.oracle.errorfree import two_product, two_sum
from minisparse.oracle.products import sum_products
from minisparse.oracle.truth import Truth, by_parts, joined, widened, wrapped


@dataclass(frozen=True)
class Sums:
    """Exact sums of products, with what their bound depends on. See :class:`ExactProducts`.

    Attributes
    ----------
    hi, lo, residual, magnitude, terms : ndarray
        As in :class:`~minisparse.oracle.products.ExactProducts`, of one shape.
    slack : ndarray
        Errors that are allowed besides: where a narrow dtype may be rounded to on the way.
    whole : ndarray of bool
        Where all factors and addends are whole numbers: then every sum, in every order, is
        exact as long as the magnitude fits the significand.
    dtype : numpy.dtype
        The result's.
    """

    hi: Array
    lo: Array
    residual: Array
    magnitude: Array
    terms: Array
    slack: Array
    whole: Array
    dtype: DType

    @property
    def is_integer(self) -> bool:
        """Whether these are integers or bool, wrapped and exact."""
        return self.dtype.kind in "biu"

    def map(self, move: Callable[[Array], Array]) -> "Sums":
        """Return them with elements moved alike in every array."""
        names = "hi lo residual magnitude terms slack whole".split()
        moved: dict[str, Any] = {name: move(getattr(self, name)) for name in names}
        return replace(self, **moved)

    def scaled(self, factor: float) -> "Sums":
        """Return ``factor`` times the sums: one more rounding each."""
        if factor == 1:
            return self
        if self.is_integer:
            return replace(self, hi=wrapped(self.hi * int(factor), self.dtype))
        return by_parts_of(self, lambda part: _scaled_part(part, factor))

    def scaled_by(self, factors: Array) -> "Sums":
        """Return each sum times its factor, of the same shape: one more rounding each.

        For complex sums real and imaginary parts are multiplied and added: two roundings more.
        """
        factors = factors.astype(self.dtype)
        if self.is_integer:
            return replace(self, hi=wrapped(self.hi * factors.astype(np.int64), self.dtype))
        if self.dtype.kind != "c":
            return _scaled_part(self, factors.astype(np.float64))
        real, imag = _split(self)
        x, y = factors.real.astype(np.float64), factors.imag.astype(np.float64)
        both = _scaled_part(real, x).plus(_scaled_part(imag, -y))
        other = _scaled_part(real, y).plus(_scaled_part(imag, x))
        return _joined(self, both, other)

    def plus(self, other: "Sums") -> "Sums":
        """Return the sums of both, of the same dtype: ``(K + K' + 1) u (S + S')``.

        The addend may come last or first, so it counts as further terms (Higham, section 4.2). A
        row without products takes it as it is, without any rounding.
        """
        if self.is_integer:
            return replace(self, hi=wrapped(self.hi + other.hi, self.dtype))
        with np.errstate(all="ignore"):
            plain = self.hi + other.hi
            hi, lo = two_sum(self.hi, other.hi)
            hi, lo = two_sum(hi, lo + self.lo + other.lo)
            lost = 2.0**-104 * by_parts(np.abs, hi)
        finite = np.isfinite(plain)
        return replace(
            self,
            hi=np.where(finite, hi, plain),
            lo=np.where(finite, lo, 0),
            residual=self.residual + other.residual + lost,
            magnitude=self.magnitude + other.magnitude,
            terms=self.terms + other.terms + (self.terms > 0),
            slack=self.slack + other.slack + self._narrow_rounding(),
            whole=self.whole & other.whole,
        )

    def _narrow_rounding(self) -> Array:
        """Return what is lost if the sums are rounded to a narrow dtype before more is added."""
        if accumulator(self.dtype) == self.dtype:
            return np.zeros_like(self.magnitude)
        wide = accumulator(self.dtype)
        error = bounds.sum_of_products(self.terms, self.magnitude, wide)
        lost = bounds.one_rounding(self.hi, error, self.dtype) - error
        return np.where(self.whole & self._fits(self.dtype), 0, lost)

    def _fits(self, dtype: DType) -> Array:
        """Tell where every partial sum of whole numbers is exact in ``dtype``."""
        return self.magnitude <= 2.0 ** bounds.precision(dtype)

    def truth(self, accumulates_in: DType | None = None) -> Truth:
        """Return the sums with their bounds.

        Parameters
        ----------
        accumulates_in : numpy.dtype, optional
            By default float32 for float16 and bfloat16, else the result's dtype.
        """
        if self.is_integer:
            zero = np.zeros_like(self.hi)
            return Truth(self.hi, zero, zero, np.zeros(self.hi.shape, bool), self.dtype)
        with np.errstate(all="ignore"):
            wide = accumulates_in or accumulator(self.dtype)
            if self.dtype.kind != "c":
                return self._real_truth(wide)
            real, imag = (part._real_truth(part.dtype) for part in _split(self))
        beyond = ~np.isfinite(self.hi)
        bound = np.where(beyond, 0, real.bound + 1j * np.where(beyond, 0, imag.bound))
        overflow = real.may_overflow | imag.may_overflow
        return Truth(self.hi, self.lo, bound, overflow, self.dtype)

    def _real_truth(self, wide: DType) -> Truth:
        error = bounds.sum_of_products(self.terms, self.magnitude, wide)
        exact = self.whole & self._fits(wide)
        bound = np.where(exact, 0, error + self.residual) + self.slack
        overflow = self.magnitude + error >= bounds.largest_finite(wide)
        if wide != self.dtype:
            narrow = self.hi.astype(self.dtype).astype(np.float64) == self.hi
            kept = (bound == 0) & narrow
            bound = np.where(kept, 0, bounds.one_rounding(self.hi, bound, self.dtype))
        bound = np.where(np.isfinite(self.hi), bound, 0)
        return Truth(self.hi, self.lo, bound, overflow, self.dtype)


def exact_products(a: Triplets, b: Array, dtype: DType) -> Sums:
    """Return ``A @ b`` over the stored entries of ``a [M, K]``; b ``[K, N]``."""
    found = sum_products(a, b, dtype)
    count = np.broadcast_to(found.terms, found.hi.shape) * (2 if dtype.kind == "c" else 1)
    broken = np.bincount(a.row, ~is_whole(a.data), minlength=a.shape[0]) > 0
    whole = ~broken[:, None] & is_whole(b).all(axis=0)
    slack = np.zeros_like(found.magnitude)
    return Sums(*found[:4], count, slack, whole, dtype)


def addend(x: Array, dtype: DType, shape: tuple[int, ...]) -> Sums:
    """Return an operand as sums without products, to be added to others; broadcast to ``shape``."""
    hi = np.broadcast_to(widened(x.astype(dtype)), shape)
    zero = np.zeros_like(hi)
    size = by_parts(np.abs, hi)
    return Sums(hi, zero, zero, size, np.zeros(shape, int), zero, is_whole(hi), dtype)


def is_whole(x: Array) -> Array:
    """Tell which elements are whole numbers; infinities count, complex ones need both parts."""
    if x.dtype.kind in "biu":
        return np.ones(x.shape, bool)
    if x.dtype.kind == "c":
        return is_whole(x.real) & is_whole(x.imag)
    wide = x.astype(np.float64)
    whole: Array = wide == np.rint(wide)
    return whole


def _split(sums: Sums) -> tuple[Sums, Sums]:
    """Return the sums of real and of imaginary parts, in the real dtype of the parts."""
    dtype = np.dtype(f"f{sums.dtype.itemsize // 2}")
    real = replace(sums.map(lambda x: x.real), dtype=dtype)
    return real, replace(sums.map(lambda x: x.imag if x.dtype.kind == "c" else x), dtype=dtype)


def by_parts_of(sums: Sums, function: Callable[[Sums], Sums]) -> Sums:
    """Return a function of real sums, applied to real and imaginary parts alike."""
    if sums.dtype.kind != "c":
        return function(sums)
    return _joined(sums, *map(function, _split(sums)))


def _joined(sums: Sums, real: Sums, imag: Sums) -> Sums:
    """Return complex sums of the sums of real and of imaginary parts."""
    names = "hi lo residual magnitude slack".split()
    both: dict[str, Any] = {
        name: joined(getattr(real, name), getattr(imag, name)) for name in names
    }
    return replace(sums, **both, terms=real.terms, whole=real.whole)


def _scaled_part(sums: Sums, factor: float | Array) -> Sums:
    with np.errstate(all="ignore"):
        plain, error = two_product(sums.hi, np.asarray(factor, np.float64))
        finite, proven = np.isfinite(plain), np.isfinite(error)
        unproven = 2.0**-52 * np.abs(plain) + 2.0**-1074
        hi, lo = two_sum(plain, np.where(proven, error, 0) + sums.lo * factor)
        hi = np.where(finite, hi, plain)
        lost = np.where(proven, 2.0**-100 * np.abs(hi), unproven)
        size = np.abs(factor)
    return replace(
        sums,
        hi=hi,
        lo=np.where(finite & np.isfinite(lo), lo, 0),
        residual=sums.residual * size + lost,
        magnitude=sums.magnitude * size,
        terms=sums.terms + 1,
        slack=sums.slack * size,
        whole=sums.whole & is_whole(np.asarray(factor)),
    )
