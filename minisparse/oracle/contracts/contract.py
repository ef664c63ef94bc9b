"""What a contract is: which plain arrays an implementation gets, and what is then right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.oracle.problem import Problem, arrange
from minisparse.oracle.profile import Profile
from minisparse.oracle.verdict import Judgement

Arguments = dict[str, Any]
Operands = tuple[Array | Triplets, ...]


class Expectation(Protocol):
    """What a right implementation returns."""

    def judge(self, got: Any) -> Judgement:
        """Tell whether what was returned is right."""
        ...

    def rounded(self) -> Any:
        """Return a right result, to be shown: an array, or a tuple of arrays."""
        ...


@dataclass(frozen=True)
class Encoding:
    """How a sparse matrix is written down in plain arrays.

    Attributes
    ----------
    encode : callable
        From a problem to the matrix's arrays and its ``shape``, in the order of the arguments.
    decode : callable
        From these to the stored entries, padding included: what the arrays mean.
    values : str
        Which of the arrays holds the values.
    """

    encode: Callable[[Problem], Arguments]
    decode: Callable[[Mapping[str, Any]], Triplets]
    values: str = "data"


@dataclass(frozen=True)
class Contract:
    """One line of the table of plain-array calls.

    Attributes
    ----------
    name : str
        How the contract is asked for: ``"spmm_csr"``.
    call : str
        How an implementation is called, and what it returns, in a line.
    arguments : callable
        From a problem to the arguments of a call, by name and in order; all arrays are fresh.
    operands : callable
        From these to what they mean: matrices as triplets, and dense arrays.
    expect : callable
        From arguments and a profile to what is then right.
    accepts : callable
        Tells whether the op has a meaning for a problem: there is no relu of complex numbers.
    values : str
        Which argument holds the values of the (first) matrix.
    """

    name: str
    call: str
    arguments: Callable[[Problem], Arguments]
    operands: Callable[[Mapping[str, Any]], Operands]
    expect: Callable[[Mapping[str, Any], Profile], Expectation]
    accepts: Callable[[Problem], bool]
    values: str = "data"


_LARGEST = 200_000
"""Terms of a result beyond which an exact answer takes too long."""


def multiplies(problem: Problem) -> bool:
    """Tell whether a and b have a common dtype, and entries times columns are not too many."""
    try:
        np.result_type(problem.a.data, problem.b)
    except TypeError:
        return False
    return bool(len(problem.a.row) * problem.b.shape[1] <= _LARGEST)


def placed(arguments: Arguments, problem: Problem, dense: frozenset[str]) -> Arguments:
    """Return arguments as they should lie in memory.

    Those in ``dense`` in the problem's layout, arrays of the matrix strided, and any array
    read-only, where that is asked for.
    """
    return {name: _placed(value, problem, name in dense) for name, value in arguments.items()}


def _placed(value: Any, problem: Problem, is_dense: bool) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    if is_dense:
        value = arrange(value, problem.layout)
    elif problem.layout == "A strided":
        value = arrange(value, "strided")
    if problem.layout == "read-only":
        value.flags.writeable = False
    return value
