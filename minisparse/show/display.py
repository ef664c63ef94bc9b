"""Show a thing in a notebook as its card, and anywhere else as its text."""

import sys
from collections.abc import Callable
from typing import Any


def display(*things: object) -> None:
    """Show things as a notebook shows what stands at the end of a cell; elsewhere print them.

    Parameters
    ----------
    *things : object
        Drawn one after another by their ``_repr_html_`` in a notebook, else by their ``str``.

    Examples
    --------
    >>> display("a text", 3)
    a text
    3
    """
    show = _of_a_notebook() or _print
    for thing in things:
        show(thing)


def _print(thing: object) -> None:
    """Print one, and a line between it and the next where it takes more than one itself."""
    text = str(thing)
    sys.stdout.write(f"{text}\n\n" if "\n" in text else f"{text}\n")


def _of_a_notebook() -> Callable[[object], Any] | None:
    """Return IPython's function for it where a notebook is what runs, else None."""
    ipython = sys.modules.get("IPython")  # a notebook has imported it, and only then is it asked
    shell = None if ipython is None else ipython.get_ipython()
    if getattr(shell, "kernel", None) is None:
        return None  # no IPython, or its prompt in a terminal, where text is to be seen as text
    from IPython.display import display as show  # type: ignore[import-not-found,unused-ignore]

    return show  # type: ignore[no-any-return,unused-ignore]
