"""Exact answers of every contract and op against a second oracle of fractions.

Compared are hi + lo, NaN and infinities, what integers wrap to, and which cells are stored; and the
second oracle's answer, rounded and written down as a contract's result, must itself pass.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from minisparse.core.errors import MinisparseError
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.core.triplets import Triplets
from minisparse.ops import OPS, Op
from minisparse.oracle import DEFAULT, IEEE, Profile, exact_results
from minisparse.oracle.cases import hard_problems
from minisparse.oracle.contracts import CONTRACTS
from minisparse.oracle.exact import KNOWN
from minisparse.oracle.problem import Problem
from minisparse.oracle.random_cases import random_problem
from minisparse.oracle.structures import SparseTruth
from minisparse.oracle.truth import Truth
from minisparse.oracle.values import DTYPES, real
from tests.oracle import fraction_oracle as second
from tests.oracle.fraction_ops import ANSWERS, KEPT, MIXING
from tests.oracle.fraction_oracle import Number, Real, number, numbers

_MOST = 350
"""Products, elements and cells in a problem: fractions are slow."""


def _problems() -> list[Problem]:
    hard = list(hard_problems(np.random.default_rng(3)))
    drawn = [random_problem(5, i) for i in range(50)]
    return [p for p in hard + drawn if _size(p) <= _MOST]


def _size(problem: Problem) -> int:
    (m, k), n = problem.a.shape, problem.b.shape[1]
    return int(max(len(problem.a.row) * n, m * n, m * k))


PROBLEMS = _problems()


def assert_is(hi: Any, lo: Any, bound: Any, right: Number, where: str) -> None:
    """Compare one element: all parts, or that some part is not finite."""
    if len(right) == 2 and not all(isinstance(x, Fraction) for x in right):
        assert not np.isfinite(hi), where
        return
    for i, x in enumerate(right):
        h, low, b = ((y.real, y.imag)[i] for y in (hi, lo, bound))
        _assert_part(int(h) if isinstance(hi, np.integer) else float(h), low, b, x, where)


def _assert_part(hi: float, lo: float, bound: float, right: Real, where: str) -> None:
    if isinstance(right, float) or not math.isfinite(hi):
        if not isinstance(right, float):  # beyond float64
            assert abs(right) >= Fraction(2) ** 1023 * (2 - Fraction(2) ** -53), where
            right = math.inf if right > 0 else -math.inf
        assert hi == right or (math.isnan(hi) and math.isnan(right)), where
        return
    error = abs(right - Fraction(hi) - Fraction(float(lo)))
    unseen = Fraction(float(bound)) / 2**20 if math.isfinite(bound) else abs(right)
    assert error <= abs(right) / 2**69 + unseen + Fraction(2) ** -1074, where


def rounded(x: Number, dtype: Any) -> Any:
    """Return the nearest element of a dtype."""
    with np.errstate(all="ignore"):
        parts = [_float(part) for part in x]
        if dtype.kind in "biu":
            return dtype.type(int(x[0]))
        return dtype.type(parts[0] if len(parts) == 1 else complex(*parts))


def _float(x: Real) -> float:
    try:
        return float(x)
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def assert_truth(truth: Truth, right: Any, where: str) -> None:
    """Compare an array of results, and let its rounded values be judged."""
    assert truth.shape == right.shape, where
    hi = truth.hi.astype(truth.dtype) if truth.dtype.kind == "u" else truth.hi
    for at in np.ndindex(*right.shape):
        assert_is(hi[at], truth.lo[at], truth.bound[at], right[at], f"{where}: {at}")
    got = np.empty(right.shape, truth.dtype)
    for at in np.ndindex(*right.shape):
        got[at] = rounded(right[at], truth.dtype)
    found = truth.judge(got)
    assert found.passed, f"{where}: {found.message}"


# -- contracts -----------------------------------------------------------------------------------


def _stored(name: str, arguments: Mapping[str, Any], profile: Profile, dtype: Any) -> Any:
    found = second.entries(name, arguments, dtype)
    if profile.implicit_zeros == "compute":
        found = second.all_zeros(found, arguments["shape"], dtype)
    return found


def _spmm(name: str, arguments: Mapping[str, Any], profile: Profile) -> Any:
    """Answer spmm, spmv and what is fused to them."""
    format = name.rsplit("_", 1)[1]
    values = arguments["values" if format == "nm" else "data"]
    b = arguments["x"][:, None] if "x" in arguments else arguments["b"]
    dtype = np.result_type(values, b)
    a = _stored(format, arguments, profile, dtype)
    cells = second.product(a, second.of_dense(b, dtype), dtype)
    found = second.filled(cells, (arguments["shape"][0], b.shape[1]), dtype)
    if "bias" in arguments:
        after = np.result_type(dtype, arguments["bias"])
        bias = numbers(arguments["bias"], after)[:, None]
        found = second.relu(second.add(found, bias, after))
    return found[:, 0] if "x" in arguments else found


def _sddmm(name: str, arguments: Mapping[str, Any], profile: Profile) -> Any:
    dtype = np.result_type(arguments["data"], arguments["x"], arguments["y"])
    mask = second.entries("csr", arguments, dtype)
    found = np.empty(len(mask), object)
    for p, value in enumerate(second.sampled(mask, arguments["x"], arguments["y"], dtype)):
        found[p] = value
    return found


def _softmax(name: str, arguments: Mapping[str, Any], profile: Profile) -> Any:
    indptr, found = arguments["indptr"].astype(int), np.empty(len(arguments["data"]), object)
    for m in range(arguments["shape"][0]):
        row = [float(x) for x in arguments["data"][indptr[m] : indptr[m + 1]]]
        if row:
            for p, y in enumerate(second.softmax(row)):
                found[indptr[m] + p] = (y,)
    return found


def _spgemm(arguments: Mapping[str, Any], profile: Profile) -> Any:
    """Return the cells, and which of them may be left out."""
    a, b = (
        {key[2:]: value for key, value in arguments.items() if key.startswith(letter)}
        for letter in ("a_", "b_")
    )
    dtype = np.result_type(a["data"], b["data"])
    left, right = (second.entries("csr", x, dtype) for x in (a, b))
    cells = second.product(left, right, dtype)
    if profile.implicit_zeros == "compute":
        every = second.product(
            second.all_zeros(left, a["shape"], dtype),
            second.all_zeros(right, b["shape"], dtype),
            dtype,
        )
        cells = {at: x for at, x in every.items() if at in cells or any(part != 0 for part in x)}
    return cells, {at for at, x in cells.items() if all(part == 0 for part in x)}


def _conversion(name: str, arguments: Mapping[str, Any]) -> Any:
    if name == "dense_to_csr":
        x = arguments["dense"]
        found = second.of_dense(x, x.dtype)
        return {(i, k): v for i, k, v in found if any(part != 0 for part in v)}
    dtype = arguments["data"].dtype
    cells = second.summed(second.entries(name.split("_")[0], arguments, dtype), dtype)
    return second.in_blocks(cells, arguments["block"], dtype) if "block" in arguments else cells


def assert_matrix(truth: SparseTruth, cells: Any, optional: Any, where: str) -> None:
    """Compare a sparse result: its cells in order, which are optional, and its values."""
    order = sorted(cells)
    places = list(zip(truth.row.tolist(), truth.col.tolist(), strict=True))
    assert places == order, where
    nearly = np.abs(truth.values.hi) <= np.abs(truth.values.bound)  # computed, it may be 0
    free = {c for c, left_out in zip(order, truth.optional, strict=True) if left_out}
    assert optional <= free, where
    assert free <= optional | {c for c, near in zip(order, nearly, strict=True) if near}, where
    values = np.empty(len(order), object)
    for p, cell in enumerate(order):
        values[p] = cells[cell]
    assert_truth(truth.values, values, where)


_DENSE: dict[str, Callable[[str, Mapping[str, Any], Profile], Any]] = {
    "sddmm_csr": _sddmm,
    "softmax_csr": _softmax,
}


def assert_contract(name: str, problem: Problem, profile: Profile) -> None:
    """Compare what a contract expects of a problem with the second oracle's answer."""
    contract, where = CONTRACTS[name], f"{name}, {problem.label}"
    arguments = contract.arguments(problem)
    with np.errstate(all="ignore"):
        truth = contract.expect(arguments, profile)
    if isinstance(truth, SparseTruth):
        if name == "spgemm_csr":
            cells, optional = _spgemm(arguments, profile)
        else:
            cells, optional = _conversion(name, arguments), set()
        assert_matrix(truth, cells, optional, where)
    else:
        assert isinstance(truth, Truth)
        assert_truth(truth, _DENSE.get(name, _spmm)(name, arguments, profile), where)


