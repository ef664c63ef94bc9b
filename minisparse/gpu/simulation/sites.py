"""Places in the source of a thread program, and what is found there."""

import linecache
from dataclasses import dataclass

from minisparse.core.errors import MinisparseError


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A statement, or an access in one; equal to itself alone.

    Attributes
    ----------
    function : str
        Name of the program, or of the device function.
    file : str
        Where it is written.
    line, column : int
        Where in the file.
    loops : tuple of Site
        The loops around it in its function, the outermost first.
    """

    function: str
    file: str
    line: int
    column: int = 0
    loops: "tuple[Site, ...]" = ()

    @property
    def source(self) -> str:
        """The line as it is written."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        """Return the line's number and what it says."""
        return f"line {self.line} ({self.source})" if self.source else f"line {self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake that a checked run has found.

    Attributes
    ----------
    kind : str
        ``"race"``, ``"barrier"``, ``"warp"`` (a warp's lanes do not meet, or a shuffle reads from a
        lane that does not take part), ``"bounds"``, ``"indices"``, ``"uninitialized"``,
        ``"dtype"``, ``"overflow"``, ``"division"``, ``"unset"``, ``"shared"`` or ``"language"``.
    message : str
        A sentence: what, where, who, and how to mend it.
    site : Site
        Where it happened.
    block : tuple of int
        The block ``(x, y, z)``.
    threads : tuple
        The threads ``(x, y, z)`` of that block that take part; of a race the later one first.
    array : str
        Name of the parameter or of the shared array, if it is about one.
    index : tuple of int
        Of the element.
    times : int
        How often the like was seen: the same kind at the same place.
    """

    kind: str
    message: str
    site: Site
    block: tuple[int, ...] = ()
    threads: tuple[tuple[int, ...], ...] = ()
    array: str = ""
    index: tuple[int, ...] = ()
    times: int = 1

    @property
    def line(self) -> int:
        """Number of the line in the file."""
        return self.site.line

    @property
    def source(self) -> str:
        """The line as it is written."""
        return self.site.source

    def __str__(self) -> str:
        """Return the sentence, and how often the like was seen."""
        return self.message if self.times == 1 else f"{self.message} ({self.times} times)"


class SimulationError(MinisparseError, RuntimeError):
    """A thread program does what a GPU must not be asked to do; the message says where.

    Parameters
    ----------
    message : str
        What was found.
    finding : Finding, optional
        The same, in its parts; of a checked run.
    """

    def __init__(self, message: str, finding: Finding | None = None) -> None:
        super().__init__(message)
        self.finding = finding


class Halted(Exception):
    """A checked run cannot go on; what it has found is kept. Never leaves the simulator."""


class Findings:
    """What a checked run has found so far.

    Parameters
    ----------
    report : bool
        Whether to collect findings; else the first is raised.
    """

    def __init__(self, report: bool) -> None:
        self._report = report
        self._found: dict[tuple[object, ...], tuple[Finding, int]] = {}

    def add(self, finding: Finding, *, fatal: bool = False) -> None:
        """Take one up; those of one kind, place and array are counted, and the first is kept.

        Raises
        ------
        SimulationError
            Unless findings are collected.
        Halted
            If the run cannot go on behind it.
        """
        if not self._report:
            raise SimulationError(finding.message, finding) from None
        key = (finding.kind, finding.site, finding.array)
        first, times = self._found.get(key, (finding, 0))
        self._found[key] = (first, times + 1)
        if fatal:
            raise Halted

    @property
    def all(self) -> tuple[Finding, ...]:
        """All of them, in the order in which they were first seen."""
        return tuple(
            Finding(f.kind, f.message, f.site, f.block, f.threads, f.array, f.index, times)
            for f, times in self._found.values()
        )
