"""A contract as a profile narrows it: which inputs an implementation is given at all."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.errors import UsageError
from minisparse.oracle.contracts import Arguments, Contract
from minisparse.oracle.problem import Problem, cell_numbers, fitting_index_dtype
from minisparse.oracle.profile import Profile
from minisparse.oracle.values import DTYPES

_INDICES = ("indptr", "indices", "row", "col", "positions")


def narrowed(contract: Contract, profile: Profile) -> Contract:
    """Return the contract with the inputs that the profile rejects made ones that it takes.

    Where unsorted rows are rejected, entries are sorted; where duplicates are, the first of each
    cell stays; index arrays take the first dtype that is known. So a check has as many inputs as
    ever. Where results have the first operand's dtype, problems whose other operand does not
    convert to it are left out.

    Parameters
    ----------
    contract : Contract
        As all implementations fulfil it.
    profile : Profile
        What is rejected.
    """
    chosen = profile.duplicates == "reject" or profile.unsorted == "reject"
    if not (chosen or profile.index_dtypes or profile.result_dtype == "first"):
        return contract

    def arguments(problem: Problem) -> Arguments:
        return contract.arguments(_taken(problem, profile))

    def accepts(problem: Problem) -> bool:
        if profile.result_dtype == "first":
            first, other = problem.a.data.dtype, problem.b.dtype
            if not np.can_cast(other, first, "same_kind"):
                return False
        return contract.accepts(_taken(problem, profile))

    return replace(contract, arguments=arguments, accepts=accepts)


def of_dtypes(contract: Contract, dtypes: Collection[str]) -> Contract:
    """Return the contract with only the inputs whose values are of some dtypes.

    Raises
    ------
    UsageError
        If there is no such dtype: then there would be no input.

    Examples
    --------
    >>> from minisparse.oracle.cases import hard_problems
    >>> from minisparse.oracle.contracts import find_contract
    >>> narrow = of_dtypes(find_contract("spmv_csr"), ["float64"])
    >>> found = filter(narrow.accepts, hard_problems(np.random.default_rng(0)))
    >>> [x.dtype.name for x in narrow.arguments(next(found)).values() if hasattr(x, "dtype")]
    ['int32', 'int32', 'float64', 'float64']
    """
    known = {dtype.name for dtype in DTYPES}
    if not dtypes or not known.issuperset(dtypes):
        unknown = ", ".join(sorted(set(dtypes) - known)) or "none"
        raise UsageError(f"dtypes {unknown}: there are {', '.join(sorted(known))}")

    def accepts(problem: Problem) -> bool:
        if problem.a.data.dtype.name not in dtypes or not contract.accepts(problem):
            return False
        arguments = contract.arguments(problem)
        return all(x.dtype.name in dtypes for n, x in arguments.items() if is_value(n, x))

    return replace(contract, accepts=accepts)


def is_value(name: str, argument: Any) -> bool:
    """Tell whether an argument is an array of values, and not of indices.

    Examples
    --------
    >>> is_value("a_data", np.zeros(2)), is_value("a_indptr", np.zeros(2, int))
    (True, False)
    """
    is_index = name.removeprefix("a_").removeprefix("b_") in _INDICES
    return isinstance(argument, np.ndarray) and not is_index


def _taken(problem: Problem, profile: Profile) -> Problem:
    """Return the nearest problem that the profile does not reject."""
    a = problem.a
    numbers = np.arange(len(a.row))
    cells = cell_numbers(a)
    if profile.duplicates == "reject":
        numbers = np.sort(np.unique(cells, return_index=True)[1])
    if profile.unsorted == "reject":
        numbers = numbers[np.argsort(cells[numbers], kind="stable")]
    if len(numbers) < len(cells) or (numbers[1:] < numbers[:-1]).any():
        problem = problem.with_entries(numbers)
    canonical = "reject" in (profile.duplicates, profile.unsorted)
    problem = replace(problem, is_canonical=canonical)
    found, known = problem.index_dtypes, profile.index_dtypes
    if not known or (found[0] == found[1] and found[0] in known):
        return problem
    largest = max(len(problem.a.row), *problem.a.shape)
    name = next((x for x in known if fitting_index_dtype(x, largest) == x), known[0])
    return replace(problem, index_dtypes=(name, name))
