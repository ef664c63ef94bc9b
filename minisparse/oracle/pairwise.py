"""Few combinations of many choices, such that every two values of different choices meet.

Most failures need one or two circumstances, hardly any more than three (Kuhn, Wallace and Gallo,
Software fault interactions and implications for software testing, IEEE TSE 30(6), 2004). So all
pairs find most of what all combinations would.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any


def all_pairs(choices: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return combinations in which any two values of different choices occur together.

    Greedy: each row begins with a pair that has not been met, and takes for each other choice the
    value that meets most that is new.

    Parameters
    ----------
    choices : mapping
        From names to the values that each may have; at least two names.

    Examples
    --------
    >>> rows = all_pairs({"x": [0, 1, 2], "y": "ab", "z": [False, True]})
    >>> len(rows) < 3 * 2 * 2
    True
    >>> {(row["x"], row["z"]) for row in rows} == {(x, z) for x in range(3) for z in range(2)}
    True
    """
    names = list(choices)
    missing = {
        ((i, u), (j, v)): None
        for i, j in combinations(range(len(names)), 2)
        for u in range(len(choices[names[i]]))
        for v in range(len(choices[names[j]]))
    }
    rows: list[dict[str, Any]] = []
    while missing:
        (i, u), (j, v) = next(iter(missing))
        row = {i: u, j: v}
        for other in range(len(names)):
            if other not in row:
                values = range(len(choices[names[other]]))
                # Among equals, not always the first: the rows should differ.
                turn = (len(rows) * 7 + other) % len(values)
                turned = [*values[turn:], *values[:turn]]
                row[other] = max(turned, key=lambda w: _new(row, other, w, missing))
        for pair in combinations(sorted(row.items()), 2):
            missing.pop(pair, None)
        rows.append({name: choices[name][row[k]] for k, name in enumerate(names)})
    return rows


def _new(row: Mapping[int, int], other: int, value: int, missing: Mapping[Any, None]) -> int:
    """Return how many pairs that were missing a value would add to a row."""
    here = (other, value)
    return sum(tuple(sorted(((i, u), here))) in missing for i, u in row.items())
