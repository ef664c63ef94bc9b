"""The narrow floating-point formats that instructions read, and rounding to them, exactly.

float16 is IEEE 754's binary16. bfloat16 and TF32 have float32's exponents and 8 and 11 bits of
significand (PTX ISA 8.7, section 5.2.3, Alternate Floating-Point Data Formats). All three are
subsets of float32, so their values are kept in float32 arrays here, whatever is installed.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError

Ties = Literal["even", "away", "zero"]


@dataclass(frozen=True)
class Format:
    """A binary floating-point format.

    Attributes
    ----------
    precision : int
        Bits of the significand, the leading one included.
    smallest, largest : int
        Exponents of the smallest and the largest normal numbers; below are subnormals.
    nbytes : int
        What one number takes in a register.
    """

    precision: int
    smallest: int
    largest: int
    nbytes: int


FORMATS: dict[str, Format] = {
    "float16": Format(11, -14, 15, 2),
    "bfloat16": Format(8, -126, 127, 2),
    "tf32": Format(11, -126, 127, 4),
    "float32": Format(24, -126, 127, 4),
}
"""By name: the formats that floating-point instructions read."""


def find_format(name: str) -> Format:
    """Return a format by its name; UsageError names those that there are."""
    if name not in FORMATS:
        raise UsageError(f"there is no format '{name}'; formats: {', '.join(FORMATS)}")
    return FORMATS[name]


def round_to(x: Any, format: str, ties: Ties = "even") -> Array:
    """Return numbers rounded once to a narrow format, as float32.

    Parameters
    ----------
    x : array_like of float
        Rounded from what it holds: float64 is not rounded to float32 on the way.
    format : str
        One of :data:`FORMATS`.
    ties : {"even", "away", "zero"}
        To nearest, ties to even, as conversions to float16 and bfloat16 do; to nearest, ties away
        from zero, as ``cvt.rna.tf32.f32`` does; toward zero, which is what becomes of a float32
        that tensor cores are given as TF32 unconverted, since they ignore the low 13 bits.

    Raises
    ------
    UsageError
        If format or rounding do not exist.

    Examples
    --------
    >>> round_to([1 + 2**-11, 65520.0, 2.0**-25], "float16")
    array([ 1., inf,  0.], dtype=float32)
    >>> [float(round_to(1 + 2**-11, "tf32", ties) - 1) for ties in ("even", "away", "zero")]
    [0.0, 0.0009765625, 0.0]
    """
    f = find_format(format)
    if ties not in ("even", "away", "zero"):
        raise UsageError(f"round_to: ties is {ties!r}; it must be 'even', 'away' or 'zero'")
    given = np.asarray(x, np.float64)
    finite = np.where(np.isfinite(given), given, 0.0)
    step = np.maximum(np.frexp(finite)[1] - 1, f.smallest) - (f.precision - 1)
    scaled = np.ldexp(finite, -step)  # exact: a number of steps, and the fraction to be decided
    rounded = np.rint(scaled) if ties == "even" else np.trunc(scaled)
    if ties == "away":
        rounded += np.copysign(np.abs(scaled - rounded) >= 0.5, scaled)
    with np.errstate(over="ignore"):  # near float64's own largest
        result = np.ldexp(rounded, step)
    largest = (2.0 - 2.0 ** (1 - f.precision)) * 2.0**f.largest
    beyond = largest if ties == "zero" else np.inf
    result = np.where(np.abs(result) > largest, np.copysign(beyond, result), result)
    return np.asarray(np.where(np.isfinite(given), result, given).astype(np.float32))


NO_EXPONENT = -10_000
"""The exponent that a zero has here: lower than any, even when two are added."""


def exponents(x: Array, format: str) -> Array:
    """Return e of finite numbers ``x = s * 2**e`` with ``1 <= abs(s) < 2``, int16.

    Parameters
    ----------
    x : ndarray of float
        Values that the format has.
    format : str
        One of :data:`FORMATS`.

    Returns
    -------
    ndarray of int16, of the shape of x
        A subnormal number is not normalized: its ``abs(s)`` is less than 1, and its exponent the
        format's smallest. That of a zero is :data:`NO_EXPONENT`.

    Examples
    --------
    >>> exponents(np.array([1.5, -2.0, 2.0**-24, 0.0]), "float16").tolist()
    [0, 1, -14, -10000]
    """
    found = np.maximum(np.frexp(x)[1] - 1, find_format(format).smallest)
    return np.where(x == 0, NO_EXPONENT, found).astype(np.int16)
