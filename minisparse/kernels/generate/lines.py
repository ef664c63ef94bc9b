"""Lines of source with their indentation, and the header that every form begins with."""

import textwrap

from minisparse.core.dtypes import DType
from minisparse.kernels.generate.nest import Nest
from minisparse.kernels.generate.storage import storage_text

WIDTH = 92
"""Characters of a generated line at most, where it is text."""


class Lines:
    """Source under construction."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.depth = 0

    def add(self, text: str, note: str = "") -> None:
        """Add a line at the present depth, with a comment behind it."""
        line = "    " * self.depth + text if text else ""
        self._lines.append(f"{line}  # {note}" if note else line)

    def open(self, text: str, note: str = "") -> None:
        """Add a line that ends in a colon, and indent what follows."""
        self.add(f"{text}:", note)
        self.depth += 1

    def __str__(self) -> str:
        """Return the source."""
        return "\n".join(self._lines) + "\n"


def dtype_text(dtype: DType) -> str:
    """Return a dtype as source.

    Examples
    --------
    >>> import numpy as np
    >>> dtype_text(np.dtype("float32"))
    'np.float32'
    """
    return "bfloat16" if dtype.name == "bfloat16" else f"np.{dtype.name}"


def header(lines: Lines, nest: Nest, parameters: str, *remarks: str) -> None:
    """Begin a function: its name, and what it computes of what."""
    lines.open(f"def {nest.name}({parameters})")
    then = "".join(f", then {step.name}" for step in nest.steps)
    lines.add(f'"""{nest.op} on {nest.layout}: {nest.expression}{then}.')
    lines.add("")
    known = [f"{letter.upper()} = {size}" for letter, size in nest.sizes if size is not None]
    left = [letter.upper() for letter, size in nest.sizes if size is None]
    baked = [*known, "dtypes"]
    baked += ["whole diagonals"] * bool(nest.diagonals) + ["lengths of rows"] * bool(nest.runs)
    for name, value in (pair for step in nest.steps for pair in step.attrs):
        baked.append(f"{name} = {value!r}")
    says = [
        _matrix_text(nest),
        *[
            f"{o.name} is {o.dtype} [{_shape_text(o.shape)}]."
            for o in (*nest.operands, *nest.beside)
        ],
        f"Baked in: {', '.join(baked)}." + (f" Open: {', '.join(left)}." if left else ""),
        *remarks,
        "Written by minisparse.",
    ]
    for line in textwrap.wrap(" ".join(says), WIDTH - 4):
        lines.add(line)
    lines.add('"""')


def _matrix_text(nest: Nest) -> str:
    letters = nest.expression.stored.letters
    shape = _shape_text(tuple(nest.size(letter) for letter in letters))
    return f"a is {nest.dtype} [{shape}]: {storage_text(nest.layout, letters)}."


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return ", ".join("?" if size is None else str(size) for size in shape)


def expectations(lines: Lines, nest: Nest) -> None:
    """Write what checks the operands: a kernel with constants in it takes no others."""
    letters = nest.expression.stored.letters
    shape = tuple(nest.size(letter) for letter in letters)
    block = f", {nest.layout.block}" if nest.layout.block is not None else ""
    lines.add(f'expect(a, "{nest.layout.format}", {shape}, "{nest.dtype.name}"{block})')
    for operand in (*nest.operands, *nest.beside):
        lines.add(f'expect({operand.name}, "dense", {operand.shape}, "{operand.dtype.name}")')


def parameters(nest: Nest) -> str:
    """Return the parameters: those of the op in its order, then those of the epilogue."""
    from minisparse.ops import OPS

    own = [name.rstrip("?") for name in OPS[nest.op].operands]
    return ", ".join([*own, *(operand.name for operand in nest.beside)])
