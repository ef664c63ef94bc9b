"""A failure as a program of its own: NumPy, the arrays, the call, what came and what should have.

Arrays are written so that they come out with the same bits, and lie in memory as they did: some
bugs need a Fortran-ordered array, or a call before. Large arrays are written as compressed bytes.
"""

import base64
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.oracle.contracts import Contract
from minisparse.oracle.problem import LAYOUTS, Layout, Problem, arrange

_WRITTEN_OUT = 200
"""How many elements are written as numbers."""


def snippet(contract: Contract, problem: Problem, expected: Any, rule: str, message: str) -> str:
    """Return a Python program that makes the failing call, and prints what it returned.

    Parameters
    ----------
    contract : Contract
        How the implementation is called.
    problem : Problem
        On which it fails.
    expected : object
        A right result: an array, or arrays by name.
    rule, message : str
        What was found.

    Returns
    -------
    str
        It needs nothing but NumPy (and ml_dtypes for bfloat16) and the implementation, which it
        imports by the line that is marked. It ends with an error where the rule is about
        manners: an input that was written to, or a result that is not fresh.
    """
    arguments = contract.arguments(problem)
    before = _early(contract, problem)
    lines = [f"# {contract.name}: {' '.join(message.split())}", *_imports(arguments, expected)]
    lines += ["from your_module import your_function as fn  # edit this line", ""]
    shown = arguments if before is None else before
    for name, value in shown.items():
        lines += _assignment(name, value)
    call = f"fn({', '.join(arguments)})"
    if before is not None:
        lines += _call_before(contract, problem, arguments[contract.values], call)
    lines += [f"arguments = [{', '.join(arguments)}]"]
    lines += [*_CALLS.get(rule, _PLAIN), *_expected(expected)]
    return "\n".join([*lines, 'print("got =", got)', 'print("expected =", expected)',
                      *_CHECKS.get(rule, []), ""])  # fmt: skip


_PLAIN = ["got = fn(*arguments)"]
_CALLS = {
    "inputs": ["kept = [np.array(x).copy() for x in arguments]", *_PLAIN],
    "repeat": [*_PLAIN, "got = fn(*arguments)  # the second call is wrong"],
    "fresh": [*_PLAIN, "again = fn(*arguments)"],
}
_CHECKS = {
    "inputs": [
        "for x, y in zip(arguments, kept):",
        '    assert np.asarray(x).tobytes() == y.tobytes(), "an input was changed"',
    ],
    "fresh": [
        "def parts(x):",
        "    return [np.asarray(y) for y in x] if isinstance(x, (tuple, list)) else [x]",
        "for x in parts(got):",
        "    for y in [*parts(again), *(a for a in arguments if isinstance(a, np.ndarray))]:",
        '        assert not np.shares_memory(x, y), "the result is no new array"',
    ],
    "dtype": ['print("dtypes:", getattr(got, "dtype", None), "and", expected.dtype)'],
}


def _early(contract: Contract, problem: Problem) -> dict[str, Any] | None:
    """Return the arguments of the call before, if there is one."""
    if problem.earlier is None:
        return None
    early = replace(problem, a=problem.a._replace(data=problem.earlier), earlier=None)
    return contract.arguments(early)


def _call_before(contract: Contract, problem: Problem, late: Array, call: str) -> list[str]:
    """Return the lines of the call with other values, and of the change after it."""
    values = contract.values
    lines = [f"{call}  # a call before, with other values"]
    if problem.in_place and problem.layout != "read-only":
        return [*lines, f"{values}[...] = {expression(late)}"]
    return [*lines, *_assignment(values, late)]


def _imports(arguments: Mapping[str, Any], expected: Any) -> list[str]:
    parts = list(expected.values()) if isinstance(expected, dict) else [expected]
    arrays = [x for x in [*arguments.values(), *parts] if isinstance(x, np.ndarray)]
    lines = ["import numpy as np", "from numpy import inf, nan"]
    if any(x.size > _WRITTEN_OUT for x in arrays):
        lines = ["import base64", "import zlib", "", *lines]
    if any(x.dtype.name == "bfloat16" for x in arrays):
        lines.append("import ml_dtypes")
    return lines


def _assignment(name: str, value: Any) -> list[str]:
    """Return the lines that make an argument, in its layout."""
    if not isinstance(value, np.ndarray):
        return [f"{name} = {value!r}"]
    lines = [f"{name} = {expression(value)}"]
    dims = ", ".join
    layout = _layout(value)
    if layout == "F":
        lines.append(f"{name} = np.asfortranarray({name})")
    elif layout == "strided":
        every = dims(["::3"] * value.ndim)
        lines += [f"room = np.zeros([3 * n for n in {name}.shape], {name}.dtype)",
                  f"room[{every}] = {name}", f"{name} = room[{every}]"]  # fmt: skip
    elif layout == "backwards":
        turned = dims(["::-1"] * value.ndim)
        lines.append(f"{name} = np.ascontiguousarray({name}[{turned}])[{turned}]")
    elif layout == "sliced":
        middle = dims(["1:-1"] * value.ndim)
        lines += [f"room = np.ones([n + 2 for n in {name}.shape], {name}.dtype)",
                  f"room[{middle}] = {name}", f"{name} = room[{middle}]"]  # fmt: skip
    if not value.flags.writeable:
        lines.append(f"{name}.flags.writeable = False")
    return lines


def _layout(x: Array) -> Layout:
    """Return the layout in which an array has its strides; the plain one if any will do."""
    # "backwards" last: one element turned around is itself, in any strides.
    for layout in sorted(LAYOUTS[:5], key=lambda layout: layout == "backwards"):
        if arrange(x, layout).strides == x.strides:
            return layout
    return "C"


def _expected(expected: Any) -> list[str]:
    if not isinstance(expected, dict):
        return [f"expected = {expression(np.asarray(expected))}"]
    parts = [f"    {name!r}: {expression(part)}," for name, part in expected.items()]
    return ["expected = {", *parts, "}"]


def expression(x: Array) -> str:
    """Return Python code for an array with the same bits, in C order; NaN without payload.

    Examples
    --------
    >>> expression(np.array([[1.5, -0.0], [np.nan, np.inf]], np.float32))
    "np.array([[1.5, -0.0], [nan, inf]], 'float32')"
    >>> expression(np.zeros((0, 3), np.int8))
    "np.zeros((0, 3), 'int8')"
    """
    dtype = "ml_dtypes.bfloat16" if x.dtype.name == "bfloat16" else repr(x.dtype.name)
    if x.size == 0:
        return f"np.zeros({x.shape}, {dtype})"
    if x.size <= _WRITTEN_OUT:
        return f"np.array({_nested(x)}, {dtype})"
    packed = base64.b85encode(zlib.compress(np.ascontiguousarray(x).tobytes(), 9)).decode()
    shape = repr(x.shape)
    read = f"zlib.decompress(base64.b85decode({packed!r}))"
    return f"np.frombuffer({read}, {dtype}).reshape({shape}).copy()"


def _nested(x: Array) -> str:
    if x.ndim:
        return f"[{', '.join(_nested(part) for part in _rows(x))}]"
    value = x.item() if x.dtype.name != "bfloat16" else float(x)
    if isinstance(value, complex):  # 1j * inf would make a NaN
        return f"complex({value.real!r}, {value.imag!r})"
    return repr(value)


def _rows(x: Array) -> Iterable[Array]:
    return (x[i, ...] for i in range(len(x)))
