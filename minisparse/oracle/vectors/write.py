"""Write a suite: every hard case of every op, and at level 2 random ones too."""

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.core.extras import require
from minisparse.core.files import written_whole
from minisparse.oracle.cases import hard_problems
from minisparse.oracle.contracts import CONTRACTS, Contract, find_contract
from minisparse.oracle.problem import Problem, has_duplicates, is_sorted
from minisparse.oracle.profile import DEFAULT
from minisparse.oracle.random_cases import random_problem
from minisparse.oracle.special_cases import special_problems
from minisparse.oracle.structures import SparseTruth
from minisparse.oracle.truth import Truth
from minisparse.oracle.values import is_float
from minisparse.oracle.vectors.case import FORMAT, VERSION, Case, Entry, release, result_of
from minisparse.oracle.vectors.values import to_values

LINES, BYTES, HEADER = "suite.jsonl", "suite.bin", "minisparse_vectors.h"
RANDOM_CASES = 100
"""Random problems for each op at level 2; the same ones for every op."""
LARGEST = 1 << 16
"""Bytes that the arrays of a case of level 1 may take; larger ones wait for level 2."""
_SEED = 0
_ALIGNED = 16


def write_suite(
    folder: str | Path, level: int = 1, ops: Sequence[str] | None = None
) -> dict[str, Any]:
    """Write ``suite.jsonl`` and ``suite.bin`` into a folder, and the reader in C beside them.

    The same versions of minisparse and NumPy give the same bytes. What a file cannot tell is left
    to :func:`minisparse.oracle.check`: layouts in memory, and what was called before.

    Parameters
    ----------
    folder : path
        Made if it is not there; files of these names in it are replaced.
    level : {1, 2}
        1: the enumerated hard cases of at most :data:`LARGEST` bytes; 2: all of them, and
        :data:`RANDOM_CASES` random ones.
    ops : sequence of str, optional
        Which contracts; by default all.

    Returns
    -------
    dict
        The suite's first line.

    Raises
    ------
    UsageError
        If there is no such level or op, or the folder cannot be made.
    MissingExtraError
        If ``ml_dtypes`` is not installed: a suite has cases of bfloat16.
    """
    if level not in (1, 2):
        raise UsageError(f"vectors: there is no level {level}; levels are 1 and 2")
    require("ml_dtypes", "io", "writing a suite, which has cases of bfloat16,")
    contracts = [find_contract(op) for op in sorted(set(CONTRACTS if ops is None else ops))]
    room = _Room()
    with np.errstate(all="ignore"):
        cases = [case for contract in contracts for case in _cases(contract, level, room)]
    lines = b"".join(_line(case.as_json()) for case in cases)
    header = _header(level, cases, lines, bytes(room.stored))
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"vectors: {folder}: {error.strerror}") from error
    reader = files("minisparse.oracle.vectors").joinpath(HEADER).read_bytes()
    for name, content in (
        (BYTES, bytes(room.stored)), (LINES, _line(header) + lines), (HEADER, reader)
    ):  # fmt: skip
        with written_whole(folder / name) as stream:
            stream.write(content)
    return header


def _header(level: int, cases: Sequence[Case], lines: bytes, stored: bytes) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "minisparse": release(),
        "level": level,
        "cases": len(cases),
        "ops": dict(Counter(case.op for case in cases)),
        "cases_sha256": hashlib.sha256(lines).hexdigest(),
        "bin_nbytes": len(stored),
        "bin_sha256": hashlib.sha256(stored).hexdigest(),
    }


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


@dataclass
class _Room:
    """``suite.bin`` as it grows; what is there already is not stored again."""

    stored: bytearray = field(default_factory=bytearray)
    places: dict[str, int] = field(default_factory=dict)

    def put(self, name: str, value: Any) -> Entry:
        """Store an array, or a tuple of numbers, and return where it is."""
        is_tuple = not isinstance(value, np.ndarray)
        x: Array = np.array(value, np.int64) if is_tuple else np.array(value, order="C")
        raw = x.astype(x.dtype.newbyteorder("<")).tobytes() if x.dtype.isbuiltin else x.tobytes()
        digest = hashlib.sha256(raw).hexdigest()
        if digest not in self.places:
            self.stored += b"\0" * (-len(self.stored) % _ALIGNED)
            self.places[digest] = len(self.stored)
            self.stored += raw
        return Entry(name, x.dtype.name, x.shape, self.places[digest], len(raw), digest, is_tuple)


def _cases(contract: Contract, level: int, room: _Room) -> Iterator[Case]:
    """Yield the cases of one op, each contents once: some troubles mean nothing to some ops."""
    seen: set[str] = set()
    for problem in _problems(contract.name, level):
        if not contract.accepts(problem):
            continue
        case = _case(contract, problem, room, LARGEST if level == 1 else None)
        if case is not None and case.id.rsplit("-")[-1] not in seen:
            seen.add(case.id.rsplit("-")[-1])
            yield case


def _problems(op: str, level: int) -> Iterator[Problem]:
    # Each series has random numbers of its own: one that grows leaves the others as they were.
    hard = itertools.chain(
        special_problems(op, np.random.default_rng(_SEED)),
        hard_problems(np.random.default_rng(_SEED)),
    )
    for problem in hard:
        if problem.layout == "C" and problem.earlier is None:
            yield problem
    for number in range(RANDOM_CASES if level > 1 else 0):
        yield replace(random_problem(_SEED, number), layout="C", earlier=None, in_place=False)


def _case(contract: Contract, problem: Problem, room: _Room, largest: int | None) -> Case | None:
    """Return a problem as a case, its arrays stored; None if it is too large."""
    arguments = contract.arguments(problem)
    truth = contract.expect(arguments, DEFAULT)
    assert isinstance(truth, Truth | SparseTruth)
    arrays = _arrays(truth)
    size = sum(np.asarray(x).nbytes for x in (*arguments.values(), *arrays.values()))
    if largest is not None and size > largest:
        return None
    inputs = tuple(room.put(name, value) for name, value in arguments.items())
    expected = tuple(room.put(name, value) for name, value in arrays.items())
    words = re.sub(r"-(?=inf|0)", "minus ", problem.label.lower())
    slug = re.sub(r"[^a-z0-9.]+", "-", words).strip("-")
    case = Case("", contract.name, contract.call, problem.label, _rules(problem), _SEED,
                inputs, result_of(truth), expected, b"")  # fmt: skip
    return replace(case, id=f"{contract.name}/{slug}-{case.digest()[:8]}")


def _arrays(truth: Truth | SparseTruth) -> dict[str, Array]:
    if isinstance(truth, Truth):
        return to_values(truth)
    cells = {"row": truth.row.astype(np.int64), "col": truth.col.astype(np.int64)}
    optional = {"optional": truth.optional} if truth.optional.any() else {}
    return cells | optional | to_values(truth.values)


def _rules(problem: Problem) -> tuple[str, ...]:
    """Return the rules that a case is about, found by looking at its arrays."""
    a, b = problem.a, problem.b
    finite = all(np.isfinite(x).all() for x in (a.data, b, problem.bias))
    floats = is_float(a.data.dtype) or a.data.dtype.kind == "c"
    found = {
        "S1": bool((a.data == 0).any()) or not finite,
        "S2": has_duplicates(a),
        "S3": not is_sorted(a),
        "S7": a.data.dtype != b.dtype,
        "S8": a.data.dtype.itemsize <= 2 or a.data.dtype.kind in "biu",
        "S9": floats,
        "S10": not finite,
        "S12": problem.index_dtypes != ("int32", "int32"),
    }
    return tuple(rule for rule, holds in found.items() if holds)
