"""Check an implementation that one knows nothing about, by calling it with plain arrays."""

import itertools
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from minisparse.core.errors import UsageError
from minisparse.oracle.attempt import Attempt, Implementation, attempt
from minisparse.oracle.cases import hard_problems
from minisparse.oracle.contracts import Contract, find_contract
from minisparse.oracle.problem import Problem
from minisparse.oracle.profile import Profile, find_profile
from minisparse.oracle.random_cases import random_problem
from minisparse.oracle.report import Failure, Report
from minisparse.oracle.shrink import shrink
from minisparse.oracle.verdict import UNSUPPORTED, VACUOUS

_MOST_CAUSES = 8
"""Failures that are shrunk; the others are counted with the one that they resemble."""


def check(
    fn: Implementation,
    op: str,
    examples: int = 500,
    seed: int = 0,
    profile: str | Profile | None = None,
) -> Report:
    """Try an implementation on hard inputs, and judge it against exact answers.

    Parameters
    ----------
    fn : callable
        Takes plain NumPy arrays and a shape, by position, and returns a new array:
        ``fn(indptr, indices, data, shape, b) -> c`` for ``"spmm_csr"``.
    op : str
        Which contract ``fn`` should fulfil: ``"spmm_csr"``, ``"spmv_csr"``, ``"spmm_coo"`` …
    examples : int
        How many inputs to try: first those that are known to be hard, then random ones.
    seed : int
        The inputs are the same whenever seed and versions are.
    profile : {"default", "ieee"}, optional
        ``"ieee"`` wants implicit zeros computed with, as in the dense matrix.

    Returns
    -------
    Report
        Its ``passed``, ``failures`` and ``error_over_bound`` tell what was found. Judged are the
        values (within a proven error bound; bit for bit where no rounding can happen), NaN and
        infinities, dtype and shape, that inputs stay unchanged, that the result is a new array,
        and that a second call is right as well. Whatever ``fn`` raises is a failure.

    Raises
    ------
    UsageError
        If there is no such op or profile, or ``examples`` is less than 1.

    Examples
    --------
    >>> def spmm(indptr, indices, data, shape, b):
    ...     c = np.zeros((shape[0], b.shape[1]), np.result_type(data, b))
    ...     for m in range(shape[0]):
    ...         for p in range(indptr[m], indptr[m + 1]):
    ...             c[m] = data[p] * b[indices[p]]  # should be +=
    ...     return c
    >>> report = check(spmm, "spmm_csr", examples=20)
    >>> report.passed, report.failures[0].inputs["shape"]
    (False, (1, 2))
    """
    contract, meaning = find_contract(op), find_profile(profile)
    if examples < 1:
        raise UsageError(f"check: examples is {examples}; it must be at least 1")
    tally = _Tally(fn, contract, meaning)
    # What fn computes with NaN and infinities is judged by its results, not by its warnings.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for problem in itertools.islice(problems(contract, seed), examples):
            tally.add(problem, attempt(fn, contract, problem, meaning))
        failures = tally.causes()
    return Report(
        op,
        tally.examples,
        failures,
        sum(map(len, tally.failed.values())),
        tally.vacuous,
        tally.worst,
        dict(tally.notes),
        dict(tally.unsupported),
        seed,
        meaning.name,
    )


def problems(contract: Contract, seed: int) -> Iterator[Problem]:
    """Yield the inputs of a contract without end: those known to be hard, then random ones."""
    hard = hard_problems(np.random.default_rng(seed))
    drawn = (random_problem(seed, number) for number in itertools.count())
    return filter(contract.accepts, itertools.chain(hard, drawn))


@dataclass
class _Tally:
    """Counts what came of the attempts, and finds the causes of failures."""

    fn: Implementation
    contract: Contract
    profile: Profile
    examples: int = 0
    vacuous: int = 0
    worst: float = 0.0
    notes: Counter[str] = field(default_factory=Counter)
    unsupported: Counter[str] = field(default_factory=Counter)
    failed: dict[str, list[Problem]] = field(default_factory=dict)

    def add(self, problem: Problem, found: Attempt) -> None:
        """Count one attempt."""
        self.examples += 1
        if found.judgement.verdict == UNSUPPORTED:
            self.unsupported[found.judgement.message] += 1
            return
        if found.failed:
            self.failed.setdefault(found.judgement.rule, []).append(problem)
            return
        self.vacuous += found.judgement.verdict == VACUOUS
        self.worst = max(self.worst, found.judgement.error_over_bound)
        if found.note:
            self.notes[found.note] += 1

    def causes(self) -> tuple[Failure, ...]:
        """Shrink failures and return one for each broken rule and kind of smallest input."""
        found: dict[tuple[str, str], Failure] = {}
        for rule, failing in self.failed.items():
            for some in _spread(failing, max(1, _MOST_CAUSES // len(self.failed))):
                failure = self._smallest(rule, some)
                key = rule, failure.label
                found[key] = _merged(found[key], failure) if key in found else failure
        return tuple(sorted(found.values(), key=lambda failure: -failure.count))

    def _smallest(self, rule: str, failing: Sequence[Problem]) -> Failure:
        """Return the failure of the first of some problems, shrunk."""

        def fails(problem: Problem) -> bool:
            if not self.contract.accepts(problem):
                return False
            found = attempt(self.fn, self.contract, problem, self.profile)
            return found.failed and found.judgement.rule == rule

        small = shrink(failing[0], fails)
        found = attempt(self.fn, self.contract, small, self.profile)
        if not found.failed:  # it does not fail every time; show the input that failed once
            small = failing[0]
            found = attempt(self.fn, self.contract, small, self.profile)
        return Failure(
            found.inputs,
            found.got,
            found.expected,
            rule,
            describe(small),
            found.judgement.error_over_bound,
            found.judgement.message or "failed once, and not when tried again",
            len(failing),
            tuple(dict.fromkeys(problem.label for problem in failing))[:3],
        )


def _spread(failing: Sequence[Problem], groups: int) -> list[Sequence[Problem]]:
    """Cut a list of failures into at most so many groups of neighbors, which are alike."""
    size = -(-len(failing) // groups)
    return [failing[i : i + size] for i in range(0, len(failing), size)]


def _merged(first: Failure, second: Failure) -> Failure:
    seen = tuple(dict.fromkeys((*first.seen, *second.seen)))[:3]
    return replace(first, count=first.count + second.count, seen=seen)


def describe(problem: Problem) -> str:
    """Say what is not plain about a problem: what a failure's smallest input still needs."""
    a = problem.a
    cells = a.row.astype(np.int64) * max(1, a.shape[1]) + a.col
    by_row = cells[np.argsort(a.row, kind="stable")]
    values = np.concatenate([a.data.ravel(), problem.b.ravel()])
    found = {
        "nothing stored": not len(cells),
        "empty rows": 0 < len(np.unique(a.row)) < a.shape[0],
        "unsorted": bool((by_row[1:] < by_row[:-1]).any()),
        "duplicates": len(np.unique(cells)) < len(cells),
        "explicit zeros": bool((a.data == 0).any()),
        "NaN or infinities": not np.isfinite(values).all(),
        f"layout {problem.layout}": problem.layout != "C",
        f"indices {problem.index_dtypes}": problem.index_dtypes != ("int32", "int32"),
        "a call before with other values": problem.earlier is not None,
        f"dtype {a.data.dtype}": a.data.dtype != np.float32,
        f"b of {problem.b.dtype}": problem.b.dtype != a.data.dtype,
    }
    notes = [note for note, holds in found.items() if holds]
    return ", ".join(notes) or f"a plain {a.shape[0]}x{a.shape[1]} matrix"
