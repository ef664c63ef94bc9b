"""Lanes: events of several kinds in the order in which they came, and how many of them are marked.

A lane is a kind of event, cut into bins of equal length in time; each bin shows which share of its
events is marked. A bin with a marked event always shows one.
"""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError
from minisparse.show.html import image
from minisparse.show.png import encode_png

_RAMP = ":-=+*#%@"
_PLAIN, _MARKED = (128, 128, 128), (200, 80, 40)
"""RGB of what is not marked, and of what is: both readable on white and on black."""
_PLAIN_OPACITY, _FAINTEST = 0.25, 0.35
_BIN, _HEIGHT = 2, 10
"""Pixels of a bin."""


def lane_shares(lane: Array, marked: Array, lanes: int, bins: int) -> Array:
    """Return which share of the events is marked, by lane and time.

    Parameters
    ----------
    lane : array of int ``[T]``
        The lane of each event.
    marked : array of bool ``[T]``
        Whether it is marked.
    lanes, bins : int
        How many there are.

    Returns
    -------
    array, float64
        ``[lanes, bins]``; NaN where there is no event.

    Raises
    ------
    ShapeError
        If ``lane`` and ``marked`` differ in length, or an event is in a lane that there is not.

    Examples
    --------
    >>> lane_shares(np.array([0, 0, 1, 0]), np.array([True, False, True, False]), 2, 2)
    array([[0.5, 0. ],
           [nan, 1. ]])
    """
    lane, marked = np.asarray(lane, np.int64), np.asarray(marked, bool)
    if lane.shape != marked.shape or lane.ndim != 1:
        raise ShapeError(f"lanes: {lane.shape} events, {marked.shape} marks: give as many of both")
    if len(lane) and not 0 <= lane.min() <= lane.max() < lanes:
        raise ShapeError(f"lanes: events go from lane {lane.min()} to {lane.max()}, of {lanes}")
    place = lane * bins + np.arange(len(lane)) * bins // max(len(lane), 1)
    events = np.bincount(place, minlength=lanes * bins).reshape(lanes, bins)
    hits = np.bincount(place[marked], minlength=lanes * bins).reshape(lanes, bins)
    shares: Array = np.where(events > 0, hits / np.maximum(events, 1), np.nan)
    return shares


def lane_text(shares: Array) -> str:
    """Return one letter a bin: from ``:`` (few marked) to ``@`` (all), ``.`` where none is.

    Parameters
    ----------
    shares : array ``[bins]``
        Of one lane; a space stands for NaN.

    Examples
    --------
    >>> lane_text(np.array([0.0, 0.01, 0.5, 1.0, np.nan, 0.0]))
    '.:*@ .'
    """
    last = len(_RAMP) - 1
    return "".join(
        " " if np.isnan(s) else _RAMP[min(int(s * len(_RAMP)), last)] if s > 0 else "."
        for s in shares
    )


def lane_html(shares: Array, alt: str) -> str:
    """Return a lane as a picture: gray where nothing is marked, the redder the more is.

    Parameters
    ----------
    shares : array ``[bins]``
        Of one lane, at least one bin; nothing is drawn for NaN.
    alt : str
        What it shows, for those who cannot see it.
    """
    some = shares > 0  # not where it is NaN
    opacity = np.where(some, _FAINTEST + (1 - _FAINTEST) * shares, _PLAIN_OPACITY)
    alpha = np.where(np.isnan(shares), 0, np.rint(255 * opacity))
    ink = np.where(some[:, None], _MARKED, _PLAIN)
    line = np.concatenate([ink, alpha[:, None]], axis=1).astype(np.uint8).repeat(_BIN, axis=0)
    return image(encode_png(np.broadcast_to(line, (_HEIGHT, *line.shape))), alt)
