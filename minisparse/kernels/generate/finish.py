"""The epilogue as source: bias, activation and residual, written out for one element or for all."""

import math

from minisparse.kernels.generate.lines import dtype_text
from minisparse.kernels.generate.nest import Nest, Operand, Step

ROOT_HALF = math.sqrt(0.5)
_SCALE, _CUBIC = math.sqrt(2 / math.pi), 0.044715
"""Of the form of gelu by tanh; see :mod:`minisparse.kernels.gelu.dense`."""


def element_lines(nest: Nest, gpu: bool = False) -> list[str]:
    """Return lines that finish the element ``value``, whose place has the result's letters."""
    letters = nest.expression.result.letters
    lines: list[str] = []
    for step in nest.steps:
        lines += _element(step, letters, gpu)
    return lines


def _element(step: Step, letters: tuple[str, ...], gpu: bool) -> list[str]:
    dtype = dtype_text(step.dtype)
    if step.operand is not None:
        return [f"value = value + {element_of(step.operand, letters, step.name)}"]
    if step.name == "relu":
        return [f"value = max(value, {dtype}(0))"]
    attrs = dict(step.attrs)
    if step.name == "clip":
        low, high = attrs["min"], attrs["max"]
        lines = [] if low is None else [f"value = max(value, {dtype}({number(low)}))"]
        return lines if high is None else [*lines, f"value = min(value, {dtype}({number(high)}))"]
    if gpu:
        return [_smooth_on_gpu(step, attrs)]
    if step.name == "silu":
        return [f"value = {dtype}(value / (1 + np.exp(-np.float64(value))))"]
    if attrs["approximate"] == "none":
        return [f"value = {dtype}(float(value) * 0.5 * math.erfc(-float(value) * {ROOT_HALF!r}))"]
    inner = f"{_SCALE!r} * (w + {_CUBIC!r} * w * w * w)"
    return ["w = float(value)", f"value = {dtype}(w * 0.5 * (1 + math.tanh({inner})))"]


def _smooth_on_gpu(step: Step, attrs: dict[str, object]) -> str:
    """Return gelu or silu in the arithmetic of the thread: single precision, or double."""
    real = "np.float64" if step.dtype.itemsize == 8 else "np.float32"
    if step.name == "silu":
        return f"value = value / ({real}(1) + jit.exp(-value))"
    if attrs["approximate"] == "none":
        return f"value = value * {real}(0.5) * jit.erfc(value * {real}({-ROOT_HALF!r}))"
    inner = f"{real}({_SCALE!r}) * (value + {real}({_CUBIC!r}) * value * value * value)"
    return f"value = value * {real}(0.5) * ({real}(1) + jit.tanh({inner}))"


def number(value: float) -> str:
    """Return a number as source; also one that is not finite.

    Examples
    --------
    >>> number(-1.5), number(float("inf")), number(6)
    ('-1.5', 'np.inf', '6')
    """
    if math.isinf(value):
        return "np.inf" if value > 0 else "-np.inf"
    return repr(value)


def element_of(operand: Operand, letters: tuple[str, ...], name: str) -> str:
    """Return the element of a bias or a residual that meets the result's, as it broadcasts."""
    if name == "add_bias":
        return f"{operand.name}[{letters[0]}]"
    last = letters[len(letters) - len(operand.shape) :]
    places = ["0" if size == 1 else x for size, x in zip(operand.shape, last, strict=True)]
    return f"{operand.name}[{', '.join(places) or '()'}]"


def array_lines(nest: Nest) -> list[str]:
    """Return lines that finish the whole result ``c``, in place where the dtype stays."""
    c = nest.expression.result.name
    letters, lines, dtype = nest.expression.result.letters, [], nest.base
    for step in nest.steps:
        where = f", out={c}" if step.dtype == dtype else ""
        more = "" if where else f"{c} = "
        dtype = step.dtype
        if step.operand is not None:
            other = step.operand.name
            if step.name == "add_bias" and len(letters) > 1:
                other += "[:, None]"
            lines.append(f"{more}np.add({c}, {other}{where})")
        elif step.name == "relu":
            lines.append(f"np.maximum({c}, {c}.dtype.type(0), out={c})")
        elif step.name == "clip":
            for word, bound in zip(("maximum", "minimum"), step.attrs, strict=True):
                if bound[1] is not None:
                    limit = f"{c}.dtype.type({number(bound[1])})"
                    lines.append(f"np.{word}({c}, {limit}, out={c})")
        elif step.name == "gelu":
            lines.append(f'gelu({c}, approximate="{dict(step.attrs)["approximate"]}", out={c})')
        else:
            lines.append(f"silu({c}, out={c})")
    return lines
