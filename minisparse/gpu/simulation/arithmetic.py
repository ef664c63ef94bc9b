"""Arithmetic in a checked run: results that do not fit, and names that change their dtype.

A number that NumPy knows has its dtype; a plain Python number has none, and takes that of what it
meets, as in CuPy's translator. Places in the grid are unsigned on a card, and so they are here.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

import numpy as np

from minisparse.gpu.simulation.observer import Observer
from minisparse.gpu.simulation.sites import Findings, Site

COMPUTE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
_WEAK = (int, float)
_WHOLE = (int, np.integer)


class Arithmetic(Observer):
    """Looks at what a program computes."""

    def __init__(self, grid: tuple[int, ...], block: tuple[int, ...], findings: Findings) -> None:
        super().__init__(grid, block, findings)
        self._signal = ""
        self._kinds: dict[tuple[Any, ...], tuple[type, Site]] = {}

    def watched_arithmetic(self) -> AbstractContextManager[Any]:
        """Return a context in which NumPy tells what does not fit."""
        return np.errstate(all="ignore", over="call", divide="call", call=self.signal)

    def signal(self, what: str, flag: int) -> None:
        """Hear from NumPy that a result does not fit, or that a divisor is zero."""
        self._signal = what

    def compute(self, site: Site, symbol: str, left: Any, right: Any) -> Any:
        """Return a sum, product …; whole numbers must fit their dtype."""
        self._signal = ""
        result = COMPUTE[symbol](left, right)
        if self._signal and isinstance(result, np.integer):
            if self._signal.startswith("divide"):
                self.found("division", site, f"{left} {symbol} {right} has no result")
            elif isinstance(result, np.signedinteger):
                words = f"{left} {symbol} {right} does not fit {result.dtype}: widen before it"
                self.found("overflow", site, words)
        if type(result) is np.int64 and np.int64 not in (type(left), type(right)):
            self._mixed(site, symbol, left, right)
        return result

    def _mixed(self, site: Site, symbol: str, left: Any, right: Any) -> None:
        kinds = {type(left), type(right)}
        if np.uint32 in kinds and not kinds & {int, bool, np.bool_}:
            self.found(
                "dtype",
                site,
                f"{left.dtype} {symbol} {right.dtype} is refused by CuPy: places in the grid are "
                f"uint32, write np.int32(…) around them",
            )

    def keep(self, site: Site, name: str, value: Any, *arguments: Any) -> Any:
        """Return what a name is given; its dtype must be the one that it had first."""
        key = (site.function, name, *map(_kind, arguments))
        kind = type(value)
        known = self._kinds.get(key)
        if known is None or known[0] is not kind:
            self._change(key, known, kind, site, name)
        return value

    def _change(
        self,
        key: tuple[Any, ...],
        known: tuple[type, Site] | None,
        kind: type,
        site: Site,
        name: str,
    ) -> None:
        if known is None or (known[0] in _WEAK and fits(known[0], kind)):
            self._kinds[key] = kind, site
        elif not fits(kind, known[0]):
            first, where = known[0].__name__, known[1]
            self.found(
                "dtype",
                site,
                f"{name} is {first} from line {where.line} on and is given {kind.__name__}: on a "
                f"GPU it stays {first}, so convert what it is given, or use another name",
            )

    def span(self, *bounds: Any) -> Iterator[Any]:
        """Return what a loop runs over: numbers of the dtype in which it ends."""
        kind = type(bounds[0] if len(bounds) == 1 else bounds[1])
        return map(np.int32 if kind in _WEAK else kind, range(*bounds))


def _kind(value: Any) -> Any:
    return getattr(value, "dtype", type(value))


def fits(kind: type, name: type) -> bool:
    """Tell whether a name of one type may be given a value of another, nothing being lost.

    Examples
    --------
    >>> fits(int, np.float32), fits(float, np.int32), fits(np.float64, np.float32)
    (True, False, False)
    """
    if kind is name or {kind, name} == {bool, np.bool_}:
        return True
    if kind in _WEAK:
        return issubclass(name, (float, np.floating)) or (kind is int and issubclass(name, _WHOLE))
    return False
