"""SDDMM: ``data * (x @ y)`` at the stored positions of a matrix in CSR, in stored order."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisparse.core.triplets import Triplets
from minisparse.oracle.choices import sampled
from minisparse.oracle.contracts.contract import Arguments, Contract, Operands, multiplies, placed
from minisparse.oracle.contracts.csr import ENCODING
from minisparse.oracle.problem import Problem
from minisparse.oracle.profile import Profile
from minisparse.oracle.sampled import exact_sddmm
from minisparse.oracle.truth import Truth

_DENSE = ("x", "y")


def _arguments(problem: Problem) -> Arguments:
    """Return the matrix ``[M, K]`` with y = b' ``[N, K]`` and x ``[M, N]`` of the same values."""
    found, (m, depth) = ENCODING.encode(problem), (problem.a.shape[0], problem.b.shape[1])
    turned = problem.b[::-1].reshape(-1)
    found["x"] = np.resize(turned, (m, depth)) if turned.size else _ones(problem, (m, depth))
    found["y"] = problem.b.T
    return placed(found, problem, frozenset(_DENSE))


def _ones(problem: Problem, shape: tuple[int, int]) -> Any:
    return np.ones(shape, problem.b.dtype)


def _operands(arguments: Mapping[str, Any]) -> Operands:
    return ENCODING.decode(arguments), arguments["x"], arguments["y"]


def _expect(arguments: Mapping[str, Any], profile: Profile) -> Truth:
    mask = ENCODING.decode(arguments)
    assert isinstance(mask, Triplets)
    x, y = arguments["x"], arguments["y"]
    return sampled(exact_sddmm(mask, x, y, profile), mask, x, y, profile)


SDDMM_CSR = Contract(
    "sddmm_csr",
    "(indptr, indices, data, shape, x [M, K], y [K, N]) -> data * (x @ y) at the stored positions",
    _arguments,
    _operands,
    _expect,
    multiplies,
)
