"""Two operands, element by element: arithmetic, comparisons, logic, choice, casts."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minisparse.core.errors import UnsupportedOpError
from minisparse.frontends.torch.lowering import Lowering
from minisparse.frontends.torch.table import Table

BOOL = np.dtype(bool)


def _binary(op: str) -> Callable[[Lowering, Any, Any], str]:
    """Return the rule of an operator whose operands come in the dtype of its result."""

    def lower(g: Lowering, a: Any, b: Any) -> str:
        return g.op(op, g.operand(a, g.dtype), g.operand(b, g.dtype))

    return lower


def _sum(op: str) -> Callable[..., str]:
    """Return the rule of ``a + alpha * b`` or ``a - alpha * b``."""

    def lower(g: Lowering, a: Any, b: Any, alpha: float = 1) -> str:
        b = g.operand(b, g.dtype)
        if alpha != 1:
            b = g.op("multiply", b, g.number(alpha, g.dtype), part="scaled")
        return g.op(op, g.operand(a, g.dtype), b)

    return lower


def rsub(g: Lowering, a: Any, b: Any, alpha: float = 1) -> str:
    """``aten.rsub``: ``b - alpha * a``."""
    return _sum("sub")(g, b, a, alpha)


def _comparison(op: str) -> Callable[[Lowering, Any, Any], str]:
    """Return the rule of a comparison, in the dtype that the operands have together."""

    def lower(g: Lowering, a: Any, b: Any) -> str:
        dtype = g.promoted()
        if dtype == BOOL and op != "equal":
            dtype = np.dtype(np.int32)
        return g.op(op, g.operand(a, dtype), g.operand(b, dtype))

    return lower


def not_equal(g: Lowering, a: Any, b: Any) -> str:
    """``aten.ne``."""
    dtype = g.promoted()
    equal = g.op("equal", g.operand(a, dtype), g.operand(b, dtype), part="equal")
    return g.op("not", equal)


def _logical(op: str) -> Callable[[Lowering, Any, Any], str]:
    """Return the rule of a logical operator: what is not 0 is true."""

    def lower(g: Lowering, a: Any, b: Any) -> str:
        return g.op(op, g.operand(a, BOOL), g.operand(b, BOOL))

    return lower


def _bitwise(op: str) -> Callable[[Lowering, Any, Any], str]:
    """Return the rule of a bitwise operator, for bool only."""

    def lower(g: Lowering, a: Any, b: Any) -> str:
        if g.dtype != BOOL:
            raise UnsupportedOpError(f"bits of {g.dtype} cannot be combined; for bool they can")
        return _logical(op)(g, a, b)

    return lower


def negation(g: Lowering, x: str) -> str:
    """``aten.logical_not``, and ``aten.bitwise_not`` of bool."""
    if g.dtype != BOOL:
        raise UnsupportedOpError(f"bits of {g.dtype} cannot be turned; of bool they can")
    return g.op("not", g.cast(x, BOOL))


def divide(g: Lowering, a: Any, b: Any, rounding_mode: str | None = None) -> str:
    """``aten.div``: true division, or rounded down or toward zero."""
    a, b = g.operand(a, g.dtype), g.operand(b, g.dtype)
    whole = g.dtype.kind in "iu"
    if rounding_mode is None or (whole and rounding_mode == "trunc"):
        return g.op("div", a, b)
    if whole:
        rest = g.op("mod", a, b, part="rest")  # has the sign of b, as division downwards needs
        return g.op("div", g.op("sub", a, rest, part="multiple"), b)
    quotient = g.op("div", a, b, part="quotient")
    if rounding_mode == "floor":
        return g.op("floor", quotient)
    below, above = g.op("floor", quotient, part="floor"), g.op("ceil", quotient, part="ceil")
    negative = g.op("less", quotient, g.number(0, g.dtype), part="negative")
    return g.op("where", negative, above, below)


def floor_divide(g: Lowering, a: Any, b: Any) -> str:
    """``aten.floor_divide``."""
    return divide(g, a, b, "floor")


def remainder(g: Lowering, a: Any, b: Any) -> str:
    """``aten.remainder``, which has the sign of b."""
    a, b = g.operand(a, g.dtype), g.operand(b, g.dtype)
    if g.dtype.kind in "iu":
        return g.op("mod", a, b)
    down = g.op("floor", g.op("div", a, b, part="quotient"), part="floor")
    return g.op("sub", a, g.op("multiply", down, b, part="multiple"))


def fmod(g: Lowering, a: Any, b: Any) -> str:
    """``aten.fmod``, which has the sign of a."""
    return g.op("mod", g.operand(a, g.dtype), g.operand(b, g.dtype), fmod=1)


_POWERS = {0.5: "sqrt", 1: "identity", 2: "multiply", -1: "reciprocal"}


def power(g: Lowering, a: Any, b: Any) -> str:
    """``aten.pow``; squares, roots and reciprocals are what they are called."""
    a = g.operand(a, g.dtype)
    is_whole = g.dtype.kind in "iu"
    if not isinstance(b, int | float) or b not in _POWERS or (is_whole and b != 2):
        return g.op("pow", a, g.operand(b, g.dtype))
    return g.op("multiply", a, a) if b == 2 else g.op(_POWERS[b], a)


def where(g: Lowering, condition: str, a: Any, b: Any) -> str:
    """``aten.where``."""
    return g.op("where", g.cast(condition, BOOL), g.operand(a, g.dtype), g.operand(b, g.dtype))


def masked_fill(g: Lowering, x: str, mask: str, value: Any) -> str:
    """``aten.masked_fill``."""
    return g.op("where", g.cast(mask, BOOL), g.operand(value, g.dtype), x)


def cast(g: Lowering, x: str, *rest: Any, **rest_by_name: Any) -> str:
    """``aten.to`` and ``aten._to_copy``: only the dtype of the result matters here."""
    return x if g.type(x).dtype == g.dtype else g.op("cast", x, to=g.dtype.name)


def _named(names: str, overloads: str, lower: Callable[..., str]) -> dict[str, Callable[..., str]]:
    """Return one rule for several operators and their overloads."""
    return {f"aten.{n}.{o}": lower for n in names.split() for o in overloads.split()}


ARITHMETIC = Table(
    {
        **_named("add", "Tensor Scalar", _sum("add")),
        **_named("sub", "Tensor Scalar", _sum("sub")),
        **_named("rsub", "Tensor Scalar", rsub),
        **_named("mul", "Tensor Scalar", _binary("multiply")),
        **_named("div", "Tensor Scalar Tensor_mode Scalar_mode", divide),
        **_named("floor_divide", "default Scalar", floor_divide),
        **_named("remainder", "Tensor Scalar", remainder),
        **_named("fmod", "Tensor Scalar", fmod),
        **_named("pow", "Tensor_Scalar Tensor_Tensor Scalar", power),
        **_named("maximum", "default", _binary("max")),
        **_named("minimum", "default", _binary("min")),
    }
)

COMPARISONS = Table(
    {
        **_named("eq", "Tensor Scalar", _comparison("equal")),
        **_named("ne", "Tensor Scalar", not_equal),
        **_named("lt", "Tensor Scalar", _comparison("less")),
        **_named("le", "Tensor Scalar", _comparison("less_or_equal")),
        **_named("gt", "Tensor Scalar", _comparison("greater")),
        **_named("ge", "Tensor Scalar", _comparison("greater_or_equal")),
    }
)

LOGIC = Table(
    {
        **_named("logical_and", "default", _logical("and")),
        **_named("logical_or", "default", _logical("or")),
        **_named("logical_xor", "default", _logical("xor")),
        **_named("logical_not bitwise_not", "default", negation),
        **_named("bitwise_and __and__", "Tensor Scalar", _bitwise("and")),
        **_named("bitwise_or __or__", "Tensor Scalar", _bitwise("or")),
        **_named("bitwise_xor __xor__", "Tensor Scalar", _bitwise("xor")),
        **_named("where", "self ScalarOther ScalarSelf Scalar", where),
        **_named("masked_fill", "Scalar Tensor", masked_fill),
        **_named("to", "dtype dtype_layout device other", cast),
        **_named("_to_copy type_as", "default", cast),
    }
)
