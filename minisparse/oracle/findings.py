"""From inputs that failed to a failure that can be read: shrunk, explained, and reproducible."""

from collections.abc import Sequence

from minisparse.oracle.attempt import Attempt, Implementation, attempt
from minisparse.oracle.contracts import Contract
from minisparse.oracle.diagnosis import CHANGES, guess, rule_id
from minisparse.oracle.evidence import Evidence
from minisparse.oracle.leniency import allowed_by
from minisparse.oracle.problem import Problem, describe
from minisparse.oracle.profile import Profile
from minisparse.oracle.report import Failure
from minisparse.oracle.shrink import shrink
from minisparse.oracle.snippet import snippet


def smallest_failure(
    fn: Implementation,
    contract: Contract,
    profile: Profile,
    rule: str,
    failing: Sequence[Problem],
) -> Failure:
    """Return the failure of the first of some problems, shrunk and explained.

    Parameters
    ----------
    fn : callable
        The implementation that fails; it is called a few hundred times more.
    contract, profile
        What is asked of it.
    rule : str
        Which rule it breaks on these problems.
    failing : sequence of Problem
        Problems that are taken for one cause.
    """

    def fails(problem: Problem) -> bool:
        if not contract.accepts(problem):
            return False
        found = attempt(fn, contract, problem, profile)
        return found.failed and found.judgement.rule == rule

    # The plainest of a cause shrinks soonest: hard inputs come with one trouble, and few entries.
    start = min(failing[:_LOOKED_AT], key=lambda problem: len(problem.a.row) + problem.b.size)
    small = shrink(start, fails, _PATIENCE.get(rule, 200))
    found = attempt(fn, contract, small, profile)
    if not found.failed:  # it does not fail every time; show the input that failed once
        small = start
        found = attempt(fn, contract, small, profile)
    case = Evidence(fn, contract, profile, small, found)
    return _failure(case, rule, tuple(dict.fromkeys(p.label for p in failing))[:3], len(failing))


_LOOKED_AT = 5
_PATIENCE = {"timeout": 6, "crash": 60}
"""How often shrinking may try where each failure costs a process, or all the time there is."""


def _fails_again(case: Evidence) -> bool:
    """Tell whether it fails every time; what a call before left behind is part of the problem."""
    tries = (attempt(case.fn, case.contract, case.problem, case.profile) for _ in range(3))
    return all(found.failed for found in tries)


def _failure(case: Evidence, rule: str, seen: tuple[str, ...], count: int) -> Failure:
    """Return everything that is known of a cause."""
    found: Attempt = case.found
    message = found.judgement.message or "failed once, and not when tried again"
    steady = found.failed and rule != "timeout" and (rule == "crash" or _fails_again(case))
    guessed = guess(case) if steady else "" if rule == "timeout" else CHANGES
    return Failure(
        found.inputs,
        found.got,
        found.expected,
        rule,
        describe(case.problem),
        found.judgement.error_over_bound,
        message,
        count,
        seen,
        position=found.judgement.position,
        rule_id=rule_id(case, guessed),
        guess=guessed,
        allowed_by=allowed_by(case.fn, case.contract, case.problem, case.profile) if steady else (),
        snippet=snippet(case.contract, case.problem, found.expected, rule, message),
    )
