"""ONNX's elementwise ops."""

from minisparse.core.dtypes import is_plain
from minisparse.core.errors import DTypeError
from minisparse.frontends.onnx.rule import Call, Rules, same
from minisparse.frontends.onnx.types import dtype_of


def _cast(call: Call) -> str:
    """Cast to the element type that the attribute names."""
    return _cast_to(call, call.attr("to"))


def _cast_like(call: Call) -> str:
    """Cast to the dtype of the second operand, whose elements do not matter."""
    return call.op("cast", call.inputs[0], to=_castable(call, 1))


def _cast_to(call: Call, code: int) -> str:
    dtype = dtype_of(code)
    if not is_plain(dtype):
        call.decline(f"it casts to {dtype}")
    _castable(call, 0)
    return call.op("cast", call.inputs[0], to=dtype.name)


def _castable(call: Call, i: int) -> str:
    """Return the name of operand i's dtype."""
    dtype = call.type(i).dtype
    if not is_plain(dtype):
        call.decline(f"it casts {dtype}")
    return dtype.name


def _clip(call: Call) -> str:
    """Clip by known bounds, else by ``max`` and ``min`` with computed ones."""
    x = call.inputs[0]
    if call.opset < 11:
        return call.op("clip", x, min=call.attr("min"), max=call.attr("max"))
    known = {"min": call.known(1), "max": call.known(2)}
    if all(known[name] is not None or not call.has(i) for i, name in ((1, "min"), (2, "max"))):
        bounds = {name: found[0] for name, found in known.items() if found}
        return call.op("clip", x, **bounds)
    if call.has(1):
        x = call.op("max", x, call.inputs[1])
    return call.op("min", x, call.inputs[2]) if call.has(2) else x


def _sum(call: Call) -> str:
    """Add the operands one after another."""
    total, *others = call.inputs
    for value in others:
        total = call.op("add", total, value)
    return total


def _mean(call: Call) -> str:
    """Add the operands, and divide by how many there are."""
    if call.type().dtype.kind not in "fV":
        raise DTypeError("the mean of operands that are no floating-point numbers")
    return call.op("div", _sum(call), call.like(len(call.inputs)))


def _swish(call: Call) -> str:
    """``x * sigmoid(alpha * x)``, which is silu where alpha is 1."""
    if call.attr("alpha", 1.0) != 1:
        call.decline("alpha is not 1")
    return call.op("silu", call.inputs[0])


def _identity(call: Call) -> str:
    """Hand the operand through, whatever it is."""
    return call.inputs[0]


def _dropout(call: Call) -> list[str]:
    """Hand the operand through, as at inference; the mask keeps everything."""
    training = call.known(2) if call.has(2) else (False,)
    if training is None or training[0]:
        call.decline("it is in training mode")
    if call.outputs() < 2:
        return [call.inputs[0]]
    dtype = "bool" if call.opset >= 10 else call.type().dtype.name
    shape = call.op("shape", call.inputs[0])
    return [call.inputs[0], call.op("constant_of_shape", shape, value=1.0, dtype=dtype)]


_ALIKE = {
    "Abs": "abs", "Add": "add", "And": "and", "Ceil": "ceil", "Cos": "cos", "Div": "div",
    "Elu": "elu", "Equal": "equal", "Erf": "erf", "Exp": "exp", "Floor": "floor", "Gelu": "gelu",
    "Greater": "greater", "GreaterOrEqual": "greater_or_equal", "HardSigmoid": "hard_sigmoid",
    "HardSwish": "hard_swish", "IsInf": "is_inf", "IsNaN": "is_nan", "LeakyRelu": "leaky_relu",
    "Less": "less", "LessOrEqual": "less_or_equal", "Log": "log", "Max": "max", "Min": "min",
    "Mod": "mod", "Mul": "multiply", "Neg": "neg", "Not": "not", "Or": "or", "PRelu": "prelu",
    "Pow": "pow", "Reciprocal": "reciprocal", "Relu": "relu", "Round": "round",
    "Sigmoid": "sigmoid", "Sign": "sign", "Sin": "sin", "Softplus": "softplus", "Sqrt": "sqrt",
    "Sub": "sub", "Tanh": "tanh", "Where": "where", "Xor": "xor",
}  # fmt: skip

ELEMENTWISE = Rules(
    {
        **{name: same(op) for name, op in _ALIKE.items()},
        "Cast": _cast,
        "CastLike": _cast_like,
        "Clip": _clip,
        "Dropout": _dropout,
        "Identity": _identity,
        "Mean": _mean,
        "Sum": _sum,
        "Swish": _swish,
    }
)
