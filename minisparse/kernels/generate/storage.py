"""How each dimension of a matrix is stored: the levels of which a format is made.

A format is a sequence of levels, outermost first, and each level says how one letter is found:

==========  ====================================================  ==============================
kind        its loop                                              its coordinate
==========  ====================================================  ==============================
dense       over all values of the letter                         the letter itself
compressed  over the slots between two pointers                   ``k = indices[p]``
listed      over all slots there are                              ``m = row[p]``
singleton   none: it shares the slot of the level before it       ``k = col[p]``
grouped     over n slots of every m neighbors                     ``k = p // n * m + positions``
inside      over the cells of a dense block                       ``k = block * width + v``
==========  ====================================================  ==============================

After Chou, Kjolstad and Amarasinghe, "Format abstraction for sparse tensor algebra compilers",
OOPSLA 2018, whose compressed level without uniqueness is "listed" here. Blocks take two levels a
letter, one for the block and one inside of it. No code knows a format's name: to compose levels is
all there is.
"""

from typing import NamedTuple

from minisparse.core.errors import UnsupportedOpError
from minisparse.core.tensor_type import Layout


class Level(NamedTuple):
    """One level of storage.

    Attributes
    ----------
    kind : str
        As in the table above.
    axis : int
        Which dimension of the matrix it stores: 0 rows, 1 columns.
    blocked : bool
        Whether its coordinate is that of a block, to be refined by a level ``inside``.
    """

    kind: str
    axis: int
    blocked: bool = False


STORAGE: dict[str, tuple[Level, ...]] = {
    "dense": (Level("dense", 0), Level("dense", 1)),
    "csr": (Level("dense", 0), Level("compressed", 1)),
    "csc": (Level("dense", 1), Level("compressed", 0)),
    "coo": (Level("listed", 0), Level("singleton", 1)),
    "bsr": (
        Level("dense", 0, blocked=True),
        Level("compressed", 1, blocked=True),
        Level("inside", 0),
        Level("inside", 1),
    ),
    "nm": (Level("dense", 0), Level("grouped", 1)),
}
"""From a format's name to its levels, outermost first."""


def levels_of(format: str) -> tuple[Level, ...]:
    """Return the levels of a format.

    Raises
    ------
    UnsupportedOpError
        If it has none here.

    Examples
    --------
    >>> [level.kind for level in levels_of("csc")], [level.axis for level in levels_of("csc")]
    (['dense', 'compressed'], [1, 0])
    """
    if format not in STORAGE:
        raise UnsupportedOpError(
            f"generate: there are no levels for format {format!r:.40}; formats: "
            f"{', '.join(STORAGE)}: convert with A.to(...)"
        )
    return STORAGE[format]


def find_format(*kinds: str, by: str = "rows") -> str:
    """Return the format that stores its levels in these ways, outermost first.

    Parameters
    ----------
    *kinds : str
        ``"dense", "compressed"``.
    by : {"rows", "columns"}
        Whether the outermost level is that of the rows.

    Raises
    ------
    UnsupportedOpError
        If no matrix class stores its dimensions so.

    Examples
    --------
    >>> find_format("dense", "compressed"), find_format("dense", "compressed", by="columns")
    ('csr', 'csc')
    """
    first = 1 if by == "columns" else 0
    for format, levels in STORAGE.items():
        if tuple(level.kind for level in levels) == kinds and levels[0].axis == first:
            return format
    known = "; ".join(f"{f}: {storage_text(Layout(f), 'mk')}" for f in STORAGE)
    raise UnsupportedOpError(
        f"generate: no format stores {', '.join(map(repr, kinds))} by {by}; there are: {known}"
    )


def storage_text(layout: Layout, letters: str | tuple[str, ...]) -> str:
    """Return how each letter is stored, in words.

    Examples
    --------
    >>> storage_text(Layout("csr"), "mk")
    'm dense, k compressed'
    >>> storage_text(Layout("bsr", (2, 3)), "mk")
    'm dense (blocks of 2), k compressed (blocks of 3), m inside, k inside'
    >>> storage_text(Layout("nm", (2, 4)), "mk")
    'm dense, k grouped (2 of 4)'
    """
    words = []
    for kind, axis, blocked in levels_of(layout.format):
        of = ""
        if layout.block is not None and blocked:
            of = f" (blocks of {layout.block[axis]})"
        elif layout.block is not None and kind == "grouped":
            of = f" ({layout.block[0]} of {layout.block[1]})"
        words.append(f"{letters[axis]} {kind}{of}")
    return ", ".join(words)
