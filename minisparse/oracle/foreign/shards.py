"""One check in several processes, each with a seed of its own, and one report of all."""

import itertools
import multiprocessing
import operator
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minisparse.oracle.check import check, problems
from minisparse.oracle.contracts import find_contract
from minisparse.oracle.foreign.stream import repeated
from minisparse.oracle.foreign.target import open_target
from minisparse.oracle.report import Failure, Report


@dataclass(frozen=True)
class Request:
    """What to check, and how.

    Attributes
    ----------
    target : str
        As :func:`~minisparse.oracle.foreign.open_target` takes it.
    op : str
        Name of the contract.
    examples, seed, profile
        As :func:`minisparse.oracle.check` takes them.
    timeout : float
        Seconds that a call may take.
    repeat : int
        How often each call is made; what differs is judged.
    dtypes : tuple of str
        The values' dtypes that are asked for; all of them if empty.
    """

    target: str
    op: str
    examples: int = 500
    seed: int = 0
    profile: str | None = None
    timeout: float = 10.0
    repeat: int = 1
    dtypes: tuple[str, ...] = ()


def run(request: Request) -> Report:
    """Check a target.

    Raises
    ------
    UsageError
        If there is no such op, profile or target.
    """
    contract = find_contract(request.op)
    with open_target(request.target, contract, request.timeout) as fn:
        return check(
            repeated(fn, request.repeat),
            request.op,
            request.examples,
            request.seed,
            request.profile,
            dtypes=request.dtypes,
        )


def run_sharded(request: Request, jobs: int) -> Report:
    """Check a target in so many processes at once.

    Each has its share of the random inputs and, with values of its own, all of the hard ones; so
    there may be more examples than were asked for.

    Raises
    ------
    UsageError
        If there is no such op, profile or target.
    """
    if jobs == 1:
        return run(request)
    contract = find_contract(request.op)
    drawn = (p.label.startswith("random") for p in problems(contract, request.seed))
    hard = sum(1 for _ in itertools.takewhile(operator.not_, drawn))
    share = max(-(-request.examples // jobs), min(hard, request.examples))
    requests = [replace(request, examples=share, seed=request.seed + i) for i in range(jobs)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context) as pool:
        return merged(list(pool.map(_run_to_send, requests)))


def _run_to_send(request: Request) -> Report:
    """Return a report that can go to another process: odd results as their text."""
    report = run(request)
    failures = tuple(replace(one, got=_plain(one.got)) for one in report.failures)
    return replace(report, failures=failures)


def _plain(got: Any) -> Any:
    if got is None or isinstance(got, np.ndarray | tuple | int | float | str | Exception):
        return got
    return repr(got)


def merged(reports: Sequence[Report]) -> Report:
    """Return one report of several of the same op: numbers are added, and like causes."""
    causes: dict[tuple[str, str], Failure] = {}
    for failure in (failure for report in reports for failure in report.failures):
        key = failure.rule, failure.label
        known = causes.get(key)
        if known is not None:
            seen = tuple(dict.fromkeys((*known.seen, *failure.seen)))[:3]
            failure = replace(known, count=known.count + failure.count, seen=seen)
        causes[key] = failure
    firsts = [r.first_failure for r in reports if r.first_failure is not None]
    return replace(
        reports[0],
        examples=sum(report.examples for report in reports),
        failures=tuple(sorted(causes.values(), key=lambda failure: -failure.count)),
        failed=sum(report.failed for report in reports),
        vacuous=sum(report.vacuous for report in reports),
        error_over_bound=max(report.error_over_bound for report in reports),
        first_failure=min(firsts, default=None),
        notes=_added([report.notes for report in reports]),
        unsupported=_added([report.unsupported for report in reports]),
    )


def _added(counts: Sequence[Any]) -> dict[str, int]:
    names = dict.fromkeys(name for one in counts for name in one)
    return {name: sum(one.get(name, 0) for one in counts) for name in names}
