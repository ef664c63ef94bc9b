"""Strips keep to their width, show what is marked, and say where something is left out."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minisparse.show import Strip, strip_html, strip_text
from minisparse.show.strip import window


@given(data=st.data(), length=st.integers(0, 60), limit=st.integers(1, 20))
def test_window(data: st.DataObject, length: int, limit: int) -> None:
    marked = sorted(data.draw(st.sets(st.integers(0, max(length - 1, 0)))) if length else [])
    shown = window(length, marked, limit)
    indices = [i for i in shown if i is not None]
    assert len(indices) == min(limit, length)
    assert indices == sorted(set(indices))
    assert all(0 <= i < length for i in indices)
    if len(marked) <= limit:
        assert set(marked) <= set(indices)
    else:
        assert set(indices) <= set(marked)
    # A gap is shown wherever indices are missing, and nowhere else.
    ends = [-1, *indices, length]
    gaps = sum(b - a > 1 for a, b in pairwise(ends))
    assert shown.count(None) == gaps


@given(
    length=st.integers(0, 50),
    digits=st.integers(0, 12),
    name=st.text(max_size=40),
    width=st.integers(20, 100),
    marked=st.slices(50),
)
def test_text_keeps_to_its_width(
    length: int, digits: int, name: str, width: int, marked: slice
) -> None:
    rows = {name: np.arange(length) * 10**digits, "data": np.ones((length, 2, 3))}
    among = range(length)[marked.start : marked.stop]
    lines = strip_text(Strip("p", rows, among), width).splitlines()
    assert all(len(line) <= width for line in lines)
    assert all(line.isascii() for line in lines)


def test_marks_stand_under_what_they_mark() -> None:
    rows = {"indices": np.arange(10) * 111, "data": np.arange(10)}
    text = strip_text(Strip("p", rows, [2, 5])).splitlines()
    assert text[-1].split() == ["^^^", "^^^"]
    for column in (i for i, letter in enumerate(text[-1]) if letter == "^"):
        assert text[1][column] in "25"
    assert text[2].split() == ["data", *map(str, range(10))]


def test_blocks_take_several_lines() -> None:
    rows = {"indices": np.array([3, 0]), "data": np.array([[[1, 2], [3, 4]], [[5, 60], [7, 8]]])}
    assert strip_text(Strip("p", rows, [1])).splitlines() == [
        "p           0      1",
        "indices     3      0",
        "data     1  2  5  60",
        "         3  4  7   8",
        "               ^^^^^",
    ]


def test_a_sparse_strip_draws_dots() -> None:
    strip = Strip("column", {"row 1": np.array([7, 0])}, [1, 3], sparse=5)
    assert strip_text(strip).splitlines() == ["column  0  1  2  3  4", "row 1   .  7  .  0  ."]
    huge = Strip("column", {"row 1": np.array([7])}, [10**12], sparse=2 * 10**12)
    assert "1000000000000" in strip_text(huge)
    assert "..." in strip_text(huge)


def test_html_escapes_and_marks() -> None:
    text = strip_html(Strip("p", {"<b>": np.arange(3)}, [1]))
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert text.count("rgba(70, 120, 200, 0.18)") == 1
    assert "<td" in strip_html(Strip("p", {"data": np.zeros(0)}))
