"""The verdict on one computed result: whether it is as near to the exact answer as it must be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.oracle.bounds import is_vacuous, reaches_infinity
from minisparse.oracle.truth import Truth, by_parts, parts, widened

PASS, FAIL, VACUOUS, UNSUPPORTED = "PASS", "FAIL", "VACUOUS", "UNSUPPORTED"
_ROUNDED_UP = 1 + 2.0**-40
"""Room for the roundings of the comparison itself."""


@dataclass(frozen=True)
class Judgement:
    """What was found when a result was held against the exact answer.

    Attributes
    ----------
    verdict : {"PASS", "FAIL", "VACUOUS", "UNSUPPORTED"}
        FAIL if any element is wrong; UNSUPPORTED if the implementation says that it does not take
        such inputs; VACUOUS if no element could be judged because every one that
        is not trivially zero has a bound as large as its value; else PASS.
    rule : str
        Which rule was broken: ``"array"``, ``"shape"``, ``"dtype"``, ``"special"`` (NaN and
        infinities), ``"value"``; ``""`` if none.
    error_over_bound : float
        The worst of all finite elements; over 1 is wrong. 0 where a bound of 0 is met.
    position : tuple of int
        Where the worst element is; empty if there is no element.
    vacuous : int
        Number of elements whose bound says nothing (:func:`~minisparse.oracle.bounds.is_vacuous`).
    elements : int
        Number of elements.
    message : str
        The finding in a sentence; empty on PASS.
    """

    verdict: str
    rule: str = ""
    error_over_bound: float = 0.0
    position: tuple[int, ...] = ()
    vacuous: int = 0
    elements: int = 0
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong; a vacuous verdict counts as nothing wrong found."""
        return self.verdict != FAIL


class _Comparison(NamedTuple):
    """Element by element: right, vacuous, and the error over the bound."""

    right: Array
    vacuous: Array
    ratio: Array


def judge(got: Any, truth: Truth, part: tuple[int, Sequence[int]] | None = None) -> Judgement:
    """Compare a computed result with the exact answer.

    Sign of zero and payload of NaN are ignored; NaN and infinities must be exactly where the
    exact answer has them, except that a value whose bound reaches past the largest finite number
    may be infinite. A complex element that is not finite in a part must not be finite in some
    part: C, NumPy and GPUs differ in which.

    Parameters
    ----------
    got : object
        What an implementation returned; anything but an array (or a NumPy scalar) fails.
    truth : Truth
        The exact answer and its bounds.
    part : tuple, optional
        If both are parts of something larger: an axis, and which indices along it they hold.
        The position that is reported counts in the whole.

    Examples
    --------
    >>> from minisparse.oracle.truth import from_array
    >>> judge(np.array([1.0, 2.5]), from_array(np.array([1.0, 2.0]))).message
    '[1] is 2.5 but must be exactly 2.0'
    """
    got = np.asarray(got) if isinstance(got, np.generic) else got
    form = _wrong_form(got, truth)
    if form is not None:
        return form
    with np.errstate(all="ignore"):
        found = _compare(widened(got), truth)
    vacuous, elements = int(found.vacuous.sum()), found.right.size
    if elements == 0:
        return Judgement(PASS)
    wrong = ~found.right
    worst = _position(np.where(wrong, found.ratio, -1) if wrong.any() else found.ratio)
    ratio, place = float(found.ratio[worst]), _in_whole(worst, part)
    if wrong.any():
        rule, message = _explain(got[worst], truth.map(lambda x: x[worst]), ratio)
        where = f"[{', '.join(map(str, place))}]" if place else "the value"
        return Judgement(FAIL, rule, ratio, place, vacuous, elements, f"{where} is {message}")
    if vacuous and not _says_something(found, truth):
        text = f"the bound is as large as the value in all {vacuous} elements that are not zero"
        return Judgement(VACUOUS, "", ratio, place, vacuous, elements, text)
    return Judgement(PASS, "", ratio, place, vacuous, elements)


