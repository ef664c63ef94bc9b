"""Activations in small ops: relu, sigmoid, silu, hard_swish, and gelu in both of its forms."""

import math

from minisparse.graph import Node
from minisparse.passes.spelled.terms import Product, Terms, is_close

_ROOT = math.sqrt(0.5)
_SCALE = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def relu(terms: Terms, node: Node) -> Node | None:
    """Tell ``max(x, 0)``, and a clip from 0 on."""
    if node.op.name == "clip":
        from_zero = node.attrs["min"] == 0 and node.attrs["max"] is None
        return terms.node("relu", node, node.inputs) if from_zero else None
    if node.op.name != "max" or len(node.inputs) != 2:
        return None
    for x, other in (node.inputs, node.inputs[::-1]):
        if terms.number(other) == 0:
            return terms.node("relu", node, (x,))
    return None


def over_exponential(terms: Terms, node: Node) -> Node | None:
    """Tell ``1 / (1 + exp(-x))``, which is a sigmoid, and ``x / (1 + exp(-x))``, a silu."""
    if node.op.name != "div":
        return None
    above, below = node.inputs
    power = terms.plus(below, 1)
    exp = terms.made(power, "exp") if power else None
    neg = terms.made(exp.inputs[0], "neg") if exp is not None else None
    if neg is None:
        return None
    (x,) = neg.inputs
    if terms.number(above) == 1:
        return terms.node("sigmoid", node, (x,))
    return terms.node("silu", node, (x,)) if above == x else None


def gated(terms: Terms, node: Node) -> Node | None:
    """Tell products of x with a gate that x opens: silu, hard_swish, gelu."""
    if node.op.name not in ("multiply", "div"):
        return None
    whole = terms.product_of(node)
    if len(whole.values) != 2:
        return None
    for x, gate in (whole.values, whole.values[::-1]):
        dtype = terms.sweep.types[x].dtype
        for number, op, attrs in _opened_by(terms, gate, x):
            if is_close(whole.number, number, dtype):
                return terms.node(op, node, (x,), **attrs)
    return None


def _opened_by(terms: Terms, gate: str, x: str) -> list[tuple[float, str, dict[str, object]]]:
    """Return what x times the gate times a number is: that number, the op and its attributes."""
    node = terms.made(gate, "sigmoid", "hard_sigmoid", "clip")
    if node is not None and node.op.name == "clip":
        six = node.attrs["min"] == 0 and node.attrs["max"] == 6
        return [(1 / 6, "hard_swish", {})] if six and terms.plus(node.inputs[0], 3) == x else []
    if node is not None and node.inputs[0] == x:
        if node.op.name == "sigmoid":
            return [(1.0, "silu", {})]
        dtype = terms.sweep.types[x].dtype
        sixth = is_close(node.attrs["alpha"], 1 / 6, dtype) and node.attrs["beta"] == 0.5
        return [(1.0, "hard_swish", {})] if sixth else []
    function = terms.plus(gate, 1)
    made = terms.made(function, "erf", "tanh") if function else None
    if made is None:
        return []
    inner = terms.product(made.inputs[0])
    if made.op.name == "erf":
        return [(0.5, "gelu", {})] if _is(terms, inner, _ROOT, x) else []
    return [(0.5, "gelu", {"approximate": "tanh"})] if _is_cubic(terms, inner, x) else []


def _is(terms: Terms, found: Product, number: float, x: str) -> bool:
    return found.values == (x,) and is_close(found.number, number, terms.sweep.types[x].dtype)


def _is_cubic(terms: Terms, found: Product, x: str) -> bool:
    """Tell ``sqrt(2 / pi) * (x + 0.044715 * x**3)``, however its factors are arranged."""
    if not is_close(found.number, _SCALE, terms.sweep.types[x].dtype):
        return False
    if len(found.values) == 1:
        (total,), least = found.values, 1
    else:  # sqrt(2 / pi) * x * (1 + 0.044715 * x**2)
        (total, *others), least = found.without(x) or (x, x), 0
        if others:
            return False
    for first, second in terms.addends(total):
        starts = terms.is_close(first, 1) if least == 0 else first == x
        rest = terms.product(second)
        cubic = is_close(rest.number, _CUBIC, terms.sweep.types[x].dtype)
        if starts and cubic and terms.power(rest.values, x) == least + 2:
            return True
    return False


KINDS = (relu, over_exponential, gated)
"""What to look for at a node, in this order."""
