"""The one description from which all three forms of a kernel are written.

A :class:`Nest` says what is summed (an index expression), how the matrix is stored (a layout, that
is, levels), how long each letter runs where that is known, the dtypes, and what is done to each
element in the end. It is a plain value: equal nests give equal source, and a nest is what generated
functions are remembered by.
"""

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import DType, accumulator
from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.core.tensor_type import Layout, TensorType
from minisparse.kernels.generate.expression import Expression, expression_of
from minisparse.kernels.generate.storage import Level, levels_of
from minisparse.ops import ADD, ADD_BIAS, CLIP, GELU, RELU, SILU, Op
from minisparse.ops.activations import bound_in

EPILOGUES = {op.name: op for op in (ADD_BIAS, RELU, GELU, SILU, CLIP, ADD)}
"""What can be done to each element before it is written."""
LONGEST_NAME = 40


class Operand(NamedTuple):
    """A dense operand as the kernel will find it.

    Attributes
    ----------
    name : str
        Its parameter's.
    dtype : numpy.dtype
        Its own.
    shape : tuple
        A number for each axis whose length is baked in, and None for one that is open.
    """

    name: str
    dtype: DType
    shape: tuple[int | None, ...]


class Step(NamedTuple):
    """One op of the epilogue.

    Attributes
    ----------
    name : str
        Of the op.
    attrs : tuple of pairs
        Its attributes, baked in.
    operand : Operand or None
        What it takes beside the element: a bias, a residual.
    dtype : numpy.dtype
        Of its result.
    """

    name: str
    attrs: tuple[tuple[str, Any], ...]
    operand: Operand | None
    dtype: DType


@dataclass(frozen=True)
class Nest:
    """What a kernel computes, and all that is known beforehand.

    Attributes
    ----------
    name : str
        Of the function: an identifier, whatever it was made from.
    op : str
        The base op's name.
    layout : Layout
        How a is stored.
    sizes : tuple of pairs
        From each letter to its length, None where it is open.
    dtype : numpy.dtype
        Of a.
    operands : tuple of Operand
        The dense ones, in the op's order.
    wide, base : numpy.dtype
        In which products are summed, and to which a sum is rounded before the epilogue.
    steps : tuple of Step
        The epilogue.
    runs, diagonals : tuple of Run, tuple of Diagonal
        What is known of the pattern; see :mod:`.runs`.
    """

    name: str
    op: str
    layout: Layout
    sizes: tuple[tuple[str, int | None], ...]
    dtype: DType
    operands: tuple[Operand, ...]
    wide: DType
    base: DType
    steps: tuple[Step, ...] = ()
    runs: tuple[Any, ...] = ()
    diagonals: tuple[Any, ...] = ()

    @property
    def without_pattern(self) -> "Nest":
        """The same for any pattern."""
        return replace(self, runs=(), diagonals=())

    @property
    def expression(self) -> Expression:
        """What is summed."""
        return expression_of(self.op)

    @property
    def levels(self) -> tuple[Level, ...]:
        """How a is stored."""
        return levels_of(self.layout.format)

    @property
    def dtype_out(self) -> DType:
        """The result's dtype."""
        return self.steps[-1].dtype if self.steps else self.base

    @property
    def block(self) -> tuple[int, int]:
        """Height and width of a block, or n and m; 1 and 1 where the format has none."""
        return self.layout.block or (1, 1)

    @property
    def beside(self) -> tuple[Operand, ...]:
        """What the epilogue takes, in order."""
        return tuple(step.operand for step in self.steps if step.operand is not None)

    def size(self, letter: str) -> int | None:
        """Return the length of a letter's loop, or None where it is open."""
        return dict(self.sizes)[letter]

    def length(self, letter: str) -> str:
        """Return the length of a letter's loop as source: a number where it is baked in."""
        known = self.size(letter)
        if known is not None:
            return str(known)
        for reference in (self.expression.stored, *self.expression.plain):
            if letter in reference.letters:
                return f"{reference.name}.shape[{reference.letters.index(letter)}]"
        raise UsageError(f"generate: {self.op} has no letter {letter}")


