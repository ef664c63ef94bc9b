"""Softmax of each row over its stored entries, in CSR: new values, in stored order."""

from collections.abc import Mapping
from typing import Any

from minisparse.core.triplets import Triplets
from minisparse.oracle.choices import softmax
from minisparse.oracle.contracts.contract import Arguments, Contract, Operands, placed
from minisparse.oracle.contracts.csr import ENCODING
from minisparse.oracle.problem import Problem, has_duplicates
from minisparse.oracle.profile import Profile
from minisparse.oracle.softmax import exact_softmax
from minisparse.oracle.truth import Truth
from minisparse.oracle.values import is_float


def _arguments(problem: Problem) -> Arguments:
    return placed(ENCODING.encode(problem), problem, frozenset())


def _operands(arguments: Mapping[str, Any]) -> Operands:
    return (ENCODING.decode(arguments),)


def _expect(arguments: Mapping[str, Any], profile: Profile) -> Truth:
    a = ENCODING.decode(arguments)
    assert isinstance(a, Triplets)
    return softmax(exact_softmax(a, profile), a, profile)


def _accepts(problem: Problem) -> bool:
    """Refuse what is not real, and duplicates: whether they share a weight is not settled."""
    return is_float(problem.a.data.dtype) and not has_duplicates(problem.a)


SOFTMAX_CSR = Contract(
    "softmax_csr",
    "(indptr, indices, data, shape) -> data, row by row over the stored entries",
    _arguments,
    _operands,
    _expect,
    _accepts,
)
