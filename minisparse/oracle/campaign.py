"""Campaigns: a check of many examples, cut into shards that run anywhere and need not run twice.

Every shard has a seed of its own and thus inputs of its own, so that nothing but a name, an op and
a few numbers travels to where it runs. What came of it is a line of a file, which is only ever
appended to: a campaign that was stopped goes on from there. Only counts and the numbers of failing
examples come back; failures are made again, and made small, where the campaign was started.
"""

import functools
import importlib
import itertools
import multiprocessing
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.errors import MinisparseError, UsageError
from minisparse.oracle.attempt import Implementation, attempt
from minisparse.oracle.campaign_log import Log, Record
from minisparse.oracle.check import problems
from minisparse.oracle.contracts import Contract, find_contract
from minisparse.oracle.findings import smallest_failure
from minisparse.oracle.narrowed import narrowed
from minisparse.oracle.problem import Problem
from minisparse.oracle.profile import Profile, find_profile
from minisparse.oracle.report import Failure, Report
from minisparse.oracle.verdict import UNSUPPORTED, VACUOUS

SHARD = 500
"""Examples of a shard: a few seconds, and several times the hard cases that come first."""
_MOST_CAUSES, _LOOKED_AT = 8, 5
"""How many groups of failures are shrunk, and of how many of a group the plainest."""
Progress = Callable[[int, int], None]


class _Shard(NamedTuple):
    number: int
    seed: int
    examples: int


