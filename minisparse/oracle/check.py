"""Check an implementation that one knows nothing about, by calling it with plain arrays."""

import inspect
import itertools
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from minisparse.core.errors import UsageError
from minisparse.oracle.attempt import Attempt, Implementation, attempt
from minisparse.oracle.cases import hard_problems, large_problems
from minisparse.oracle.contracts import Contract, find_contract
from minisparse.oracle.findings import smallest_failure
from minisparse.oracle.narrowed import narrowed, of_dtypes
from minisparse.oracle.pair_cases import pair_problems
from minisparse.oracle.problem import Problem, describe
from minisparse.oracle.profile import Profile, find_profile
from minisparse.oracle.random_cases import random_problem
from minisparse.oracle.report import Failure, Report
from minisparse.oracle.special_cases import huge_problems, special_problems
from minisparse.oracle.verdict import UNSUPPORTED, VACUOUS

__all__ = ["check", "describe", "problems"]

_HOPELESS = 10
"""Inputs after which a check stops if none of them was answered."""
_MOST_CAUSES = 8
"""Failures that are shrunk; the others are counted with the one that they resemble."""


def check(
    fn: Implementation,
    op: str,
    examples: int = 500,
    seed: int = 0,
    profile: str | Profile | None = None,
    hypothesis_examples: int = 0,
    dtypes: Collection[str] = (),
) -> Report:
    """Try an implementation on hard inputs, and judge it against exact answers.

    Parameters
    ----------
    fn : callable
        Takes plain NumPy arrays and a shape, by position, and returns a new array:
        ``fn(indptr, indices, data, shape, b) -> c`` for ``"spmm_csr"``. Index arrays may be of
        any integer dtype, and of two, as docs/guide_c_cuda_rust.md says.
    op : str
        Which contract ``fn`` should fulfil: ``"spmm_csr"``, ``"spmv_csr"``, ``"spmm_coo"`` …;
        :func:`calls` lists all of them.
    examples : int
        How many inputs to try: first those that are known to be hard, then random ones.
    seed : int
        The inputs are the same whenever seed and versions are.
    profile : str or Profile, optional
        What is left to ``fn``: the name of a preset, such as ``"ieee"``, which wants implicit zeros
        computed with as in the dense matrix, or a file's that ends in ``.toml``.
    hypothesis_examples : int
        How many inputs more hypothesis may draw, steered towards large errors over their bounds.
    dtypes : collection of str
        Ask only for values of these dtypes: ``["float32"]``; by default for all.

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
        If there is no such op, profile or dtype, ``examples`` is less than 1, or ``fn`` cannot be
        called with what the op's contract gives it.
    MissingExtraError
        If ``hypothesis_examples`` is not 0, and hypothesis is not installed.

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
    meaning = find_profile(profile)
    contract = narrowed(find_contract(op), meaning)
    if dtypes:
        contract = of_dtypes(contract, dtypes)
    if examples < 1:
        raise UsageError(f"check: examples is {examples}; it must be at least 1")
    _check_signature(fn, contract, seed)
    tally = _Tally(fn, contract, meaning)
    # What fn computes with NaN and infinities is judged by its results, not by its warnings.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for problem in itertools.islice(problems(contract, seed), examples):
            tally.add(problem, attempt(fn, contract, problem, meaning))
            if tally.is_hopeless:
                tally.notes[f"stopped: each of {tally.examples} inputs ended without an answer"] = 1
                break
        if hypothesis_examples:
            # Imported here, because it needs a package that most callers do without.
            from minisparse.oracle.search import search

            for problem, found in search(fn, contract, meaning, hypothesis_examples, seed):
                tally.add(problem, found)
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
        tally.first_failure,
    )


def _check_signature(fn: Implementation, contract: Contract, seed: int) -> None:
    """Raise UsageError if ``fn`` is no function, or none of a contract's arguments."""
    wanted = f"{contract.name} is called as fn{contract.call}"
    if not callable(fn):
        raise UsageError(f"check: {fn!r} is not a function; {wanted}")
    try:
        # Not what it wraps: a wrapper may take arrays and hand on something else.
        signature = inspect.signature(fn, follow_wrapped=False)
    except (TypeError, ValueError):
        return  # written in C, and tells of no signature
    arguments = contract.arguments(next(problems(contract, seed)))
    try:
        signature.bind(*arguments.values())
    except TypeError as error:
        name = getattr(fn, "__qualname__", type(fn).__qualname__)
        raise UsageError(
            f"check: {name}{signature} cannot be called with {len(arguments)} arguments by "
            f"position: {error}; {wanted}"
        ) from error


def problems(contract: Contract, seed: int) -> Iterator[Problem]:
    """Yield the inputs of a contract without end: those known to be hard, then random ones."""
    rng = np.random.default_rng(seed)
    hard = itertools.chain(
        special_problems(contract.name, rng),
        hard_problems(rng),
        huge_problems(contract.name, rng),
        large_problems(rng),
    )
    drawn = (random_problem(seed, number) for number in itertools.count())
    # A pair and a random one in turn, as long as there are pairs.
    turns = itertools.chain.from_iterable(zip(pair_problems(rng), drawn, strict=False))
    return filter(contract.accepts, itertools.chain(hard, turns, drawn))


@dataclass
class _Tally:
    """Counts what came of the attempts, and finds the causes of failures."""

    fn: Implementation
    contract: Contract
    profile: Profile
    examples: int = 0
    vacuous: int = 0
    worst: float = 0.0
    first_failure: int | None = None
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
            self.first_failure = self.first_failure or self.examples
            self.failed.setdefault(found.judgement.rule, []).append(problem)
            return
        self.vacuous += found.judgement.verdict == VACUOUS
        self.worst = max(self.worst, found.judgement.error_over_bound)
        if found.note:
            self.notes[found.note] += 1

    @property
    def is_hopeless(self) -> bool:
        """Whether the first inputs have all ended in a crash or a hang: each costs a process."""
        lost = sum(len(self.failed.get(rule, ())) for rule in ("crash", "timeout"))
        return lost == self.examples >= _HOPELESS

    def causes(self) -> tuple[Failure, ...]:
        """Shrink failures and return one for each broken rule and kind of smallest input."""
        found: dict[tuple[str, str], Failure] = {}
        for rule, failing in self.failed.items():
            most = 1 if rule in ("crash", "timeout") else max(1, _MOST_CAUSES // len(self.failed))
            for some in _spread(failing, most):
                failure = smallest_failure(self.fn, self.contract, self.profile, rule, some)
                key = rule, failure.guess or failure.label
                found[key] = _merged(found[key], failure) if key in found else failure
        return tuple(sorted(found.values(), key=lambda failure: -failure.count))


def _spread(failing: Sequence[Problem], groups: int) -> list[Sequence[Problem]]:
    """Cut a list of failures into at most so many groups of neighbors, which are alike."""
    size = -(-len(failing) // groups)
    return [failing[i : i + size] for i in range(0, len(failing), size)]


def _merged(first: Failure, second: Failure) -> Failure:
    """Return one failure for two of the same cause, with the smaller input."""
    seen = tuple(dict.fromkeys((*first.seen, *second.seen)))[:3]
    smaller = min(first, second, key=lambda failure: failure.size)
    return replace(smaller, count=first.count + second.count, seen=seen)
