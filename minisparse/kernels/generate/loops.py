"""The loops form: the textbook's nest with its constants baked in, to be read and stepped through.

What is multiplied, in which dtype and in which order is that of the kernels written by hand
(``kernels/<op>/<format>.py``), so that sums are the same bit for bit.
"""

from minisparse.kernels.generate.finish import element_lines
from minisparse.kernels.generate.lines import (
    Lines,
    dtype_text,
    expectations,
    header,
    parameters,
)
from minisparse.kernels.generate.nest import Nest
from minisparse.kernels.generate.walk import Guard, Language, Let, Loop, Statement, Walk, walk


def write_loops(nest: Nest) -> str:
    """Return the source of a function of the op's operands.

    Examples
    --------
    >>> import numpy as np
    >>> from minisparse.core.tensor_type import TensorType
    >>> from minisparse.kernels.generate.nest import describe
    >>> from minisparse.ops import SPMV
    >>> f4 = np.dtype("float32")
    >>> nest = describe(SPMV, (TensorType((4, 6), f4, "csr", 7), TensorType((6,), f4)))
    >>> print(write_loops(nest))
    def spmv_csr(a, x):
        \"\"\"spmv on csr: y[m] += a[m, k] * x[k].
    <BLANKLINE>
        a is float32 [4, 6]: m dense, k compressed. x is float32 [6]. Baked in: M = 4, K = 6,
        dtypes. Written by minisparse.
        \"\"\"
        expect(a, "csr", (4, 6), "float32")
        expect(x, "dense", (6,), "float32")
        y = np.zeros(4, np.float32)
        for m in range(4):  # m is dense: all of them
            for p in range(a.indptr[m], a.indptr[m + 1]):  # k compressed: those that are stored
                k = a.indices[p]
                y[m] += a.data[p] * x[k]
        return y
    <BLANKLINE>
    """
    lines = Lines()
    header(lines, nest, parameters(nest))
    expectations(lines, nest)
    for operand in nest.operands:
        if operand.dtype != nest.wide:
            lines.add(
                f"{operand.name} = {operand.name}.astype({dtype_text(nest.wide)})",
                "sums are wider than what is summed",
            )
    c = nest.expression.result.name
    lines.add(f"{c} = np.zeros({_shape_of_sums(nest)}, {dtype_text(nest.wide)})")
    near = _finishes_near(nest)
    _write_nest(lines, nest, near)
    _write_end(lines, nest, near)
    return str(lines)


def _stored(nest: Nest, name: str) -> str:
    return "a" if nest.layout.format == "dense" else f"a.{name}"


def _shape_of_sums(nest: Nest) -> str:
    if nest.expression.scale is not None:
        return f"{_stored(nest, 'data')}.shape"
    lengths = [nest.length(letter) for letter in nest.expression.result.letters]
    return lengths[0] if len(lengths) == 1 else f"({', '.join(lengths)})"


def _finishes_near(nest: Nest) -> bool:
    """Tell whether a row of the result is complete once the outermost loop has visited it."""
    first, letters = nest.levels[0], nest.expression.stored.letters
    complete = first.kind == "dense" and not first.blocked
    same = letters[first.axis] == nest.expression.result.letters[0]
    return bool(nest.steps) and complete and same and nest.wide == nest.base == nest.dtype_out


def _write_nest(lines: Lines, nest: Nest, near: bool) -> None:
    language = Language(lambda name: _stored(nest, name), nest.length, "int")
    found: Walk = walk(nest, language)
    depth = lines.depth
    first, *others = found.statements
    write_statement(lines, first)
    outer = lines.depth
    for statement in others:
        write_statement(lines, statement)
    entry = lines.depth
    for letter in nest.expression.free:
        lines.open(f"for {letter} in range({nest.length(letter)})")
    value = f"{_stored(nest, 'data')}[{found.slot}]"
    left, right = (value if r.name == "a" else str(r) for r in nest.expression.factors)
    if nest.expression.scale is None:
        lines.add(f"{nest.expression.result} += {left} * {right}")
    else:
        sampled = f"{nest.expression.result.name}[{found.slot}]"
        lines.add(f"{sampled} += {left} * {right}")
        lines.depth = entry
        lines.add(f"{sampled} *= {value}")
    if near:
        lines.depth = outer
        _write_finish(lines, nest, nest.expression.result.letters[1:], str(nest.expression.result))
    lines.depth = depth


def write_statement(lines: Lines, statement: Statement) -> None:
    """Write a statement of a walk, and go inside of it where it has an inside."""
    if isinstance(statement, Loop):
        lines.open(f"for {statement.letter} in {statement.range}", statement.note)
    elif isinstance(statement, Let):
        lines.add(f"{statement.letter} = {statement.value}")
    elif isinstance(statement, Guard):
        lines.open(f"if {statement.condition}", statement.note)


def _write_finish(lines: Lines, nest: Nest, letters: tuple[str, ...], target: str) -> None:
    """Write the epilogue for each element over these letters; the others are bound."""
    for letter in letters:
        lines.open(
            f"for {letter} in range({nest.length(letter)})", "the epilogue, while it is near"
        )
    lines.add(f"value = {nest.expression.result}")
    for line in element_lines(nest):
        lines.add(line)
    lines.add(f"{target} = value")


def _write_end(lines: Lines, nest: Nest, near: bool) -> None:
    """Round, finish what could not be finished near, and return."""
    c, depth = nest.expression.result.name, lines.depth
    if nest.wide != nest.base:
        lines.add(f"{c} = {c}.astype({dtype_text(nest.base)})", "the one rounding of a sum")
    if nest.steps and not near:
        out = c
        if nest.dtype_out != nest.base:
            out = "out"
            lines.add(f"out = np.empty({c}.shape, {dtype_text(nest.dtype_out)})")
        letters = nest.expression.result.letters
        _write_finish(lines, nest, letters, f"{out}[{', '.join(letters)}]")
        lines.depth, c = depth, out
    if nest.expression.scale is None or nest.layout.format == "dense":
        lines.add(f"return {c}")
    else:
        lines.add(f"return a.with_data({c})")
