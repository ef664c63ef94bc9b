"""Ops that work on each element by itself."""

import numpy as np

from minisparse.frontends.onnx.writer import Export, ExportRule, ExportRules


def named(op_type: str) -> ExportRule:
    """Return the rule of an op that ONNX has too: the same operands and attributes."""

    def rule(call: Export) -> None:
        call.emit(op_type, *call.inputs, **call.attrs)

    return rule


def mixed(op_type: str) -> ExportRule:
    """Return the rule of an op that takes one dtype in ONNX, and several that mix in ours."""

    def rule(call: Export) -> None:
        call.emit(op_type, *call.alike(call.common()), **call.attrs)

    return rule


def _of_bools(op_type: str, logical: str) -> ExportRule:
    """Return the rule of an op that of bools is a logical one, which ONNX calls otherwise."""

    def rule(call: Export) -> None:
        if call.dtype == bool and len(call.inputs) == 2:
            call.emit(logical, *call.inputs)
        else:
            call.emit(op_type, *call.alike(call.common()))

    return rule


def _clip(call: Export) -> None:
    """Write bounds as operands; one that is None is left out."""
    bounds = [
        "" if call.attrs[n] is None else call.number(call.attrs[n], call.dtype, n)
        for n in ("min", "max")
    ]
    call.emit("Clip", call.inputs[0], *bounds)


def _silu(call: Export) -> None:
    (x,) = call.inputs
    call.emit("Mul", x, call.value("Sigmoid", x))


def _add_bias(call: Export) -> None:
    """Write ``c[m, n] + bias[m]``: the bias gets an axis for the columns."""
    c, bias = call.alike()
    if call.types[0].ndim == 2:
        bias = call.value("Unsqueeze", bias, call.number([1], np.int64, "axes"))
    call.emit("Add", c, bias)


def _cast(call: Export) -> None:
    code = call.writer.onnx.helper.np_dtype_to_tensor_dtype(call.dtype)
    call.emit("Cast", call.inputs[0], to=code)


def _where(call: Export) -> None:
    call.emit("Where", call.inputs[0], call.cast(1), call.cast(2))


def _mod(call: Export) -> None:
    """Write Mod, which takes the sign of the dividend for floating-point numbers only as fmod."""
    call.emit("Mod", *call.alike(), fmod=call.attrs["fmod"])


_ALIKE = {
    "abs": "Abs",
    "ceil": "Ceil",
    "cos": "Cos",
    "elu": "Elu",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "gelu": "Gelu",
    "hard_sigmoid": "HardSigmoid",
    "hard_swish": "HardSwish",
    "is_inf": "IsInf",
    "is_nan": "IsNaN",
    "leaky_relu": "LeakyRelu",
    "log": "Log",
    "neg": "Neg",
    "not": "Not",
    "pow": "Pow",
    "reciprocal": "Reciprocal",
    "relu": "Relu",
    "round": "Round",
    "sigmoid": "Sigmoid",
    "sign": "Sign",
    "sin": "Sin",
    "softplus": "Softplus",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
}

_MIXED = {
    "and": "And",
    "div": "Div",
    "equal": "Equal",
    "greater": "Greater",
    "greater_or_equal": "GreaterOrEqual",
    "less": "Less",
    "less_or_equal": "LessOrEqual",
    "or": "Or",
    "prelu": "PRelu",
    "sub": "Sub",
    "xor": "Xor",
}

ELEMENTWISE = ExportRules(
    {
        **{ours: named(theirs) for ours, theirs in _ALIKE.items()},
        **{ours: mixed(theirs) for ours, theirs in _MIXED.items()},
        "add": _of_bools("Add", "Or"),
        "add_bias": _add_bias,
        "cast": _cast,
        "clip": _clip,
        "max": _of_bools("Max", "Or"),
        "min": _of_bools("Min", "And"),
        "mod": _mod,
        "multiply": _of_bools("Mul", "And"),
        "silu": _silu,
        "where": _where,
    }
)
