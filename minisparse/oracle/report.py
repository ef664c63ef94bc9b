"""What a check found: a line, the causes of failure with their smallest inputs, and a card."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from minisparse.show import arrays_html, card, facts, paragraph, shorten, wrap

WIDTH = 77  # and three for the number in front of a cause
_LINES = 24
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
        What was judged: ``value``, ``special``, ``dtype``, ``shape``, ``array``,
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
    position : tuple of int
        Where the worst element is.
    rule_id : str
        The rule in ``docs/language.md`` that is broken: ``"S2"``; or the op whose formula is.
    guess : str
        What kind of bug it probably is; empty where nothing speaks for one.
    allowed_by : tuple of str
        By which other choices of meaning it would have been right, in sentences.
    snippet : str
        A program that makes the failing call, with NumPy alone.
    """

    inputs: Mapping[str, Any]
    got: Any
    expected: Any
    rule: str
    label: str
    error_over_bound: float
    message: str
    count: int = 1
    seen: tuple[str, ...] = ()
    position: tuple[int, ...] = ()
    rule_id: str = ""
    guess: str = ""
    allowed_by: tuple[str, ...] = ()
    snippet: str = field(default="", repr=False)

    @property
    def size(self) -> int:
        """The number of elements of all inputs."""
        return sum(np.size(value) for value in self.inputs.values())

    def __str__(self) -> str:
        """Return the finding, what it probably is, where it was met, and the input."""
        return "\n".join([*self._head(), *self._arrays()])

    def _head(self, most: int = 99) -> list[str]:
        """Return the finding and the guesses, in lines that are cut where there are too many."""
        told = f"{self.rule}: {self.message}"
        lines = wrap(f"{self.rule_id} {told}".strip(), WIDTH).split("\n")
        if self.guess:
            lines.append(f"  probably: {self.guess}")
        if self.allowed_by:
            lines.append(f"  {'; or '.join(self.allowed_by)}")
        met = f"{self.count} example{'s' * (self.count > 1)}"
        lines.append(f"  with {self.label}; {met}: {'; '.join(self.seen)}")
        return [shorten(line, WIDTH) for line in lines[:most]]

    def _arrays(self) -> list[str]:
        """Return the inputs and the results, one in a line."""
        parts = {**self.inputs, "expected": self.expected, "got": self.got}
        return [shorten(f"    {n} = {_one_line(x)}", WIDTH) for n, x in parts.items()]

    def brief(self, most: int) -> list[str]:
        """Return it in at most so many lines: results side by side, and inputs if there is room."""
        lines = self._head(most - 2)
        every = self._arrays()
        if len(lines) + len(every) <= most:
            return lines + every
        names = [f"{n} = {_one_line(x, plain=True)}" for n, x in self.inputs.items()]
        room = most - len(lines) - 1
        inputs = wrap("; ".join(names), WIDTH - 4).split("\n")
        if len(inputs) > room:
            inputs = [*inputs[: room - 1], f"{inputs[room - 1][: WIDTH - 8]} …"]
        half = (WIDTH - 22) // 2
        got = f"got {shorten(_one_line(self.got, plain=True), half)}"
        wanted = f"expected {shorten(_one_line(self.expected, plain=True), half)}"
        return [*lines, *(f"    {line}" for line in inputs), f"    {got}, {wanted}"]

    def to_dict(self) -> dict[str, Any]:
        """Return it as names and values that JSON can hold; see :func:`plain`."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it.

    Arrays become their dtype, shape and elements in C order; numbers that are not finite, and
    complex ones, become strings.

    Examples
    --------
    >>> plain(np.array([1.5, np.nan], np.float32))
    {'dtype': 'float32', 'shape': [2], 'data': [1.5, 'nan']}
    """
    if isinstance(value, np.ndarray):
        data = value.astype(float) if value.dtype.name == "bfloat16" else value
        elements = [plain(x) for x in data.ravel().tolist()]
        return {"dtype": value.dtype.name, "shape": list(value.shape), "data": elements}
    if isinstance(value, np.generic):
        return plain(np.asarray(value).tolist())
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    return value if isinstance(value, bool | int | str | None) else repr(value)


def _one_line(value: Any, *, plain: bool = False) -> str:
    """Return a value in a line; of an array its elements; unless plain, its dtype too."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_one_line(part, plain=plain)}" for name, part in value.items())
    if isinstance(value, tuple | list) and any(isinstance(x, np.ndarray) for x in value):
        return ", ".join(_one_line(part, plain=plain) for part in value)
    if not isinstance(value, np.ndarray):
        return repr(value)
    with np.printoptions(threshold=12, edgeitems=4, precision=6, suppress=True):
        text = " ".join(str(value).split()) or "[]"
    if plain:
        return text
    return f"{text}  {value.dtype}[{', '.join(map(str, value.shape))}]"


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
    first_failure : int or None
        The number of the first example that failed, counted from 1.
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
    first_failure: int | None = None

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
        return found | {
            note: "once" if count == 1 else f"{count} times" for note, count in self.notes.items()
        }

    def __str__(self) -> str:
        """Return the report as text that fits a screen of 24 lines and 80 columns."""
        verdict = "passed" if self.passed else f"FAILED, {len(self.failures)} cause(s)"
        lines = [f"{self.op}: {verdict}"]
        lines += [shorten(f"  {name}: {text}", WIDTH) for name, text in self._facts().items()]
        shown = self.failures[:_SHOWN]
        hidden = len(self.failures) - len(shown)
        room = _LINES - min(len(lines), _LINES // 2) - 1
        for number, failure in enumerate(shown, 1):
            first, *rest = failure.brief(max(5, room // len(shown)))
            lines += [f"{number}. {first}", *(f" {line}" for line in rest)]
        if shown:
            more = f"{hidden} more in .failures; " if hidden else ""
            lines.append(f"{more}.failures[0].snippet is a program that shows the first")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as names and values that JSON can hold."""
        found = {f.name: plain(getattr(self, f.name)) for f in fields(self) if f.name != "failures"}
        return {"passed": self.passed, **found, "failures": [f.to_dict() for f in self.failures]}

    def to_json(self) -> str:
        """Return the report as JSON text.

        Examples
        --------
        >>> report = Report("spmm_csr", 3, (), 0, 0, 0.5, {}, {}, 0, "default")
        >>> report.to_json()[:40]
        '{"passed": true, "op": "spmm_csr", "exam'
        """
        return json.dumps(self.to_dict(), allow_nan=False)

    def _repr_html_(self) -> str:
        """Return the report's card for a notebook."""
        sections = [facts(self._facts())]
        for failure in self.failures[:_SHOWN]:
            lead = f"{failure.rule_id} {failure.rule}:".strip()
            sections.append(paragraph(failure.message, lead=lead))
            if failure.guess:
                sections.append(paragraph(failure.guess, lead="probably:"))
            if failure.allowed_by:
                sections.append(paragraph("; or ".join(failure.allowed_by)))
            sections.append(paragraph(f"with {failure.label}; in {'; '.join(failure.seen)}"))
            arrays = {n: np.asarray(v) for n, v in failure.inputs.items()}
            got = {"got": failure.got} if isinstance(failure.got, np.ndarray) else {}
            sections.append(arrays_html({**arrays, **got, "expected": failure.expected}))
        verdict = "passed" if self.passed else "failed"
        return card(f"{self.op}: {verdict}", *sections)
