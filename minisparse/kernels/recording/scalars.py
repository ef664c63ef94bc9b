"""Numbers that count what is done with them, and indices that remember where they were read."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from minisparse.kernels.recording.tally import Tally

FREE = {
    np.maximum, np.minimum, np.fmax, np.fmin, np.negative, np.positive, np.absolute, np.sign,
    np.conjugate, np.copysign,
}  # fmt: skip
"""Operations that choose, or only touch a sign: no flop."""
ASKING = {
    np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal,
    np.isnan, np.isinf, np.isfinite, np.signbit, np.logical_not, np.logical_and, np.logical_or,
}  # fmt: skip
"""Operations that only ask."""
SCALARS = (np.generic, float, complex, int)


def plain(x: Any) -> Any:
    """Return the scalar that a number stands for; anything else as it is."""
    return x.value if isinstance(x, Number) else x


def _counted(operate: Callable[[Any, Any], Any], swapped: bool = False) -> Callable[..., Any]:
    def method(self: "Number", other: Any) -> Any:
        x, y, tally = self.value, other.value if type(other) is Number else other, self.tally
        result = operate(y, x) if swapped else operate(x, y)
        if not isinstance(result, SCALARS):  # an array counts for itself
            return result
        tally.flops += 1
        return Number(result, tally)

    return method


def _compared(compare: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def method(self: "Number", other: Any) -> Any:
        return compare(self.value, plain(other))

    return method


class Number:
    """A scalar read from an array of values: what is computed with it is counted.

    It is computed with as it is, NumPy's scalar or Python's, so that not a bit changes. It is no
    float, so that a function which would compute with it unseen raises TypeError.
    """

    __slots__ = ("tally", "value")

    def __init__(self, value: Any, tally: Tally) -> None:
        self.value, self.tally = value, tally

    __add__, __radd__ = _counted(operator.add), _counted(operator.add, swapped=True)
    __sub__, __rsub__ = _counted(operator.sub), _counted(operator.sub, swapped=True)
    __mul__, __rmul__ = _counted(operator.mul), _counted(operator.mul, swapped=True)
    __truediv__, __rtruediv__ = _counted(operator.truediv), _counted(operator.truediv, swapped=True)
    __pow__, __rpow__ = _counted(operator.pow), _counted(operator.pow, swapped=True)
    __lt__, __le__ = _compared(operator.lt), _compared(operator.le)
    __gt__, __ge__ = _compared(operator.gt), _compared(operator.ge)
    __eq__, __ne__ = _compared(operator.eq), _compared(operator.ne)
    __hash__ = None  # type: ignore[assignment]

    def __neg__(self) -> "Number":
        return Number(-self.value, self.tally)

    def __abs__(self) -> "Number":
        return Number(abs(self.value), self.tally)

    def __bool__(self) -> bool:
        return bool(self.value)

    @property
    def dtype(self) -> Any:
        """Element type."""
        return self.value.dtype

    def astype(self, dtype: Any) -> "Number":
        """Return the number in another dtype."""
        return Number(self.value.astype(dtype), self.tally)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **more: Any) -> Any:
        """Apply a function of NumPy to the scalar."""
        if method != "__call__" or more:
            return NotImplemented
        result = ufunc(*(plain(x) for x in inputs))
        if ufunc in ASKING or not isinstance(result, SCALARS):  # an array counts for itself
            return result
        self.tally.flops += ufunc not in FREE
        return Number(result, self.tally)


def _passed_on(name: str) -> Callable[..., Any]:
    operate = getattr(int, name)

    def method(self: "Index", other: Any) -> Any:
        result = operate(self, other)
        if result is NotImplemented:
            return result
        return Index(result, max(self.source, getattr(other, "source", 0)))

    return method


class Index(int):
    """An integer read from an array of indices, or computed with one.

    Attributes
    ----------
    source : int
        The number of the reading; of two the later. What is reached with it was gathered.
    """

    source: int

    def __new__(cls, value: int, source: int) -> "Index":
        """Return the integer with its source."""
        self = super().__new__(cls, value)
        self.source = source
        return self

    __add__, __radd__ = _passed_on("__add__"), _passed_on("__radd__")
    __sub__, __rsub__ = _passed_on("__sub__"), _passed_on("__rsub__")
    __mul__, __rmul__ = _passed_on("__mul__"), _passed_on("__rmul__")
    __floordiv__, __rfloordiv__ = _passed_on("__floordiv__"), _passed_on("__rfloordiv__")
    __mod__, __rmod__ = _passed_on("__mod__"), _passed_on("__rmod__")

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other


def source_of(index: Any) -> int:
    """Return the latest reading of an index that is part of ``index``; 0 if there is none."""
    if type(index) is not tuple:
        return index.source if type(index) is Index else 0
    source = 0
    for i in index:
        if type(i) is Index and i.source > source:
            source = i.source
    return source
