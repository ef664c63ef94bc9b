"""What was found out about the instructions for a weight: as data, and how it is told."""

from dataclasses import dataclass

from minisparse.cost.instruction_misses import Miss
from minisparse.kernels.instructions.table import MachineInstruction, find_instruction
from minisparse.show import card, paragraph, table, wrap


@dataclass(frozen=True)
class Verdict:
    """Whether an instruction can multiply a weight, and what it would execute.

    Attributes
    ----------
    instruction : MachineInstruction
        The one that is judged.
    misses : tuple of Miss
        Every reason why not; empty where it can.
    products : float
        Multiply-adds executed for each column of B, zeros inside of nonzero pieces included.
    notes : tuple of str
        What has to be done, or happens, where it is used: padding, rounding.
    """

    instruction: MachineInstruction
    misses: tuple[Miss, ...]
    products: float
    notes: tuple[str, ...] = ()

    @property
    def applies(self) -> bool:
        """Whether it can be used, and computes what the op means."""
        return not self.misses

    @property
    def steps(self) -> float:
        """Time at its peak for each column of B, in scalar multiply-adds."""
        return self.products / self.instruction.rate

    @property
    def why(self) -> str:
        """Why not, or what it would execute."""
        if self.misses:
            return "; ".join(miss.text for miss in self.misses)
        work = f"{self.products:,.0f} multiply-adds a column at {self.instruction.rate:.3g} a step"
        return "; ".join((f"{work}: {self.steps:,.0f} steps", *self.notes))


@dataclass(frozen=True)
class Selection:
    """The instruction for a weight, with all others and why they lost or do not apply.

    Attributes
    ----------
    weight : str
        Its name.
    shape : tuple of int
        M and K: outputs, and the dimension that is summed.
    dtypes : tuple of str
        Of the weight, and of what it is multiplied by.
    nonzeros : int
        How many values are not zero.
    verdicts : tuple of Verdict
        Those that apply, the fewest steps first; then the others, as the table has them.
    """

    weight: str
    shape: tuple[int, int]
    dtypes: tuple[str, str]
    nonzeros: int
    verdicts: tuple[Verdict, ...]

    @property
    def chosen(self) -> Verdict | None:
        """The one with the fewest steps; None where none applies, or all is zero."""
        first = self.verdicts[0]
        return first if first.applies and self.nonzeros else None

    @property
    def instruction(self) -> MachineInstruction | None:
        """The chosen instruction."""
        return None if self.chosen is None else self.chosen.instruction

    @property
    def why(self) -> str:
        """Why it was chosen, in a sentence."""
        if not self.nonzeros:
            return "every value is zero: there is nothing to multiply"
        if self.chosen is None:
            return f"no instruction of this machine multiplies {' by '.join(self.dtypes)} exactly"
        rivals = [v for v in self.verdicts[1:] if v.applies]
        told = self.chosen.why
        if not rivals:
            return f"{told}; nothing else applies"
        factor = rivals[0].steps / self.chosen.steps
        than = f"{factor:.3g} times as many" if factor > 1 else "as many"
        return f"{told}; {rivals[0].instruction.name} would take {than}"

    def __getitem__(self, name: str) -> Verdict:
        """Return the verdict on an instruction by its name; UsageError names those there are."""
        sought = find_instruction(name)
        return next(v for v in self.verdicts if v.instruction is sought)

    @property
    def narrow(self) -> tuple[Verdict, ...]:
        """Those that the machine has, that take such numbers, and that fail all the same."""
        return tuple(
            v for v in self.verdicts if v.misses and v.misses[0].kind not in ("machine", "dtype")
        )

    def summary(self) -> str:
        """Return the choice and its reason in a line."""
        return f"{self.instruction.name if self.instruction else 'none'}: {self.why}"

    def __str__(self) -> str:
        """Return the choice, and a line for each instruction that this machine has."""
        lines = [f"{self._title()}: {self.summary()}"]
        others = [v for v in self.verdicts if v is not self.chosen]
        lines += [
            f"  {v.instruction.name}: {v.why}" for v in others if v.applies or v in self.narrow
        ]
        lines += [f"  {text}" for text in self._rest()]
        return "\n".join(wrap(line, 80, indent=2 if line.startswith("  ") else 0) for line in lines)

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        rows = [
            (v.instruction.name, f"{v.steps:,.0f}" if v.applies else "", v.why)
            for v in self.verdicts
            if v.applies or v in self.narrow
        ]
        chosen = [0] if self.chosen is not None else []
        said = [paragraph(text) for text in self._rest()]
        listed = table(("instruction", "steps", "why"), rows, highlight=chosen)
        return card(self._title(), paragraph(self.summary()), listed, *said)

    def _title(self) -> str:
        m, k = self.shape
        return f"{self.weight}, {m}x{k} {self.dtypes[0]} by {self.dtypes[1]}"

    def _rest(self) -> list[str]:
        """Return what is out of the question: instructions, and whole instruction sets."""
        out = [v for v in self.verdicts if v.misses]
        others = [v.instruction.name for v in out if v.misses[0].kind == "dtype"]
        absent = dict.fromkeys(v.instruction.needs for v in out if v.misses[0].kind == "machine")
        told = {"for other numbers": others, "not on this machine": list(absent)}
        return [f"{text}: {', '.join(names)}" for text, names in told.items() if names]
