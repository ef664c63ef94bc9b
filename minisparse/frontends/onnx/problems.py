"""Problems of a model, told all at once: whoever mends one wants to know of the others."""

from collections.abc import Sequence
from pathlib import Path

from minisparse.core.errors import MinisparseError
from minisparse.core.tensor_type import TensorType

MOST_TOLD = 100
"""So many problems of a kind are told in full."""


class Declined(Exception):
    """A rule cannot express a node in ops of ours; the message says why.

    Attributes
    ----------
    expected : tuple of TensorType
        What the rule knows of the results, where onnx may not: their ranks, mostly.
    """

    def __init__(self, why: str, expected: Sequence[TensorType] = ()) -> None:
        super().__init__(why)
        self.expected = tuple(expected)


def refuse(where: str, error: type[MinisparseError], heading: str, found: Sequence[str]) -> None:
    """Raise one error that tells of all problems of a kind; nothing if there are none.

    Parameters
    ----------
    where : str
        How errors call the model: its path, mostly.
    error : type
        Which error to raise.
    heading : str
        What they have in common, in words.
    found : sequence of str
        The problems, each a short phrase.

    Examples
    --------
    >>> from minisparse.core.errors import GraphError
    >>> refuse("m.onnx", GraphError, "names defined twice", ["'a'", "'b'"])
    Traceback (most recent call last):
    ...
    minisparse.core.errors.GraphError: m.onnx: names defined twice: 'a'; 'b'
    """
    if found:
        told = list(dict.fromkeys(found))
        text = "; ".join(told[:MOST_TOLD])
        if len(told) > MOST_TOLD:
            text += f"; and {len(told) - MOST_TOLD} more"
        raise error(" ".join(f"{where}: {heading}: {text}".split()))  # names may hold line breaks


def is_inside(path: Path, folder: Path) -> bool:
    """Tell whether a path, links followed, lies in a folder."""
    return path.resolve().is_relative_to(folder.resolve())
