"""Which instruction multiplies a weight on a machine, and why no other does.

The table of instructions is :mod:`minisparse.kernels.instructions.table`. An instruction is chosen
by what it would execute at its peak: the multiply-adds of all pieces of the weight that hold a
nonzero, over its rate. That says which instruction suits the weight's pattern; how fast a kernel
around it is, the cost model says, and minisparse's own kernels use what NumPy was built with.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, as_dtype
from minisparse.core.errors import DTypeError, ShapeError
from minisparse.cost.instruction_misses import SEARCHED, Miss, misses_group, misses_of_bytes
from minisparse.cost.instruction_selection import Selection, Verdict
from minisparse.formats import Matrix, Pattern
from minisparse.formats.near_structure import nonzeros
from minisparse.kernels.instructions.table import INSTRUCTIONS, MachineInstruction


def choose_instruction(
    weight: Any,
    instructions: Collection[str],
    *,
    other: Any = None,
    tf32: bool = False,
    search: int = SEARCHED,
    pattern: Pattern | None = None,
    groups: int = 1,
    name: str = "weight",
) -> Selection:
    """Return the instruction for a weight, and the reason against each other one.

    Parameters
    ----------
    weight : ndarray or Matrix, shape (M, K)
        A of ``C = A @ B``.
    instructions : collection of str
        The instruction sets of the machine: ``machine.instructions``.
    other : dtype-like, optional
        Of B; the weight's, if left out.
    tf32 : bool
        Whether float32 may be rounded to TF32's 11 bits for it.
    search : int
        Up to how many elements an order of columns is looked for that fits an n:m better. The
        search takes up to seconds for the largest weights.
    pattern : Pattern, optional
        The weight's, where it is known already.
    groups : int
        Of a grouped convolution, whose rows are multiplied group by group.
    name : str
        For the text.

    Raises
    ------
    ShapeError
        If the weight is no matrix, or its rows make no such groups.
    DTypeError
        If ``other`` is no dtype, or does not mix with the weight's.

    Examples
    --------
    >>> w = np.tile(np.array([[1, 0, 1, 0]], "float16"), (16, 8))
    >>> choose_instruction(w, {"scalar_fma", "mma", "mma_sp"}).instruction.name
    'mma_sp_f16'
    >>> w[3, 5:9] = [1, 1, 0, 0]
    >>> print(choose_instruction(w, {"scalar_fma", "mma", "mma_sp"})["mma_sp_f16"].why)
    2:4 in all but 1 of 128 groups (first: row 3, columns 4-7, which hold 3); after a permutation \
