"""A failure under study: what came, and what a changed problem or another bug would give."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.oracle.attempt import Attempt, Implementation, attempt
from minisparse.oracle.contracts import Contract
from minisparse.oracle.problem import Problem
from minisparse.oracle.profile import Profile
from minisparse.oracle.verdict import FAIL


@dataclass(frozen=True)
class Evidence:
    """The smallest input of one cause of failure, and what can be tried with it.

    Attributes
    ----------
    fn, contract, profile
        What was checked, and against which meaning.
    problem : Problem
        The smallest that fails.
    found : Attempt
        What came of it.
    """

    fn: Implementation
    contract: Contract
    profile: Profile
    problem: Problem
    found: Attempt

    def right_on(self, problem: Problem, profile: Profile | None = None) -> bool:
        """Tell whether the implementation is right on another problem, or by another meaning."""
        if not self.contract.accepts(problem):
            return False
        return not attempt(self.fn, self.contract, problem, profile or self.profile).failed

    def on(self, problem: Problem) -> "Evidence":
        """Return what comes of another problem."""
        found = attempt(self.fn, self.contract, problem, self.profile)
        return replace(self, problem=problem, found=found)

    def as_if(self, problem: Problem, profile: Profile | None = None) -> bool:
        """Tell whether what came would have been right for another problem, or meaning."""
        if not self.contract.accepts(problem):
            return False
        truth = self.contract.expect(self.contract.arguments(problem), profile or self.profile)
        return truth.judge(self.found.got).verdict != FAIL

    def as_if_arguments(self, arguments: Mapping[str, Any]) -> bool:
        """Tell whether what came would have been right for other arguments."""
        truth = self.contract.expect(arguments, self.profile)
        return truth.judge(self.found.got).verdict != FAIL

    @property
    def got(self) -> Any:
        """What the implementation returned."""
        return self.found.got

    @property
    def arrays(self) -> tuple[Array, Array] | None:
        """The result and the right one, where both are plain arrays of one shape."""
        got, expected = self.got, self.found.expected
        if not isinstance(got, np.ndarray) or not isinstance(expected, np.ndarray):
            return None
        return (got, expected) if got.shape == expected.shape else None

    @property
    def wrong(self) -> Array | None:
        """Which elements differ from the right result, rounding aside."""
        if self.arrays is None:
            return None
        got, expected = self.arrays
        near: Array = np.isclose(_wide(got), _wide(expected), rtol=1e-2, atol=0, equal_nan=True)
        return ~near


def _wide(x: Array) -> Array:
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


Hypothesis = Callable[[Evidence], str]
"""Looks at a case and says what may be wrong, or nothing."""