@pytest.mark.parametrize("name", CONTRACTS)
def test_contracts_are_what_fractions_say(name: str) -> None:
    accepted = [p for p in PROBLEMS if CONTRACTS[name].accepts(p)]
    for problem in accepted:
        assert_contract(name, problem, DEFAULT)
    assert len(accepted) > 50


@pytest.mark.parametrize("name", ["spmm_csr", "spmm_bsr", "spmv_csr", "spgemm_csr"])
def test_implicit_zeros_too(name: str) -> None:
    for problem in PROBLEMS[::2]:
        if CONTRACTS[name].accepts(problem) and problem.a.shape[1] < 20:
            assert_contract(name, problem, IEEE)


def test_every_dtype_was_among_them() -> None:
    assert set(DTYPES) <= {np.result_type(p.a.data, p.b) for p in PROBLEMS}


# -- ops -----------------------------------------------------------------------------------------


def _samples(op: Op) -> Iterator[tuple[str, tuple[Any, ...], Mapping[str, Any]]]:
    """Yield an op's own samples, and some small ones in every dtype that it takes."""
    rng = np.random.default_rng(0)
    samples = list(op.samples(rng))
    for sample in samples:
        yield sample.label, sample.operands, sample.attrs
    few = [s for s in samples if 10 <= sum(math.prod(x.shape) for x in s.operands) <= 200]
    for dtype in DTYPES:
        if op.name == "chain" and dtype.itemsize < 4:
            continue  # values between would be rounded twice here: as float64, and then narrower
        for sample in few[: 1 if op.epilogue else 3]:
            kept = KEPT.get(op.name, ())
            operands: tuple[Any, ...] = tuple(
                x if i in kept else _in_dtype(rng, x, dtype) for i, x in enumerate(sample.operands)
            )
            if op.name == "batch_normalization":
                operands = (*operands[:4], np.abs(operands[4]))
            if _takes(op, operands, sample.attrs):
                yield f"{sample.label}, {dtype}", operands, sample.attrs