def _wrong_form(got: Any, truth: Truth) -> Judgement | None:
    """Return a failure if the result is no array of the right shape and dtype."""
    if not isinstance(got, np.ndarray):
        text = f"returned {type(got).__name__}, but must return a numpy.ndarray"
        return Judgement(FAIL, "array", np.inf, message=text)
    if got.shape != truth.shape:
        text = f"has shape {got.shape} but must have {truth.shape}"
        return Judgement(FAIL, "shape", np.inf, message=text)
    if got.dtype != truth.dtype:
        text = f"has dtype {got.dtype} but must have {truth.dtype}"
        return Judgement(FAIL, "dtype", np.inf, message=text)
    return None


def _compare(got: Array, truth: Truth) -> _Comparison:
    hi, bound = truth.hi, truth.bound
    if truth.is_integer:
        right = got == hi
        return _Comparison(right, np.zeros(hi.shape, bool), np.where(right, 0.0, np.inf))
    error = parts(by_parts(np.abs, (got - hi) - truth.lo))
    ratio = np.where(error == 0, 0.0, error / parts(bound))
    near = (error <= parts(bound) * _ROUNDED_UP).all(axis=-1)
    special, got_special = ~np.isfinite(hi), ~np.isfinite(got)
    reaches = reaches_infinity(parts(hi), parts(bound), _part_dtype(truth))
    overflowed = got_special & (_same_infinity(got, hi) & reaches.any(axis=-1))
    lost = got_special & ~special & truth.may_overflow & ~overflowed
    # A finite sum that overflows before an infinity of the other sign is added leaves NaN.
    met = _same_special(got, hi) | (truth.may_overflow & np.isnan(got))
    right = np.where(special, met, near | overflowed | lost)
    worst = np.where(special | overflowed | lost, 0.0, np.nan_to_num(ratio, nan=np.inf).max(-1))
    says_nothing = is_vacuous(parts(hi), parts(bound)).all(axis=-1) & ~special
    return _Comparison(right, says_nothing | lost, np.where(right, worst, np.maximum(worst, 1.0)))


def _part_dtype(truth: Truth) -> np.dtype[Any]:
    """Return the real dtype of the parts."""
    dtype = truth.dtype
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def _same_infinity(got: Array, hi: Array) -> Array:
    """Tell where an infinity has the sign of the exact value; for complex any will do."""
    if got.dtype.kind == "c":
        return ~np.isfinite(got)
    same: Array = np.isinf(got) & (np.signbit(got) == np.signbit(hi))
    return same


def _same_special(got: Array, hi: Array) -> Array:
    """Tell where NaN meets NaN and infinity the same infinity; complex: neither is finite."""
    if got.dtype.kind == "c":
        return ~np.isfinite(got)
    same: Array = (got == hi) | (np.isnan(got) & np.isnan(hi))
    return same


def _says_something(found: _Comparison, truth: Truth) -> bool:
    """Tell whether an element was judged that is not zero without any computation."""
    trivial = (truth.hi == 0) & (truth.bound == 0)
    return bool((~found.vacuous & ~trivial).any())


def _position(ratio: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(ratio)), ratio.shape))


def _in_whole(position: tuple[int, ...], part: tuple[int, Sequence[int]] | None) -> tuple[int, ...]:
    """Return a position in a part as one in the whole."""
    if part is None:
        return position
    axis, chosen = part
    return (*position[:axis], int(chosen[position[axis]]), *position[axis + 1 :])


def _explain(value: Any, truth: Truth, ratio: float) -> tuple[str, str]:
    """Return the broken rule, and what one wrong element is and should be."""
    if not np.isfinite(truth.hi) or not np.isfinite(widened(np.asarray(value))):
        return "special", f"{value} but must be {truth.rounded()}"
    if truth.bound == 0:
        return "value", f"{value} but must be exactly {truth.rounded()}"
    allowed = complex(truth.bound)
    size = f"{allowed.real:.3g}" if truth.dtype.kind != "c" else f"{allowed:.3g}"
    wide = truth.dtype.name in ("float16", "bfloat16")
    hint = "; rule S8: sum in float32 at least, and round once" if wide else ""
    near = f"within {size} of {truth.hi:.9g}"
    return "value", f"{value} but must be {near}: {ratio:.3g} times the bound{hint}"
