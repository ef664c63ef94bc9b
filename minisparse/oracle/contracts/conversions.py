"""Conversions: the same matrix in other arrays. Explicit zeros stay, duplicates keep their sum."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.triplets import Triplets
from minisparse.oracle.choices import compressed, converted, without_duplicates
from minisparse.oracle.contracts import coo, csr
from minisparse.oracle.contracts.contract import Arguments, Contract, Encoding, Operands, placed
from minisparse.oracle.problem import Problem
from minisparse.oracle.profile import Profile
from minisparse.oracle.structures import Kind, SparseTruth, blocks_of, same_matrix
from minisparse.oracle.truth import from_array


def _conversion(
    name: str, call: str, encoding: Encoding, kind: Kind, *, is_sorted: bool = False
) -> Contract:
    """Return the contract of a conversion between formats of single cells.

    One that must be sorted must be canonical; of others, duplicates may stay as they are.
    """

    def arguments(problem: Problem) -> Arguments:
        return placed(encoding.encode(problem), problem, frozenset())

    def operands(arguments: Mapping[str, Any]) -> Operands:
        return (encoding.decode(arguments),)

    def expect(arguments: Mapping[str, Any], profile: Profile) -> SparseTruth:
        entries = without_duplicates(encoding.decode(arguments), profile)
        found = same_matrix(entries, kind, is_sorted=is_sorted, is_distinct=is_sorted)
        return converted(found, entries, profile)

    return Contract(name, call, arguments, operands, expect, _always)


def _always(problem: Problem) -> bool:
    return True


def _to_blocks(problem: Problem) -> Arguments:
    """Return the arguments of ``csr_to_bsr``: the shape is a multiple of the block."""
    (m, k), (r, c) = problem.a.shape, problem.block
    shape = (-(-m // r) * r, -(-k // c) * c)
    a = problem.a._replace(shape=shape)
    found = csr.ENCODING.encode(replace(problem, a=a))
    found["block"] = problem.block
    return placed(found, problem, frozenset())


def _blocks_expected(arguments: Mapping[str, Any], profile: Profile) -> SparseTruth:
    entries = without_duplicates(csr.ENCODING.decode(arguments), profile)
    return converted(blocks_of(entries, arguments["block"]), entries, profile)


def _dense(problem: Problem) -> Arguments:
    """Return the matrix as a plain array, in the problem's layout."""
    with np.errstate(all="ignore"):
        dense = problem.a.to_dense()
    return placed({"dense": dense}, problem, frozenset({"dense"}))


def _dense_expected(arguments: Mapping[str, Any], profile: Profile) -> SparseTruth:
    x = arguments["dense"]
    row, col = np.nonzero(x)
    never = np.zeros(len(row), bool)
    found = SparseTruth("csr", x.shape, row, col, from_array(x[row, col]), never)
    return compressed(found, profile)


def _entries(decode: Callable[[Mapping[str, Any]], Triplets]) -> Callable[..., Operands]:
    return lambda arguments: (decode(arguments),)


_CSR = "(indptr, indices, data, shape)"
COO_TO_CSR = _conversion(
    "coo_to_csr",
    "(row, col, data, shape) -> (indptr, indices, data), sorted, duplicates summed",
    coo.ENCODING,
    "csr",
    is_sorted=True,
)
CSR_TO_CSC = _conversion("csr_to_csc", f"{_CSR} -> (indptr, indices, data)", csr.ENCODING, "csc")
CSR_TO_COO = _conversion("csr_to_coo", f"{_CSR} -> (row, col, data)", csr.ENCODING, "coo")
CSR_TO_BSR = Contract(
    "csr_to_bsr",
    "(indptr, indices, data, shape, block) -> (indptr, indices, data [nblocks, r, c])",
    _to_blocks,
    _entries(csr.ENCODING.decode),
    _blocks_expected,
    _always,
)
DENSE_TO_CSR = Contract(
    "dense_to_csr",
    "(dense) -> (indptr, indices, data) of what is not equal to zero",
    _dense,
    lambda arguments: (arguments["dense"],),
    _dense_expected,
    _always,
    values="dense",
)
