"""Exact sums on their way to a verdict: scaled, added to, and at last given an error bound."""

from collections.abc import Callable, Sequence
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
    accumulates_in : numpy.dtype, optional
        By default float32 for float16 and bfloat16, else the result's dtype.
    saturates : bool
        Whether integers are cut to their dtype, and do not wrap.
    """

    hi: Array
    lo: Array
    residual: Array
    magnitude: Array
    terms: Array
    slack: Array
    whole: Array
    dtype: DType
    accumulates_in: DType | None = None
    saturates: bool = False

    @property
    def _wide(self) -> DType:
        return self.accumulates_in or accumulator(self.dtype)

    def _held(self, x: Array) -> Array:
        """Return whole numbers as the dtype holds them."""
        return cut(x, self.dtype).astype(np.int64) if self.saturates else wrapped(x, self.dtype)

    @property
    def is_integer(self) -> bool:
        """Whether these are integers or bool, wrapped and exact."""
        return self.dtype.kind in "biu"

    def map(self, move: Callable[[Array], Array]) -> "Sums":
        """Return them with elements moved alike in every array."""
        names = "hi lo residual magnitude terms slack whole".split()
        moved: dict[str, Any] = {name: move(getattr(self, name)) for name in names}
        return replace(self, **moved)

    def _whole_numbers(self) -> Array:
        """Return integers such that what is done to them next does not wrap if it must not."""
        return self.hi.astype(object) if self.saturates else self.hi

    def as_dtype(self, dtype: DType) -> "Sums":
        """Return them as operands of another dtype, rounded to their own first."""
        if dtype == self.dtype:
            return self
        truth = self.truth().as_dtype(dtype)
        zero = np.zeros_like(truth.hi)
        size, terms = by_parts(np.abs, truth.hi), np.zeros(truth.hi.shape, int)
        whole = is_whole(truth.hi) & (truth.bound == 0)
        return Sums(truth.hi, truth.lo, zero, size, terms, truth.bound, whole, dtype)

    def scaled(self, factor: float) -> "Sums":
        """Return ``factor`` times the sums: one more rounding each.

        A narrow dtype may be rounded to before it is scaled, as gemm's rule has it.
        """
        if factor == 1:
            return self
        if self.is_integer:
            return replace(self, hi=self._held(self._whole_numbers() * int(factor)))
        sums = replace(self, slack=self.slack + self._narrow_rounding())
        return by_parts_of(sums, lambda part: _scaled_part(part, factor))

    def scaled_by(self, factors: Array) -> "Sums":
        """Return each sum times its factor, of the same shape: one more rounding each.

        For complex sums real and imaginary parts are multiplied and added: two roundings more.
        """
        factors = factors.astype(self.dtype)
        if self.is_integer:
            return replace(self, hi=self._held(self._whole_numbers() * factors.astype(np.int64)))
        if self.dtype.kind != "c":
            return _scaled_part(self, factors.astype(np.float64))
        real, imag = _split(self)
        x, y = factors.real.astype(np.float64), factors.imag.astype(np.float64)
        both = _scaled_part(real, x).plus(_scaled_part(imag, -y))
        other = _scaled_part(real, y).plus(_scaled_part(imag, x))
        # The two have as many roundings each, so one more is enough for their sum.
        terms = bounds.one_more(bounds.one_more(self.terms, real.dtype), real.dtype)
        return replace(_joined(self, both, other), terms=terms)

    def plus(self, other: "Sums") -> "Sums":
        """Return the sums of both, of the same dtype: ``(K + K' + 1) u (S + S')``.

        The addend may come last or first, so it counts as further terms (Higham, section 4.2).
        Where one side is nothing, a row without products, the other stays as it is, unrounded.
        """
        if self.is_integer:
            return replace(self, hi=self._held(self._whole_numbers() + other.hi))
        with np.errstate(all="ignore"):
            plain = self.hi + other.hi
            hi, lo = two_sum(self.hi, other.hi)
            hi, lo = two_sum(hi, lo + self.lo + other.lo)
            lost = 2.0**-104 * by_parts(np.abs, hi)
        finite = np.isfinite(plain)
        terms = self.terms + other.terms
        rounded = self._is_something() & other._is_something()
        return replace(
            self,
            hi=np.where(finite, hi, plain),
            lo=np.where(finite, lo, 0),
            residual=self.residual + other.residual + lost,
            magnitude=self.magnitude + other.magnitude,
            terms=np.where(rounded, bounds.one_more(terms, self._wide), terms),
            slack=self.slack + other.slack + self._narrow_rounding() + other._narrow_rounding(),
            whole=self.whole & other.whole,
        )

    def _is_something(self) -> Array:
        """Tell where anything was multiplied or added."""
        something: Array = (self.terms > 0) | (self.magnitude != 0)
        return something

    def _narrow_rounding(self) -> Array:
        """Return what is lost if the sums are rounded to a narrow dtype before more is done.

        Nothing where there is no product: an addend is of that dtype.
        """
        wide = self._wide
        if wide == self.dtype:
            return np.zeros_like(self.magnitude)
        with np.errstate(all="ignore"):
            error = bounds.sum_of_products(self.terms, self.magnitude, wide) + self.slack
            lost = bounds.one_rounding(self.hi, error, self.dtype) - error
        kept = (self.whole & self._fits(self.dtype)) | (self.terms == 0)
        return np.where(kept, 0, lost)

    def _fits(self, dtype: DType) -> Array:
        """Tell where every partial sum of whole numbers is exact in ``dtype``."""
        return self.magnitude <= 2.0 ** bounds.precision(dtype)

    def truth(self, accumulates_in: DType | None = None) -> Truth:
        """Return the sums with their bounds.

        Parameters
        ----------
        accumulates_in : numpy.dtype, optional
            By default as the sums say.
        """
        if self.is_integer:
            zero = np.zeros_like(self.hi)
            return Truth(self.hi, zero, zero, np.zeros(self.hi.shape, bool), self.dtype)
        with np.errstate(all="ignore"):
            wide = accumulates_in or self._wide
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
    count = np.broadcast_to(found.terms, found.hi.shape)
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


def stacked(parts: Sequence[Sums]) -> Sums:
    """Return the rows of several sums of one dtype, one after the other."""
    names = "hi lo residual magnitude terms slack whole".split()
    rows: dict[str, Any] = {n: np.concatenate([getattr(p, n) for p in parts]) for n in names}
    return replace(parts[0], **rows)


def is_whole(x: Array) -> Array:
    """Tell which elements are whole numbers; infinities count, complex ones need both parts."""
    if x.dtype.kind in "biu":
        return np.ones(x.shape, bool)
    if x.dtype.kind == "c":
        return is_whole(x.real) & is_whole(x.imag)
    wide = x.astype(np.float64)
    whole: Array = wide == np.rint(wide)
    return whole


def cut(x: Array, dtype: DType) -> Array:
    """Return whole numbers of any size, each as near to it as ``dtype`` can be."""
    if dtype.kind == "b":
        some: Array = x != 0
        return some.astype(np.int64)
    limits = np.iinfo(dtype)
    within: Array = np.clip(x, int(limits.min), int(limits.max))
    return within


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
    """Return real sums times a factor, which also scales what underflowed on the way."""
    wide = sums._wide
    with np.errstate(all="ignore"):
        plain, error = two_product(sums.hi, np.asarray(factor, np.float64))
        finite, proven = np.isfinite(plain), np.isfinite(error)
        unproven = 2.0**-52 * np.abs(plain) + 2.0**-1074
        hi, lo = two_sum(plain, np.where(proven, error, 0) + sums.lo * factor)
        hi = np.where(finite, hi, plain)
        lost = np.where(proven, 2.0**-100 * np.abs(hi), unproven)
        size = np.abs(factor)
        underflow = np.where(sums.whole, 0, sums.terms * bounds.smallest_subnormal(wide))
        slack = (sums.slack + underflow) * size
        residual, magnitude = sums.residual * size + lost, sums.magnitude * size
    return replace(
        sums,
        hi=hi,
        lo=np.where(finite & np.isfinite(lo), lo, 0),
        residual=residual,
        magnitude=magnitude,
        terms=bounds.one_more(sums.terms, wide),
        slack=slack,
        whole=sums.whole & is_whole(np.asarray(factor)),
    )
