"""Guesses that only make sense for one op: a bias after the relu, blocks read by columns."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.triplets import Triplets
from minisparse.oracle.contracts import find_contract
from minisparse.oracle.evidence import Evidence, Hypothesis
from minisparse.oracle.problem import Problem


def _fused(case: Evidence) -> str:
    """Try the bias in other places, and without."""
    if case.contract.name != "spmm_bias_relu_csr" or case.arrays is None:
        return ""
    problem, got = case.problem, case.arrays[0]
    filled = np.bincount(problem.a.row, minlength=problem.a.shape[0]) > 0
    no_bias = np.where(filled, problem.bias, 0).astype(problem.bias.dtype)
    if not filled.all() and case.as_if(replace(problem, bias=no_bias)):
        return "empty rows get no bias"
    if case.as_if(replace(problem, bias=np.zeros_like(problem.bias))):
        return "the bias is not added"
    arguments = {n: x for n, x in case.found.inputs.items() if n != "bias"}
    c = find_contract("spmm_csr").expect(arguments, case.profile).rounded()
    bias, zero = case.found.inputs["bias"], c.dtype.type(0)
    if np.array_equal(got, np.maximum(c, zero) + bias[:, None], equal_nan=got.dtype.kind == "f"):
        return "the bias is added after the relu"
    if np.array_equal(got, c + bias[:, None], equal_nan=got.dtype.kind == "f"):
        return "the relu is missing"
    if len(bias) == c.shape[1] and np.array_equal(got, np.maximum(c + bias, zero)):
        return "the bias is added along columns: one value for each column, and not for each row"
    return ""


def _read_otherwise(case: Evidence) -> str:
    """Try other ways to read the arrays of a format."""
    for words, changes in _readings(case.found.inputs):
        if case.as_if_arguments({**case.found.inputs, **changes}):
            return words
    return ""


def _readings(inputs: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    data = inputs.get("data")
    if data is not None and data.ndim == 3:
        _, r, c = data.shape
        if r == c:
            yield "blocks are read transposed", {"data": data.transpose(0, 2, 1)}
        turned = data.reshape(-1, c, r).transpose(0, 2, 1)
        yield "blocks are read column by column", {"data": turned}
    if "positions" in inputs:
        at = inputs["positions"]
        first = np.broadcast_to(np.arange(at.shape[1]) % 2, at.shape).astype(at.dtype)
        yield "positions are ignored: values count from the group's begin", {"positions": first}
    if "y" in inputs:
        x, y = inputs["x"], inputs["y"]
        if y.shape[0] == y.shape[1]:
            yield "y is read transposed", {"y": y.T}
        for tile in (32, 16, 8, 4, 2):
            depth = x.shape[1] // tile * tile
            if 0 < depth < x.shape[1]:
                words = f"the last partial tile of {tile} of the inner dimension is lost"
                yield words, {"x": x[:, :depth], "y": y[:depth]}


def _skipped_zeros(case: Evidence) -> str:
    """Leave stored zeros out, the padding of blocks and of groups among them."""
    if case.found.judgement.rule != "special" or case.arrays is None:
        return ""
    name, inputs = case.contract.name, case.found.inputs
    if name.startswith("sddmm"):
        got, expected = case.arrays
        lost = np.isnan(expected) & ~np.isnan(got)
        zero = inputs["data"] == 0
        return "stored zeros are skipped: 0 * inf must be NaN" if lost[zero].any() else ""
    if name not in ("spmm_bsr", "spmm_nm"):
        return ""
    entries, b = case.contract.operands(inputs)
    assert isinstance(entries, Triplets)
    keep = entries.data != 0
    left = {"row": entries.row[keep], "col": entries.col[keep], "data": entries.data[keep]}
    truth = find_contract("spmm_coo").expect({**left, "shape": entries.shape, "b": b}, case.profile)
    return "stored zeros are skipped, padding among them" if truth.judge(case.got).passed else ""


def _softmax(case: Evidence) -> str:
    if not case.contract.name.startswith("softmax") or case.arrays is None:
        return ""
    x = case.problem.a.data.astype(np.float64)
    got, expected = case.arrays
    if not len(x) or not np.isfinite(x).all():
        return ""
    if not np.isfinite(got).all() and np.isfinite(expected).all():
        moved = (x - x.max()).astype(case.problem.a.data.dtype)
        a = case.problem.a._replace(data=moved)
        if case.right_on(replace(case.problem, a=a)):
            return "exp overflows, or a row vanishes: the row's largest is not taken away"
        return "exp overflows, or a row vanishes: what is taken away is not the row's largest"
    weights = np.zeros(case.problem.a.shape[0])
    np.add.at(weights, np.sort(case.problem.a.row), got.astype(np.float64))
    some, count = np.unique(case.problem.a.row, return_counts=True)
    room = count < case.problem.a.shape[1]
    if room.any() and (weights[some][room] < 1 - 1e-2).all():
        return "implicit zeros take part in the sum, or other rows do"
    return ""


_LEAST = 8


def _threshold(case: Evidence) -> str:
    """Tell from which size on it fails, where one less is right."""
    for what, step, size, less in _SIDES:
        smaller = case.problem
        if size(smaller) <= _LEAST:
            continue
        for _ in range(step):
            smaller = less(smaller)
        if case.right_on(smaller):
            n = size(case.problem)
            bits = next((b for b in (8, 16) if 2 ** (b - 1) < n <= 2**b + step and
                         n > 2**b - 2), None)  # fmt: skip
            return f"wrong only from about {n} {what} on" + (
                f"; an overflow of {bits} bits" if bits else ""
            )
    return ""


def _fewer_rows(problem: Problem) -> Problem:
    last = problem.a.shape[0] - 1
    left = problem.with_entries(problem.a.row < last)
    a = left.a._replace(shape=(last, left.a.shape[1]))
    return replace(left, a=a, bias=problem.bias[:-1])


def _fewer_columns(problem: Problem) -> Problem:
    last = problem.a.shape[1] - 1
    left = problem.with_entries(problem.a.col < last)
    return replace(left, a=left.a._replace(shape=(left.a.shape[0], last)), b=problem.b[:-1])


_Less = Callable[[Problem], Problem]
_SIDES: tuple[tuple[str, int, Callable[[Problem], int], _Less], ...] = (
    ("columns of b", 1, lambda p: p.b.shape[1], lambda p: replace(p, b=p.b[:, :-1])),
    ("rows", 1, lambda p: p.a.shape[0], _fewer_rows),
    ("columns", 4, lambda p: p.a.shape[1], _fewer_columns),
)
"""A side, how much is taken off it, its length, and the problem with one less."""
OPS: tuple[Hypothesis, ...] = (_fused, _read_otherwise, _skipped_zeros, _softmax)
"""In the order in which they are tried."""
LAST: tuple[Hypothesis, ...] = (_threshold,)
"""What is said where nothing better is known."""