def _in_dtype(rng: np.random.Generator, x: Any, dtype: Any) -> Any:
    if isinstance(x, Triplets):
        return x._replace(data=real(rng, x.data.shape, dtype))
    return real(rng, x.shape, dtype)


def _takes(op: Op, operands: tuple[Any, ...], attrs: Mapping[str, Any]) -> bool:
    types = [
        TensorType(x.shape, x.data.dtype) if isinstance(x, Triplets) else dense_type(x)
        for x in operands
    ]
    try:
        op.infer(types, attrs)
    except MinisparseError:  # broken by the op, or by a node of its body
        return False
    return True


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_ops_are_what_fractions_say(op: Op) -> None:
    count = 0
    for label, operands, attrs in _samples(op):
        with np.errstate(all="ignore"):
            truths = exact_results(op, operands, attrs)
        arrays = [x.data if isinstance(x, Triplets) else x for x in operands]
        mixed = len({x.dtype for x in arrays}) > 1 and op.base.name not in MIXING
        if mixed or any(x.size > 500 for x in arrays):
            continue
        base, *rest = op.split(operands)
        complete = op.complete(attrs)
        right = ANSWERS[op.base.name](base, op.attrs_of(op.base, complete))
        for part, more in zip(op.epilogue, rest, strict=True):
            right = ANSWERS[part.name]([right, *more], op.attrs_of(part, complete))
        results = right if isinstance(right, tuple) else (right,)
        for truth, one in zip(truths, results, strict=True):
            assert_truth(truth, one, f"{op.name}, {label}")
        count += 1
    assert count >= 3


def test_every_known_op_has_a_second_answer() -> None:
    assert set(ANSWERS) >= set(KNOWN)


# -- and it would notice -------------------------------------------------------------------------


def test_a_wrong_last_digit_is_noticed() -> None:
    """The comparison, broken on purpose: 2**-60 of the value more, and it fails."""
    problem = next(p for p in PROBLEMS if p.label == "float64: real")
    arguments = CONTRACTS["spmm_csr"].arguments(problem)
    truth = CONTRACTS["spmm_csr"].expect(arguments, DEFAULT)
    assert isinstance(truth, Truth)
    right = _spmm("spmm_csr", arguments, DEFAULT)
    at = np.unravel_index(int(np.abs(truth.hi).argmax()), truth.shape)
    assert_is(truth.hi[at], truth.lo[at], truth.bound[at], right[at], "")
    off = truth.lo[at] + truth.hi[at] * 2.0**-60
    with pytest.raises(AssertionError):
        assert_is(truth.hi[at], off, truth.bound[at], right[at], "")
    assert number(3, np.dtype("int8")) == (Fraction(3),)
