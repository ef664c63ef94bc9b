"""A graph as rails running down: a node a line, a rail for each value that is still to be read."""

from collections.abc import Sequence

from minisparse.show.html import MONO, escape
from minisparse.show.words import clean, columns, pad, shorten

Drawn = tuple[str, str, Sequence[str]]
"""A node's name, a text beside it, and the names of the nodes that it reads."""

_ASCII = str.maketrans(
    {"●": "o", "│": "|", "─": "-", "┘": "'", "└": "`", "┴": "'", "├": "+", "┤": "+", "┼": "+"}
)


def graph_text(nodes: Sequence[Drawn], max_width: int = 80, unicode: bool = False) -> str:
    """Return a drawing of a graph whose nodes stand in an order in which they can run.

    ``o`` is a node. It reads the rail above it and the rails that its line reaches: ``+`` goes on
    below, to another reader, and ``'`` or a back quote ends here.

    Parameters
    ----------
    nodes : sequence of (name, text, inputs)
        Inputs that are no earlier node's name, such as weights, are not drawn.
    max_width : int
        Columns that no line exceeds.
    unicode : bool
        Whether letters outside ASCII may be written.

    Examples
    --------
    >>> print(graph_text([("x", "input", ()), ("c", "conv(x)", ("x",)), ("y", "x + c", "xc")]))
    o     x  input
    |
    +--o  c  conv(x)
    |  |
    o--'  y  x + c
    """
    drawn = _rails(_reads(nodes))
    if not unicode:
        drawn = [line.translate(_ASCII) for line in drawn]
    wide = max(map(len, drawn), default=0)
    names = [shorten(clean(name, unicode), max_width // 3) for name, _, _ in nodes]
    longest = max(map(columns, names), default=0)
    for i, (name, (_, text, _)) in enumerate(zip(names, nodes, strict=True)):
        drawn[2 * i] = f"{drawn[2 * i]:{wide}}  {pad(name, longest)}  {clean(text, unicode)}"
    return "\n".join(shorten(line.rstrip(), max_width) for line in drawn)


def graph_html(nodes: Sequence[Drawn], max_width: int = 120) -> str:
    """Return the same drawing for a notebook; the parameters are those of ``graph_text``."""
    style = f"{MONO}; font-size: 12px; line-height: 1.15; margin: 0; padding: 0; white-space: pre"
    lines = graph_text(nodes, max_width, unicode=True).split("\n")
    body = "\n".join(map(escape, lines))
    return f'<pre style="{style}; background-color: transparent">{body}</pre>'


def _reads(nodes: Sequence[Drawn]) -> list[set[int]]:
    """Return for each node the numbers of the earlier nodes that it reads."""
    numbers: dict[str, int] = {}
    reads = []
    for i, (name, _, inputs) in enumerate(nodes):
        reads.append({numbers[value] for value in inputs if value in numbers})
        numbers[name] = i
    return reads


def _rails(reads: Sequence[set[int]]) -> list[str]:
    """Return the drawn lines: one for each node, and one of rails between every two."""
    last = {value: i for i, values in enumerate(reads) for value in values}
    rails: list[int | None] = []
    lines = []
    for i, values in enumerate(reads):
        read = [place for place, value in enumerate(rails) if value in values]
        ends = [place for place in read if last[rails[place] or 0] == i]
        free = [place for place, value in enumerate(rails) if value is None]
        here = (ends or free or [len(rails)])[0]
        if here == len(rails):
            rails.append(None)
        lines.append(_node_line(rails, here, read, ends))
        for place in ends:
            rails[place] = None
        rails[here] = i if i in last else None
        while rails and rails[-1] is None:
            rails.pop()
        lines.append("  ".join(" " if value is None else "│" for value in rails))
    return lines[:-1]


def _node_line(
    rails: Sequence[int | None], here: int, read: Sequence[int], ends: Sequence[int]
) -> str:
    """Return a node's line: the node, the rails that it reads, and those that pass by."""
    low, high = min([here, *read]), max([here, *read])
    line = ""
    for place, value in enumerate(rails):
        if place == here:
            line += "●"
        elif place in read:
            line += ("└┴┘" if place in ends else "├┼┤")[(place > low) + (place == high)]
        elif value is not None:
            line += "│"
        else:
            line += "─" if low < place < high else " "
        line += "──" if low <= place < high else "  "
    return line.rstrip()
