"""Lanes show every mark, and nothing where there is no event."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.errors import ShapeError
from minisparse.show import lane_html, lane_shares, lane_text

events = st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60)


@given(events, st.integers(1, 20))
def test_shares_are_those_of_each_bin(found: list[tuple[int, bool]], bins: int) -> None:
    lane = np.array([kind for kind, _ in found], np.int64)
    marked = np.array([mark for _, mark in found], bool)
    shares = lane_shares(lane, marked, 4, bins)
    for i in range(4):
        for j in range(bins):
            inside = [
                mark
                for t, (kind, mark) in enumerate(found)
                if kind == i and t * bins // len(found) == j
            ]
            if inside:
                assert shares[i, j] == sum(inside) / len(inside)
            else:
                assert np.isnan(shares[i, j])


@given(events, st.integers(1, 20))
def test_no_mark_is_lost_and_none_invented(found: list[tuple[int, bool]], bins: int) -> None:
    lane = np.array([kind for kind, _ in found], np.int64)
    marked = np.array([mark for _, mark in found], bool)
    for i, shares in enumerate(lane_shares(lane, marked, 4, bins)):
        text = lane_text(shares)
        assert len(text) == bins
        assert text.isascii()
        assert bool(set(text) - {" ", "."}) == bool(marked[lane == i].any())
        assert (not text.strip()) == (i not in lane)


def test_a_picture_is_red_gray_or_empty() -> None:
    image = pytest.importorskip("matplotlib.image", reason="reads the PNG back")
    html = lane_html(np.array([0.0, 1.0, np.nan]), 'of "x"')
    assert 'alt="of &quot;x&quot;"' in html
    png = io.BytesIO(base64.b64decode(html.split("base64,")[1].split('"')[0]))
    plain, marked, empty = np.rint(255 * image.imread(png)[0, [0, 2, 4]]).astype(int).tolist()
    assert plain[0] == plain[1] == plain[2]
    assert 0 < plain[3] < 255
    assert marked[0] > 2 * marked[1]
    assert marked[3] == 255
    assert empty[3] == 0


@pytest.mark.parametrize(("lane", "marked"), [([0, 1], [True]), ([4], [True]), ([-1], [False])])
def test_events_that_are_in_no_lane_are_refused(lane: list[int], marked: list[bool]) -> None:
    with pytest.raises(ShapeError, match="lanes"):
        lane_shares(np.array(lane), np.array(marked), 4, 2)
