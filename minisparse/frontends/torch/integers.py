"""Integers that only the run tells, written as arithmetic on vectors of one int64."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minisparse.core.errors import UnsupportedOpError
from minisparse.frontends.torch.lowering import Lowering
from minisparse.frontends.torch.sizes import Sym

_SAME = {
    "operator.add": "add",
    "operator.sub": "sub",
    "operator.mul": "multiply",
    "operator.floordiv": "div",  # sizes are not negative, so both ways of rounding agree
    "operator.mod": "mod",
    "torch.sym_max": "max",
    "torch.sym_min": "min",
}


def lower_integer(g: Lowering, operator: str, args: list[Any]) -> str:
    """Write what an operator on sizes computes, and return the value ``[1]``.

    Raises
    ------
    UnsupportedOpError
        If the operator has no meaning here.
    """
    if operator == "aten.sym_size.int":
        return g.size(g.extent(args[0], args[1]))
    if operator in ("aten.item.default", "aten._local_scalar_dense.default"):
        return g.reshape(g.cast(args[0], np.dtype(np.int64)), [1])
    if operator == "aten.sym_numel.default":
        return g.reshape(g.op("size", args[0]), [1])
    if operator in _SAME:
        found = [_whole(g, a) for a in args]
        return g.op(_SAME[operator], *found)
    rule = _REAL.get(operator)
    if rule is None:
        raise UnsupportedOpError(f"{operator} of a size is not known here")
    return rule(g, *args)


def _whole(g: Lowering, given: Any) -> str:
    """Return an int, or a size, as a vector of one int64."""
    return g.size(given) if isinstance(given, int | Sym) else g.number([given], np.float64)


def _real(g: Lowering, given: Any) -> str:
    """Return a number as a vector of one float64, in which Python's own floats compute."""
    if isinstance(given, Sym):
        return g.cast(given.make(), np.dtype(np.float64))
    return g.number([given], np.float64)


def _quotient(g: Lowering, a: Any, b: Any) -> str:
    return g.op("div", _real(g, a), _real(g, b))


def _power(g: Lowering, a: Any, b: Any) -> str:
    return g.op("pow", _real(g, a), _real(g, b))


def _root(g: Lowering, a: Any) -> str:
    return g.op("sqrt", _real(g, a))


_REAL: dict[str, Callable[..., str]] = {
    "operator.truediv": _quotient,
    "torch.sym_int_truediv": _quotient,
    "operator.pow": _power,
    "torch.sym_float": _real,
    "torch._sym_sqrt": _root,
}
