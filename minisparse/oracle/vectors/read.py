"""Read a suite, and believe nothing of it before it is checked."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

import numpy as np

from minisparse.core.errors import FormatError, UsageError
from minisparse.oracle.contracts import CONTRACTS
from minisparse.oracle.vectors.case import FORMAT, VERSION, Case, Entry, itemsize, size_of
from minisparse.oracle.vectors.values import ANY_ALLOWED, VALUES
from minisparse.oracle.vectors.write import BYTES, LINES

T = TypeVar("T")
_LONGEST_LINE = 1 << 20
_LARGEST_BIN = 1 << 32
_MOST_DIMENSIONS = 8
_KINDS = ("dense", "csr", "csc", "coo", "bsr")


@dataclass(frozen=True)
class Suite:
    """A suite as it was read.

    Attributes
    ----------
    header : mapping
        The first line: ``format``, ``version``, ``minisparse``, ``level``, ``cases``, ``ops`` …
    cases : tuple of Case
        In the order of the file.
    """

    header: Mapping[str, Any]
    cases: tuple[Case, ...] = field(repr=False)

    def find(self, name: str) -> Case:
        """Return a case by its id, by its id without the digest, or by a beginning of one alone.

        Raises
        ------
        UsageError
            If there is none, or more than one.
        """
        for matches in (
            [case for case in self.cases if case.id == name],
            [case for case in self.cases if case.id.rpartition("-")[0] == name],
            [case for case in self.cases if case.id.startswith(name)],
        ):
            if len(matches) == 1:
                return matches[0]
            if matches:
                some = ", ".join(case.id for case in matches[:6])
                raise UsageError(f"{len(matches)} cases are called {name!r}: {some} …")
        raise UsageError(f"there is no case {name!r} among the {len(self.cases)} of the suite")


def read_suite(folder: str | Path) -> Suite:
    """Read the suite in a folder, and check every line and every array's digest.

    Parameters
    ----------
    folder : path
        With ``suite.jsonl`` and ``suite.bin``.

    Raises
    ------
    FormatError
        If a file is missing, damaged, of another version, or larger than any suite; the message
        names the line.
    """
    folder = Path(folder)
    try:
        stored = _read_bin(folder / BYTES)
        with (folder / LINES).open("rb") as stream:
            lines = list(_lines(stream))
    except OSError as error:
        raise FormatError(f"{folder}: no suite can be read there: {error.strerror}") from error
    if not lines:
        raise FormatError(f"{LINES} is empty")
    header = _checked_header(lines, stored)
    cases = tuple(
        _Line(number, _parsed(number, line)).case(stored)
        for number, line in enumerate(lines[1:], 2)
    )
    for key, content in (("cases_sha256", b"".join(lines[1:])), ("bin_sha256", stored)):
        if hashlib.sha256(content).hexdigest() != header.get(key):
            _Line(1, header).fail(f"what follows is not that of {key!r}")
    return Suite(header, cases)


def _read_bin(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST_BIN:
        raise FormatError(f"{BYTES} has more than {_LARGEST_BIN} bytes: no suite is so large")
    return path.read_bytes()


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    number = 0
    while line := stream.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise FormatError(f"{LINES}, line {number}: longer than {_LONGEST_LINE} bytes")
        yield line


def _parsed(number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{LINES}, line {number}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise FormatError(f"{LINES}, line {number}: not a JSON object")
    return found


def _checked_header(lines: list[bytes], stored: bytes) -> dict[str, Any]:
    found = _parsed(1, lines[0])
    line = _Line(1, found)
    if (found.get("format"), found.get("version")) != (FORMAT, VERSION):
        line.fail(
            f"format {found.get('format')!r}, version {found.get('version')!r}; this is a reader "
            f"of {FORMAT!r}, version {VERSION}"
        )
    if line.get("cases", int) != len(lines) - 1:
        line.fail(f"tells of {found['cases']} cases, but {len(lines) - 1} lines follow")
    if line.get("bin_nbytes", int) != len(stored):
        line.fail(f"{BYTES} should have {found['bin_nbytes']} bytes, but has {len(stored)}")
    line.get("ops", dict)
    return found


@dataclass(frozen=True)
class _Line:
    """A JSON object that may hold anything, and the line that it stands in."""

    number: int
    found: Mapping[str, Any]

    def fail(self, what: str) -> NoReturn:
        """Raise a FormatError that names the line."""
        raise FormatError(f"{LINES}, line {self.number}: {what}")

    def get(self, key: str, kind: type[T]) -> T:
        """Return a member, if it is of that type; True is no number."""
        value = self.found.get(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.fail(f"{key!r} is missing, or no {kind.__name__}")
        return value

    def shape(self, key: str) -> tuple[int, ...]:
        """Return a list of numbers that are not negative."""
        found = self.get(key, list)
        whole = all(type(n) is int and 0 <= n < 1 << 48 for n in found)
        if not whole or len(found) > _MOST_DIMENSIONS:
            self.fail(f"{key!r} is {str(found)[:60]}, which is no shape")
        return tuple(found)

    def objects(self, key: str) -> list["_Line"]:
        found = self.get(key, list)
        if not all(isinstance(item, dict) for item in found):
            self.fail(f"{key!r} holds something that is no object")
        return [_Line(self.number, item) for item in found]

    def case(self, stored: bytes) -> Case:
        """Return the case of this line, with everything checked."""
        op = self.get("op", str)
        if op not in CONTRACTS:
            self.fail(f"there is no op {op!r}")
        expected = _Line(self.number, self.get("expected", dict))
        case = Case(
            self.get("id", str),
            op,
            self.get("call", str),
            self.get("label", str),
            tuple(map(str, self.get("rules", list))),
            self.get("seed", int),
            tuple(line.entry(stored) for line in self.objects("inputs")),
            expected.result(),
            tuple(line.entry(stored) for line in expected.objects("arrays")),
            stored,
        )
        if case.id.rpartition("-")[2] != case.digest()[:8]:
            self.fail(f"the contents of {case.id!r} are not those that its id was made of")
        self._check_expected(case)
        return case

    def entry(self, stored: bytes) -> Entry:
        """Return where an array is, if it is there whole and unharmed."""
        entry = Entry(
            self.get("name", str),
            self.get("dtype", str),
            self.shape("shape"),
            self.get("offset", int),
            self.get("nbytes", int),
            self.get("sha256", str),
            self.found.get("tuple", False) is True,
        )
        try:
            size = itemsize(entry.dtype) * size_of(entry.shape)
        except FormatError as error:
            raise FormatError(f"{LINES}, line {self.number}: {entry.name!r}: {error}") from error
        if entry.nbytes != size or (entry.is_tuple and len(entry.shape) != 1):
            self.fail(f"{entry.name!r} has {entry.nbytes} bytes, but its shape takes {size}")
        if not 0 <= entry.offset <= len(stored) - size:
            self.fail(f"{entry.name!r} lies outside of {BYTES}")
        raw = stored[entry.offset : entry.offset + size]
        if hashlib.sha256(raw).hexdigest() != entry.sha256:
            self.fail(f"{entry.name!r}: the bytes in {BYTES} are not those of its sha256")
        return entry

    def result(self) -> dict[str, Any]:
        """Return what is known of the result besides its arrays."""
        kind, dtype = self.get("kind", str), self.get("dtype", str)
        if kind not in _KINDS or dtype not in (*VALUES, "bfloat16"):
            self.fail(f"a result of kind {kind!r} and dtype {dtype!r} does not exist")
        found: dict[str, Any] = {"kind": kind, "dtype": dtype, "shape": list(self.shape("shape"))}
        if kind == "dense":
            return found
        if len(found["shape"]) != 2 or len(self.shape("block")) != 2 or 0 in self.shape("block"):
            self.fail("a sparse result has a 'shape' and a 'block' of two numbers each")
        flags = {name: self.get(name, bool) for name in ("is_sorted", "is_distinct")}
        return found | flags | {"block": list(self.shape("block"))}

    def _check_expected(self, case: Case) -> None:
        """Check that the arrays of the result fit each other, and hold what they may."""
        by_name = {entry.name: entry for entry in case.expected}
        sparse = case.result["kind"] != "dense"
        needed = {"hi", "row", "col"} if sparse else {"hi"}
        if not needed <= set(by_name):
            self.fail(f"the result needs {', '.join(sorted(needed))}")
        shape = by_name["row"].shape if sparse else tuple(case.result["shape"])
        pairs = (2,) if case.result["dtype"].startswith("complex") else ()
        integers = not case.result["dtype"].startswith(("float", "complex", "bfloat"))
        values = "int64" if integers else "float64"
        forms = dict.fromkeys(("hi", "lo", "bound"), (values, shape + pairs))
        forms |= dict.fromkeys(("row", "col"), ("int64", shape))
        forms |= {"special": ("uint8", shape), "optional": ("bool", shape)}
        for name, entry in by_name.items():
            if forms.get(name) != (entry.dtype, entry.shape):
                self.fail(f"expected {name!r} is {entry.dtype}{list(entry.shape)}, which is wrong")
        if "special" in by_name and by_name["special"].read(case.stored).max() > ANY_ALLOWED:
            self.fail(f"'special' holds more than {ANY_ALLOWED}")
        if sparse:
            self._check_cells(case, by_name)

    def _check_cells(self, case: Case, by_name: Mapping[str, Entry]) -> None:
        (m, k), shape = case.result["shape"], by_name["row"].shape
        if len(shape) != 1:
            self.fail("'row' must have one dimension")
        row, col = (by_name[name].read(case.stored) for name in ("row", "col"))
        inside = (row >= 0) & (row < m) & (col >= 0) & (col < k)
        cell = row * max(1, k) + col
        if not inside.all() or (np.diff(cell) <= 0).any():
            self.fail("'row' and 'col' must be cells of the shape, sorted and each once")