of columns it fits
    """
    if not isinstance(weight, Matrix):
        weight = np.asarray(weight)
    if weight.ndim != 2:
        raise ShapeError(f"{name} has shape {weight.shape}: it must be a matrix [M, K]")
    if groups < 1 or weight.shape[0] % groups:
        raise ShapeError(
            f"{name} has {weight.shape[0]} rows: {groups} groups must have as many each"
        )
    subject = _Subject(weight, pattern, other, tf32, search, groups)
    machine = {instructions} if isinstance(instructions, str) else set(instructions)
    found = [_judge(subject, i, machine) for i in INSTRUCTIONS.values()]
    found.sort(key=lambda v: v.steps if v.applies else np.inf)
    shape = (int(weight.shape[0]), int(weight.shape[1]))
    return Selection(name, shape, subject.dtypes, subject.nonzeros, tuple(found))


@dataclass(frozen=True)
class _Subject:
    """A weight, and what is found out about it only where someone asks."""

    weight: Any
    pattern: Pattern | None
    other: Any
    tf32: bool
    search: int
    groups: int
    counted: dict[tuple[int, int], float] = field(default_factory=dict)

    @cached_property
    def dtypes(self) -> tuple[str, str]:
        """Of the weight and of B; two floats become the wider one."""
        own: DType = self.weight.dtype
        other = own if self.other is None else as_dtype(self.other, "choose_instruction: other")
        if own.kind in "iub" and other.kind in "iub":
            return own.name, other.name
        try:
            common = np.result_type(own, other).name
        except TypeError as error:  # bfloat16 has no common dtype with some
            raise DTypeError(f"choose_instruction: {own} and {other} do not mix") from error
        return common, common

    @property
    def shape(self) -> tuple[int, int]:
        """M and K of each group."""
        return self.weight.shape[0] // self.groups, self.weight.shape[1]

    @cached_property
    def mask(self) -> Array:
        """Where the nonzeros are, bool ``[M, K]``."""
        return nonzeros(self.weight)

    @cached_property
    def nonzeros(self) -> int:
        """How many."""
        return int(self.mask.sum()) if self.pattern is None else self.pattern.nnz

    def products(self, height: int, width: int) -> float:
        """Return the elements of all pieces of that size that hold a nonzero, padding included."""
        if (height, width) == (1, 1):
            return float(self.nonzeros)
        if 0 in self.shape:
            return 0.0
        if (height, width) not in self.counted:
            m, k = self.shape
            grouped = self.mask.reshape(self.groups, m, k)
            padded = np.pad(grouped, [(0, 0), (0, -m % height), (0, -k % width)])
            pieces = padded.reshape(-1, height, padded.shape[2] // width, width).any(axis=(1, 3))
            self.counted[height, width] = float(pieces.sum()) * height * width
        return self.counted[height, width]


def _judge(subject: _Subject, instruction: MachineInstruction, machine: Collection[str]) -> Verdict:
    """Return the verdict on one instruction; what costs time to find out is asked last."""
    if instruction.needs not in machine:
        miss = Miss("machine", f"this machine has no {instruction.needs}")
        return Verdict(instruction, (miss,), np.inf)
    misses = _misses_dtype(subject, instruction)
    if misses:
        return Verdict(instruction, misses, np.inf)
    if instruction.rounds and not subject.tf32:
        misses += (Miss("rounding", ROUNDS),)
    if instruction.group is not None:
        misses += misses_group(subject.mask, *instruction.group, subject.search)
    misses += misses_of_bytes(instruction, subject.weight, subject.dtypes)
    if misses:
        return Verdict(instruction, misses, np.inf)
    return Verdict(
        instruction, (), subject.products(*instruction.skips), _notes(subject, instruction)
    )


ROUNDS = (
    "float32: as TF32 it would round factors to 10 bits behind the point, which is not done unasked"
)
"""Why float32 does not go to tensor cores."""


def _misses_dtype(subject: _Subject, instruction: MachineInstruction) -> tuple[Miss, ...]:
    own, other = subject.dtypes
    if own not in instruction.takes:
        return (Miss("dtype", f"it multiplies no {own}"),)
    if instruction.accumulator != "int32" or "bool" in (own, other):
        return ()
    if (own, other) in instruction.operands or _is_shifted(subject, instruction):
        return ()
    pairs = ", ".join(f"{a} by {b}" for a, b in instruction.operands)
    return (Miss("dtype", f"{own} by {other}: it multiplies {pairs}"),)


def _is_shifted(subject: _Subject, instruction: MachineInstruction) -> bool:
    return subject.dtypes == ("int8", "int8") and instruction.shifts


def _notes(subject: _Subject, instruction: MachineInstruction) -> tuple[str, ...]:
    """Return what has to be done to the operands."""
    notes = []
    for letter, size, step in zip("MK", subject.shape, instruction.skips, strict=True):
        if size % step:
            notes.append(
                f"{letter}={size} is not a multiple of {step}: padded to {-(-size // step) * step}"
            )
    own = subject.dtypes[0]
    if own in ("float16", "bfloat16") and instruction.operands[0][0] == "float32":
        notes.append(f"{own} is widened to float32, which is exact")
    if _is_shifted(subject, instruction):
        notes.append(
            "B is shifted by 128 to be unsigned, and 128 times each row's sum taken off again, "
            "which is exact where sums wrap"
        )
    if instruction.rounds:
        notes.append("factors are rounded to TF32")
    if instruction.group is not None:
        notes.append(f"{instruction.group[0]}:{instruction.group[1]} along K")
    return tuple(notes)