def describe(
    op: Op,
    types: Sequence[TensorType],
    attrs: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Nest:
    """Return the nest of an op for operands of these types.

    Parameters
    ----------
    op : Op
        Perhaps fused: with an epilogue.
    types : sequence of TensorType
        Of all operands in the op's order. A dimension that is a name stays open; numbers are
        baked in.
    attrs : mapping, optional
        Of the epilogue; those left out take their defaults.
    name : str, optional
        What to call the function; made an identifier.

    Raises
    ------
    UnsupportedOpError
        If there is no index expression for the op, or a part of the epilogue cannot be inlined.
    ShapeError, DTypeError
        If the op's constraints are broken.
    """
    op.infer(types, attrs)
    complete = op.complete(attrs or {})
    expression = expression_of(op.base.name)
    own, *rest = op.split(types)
    stored = own[op.base.weight or 0]
    if expression.scale is not None and op.epilogue:
        raise UnsupportedOpError(f"generate: {op.name}: a sampled product takes no epilogue here")
    base = np.result_type(*(t.dtype for t in own))
    found: list[Operand] = []
    sizes: dict[str, int | None] = {}
    for operand, type in zip(op.base.operands, own, strict=True):
        letters = next(
            r.letters for r in (*expression.factors, *expression.scaled) if r.name == operand
        )
        for letter, dim in zip(letters, type.shape, strict=True):
            if isinstance(dim, int) or letter not in sizes:
                sizes[letter] = dim if isinstance(dim, int) else sizes.get(letter)
        if operand != "a":
            found.append(Operand(operand, type.dtype, letters))  # type: ignore[arg-type]
    operands = tuple(o._replace(shape=tuple(sizes[str(x)] for x in o.shape)) for o in found)
    return Nest(
        identifier(name or _usual_name(op, stored.layout)),
        op.base.name,
        stored.layout,
        tuple(sizes.items()),
        stored.dtype,
        operands,
        accumulator(base),
        base,
        tuple(_steps(op, rest, complete, base)),
    )


def _usual_name(op: Op, layout: Layout) -> str:
    block = "" if layout.block is None else "_{}x{}".format(*layout.block)
    return f"{op.name}_{layout.format}{block}"


def identifier(name: str) -> str:
    """Return an identifier that resembles a name, whatever is in it.

    Letters beyond ASCII go too: some look like others, and Python takes some for others.

    Examples
    --------
    >>> identifier("encoder.0/dense"), identifier("class"), identifier("2:4"), identifier("")
    ('encoder_0_dense', 'class_', 'k_2_4', 'kernel')
    """
    found = re.sub(r"[^0-9A-Za-z]+", "_", str(name))[:LONGEST_NAME].strip("_")
    if not found:
        return "kernel"
    if found[0].isdigit():
        found = f"k_{found}"
    taken = keyword.iskeyword(found) or keyword.issoftkeyword(found) or len(found) == 1
    return f"{found}_" if taken or found in _TAKEN else found


_TAKEN = {"np", "math", "jit", "range", "max", "min", "int", "float", "slice", "expect", "scratch"}
"""Names that generated code uses itself."""


def _steps(
    op: Op, rest: Sequence[Sequence[TensorType]], attrs: Mapping[str, Any], base: DType
) -> list[Step]:
    """Return the epilogue, each part with its attributes and what it takes."""
    steps: list[Step] = []
    dtype = base
    for number, (part, more) in enumerate(zip(op.epilogue, rest, strict=True)):
        if part.name not in EPILOGUES:
            raise UnsupportedOpError(
                f"generate: {part.name} cannot be inlined after {op.base.name}; these can: "
                f"{', '.join(EPILOGUES)}"
            )
        operand = None
        if more:
            dtype = np.result_type(dtype, more[0].dtype)
            shape = tuple(d if isinstance(d, int) else None for d in more[0].shape)
            known = {"add_bias": "bias", "add": "residual"}[part.name]
            earlier = [s.operand.name for s in steps if s.operand is not None]
            operand = Operand(known + str(number) * (known in earlier), more[0].dtype, shape)
        own = tuple((n, _baked(n, attrs[n], dtype)) for n in part.attrs)
        steps.append(Step(part.name, own, operand, dtype))
    return steps


def _baked(name: str, value: Any, dtype: DType) -> Any:
    """Return an attribute as a plain number or word; a bound as the dtype holds it."""
    if name in ("min", "max") and value is not None:
        held = bound_in(value, dtype)
        return int(held) if dtype.kind in "biu" else float(held)
    return value
