"""What a check found: a line, the causes of failure with their smallest inputs, and a card."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.show import arrays_html, card, facts, paragraph, shorten, wrap

_WIDTH = 88
_SHOWN = 3


@dataclass(frozen=True)
class Failure:
    """One cause of failure, with the smallest input found that shows it.

    Attributes
    ----------
    inputs : mapping
        The arguments of the call, by name and in order: ``fn(*failure.inputs.values())`` makes
        the same call (after another with other values, where :attr:`label` says so).
    got : object
        What came back, or the exception that came instead.
    expected : ndarray
        The exact result, rounded.
    rule : str
        Which rule was broken: ``value``, ``special``, ``dtype``, ``shape``, ``array``,
        ``inputs``, ``fresh``, ``repeat``, or ``exception`` and its class.
    label : str
        What is hard about the smallest input: ``"duplicates, unsorted"``.
    error_over_bound : float
        How wrong: the error over what would have been right; inf where nothing but equality is.
    message : str
        The finding in a sentence.
    count : int
        How many examples failed so.
    seen : tuple of str
        Labels of some of them.
    """

    inputs: Mapping[str, Any]
    got: Any
    expected: Array
    rule: str
    label: str
    error_over_bound: float
    message: str
    count: int = 1
    seen: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the finding, where it was met, and the input."""
        met = f"{self.count} example{'s' * (self.count > 1)}: {'; '.join(self.seen)}"
        told = wrap(f"{self.rule}: {self.message}", _WIDTH).split("\n")
        lines = [*told, f"  with {self.label}", f"  in {met}"]
        lines += [f"    {name} = {_one_line(value)}" for name, value in self.inputs.items()]
        lines += [f"    expected = {_one_line(self.expected)}", f"    got = {_one_line(self.got)}"]
        return "\n".join(shorten(line, _WIDTH) for line in lines)


def _one_line(value: Any) -> str:
    """Return a value in a line; of an array its elements, and its dtype where that is not plain."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_one_line(part)}" for name, part in value.items())
    if isinstance(value, tuple | list) and any(isinstance(x, np.ndarray) for x in value):
        return ", ".join(map(_one_line, value))
    if not isinstance(value, np.ndarray):
        return repr(value)
    with np.printoptions(threshold=12, edgeitems=4, precision=6, suppress=True):
        text = " ".join(str(value).split())
    return f"{text or '[]'}  {value.dtype}[{', '.join(map(str, value.shape))}]"


@dataclass(frozen=True)
class Report:
    """What :func:`minisparse.oracle.check` found.

    Attributes
    ----------
    op : str
        What was checked: ``"spmm_csr"``.
    examples : int
        How many inputs were tried.
    failures : tuple of Failure
        One for each cause, the most frequent first.
    failed : int
        How many inputs failed.
    vacuous : int
        How many inputs allowed no verdict, because the bound is as large as the result.
    error_over_bound : float
        The worst among those that did not fail.
    notes : mapping
        From oddities that are no failures to how often they were seen.
    unsupported : mapping
        From what the implementation said it does not take to how often it said so; these inputs
        count as neither right nor wrong.
    seed : int
        With the same seed the same inputs are tried.
    profile : str
        The meaning that was checked.
    """

    op: str
    examples: int
    failures: tuple[Failure, ...]
    failed: int
    vacuous: int
    error_over_bound: float
    notes: Mapping[str, int]
    unsupported: Mapping[str, int]
    seed: int
    profile: str

    @property
    def passed(self) -> bool:
        """Whether no input failed; one that is not supported did not."""
        return not self.failures

    def _facts(self) -> dict[str, str]:
        """Return the numbers, as names and text."""
        skipped = sum(self.unsupported.values())
        judged = self.examples - self.failed - self.vacuous - skipped
        found = {
            "examples": f"{self.examples}: {judged} right, {self.failed} wrong, "
            f"{self.vacuous} vacuous" + (f", {skipped} unsupported" if skipped else ""),
            "worst right error": f"{self.error_over_bound:.3g} of its bound",
            "profile": f"{self.profile}, seed {self.seed}",
        }
        return found | {note: f"{count} times" for note, count in self.notes.items()}

    def __str__(self) -> str:
        """Return the report as text that fits a screen."""
        verdict = "passed" if self.passed else f"FAILED, {len(self.failures)} cause(s)"
        lines = [f"{self.op}: {verdict}"]
        lines += [f"  {name}: {text}" for name, text in self._facts().items()]
        for number, failure in enumerate(self.failures[:_SHOWN], 1):
            first, *rest = str(failure).splitlines()
            lines += [f"{number}. {first}", *(f" {line}" for line in rest)]
        hidden = len(self.failures) - _SHOWN
        if hidden > 0:
            lines.append(f"and {hidden} more cause(s) in .failures")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the report's card for a notebook."""
        sections = [facts(self._facts())]
        for failure in self.failures[:_SHOWN]:
            sections.append(paragraph(failure.message, lead=f"{failure.rule}:"))
            sections.append(paragraph(f"with {failure.label}; in {'; '.join(failure.seen)}"))
            arrays = {n: np.asarray(v) for n, v in failure.inputs.items()}
            got = {"got": failure.got} if isinstance(failure.got, np.ndarray) else {}
            sections.append(arrays_html({**arrays, **got, "expected": failure.expected}))
        verdict = "passed" if self.passed else "failed"
        return card(f"{self.op}: {verdict}", *sections)
