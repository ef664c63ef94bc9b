"""A contract as a profile narrows it: which inputs an implementation is given at all."""

from dataclasses import replace

import numpy as np

from minisparse.oracle.contracts import Arguments, Contract
from minisparse.oracle.problem import Problem, fitting_index_dtype
from minisparse.oracle.profile import Profile


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


def _taken(problem: Problem, profile: Profile) -> Problem:
    """Return the nearest problem that the profile does not reject."""
    a = problem.a
    numbers = np.arange(len(a.row))
    cells = a.row.astype(np.int64) * max(1, a.shape[1]) + a.col
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
