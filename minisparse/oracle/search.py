"""Inputs that hypothesis draws, steered towards large errors: a climb, after the enumeration."""

from minisparse.core.extras import require
from minisparse.oracle.attempt import Attempt, Implementation, attempt
from minisparse.oracle.contracts import Contract
from minisparse.oracle.problem import Problem
from minisparse.oracle.profile import Profile


def search(
    fn: Implementation, contract: Contract, profile: Profile, examples: int, seed: int
) -> list[tuple[Problem, Attempt]]:
    """Return the problems that were drawn, with what came of each.

    After each, ``hypothesis.target`` hears the error over its bound, and tends to draw more of
    what comes near it (Loscher and Sagonas, Targeted property-based testing, ISSTA 2017). Failures
    are collected, not raised: the oracle's own shrinking knows what a small matrix is.

    Raises
    ------
    MissingExtraError
        If hypothesis is not installed.
    """
    hypothesis = require("hypothesis", "oracle", "searching for large errors")
    # Imported here: the module of strategies needs hypothesis as it is read.
    from minisparse.oracle.strategies import problems

    found: list[tuple[Problem, Attempt]] = []

    def try_one(problem: Problem) -> None:
        outcome = attempt(fn, contract, problem, profile)
        found.append((problem, outcome))
        if not outcome.failed:
            hypothesis.target(float(outcome.judgement.error_over_bound), label="error over bound")

    settings = hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    drawn = hypothesis.given(problems(contract.name))(try_one)
    hypothesis.seed(seed)(settings(drawn))()
    return found[:examples]
