"""The card of a pattern, and what the matrix would weigh in each format."""

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.core.tensor_type import DENSE, Layout
from minisparse.formats.pattern import Pattern, stored_bytes
from minisparse.show import (
    beside,
    card,
    card_text,
    facts,
    facts_text,
    human_bytes,
    table,
    table_text,
)

Rows = list[tuple[str, ...]]
Table = tuple[tuple[str, ...], Rows]


def bytes_by_format(pattern: Pattern, itemsize: int) -> dict[Layout, int]:
    """Return what a matrix would weigh in every format that can hold it, without converting it.

    Parameters
    ----------
    pattern : Pattern
        Where the nonzeros are; explicit zeros are not stored.
    itemsize : int
        Bytes of one value.

    Returns
    -------
    dict
        From layouts to bytes, the smallest first. BSR comes with each block size that the pattern
        has counted, n:m with the smallest n that fits for each m; ``dense`` is there to compare.

    Examples
    --------
    >>> import numpy as np
    >>> from minisparse.formats import find_pattern
    >>> found = bytes_by_format(find_pattern(np.kron(np.eye(4), np.ones((4, 4)))), 4)
    >>> for layout, n in list(found.items())[:3]:
    ...     print(layout, n)
    bsr 4x4 292
    nm 4:16 320
    bsr 2x2 356
    """
    if not isinstance(pattern, Pattern):
        raise UsageError(
            f"bytes_by_format: pattern is a {type(pattern).__name__}: write "
            f"bytes_by_format(find_pattern(A), itemsize)"
        )
    weights = {layout: stored_bytes(pattern, layout, itemsize) for layout in _layouts(pattern)}
    return dict(sorted(weights.items(), key=lambda item: item[1]))


def _layouts(pattern: Pattern) -> list[Layout]:
    """Return the dense layout, and every one of a format that can hold the pattern."""
    from minisparse.formats import FORMATS

    squares = [(s, s) for s in pattern.blocks]
    blocks = list(dict.fromkeys([*squares, *pattern.rectangles]))
    groups = [(n, m) for m in pattern.groups if (n := max(1, _fullest_group(pattern, m))) < m]
    choices: dict[tuple[str, ...], list[tuple[int, int]]] = {("block",): blocks, ("n", "m"): groups}
    found = [DENSE]
    for name, cls in FORMATS.items():
        sizes = choices.get(cls.layout_names, []) if cls.layout_names else [None]
        found += [Layout(name, size) for size in sizes]
    return found


def _fullest_group(pattern: Pattern, m: int) -> int:
    """Return the n of the tightest n:m that holds."""
    return max((n for n, count in enumerate(pattern.groups[m]) if count), default=0)


def pattern_text(pattern: Pattern, itemsize: int) -> str:
    """Return the card as text of at most 80 columns."""
    tables = (table_text(*found) for found in _tables(pattern, itemsize))
    return card_text(_title(pattern), facts_text(_facts(pattern)), *tables)


def pattern_html(pattern: Pattern, itemsize: int) -> str:
    """Return the card for a notebook."""
    blocks, groups, weights = (table(*found) for found in _tables(pattern, itemsize))
    return card(_title(pattern), facts(_facts(pattern)), beside(blocks, weights), groups)


def _title(pattern: Pattern) -> str:
    return f"{pattern.shape[0]}x{pattern.shape[1]}: {pattern.describe()}"


def _facts(pattern: Pattern) -> dict[str, str]:
    return {
        "nonzeros": f"{pattern.nnz} of {pattern.size}, density {pattern.density:.3g}",
        "rows": f"{_spread(pattern.row_counts)}; {pattern.zero_rows} rows are zero",
        "columns": f"{_spread(pattern.col_counts)}; {pattern.zero_cols} columns are zero",
        "imbalance": f"{pattern.row_imbalance:.3g}, the fullest row over the mean row",
        "bandwidth": f"{pattern.bandwidth}, the largest distance from the diagonal",
    }


def _spread(counts: Array) -> str:
    if not len(counts):
        return "none"
    return f"{counts.min()} to {counts.max()} nonzeros each, {counts.mean():.3g} on average"


def _tables(pattern: Pattern, itemsize: int) -> tuple[Table, Table, Table]:
    """Return blocks, groups and bytes."""
    blocks: Rows = [
        (f"{s}x{s}", f"{pattern.blocks[s]}", f"{pattern.block_occupancy(s):.1%}",
         f"{pattern.block_fill(s):.1%}")
        for s in pattern.blocks
    ]  # fmt: skip
    groups: Rows = [
        (f"{m}", f"at most {_fullest_group(pattern, m)}", *_violations(pattern, m))
        for m in pattern.groups
    ]
    weights = bytes_by_format(pattern, itemsize)
    dense = weights[DENSE]
    formats: Rows = [
        (str(layout), human_bytes(n), f"{n / dense:.2f}" if dense else "-")
        for layout, n in weights.items()
    ]
    return (
        (("blocks", "occupied", "of all", "filled"), blocks),
        (("groups of", "hold", "over 1", "over 2", "over 4", "over 8"), groups),
        ((f"{itemsize}-byte values in", "take", "of dense"), formats),
    )


def _violations(pattern: Pattern, m: int) -> tuple[str, ...]:
    """Return for n of 1, 2, 4 and 8 how many groups of m break n:m."""
    return tuple(str(pattern.nm[n, m]) if (n, m) in pattern.nm else "-" for n in (1, 2, 4, 8))