def run_campaign(
    fn_name: str,
    op: str,
    examples: int = 100_000,
    seed: int = 0,
    executor: Executor | None = None,
    out: str | Path | None = None,
    *,
    profile: str | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check an implementation on many examples, in parallel; go on with what ``out`` has.

    Parameters
    ----------
    fn_name : str
        ``"package.module:function"``; imported wherever a shard runs.
    op : str
        Which contract it should fulfil: ``"spmm_csr"``.
    examples : int
        How many inputs to try, in shards of :data:`SHARD`. Each shard begins with the inputs
        known to be hard, with other values than in other shards.
    seed : int
        Shard i has ``seed + i``: ``check(fn, op, SHARD, seed + i)`` tries the same inputs.
    executor : concurrent.futures.Executor, optional
        Where shards run: Dask's ``client.get_executor()``, for one. By default, processes of this
        machine.
    out : path, optional
        A file to which a line of JSON is appended for each shard. Where it is there already,
        shards that it holds are not run again; it must be of the same campaign.
    profile : str, optional
        As for :func:`~minisparse.oracle.check`.
    jobs : int, optional
        How many processes, without an executor; by default one for each core.
    progress : callable, optional
        Called with the numbers of shards that are done and that there are.

    Returns
    -------
    Report
        Of all shards together; failures were made again here, and made small.

    Raises
    ------
    UsageError
        If there is no such function, op or profile, or ``out`` is of another campaign.
    MinisparseError
        If a process died. What was done by then is in ``out``.
    """
    meaning = find_profile(profile)
    contract, fn = narrowed(find_contract(op), meaning), load_target(fn_name)
    if examples < 1 or seed < 0 or (jobs is not None and jobs < 1):
        raise UsageError("campaign: examples and jobs must be at least 1, and seed at least 0")
    log = Log(out, {"target": fn_name, "op": op, "seed": seed, "profile": meaning.name})
    shards = list(_shards(examples, seed))
    tell = progress if progress is not None else _silent
    todo = [shard for shard in shards if log.examples_of(shard.number) != shard.examples]
    tell(len(shards) - len(todo), len(shards))
    with log, _executor(executor, jobs) as where:
        work = functools.partial(run_shard, fn_name, op, profile)
        futures = [where.submit(work, *shard) for shard in todo]
        try:
            for done, future in enumerate(as_completed(futures), len(shards) - len(todo) + 1):
                log.add(future.result())
                tell(done, len(shards))
        except BrokenExecutor as error:
            raise MinisparseError(
                f"campaign: a process died while it ran {fn_name}; `minisparse check` "
                "finds the input, each in a process of its own"
            ) from error
        finally:
            for future in futures:
                future.cancel()
    records = [log.records[shard.number] for shard in shards]
    return _report(fn, contract, meaning, records, seed)


def run_shard(
    fn_name: str, op: str, profile: str | None, number: int, seed: int, examples: int
) -> Record:
    """Try one shard's examples and return what came of them: what runs on the workers."""
    fn, meaning = load_target(fn_name), find_profile(profile)
    contract = narrowed(find_contract(op), meaning)
    counts = {"failed": 0, "vacuous": 0}
    notes: Counter[str] = Counter()
    unsupported: Counter[str] = Counter()
    failing: dict[str, list[int]] = {}
    worst = 0.0
    with _quiet():
        for place, problem in enumerate(itertools.islice(problems(contract, seed), examples)):
            found = attempt(fn, contract, problem, meaning)
            judgement = found.judgement
            if judgement.verdict == UNSUPPORTED:
                unsupported[judgement.message] += 1
            elif found.failed:
                counts["failed"] += 1
                failing.setdefault(judgement.rule, []).append(place)
            else:
                counts["vacuous"] += judgement.verdict == VACUOUS
                worst = max(worst, judgement.error_over_bound)
                notes.update([found.note] if found.note else [])
    return Record(
        number, seed, examples, counts["failed"], counts["vacuous"], worst, dict(notes),
        dict(unsupported), failing,
    )  # fmt: skip


def load_target(name: str) -> Implementation:
    """Import a function by ``"package.module:function"``.

    Raises
    ------
    UsageError
        If there is no such module or function, or it cannot be called.

    Examples
    --------
    >>> load_target("math:hypot")(3, 4)
    5.0
    """
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise UsageError(f"{name!r} is not of the form package.module:function")
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(f"cannot import {module_name!r}: {error}") from error
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise UsageError(f"{module_name!r} has no function {attribute!r}")
    implementation: Implementation = found
    return implementation


def _shards(examples: int, seed: int) -> Iterator[_Shard]:
    for number, start in enumerate(range(0, examples, SHARD)):
        yield _Shard(number, seed + number, min(SHARD, examples - start))


@contextmanager
def _executor(executor: Executor | None, jobs: int | None) -> Iterator[Executor]:
    """Use the given executor, or processes of this machine that end with the campaign."""
    if executor is not None:
        with nullcontext(executor) as given:
            yield given
        return
    # Forked processes would inherit locks of threads that they do not have.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Judge what an implementation computes with NaN by its results, not by its warnings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


# -- here again: what the shards found, made small ----------------------------------------------


def _report(
    fn: Implementation,
    contract: Contract,
    profile: Profile,
    records: Sequence[Record],
    seed: int,
) -> Report:
    with _quiet():
        failures = tuple(_causes(fn, contract, profile, records))
    return Report(
        op=contract.name,
        examples=sum(record.examples for record in records),
        failures=failures,
        failed=sum(record.failed for record in records),
        vacuous=sum(record.vacuous for record in records),
        error_over_bound=max((record.worst for record in records), default=0.0),
        notes=_summed(record.notes for record in records),
        unsupported=_summed(record.unsupported for record in records),
        seed=seed,
        profile=profile.name,
    )


def _summed(counts: Iterator[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for some in counts:
        total.update(some)
    return dict(total)


def _causes(
    fn: Implementation, contract: Contract, profile: Profile, records: Sequence[Record]
) -> list[Failure]:
    """Return a failure for each rule that was broken and kind of smallest input."""
    places: dict[str, list[tuple[int, int]]] = {}
    for record in records:
        for rule, failing in record.failing.items():
            places.setdefault(rule, []).extend((record.seed, place) for place in failing)
    found: dict[tuple[str, str], Failure] = {}
    for rule, failing_at in places.items():
        size = -(-len(failing_at) // max(1, _MOST_CAUSES // len(places)))
        for start in range(0, len(failing_at), size):
            alike = failing_at[start : start + size]
            some = [_example(contract, seed, place) for seed, place in alike[:_LOOKED_AT]]
            failure = smallest_failure(fn, contract, profile, rule, some)
            key = rule, failure.guess or failure.label
            count = len(alike) + (found[key].count if key in found else 0)
            found[key] = replace(found.get(key, failure), count=count)
    return sorted(found.values(), key=lambda failure: -failure.count)


def _example(contract: Contract, seed: int, place: int) -> Problem:
    """Return one example of the shard with that seed, as it was tried there."""
    return next(itertools.islice(problems(contract, seed), place, None))
