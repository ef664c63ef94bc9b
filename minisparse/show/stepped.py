"""Steps of many lanes: one row a step, one column a lane; who takes part, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from minisparse.show.html import CHOSEN, LINE, MONO, TABLE, escape
from minisparse.show.words import clean, pad, shorten

_SOURCE = 40
"""Columns of the text at the left."""


@dataclass(frozen=True)
class Stepped:
    """One step.

    Attributes
    ----------
    number : str
        What stands at the very left, such as a line's number.
    label : str
        What the step is.
    lanes : mapping of int to mapping
        The lanes that take part, by number; of each what the step has set, by name. Values are
        texts, and short.
    """

    number: str
    label: str
    lanes: Mapping[int, Mapping[str, str]]


def stepped_text(steps: Sequence[Stepped], lanes: int = 32, max_width: int = 80) -> str:
    """Return steps as text: ``#`` for a lane that takes part, ``.`` for one that is idle.

    What is set stands below, once where all lanes have the same.

    Parameters
    ----------
    steps : sequence of Stepped
        In their order.
    lanes : int
        How many there are.
    max_width : int
        Columns that no line exceeds.

    Examples
    --------
    >>> first = Stepped("7", "t = lane", {0: {"t": "0"}, 1: {"t": "1"}, 2: {"t": "2"}})
    >>> second = Stepped("9", "y[t] = 1", {2: {}})
    >>> print(stepped_text([first, second], lanes=3, max_width=30))
       7  t = lane             ###
             t: 0 1 2
       9  y[t] = 1             ..#
    """
    room = max(min(_SOURCE, max_width - lanes - 8), 8)
    lines = []
    for step in steps:
        marks = "".join("#" if lane in step.lanes else "." for lane in range(lanes))
        label = pad(shorten(clean(step.label), room), room)
        lines.append(f"{step.number:>4}  {label}  {marks}")
        for name in dict.fromkeys(name for values in step.lanes.values() for name in values):
            values = [v[name] for v in step.lanes.values() if name in v]
            same = len(values) > 1 and len(set(values)) == 1
            told = f"{values[0]} in each" if same else " ".join(values)
            lines.append(f"         {clean(name)}: {clean(told)}")
    return "\n".join(shorten(line, max_width) for line in lines)


def stepped_html(steps: Sequence[Stepped], lanes: int = 32) -> str:
    """Return steps as a table: cells of lanes that take part are set off; twin of the text."""
    heads = "".join(_cell(str(lane), "font-size: 9px; opacity: 0.55") for lane in range(lanes))
    rows = [f"<td></td><td></td>{heads}"]
    for step in steps:
        cells = "".join(_lane(step.lanes.get(lane)) for lane in range(lanes))
        rows.append(f"{_left(step.number, 'opacity: 0.55')}{_left(step.label, '')}{cells}")
    body = "".join(f'<tr style="background-color: transparent">{row}</tr>' for row in rows)
    return f'<table style="{TABLE}">{body}</table>'


def _left(text: str, style: str) -> str:
    look = f"{MONO}; font-size: 11px; text-align: left; white-space: pre; border: none; {style}"
    return f'<td style="padding: 1px 8px 1px 0; {look}">{escape(shorten(text, 60))}</td>'


def _lane(values: Mapping[str, str] | None) -> str:
    if values is None:
        return _cell("·", f"border: {LINE}; opacity: 0.35")
    look = f"border: {LINE}; background-color: {CHOSEN}"
    return _cell("<br>".join(map(escape, values.values())), look)


def _cell(html: str, style: str) -> str:
    size = "padding: 1px 2px; min-width: 18px; text-align: center; border: none"
    return f'<td style="{MONO}; font-size: 10px; {size}; {style}">{html}</td>'
