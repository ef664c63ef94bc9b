"""A bar on standard error while something takes long; nothing where nobody watches."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from minisparse.core.extras import is_installed, require

T = TypeVar("T")


def progress(steps: Iterable[T], total: int, what: str, shown: bool | None = None) -> Iterator[T]:
    """Yield the steps, with a bar of tqdm's where that is installed.

    Parameters
    ----------
    steps : iterable
        What to go through.
    total : int
        How many there are.
    what : str
        Stands before the bar.
    shown : bool, optional
        By default only if standard error is a terminal.

    Examples
    --------
    >>> list(progress("ab", 2, "letters", shown=False))
    ['a', 'b']
    """
    watched = sys.stderr.isatty() if shown is None else shown
    if not watched or not is_installed("tqdm"):
        yield from steps
        return
    tqdm = require("tqdm", "cli", "a progress bar")
    yield from tqdm.tqdm(steps, total=total, desc=what, leave=False, file=sys.stderr)
