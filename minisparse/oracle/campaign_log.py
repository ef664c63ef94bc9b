"""The file of a campaign: a line for what it is, then one for each shard that is done.

Lines are only appended. One that was torn, because the campaign was stopped while it wrote, does
not count; its shard is run again.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from minisparse.core.errors import FormatError, UsageError
from minisparse.oracle.vectors.case import release


@dataclass(frozen=True)
class Record:
    """What came of one shard.

    Attributes
    ----------
    shard, seed, examples : int
        Which one it is, and how many examples it tried.
    failed, vacuous : int
        How many of them failed, or allowed no verdict.
    worst : float
        The worst error over its bound among those that did not fail.
    notes, unsupported : mapping
        As in a Report.
    failing : mapping
        From rules to the numbers of the examples that broke them, counted from 0.
    """

    shard: int
    seed: int
    examples: int
    failed: int
    vacuous: int
    worst: float
    notes: Mapping[str, int]
    unsupported: Mapping[str, int]
    failing: Mapping[str, list[int]]


class Log:
    """The records of a campaign, in memory and, where a file is named, on disk.

    Parameters
    ----------
    path : path or None
        The file; made if it is not there.
    campaign : mapping
        What the campaign is; a file that tells of another is refused.

    Raises
    ------
    UsageError
        If the file is of another campaign, or cannot be read or written.
    FormatError
        If a line before the last is damaged.
    """

    def __init__(self, path: str | Path | None, campaign: Mapping[str, Any]) -> None:
        self.records: dict[int, Record] = {}
        self._path = Path(path) if path is not None else None
        self._campaign = {"minisparse": release(), **campaign}
        self._stream: TextIO | None = None
        if self._path is not None:
            try:
                whole = self._read(self._path)
                self._stream = self._path.open("r+" if whole else "w", encoding="utf-8")
            except OSError as error:
                raise UsageError(f"campaign: {self._path}: {error.strerror}") from error
            self._stream.seek(whole)
            self._stream.truncate()  # a torn line
            if not whole:
                self._write({"campaign": self._campaign})

    def examples_of(self, shard: int) -> int:
        """Return how many examples of a shard are done."""
        return self.records[shard].examples if shard in self.records else 0

    def add(self, record: Record) -> None:
        """Remember a shard, and append it to the file."""
        self.records[record.shard] = record
        self._write(dataclasses.asdict(record))

    def __enter__(self) -> "Log":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._stream is not None:
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()

    def _read(self, path: Path) -> int:
        """Read the lines of a file that is there; return how many bytes of it are whole lines."""
        raw = path.read_bytes() if path.exists() else b""
        whole = raw.rfind(b"\n") + 1
        for number, line in enumerate(raw[:whole].splitlines(), 1):
            try:
                found = json.loads(line)
                if number == 1:
                    self._check_campaign(found["campaign"])
                else:
                    record = _record(found)
                    self.records[record.shard] = record
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                if isinstance(error, UsageError):
                    raise
                raise FormatError(f"{path}, line {number}: no record of a campaign") from error
        return whole

    def _check_campaign(self, found: Any) -> None:
        if found != self._campaign:
            raise UsageError(
                f"campaign: {self._path} holds another campaign: {str(found)[:200]}, "
                f"not {self._campaign}; name another file"
            )


def _record(found: Mapping[str, Any]) -> Record:
    """Return a line as a record.

    Raises
    ------
    ValueError, TypeError
        If it is none.
    """
    record = Record(**found)
    numbers = (record.shard, record.seed, record.examples, record.failed, record.vacuous)
    if not all(type(n) is int and n >= 0 for n in numbers) or math.isnan(float(record.worst)):
        raise ValueError("a count that is none")
    counts = [*record.notes.values(), *record.unsupported.values()]
    counts += [n for places in record.failing.values() for n in places]
    if not all(type(n) is int and n >= 0 for n in counts):
        raise ValueError("a count that is none")
    return record
