"""Functions of single elements."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minisparse.frontends.torch.lowering import Lowering
from minisparse.frontends.torch.table import Table


def _same(op: str) -> Callable[[Lowering, str], str]:
    """Return the rule of an operator that is an op of ours; whole numbers become real first."""

    def lower(g: Lowering, x: str) -> str:
        real = g.dtype.kind not in "biu"
        return g.op(op, g.cast(x, g.dtype) if real else x)

    return lower


def gelu(g: Lowering, x: str, approximate: str = "none") -> str:
    """``aten.gelu``."""
    return g.op("gelu", x, approximate=approximate)


def hardtanh(g: Lowering, x: str, low: float = -1, high: float = 1) -> str:
    """``aten.hardtanh``."""
    return g.op("clip", x, min=low, max=high)


def relu6(g: Lowering, x: str) -> str:
    """``aten.relu6``."""
    return g.op("clip", x, min=0, max=6)


def hardsigmoid(g: Lowering, x: str) -> str:
    """``aten.hardsigmoid``: ``clip(x / 6 + 1/2, 0, 1)``."""
    return g.op("hard_sigmoid", x, alpha=1 / 6, beta=0.5)


def leaky_relu(g: Lowering, x: str, slope: float = 0.01) -> str:
    """``aten.leaky_relu``."""
    return g.op("leaky_relu", x, alpha=float(slope))


def elu(g: Lowering, x: str, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> str:
    """``aten.elu``, scaled as for ``selu``: ``scale * elu(x)``."""
    if input_scale != 1:
        inner = g.op("elu", _times(g, x, input_scale, "in"), alpha=float(alpha), part="below")
        above = g.op("greater", x, g.number(0, g.type(x).dtype), part="above")
        y = g.op("where", above, x, inner)
    else:
        y = g.op("elu", x, alpha=float(alpha))
    return y if scale == 1 else _times(g, y, scale, "scaled")


def _times(g: Lowering, x: str, by: float, part: str) -> str:
    return g.op("multiply", x, g.number(by, g.type(x).dtype), part=part)


def selu(g: Lowering, x: str) -> str:
    """``aten.selu``, by the constants of Klambauer et al. (NIPS 2017)."""
    return elu(g, x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


def celu(g: Lowering, x: str, alpha: float = 1) -> str:
    """``aten.celu``: ``elu`` whose slope is 1 at 0 whatever alpha is."""
    return elu(g, x, alpha, 1, 1 / alpha)


def prelu(g: Lowering, x: str, weight: str) -> str:
    """``aten.prelu``, with one slope or one for each channel."""
    count = g.extent(weight, 0) if g.ndim(weight) == 1 else 1
    if g.ndim(x) > 1 and g.ndim(weight) == 1 and count != 1:
        weight = g.reshape(weight, [count] + [1] * (g.ndim(x) - 2), part="slope")
    return g.op("prelu", x, weight)


def softplus(g: Lowering, x: str, beta: float = 1, threshold: float = 20) -> str:
    """``aten.softplus``: ``log(1 + exp(beta x)) / beta``, and x itself beyond the threshold."""
    inner = x if beta == 1 else _times(g, x, beta, "in")
    smooth = g.op("softplus", inner, part="smooth")
    smooth = smooth if beta == 1 else _times(g, smooth, 1 / beta, "scaled")
    beyond = g.op("greater", inner, g.number(threshold, g.type(x).dtype), part="beyond")
    return g.op("where", beyond, x, smooth)


def mish(g: Lowering, x: str) -> str:
    """``aten.mish``: ``x tanh(softplus(x))``."""
    inner = g.op("tanh", g.op("softplus", x, part="softplus"), part="tanh")
    return g.op("multiply", x, inner)


def log_sigmoid(g: Lowering, x: str) -> str:
    """``aten.log_sigmoid``: ``-softplus(-x)``."""
    return g.op("neg", g.op("softplus", g.op("neg", x, part="in"), part="softplus"))


def rsqrt(g: Lowering, x: str) -> str:
    """``aten.rsqrt``."""
    x = g.cast(x, g.dtype)
    return g.op("reciprocal", g.op("sqrt", x, part="sqrt"))


def _scaled_log(base: float) -> Callable[[Lowering, str], str]:
    def lower(g: Lowering, x: str) -> str:
        logarithm = g.op("log", g.cast(x, g.dtype), part="log")
        return _times(g, logarithm, 1 / float(np.log(base)), "")

    return lower


def log1p(g: Lowering, x: str) -> str:
    """``aten.log1p``, to the last digits for small x too.

    With ``u = 1 + x``, rounded, it is ``log(u) * x / (u - 1)``, and x where u is 1 (Goldberg, ACM
    Computing Surveys 23(1), 1991, theorem 4).
    """
    x = g.cast(x, g.dtype)
    one = g.number(1, g.dtype)
    u = g.op("add", x, one, part="u")
    quotient = g.op("div", x, g.op("sub", u, one, part="rounded"), part="quotient")
    found = g.op("multiply", g.op("log", u, part="log"), quotient, part="product")
    is_infinite = g.op("is_inf", u, part="infinite")
    found = g.op("where", is_infinite, u, found, part="large")
    return g.op("where", g.op("equal", u, one, part="small"), x, found)


def expm1(g: Lowering, x: str) -> str:
    """``aten.expm1``, to the last digits for small x too.

    With ``u = exp(x)``, rounded, it is ``(u - 1) * x / log(u)``, x where u is 1, and ``u - 1`` far
    from 0 (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 1.14.1).
    """
    x = g.cast(x, g.dtype)
    one = g.number(1, g.dtype)
    u = g.op("exp", x, part="exp")
    less = g.op("sub", u, one, part="less")
    quotient = g.op("div", x, g.op("log", u, part="log"), part="quotient")
    near = g.op("multiply", less, quotient, part="product")
    is_far = g.op("greater", g.op("abs", x, part="abs"), one, part="far")
    found = g.op("where", is_far, less, near, part="either")
    return g.op("where", g.op("equal", u, one, part="small"), x, found)


def tan(g: Lowering, x: str) -> str:
    """``aten.tan``."""
    x = g.cast(x, g.dtype)
    return g.op("div", g.op("sin", x, part="sin"), g.op("cos", x, part="cos"))


def trunc(g: Lowering, x: str) -> str:
    """``aten.trunc``: toward zero."""
    if g.dtype.kind in "biu":
        return x
    is_negative = g.op("less", x, g.number(0, g.dtype), part="negative")
    up, down = g.op("ceil", x, part="ceil"), g.op("floor", x, part="floor")
    return g.op("where", is_negative, up, down)


def square(g: Lowering, x: str) -> str:
    """``aten.square``."""
    return g.op("multiply", x, x)


def clamp(g: Lowering, x: str, low: Any = None, high: Any = None) -> str:
    """``aten.clamp`` by numbers."""
    x = g.cast(x, g.dtype)
    return g.op("clip", x, min=low, max=high)


def clamp_tensor(g: Lowering, x: str, low: str | None = None, high: str | None = None) -> str:
    """``aten.clamp`` by tensors."""
    x = g.cast(x, g.dtype)
    if low is not None:
        x = g.op("max", x, g.cast(low, g.dtype), part="low")
    return x if high is None else g.op("min", x, g.cast(high, g.dtype), part="high")


def unchanged(g: Lowering, x: str, *rest: Any) -> str:
    """Operators that copy, or do nothing to the values."""
    return x


_OURS = {
    "relu": "relu",
    "silu": "silu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "erf": "erf",
    "exp": "exp",
    "log": "log",
    "sqrt": "sqrt",
    "abs": "abs",
    "neg": "neg",
    "sin": "sin",
    "cos": "cos",
    "sign": "sign",
    "floor": "floor",
    "ceil": "ceil",
    "round": "round",
    "reciprocal": "reciprocal",
    "hardswish": "hard_swish",
    "isnan": "is_nan",
    "isinf": "is_inf",
}

ACTIVATIONS = Table(
    {
        **{f"aten.{name}.default": _same(op) for name, op in _OURS.items()},
        "aten.gelu.default": gelu,
        "aten.hardtanh.default": hardtanh,
        "aten.relu6.default": relu6,
        "aten.hardsigmoid.default": hardsigmoid,
        "aten.leaky_relu.default": leaky_relu,
        "aten.elu.default": elu,
        "aten.selu.default": selu,
        "aten.celu.default": celu,
        "aten.prelu.default": prelu,
        "aten.softplus.default": softplus,
        "aten.mish.default": mish,
        "aten.log_sigmoid.default": log_sigmoid,
        "aten.rsqrt.default": rsqrt,
        "aten.log2.default": _scaled_log(2),
        "aten.log10.default": _scaled_log(10),
        "aten.log1p.default": log1p,
        "aten.expm1.default": expm1,
        "aten.tan.default": tan,
        "aten.trunc.default": trunc,
        "aten.square.default": square,
        "aten.clamp.default": clamp,
        "aten.clamp.Tensor": clamp_tensor,
    }
)

COPIES = Table(
    {
        f"aten.{name}.default": unchanged
        for name in ("clone", "alias", "detach", "contiguous", "lift_fresh_copy")
    }
)
