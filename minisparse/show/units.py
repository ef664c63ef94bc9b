"""Numbers as people read them: three significant digits and a unit.

Units are decimal, as everywhere in minisparse: 1 kB is 1000 bytes.
"""

import math
import re

_NUMBER = re.compile(
    r"[~<>]?\s*[+-]?(\d[\d,_]*\.?\d*|\.\d+)(e[+-]?\d+)?\s?(%|[a-zA-Zµ]{1,5}(/[a-zA-Z]{1,4})?)?"
    r"|[+-]?(nan|inf)(\s[a-zA-Z%]{1,3})?",
    re.IGNORECASE,
)


def looks_numeric(text: str) -> bool:
    """Tell whether a cell reads as a number, with or without a unit.

    Examples
    --------
    >>> [looks_numeric(t) for t in ("3,277", "28.3 kB", "1.8x", "-inf", "512x64", "csr", "")]
    [True, True, True, True, False, False, False]
    """
    return _NUMBER.fullmatch(text.strip()) is not None


def human_bytes(n: float) -> str:
    """Return a number of bytes.

    Examples
    --------
    >>> human_bytes(512), human_bytes(28_320), human_bytes(999_500)
    ('512 B', '28.3 kB', '1.00 MB')
    """
    return _scaled(n, 1000, ("B", "kB", "MB", "GB", "TB", "PB"), whole=True)


def human_count(n: float) -> str:
    """Return how many: stored entries, operations.

    Examples
    --------
    >>> human_count(0), human_count(999), human_count(3277), human_count(2.1e9)
    ('0', '999', '3.28 k', '2.10 G')
    """
    return _scaled(n, 1000, ("", "k", "M", "G", "T", "P"), whole=True)


def human_seconds(s: float) -> str:
    """Return a duration, from nanoseconds to hours.

    Examples
    --------
    >>> human_seconds(12e-6), human_seconds(0.00123), human_seconds(2.5), human_seconds(7200)
    ('12.0 us', '1.23 ms', '2.50 s', '120 min')
    """
    if not math.isfinite(s) or s == 0:
        return _special(s, "s")
    if abs(s) < 999.5:
        return _scaled(s * 1e9, 1000, ("ns", "us", "ms", "s"))
    return _scaled(s / 60, 60, ("min", "h"))


def _scaled(value: float, step: float, units: tuple[str, ...], whole: bool = False) -> str:
    """Return ``value`` in the first unit in which three digits before the point suffice.

    Parameters
    ----------
    value : float
        In units of ``units[0]``.
    step : float
        Each unit over the one before.
    units : tuple of str
        Names, the smallest first.
    whole : bool
        Whether the smallest unit counts whole things, so that ``12`` is not ``12.0``.
    """
    if not math.isfinite(value) or value == 0:
        return _special(value, units[0])
    last = len(units) - 1
    place = 0
    while abs(value) >= 999.5 and place < last:
        value /= step
        place += 1
    exact = whole and place == 0 and value == int(value)
    return (
        f"{value:.0f} {units[place]}".strip()
        if exact
        else f"{_three(value)} {units[place]}".strip()
    )


def _special(value: float, unit: str) -> str:
    """Return zero, nan or an infinity."""
    return f"0 {unit}".strip() if value == 0 else f"{value}"


def _three(value: float) -> str:
    """Return three significant digits, without an exponent from 0.001 up to 999."""
    rounded = float(f"{value:.2e}")
    size = abs(rounded)
    if size >= 1e3 or size < 1e-3:
        return f"{rounded:.2e}"
    return f"{rounded:.{max(0, 2 - math.floor(math.log10(size)))}f}"
