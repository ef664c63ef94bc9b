"""Numbers with units: three significant digits, and the right unit at each boundary."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.show import human_bytes, human_count, human_seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (1e-12, "0.00100 ns"),
        (1e-15, "1.00e-06 ns"),
        (1e-9, "1.00 ns"),
        (999.4e-9, "999 ns"),
        (999.6e-9, "1.00 us"),
        (12e-6, "12.0 us"),
        (1.234e-3, "1.23 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (999.4, "999 s"),
        (999.5, "16.7 min"),
        (1e5, "27.8 h"),
        (1e12, "2.78e+08 h"),
        (-0.5, "-500 ms"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
    ],
)
def test_seconds(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (0.5, "0.500 B"),
        (999, "999 B"),
        (999.5, "1.00 kB"),
        (1000, "1.00 kB"),
        (28_320, "28.3 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (2**31, "2.15 GB"),
        (10**19, "1.00e+04 PB"),
        (-2000, "-2.00 kB"),
        (math.nan, "nan"),
        (math.inf, "inf"),
    ],
)
def test_bytes(n: float, text: str) -> None:
    assert human_bytes(n) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0"), (7, "7"), (7.0, "7"), (0.1, "0.100"), (999, "999"), (999.5, "1.00 k"),
     (3277, "3.28 k"), (2.1e9, "2.10 G"), (1e-9, "1.00e-09"), (math.nan, "nan")],
)  # fmt: skip
def test_counts(n: float, text: str) -> None:
    assert human_count(n) == text


SCALE = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


@given(st.floats(1e-12, 1e9))
def test_seconds_read_back_within_three_digits(seconds: float) -> None:
    number, unit = human_seconds(seconds).split()
    assert float(number) * SCALE[unit] == pytest.approx(seconds, rel=0.00501)
    digits = re.sub(r"e.*|\D", "", number).lstrip("0")
    assert len(digits) == 3


@given(st.integers(0, 10**17), st.integers(0, 10**17))
def test_texts_of_bytes_are_as_short_as_a_column_is_wide(n: int, m: int) -> None:
    assert len(human_bytes(n)) <= 7
    assert len(human_count(m)) <= 6
