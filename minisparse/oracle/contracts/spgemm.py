"""SpGEMM: two matrices in CSR, and their product as CSR's arrays; rows need not be sorted."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.triplets import Triplets
from minisparse.oracle.contracts.contract import Arguments, Contract, Operands, multiplies, placed
from minisparse.oracle.contracts.csr import ENCODING
from minisparse.oracle.problem import Problem, fitting_index_dtype
from minisparse.oracle.profile import Profile
from minisparse.oracle.spgemm import exact_spgemm
from minisparse.oracle.structures import SparseTruth


def _second(problem: Problem) -> Problem:
    """Return a problem whose matrix is B ``[K, N]``: some cells of b, rows in turn each way.

    One cell in five is left out, and every third row holds its last cell twice.
    """
    b = problem.b
    kept = (np.arange(b.size).reshape(b.shape) * 7 + b.shape[1]) % 5 > 0
    row, col = np.nonzero(kept)
    turned = np.where((row % 2 == 1) & (not problem.is_canonical), b.shape[1] - col, col)
    order = np.lexsort((turned, row))
    row, col = row[order], col[order]
    last = np.flatnonzero((np.diff(row, append=-1) != 0) & (row % 3 == 2))
    last = last[: 0 if problem.is_canonical else None]
    again = np.sort(np.concatenate([np.arange(len(row)), last]))
    row, col = row[again], col[again]
    entries = Triplets(row, col, b[row, col], (b.shape[0], b.shape[1]))
    return Problem(problem.label, entries, b, b[:, 0] if b.shape[1] else b.sum(1),
                   problem.index_dtypes)  # fmt: skip


def _arguments(problem: Problem) -> Arguments:
    parts = {"a": ENCODING.encode(problem), "b": ENCODING.encode(_fitting(_second(problem)))}
    named = {f"{x}_{name}": value for x, found in parts.items() for name, value in found.items()}
    return placed(named, problem, frozenset())


def _fitting(problem: Problem) -> Problem:
    """Return the problem with indices that its size allows."""
    largest = max(len(problem.a.row), *problem.a.shape)
    i, j = (fitting_index_dtype(name, largest) for name in problem.index_dtypes)
    return replace(problem, index_dtypes=(i, j))


def _operands(arguments: Mapping[str, Any]) -> Operands:
    def part(letter: str) -> Triplets:
        names = "indptr indices data shape".split()
        return ENCODING.decode({name: arguments[f"{letter}_{name}"] for name in names})

    return part("a"), part("b")


def _expect(arguments: Mapping[str, Any], profile: Profile) -> SparseTruth:
    a, b = _operands(arguments)
    assert isinstance(a, Triplets)
    assert isinstance(b, Triplets)
    return exact_spgemm(a, b, profile)


SPGEMM_CSR = Contract(
    "spgemm_csr",
    "(a_indptr, a_indices, a_data, a_shape, b_indptr, b_indices, b_data, b_shape) -> "
    "(indptr, indices, data)",
    _arguments,
    _operands,
    _expect,
    multiplies,
    values="a_data",
)
