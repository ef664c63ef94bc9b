"""Guesses where the numbers are wrong: narrow accumulators, saturation, lower precision."""

from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.oracle.evidence import Evidence, Hypothesis
from minisparse.oracle.problem import Problem
from minisparse.oracle.values import is_float


def _numbers(case: Evidence) -> str:
    """Look at the numbers: too narrow an accumulator, saturation, a lower precision."""
    if case.found.judgement.rule not in ("value", "special"):
        return ""
    got = case.got[2] if isinstance(case.got, tuple) and len(case.got) == 3 else case.got
    if not isinstance(got, np.ndarray) or not got.size:
        return ""
    dtype = got.dtype
    if dtype.kind in "iu":
        return _integers(case, got)
    if case.found.judgement.rule == "special" and case.arrays is not None:
        tiny = np.finfo(dtype).tiny if dtype.kind == "f" else 0
        small = case.wrong
        due = np.abs(case.arrays[1][small]) if small is not None else np.zeros(0)
        if tiny and ((due > 0) & (due < tiny)).any() and (due < tiny).all():
            return "subnormal numbers are flushed to zero"
    if not _is_rounding(case, got):
        return ""
    if dtype.itemsize == 2:
        wider = converted(case.problem, "float32")
        if case.right_on(wider):
            return f"accumulates in {dtype.name}, or rounds after every term"
        return ""
    return _precision(case, got)


def _is_rounding(case: Evidence, got: Array) -> bool:
    """Tell whether errors are as small as those of 16 or 32 bits, and not of another kind."""
    expected = case.found.expected["data"] if isinstance(case.got, tuple) else case.found.expected
    if got.shape != np.shape(expected) or got.dtype.kind == "c" or not is_float(got.dtype):
        return False
    unit = 2.0**-7 if got.dtype.name == "bfloat16" else 2.0**-10
    a, b = case.problem.a.data, case.problem.b
    with np.errstate(all="ignore"):
        size = float(np.abs(a).max(initial=1)) * float(np.abs(b).max(initial=1)) * len(a)
        error = np.abs(got.astype(np.float64) - np.asarray(expected).astype(np.float64))
    return bool((error[np.isfinite(error)] <= len(a) * unit * size / 2).all())


def _precision(case: Evidence, got: Array) -> str:
    """Tell whether every value of a result is one of a narrower type."""
    if got.dtype.kind == "f" and case.arrays is not None:
        expected = case.arrays[1]
        tiny, wrong = np.finfo(got.dtype).tiny, got != expected
        due = np.abs(expected[wrong])
        if wrong.any() and ((due > 0) & (due < tiny)).all() and (got[wrong] == 0).all():
            return "subnormal numbers are flushed to zero"
    for narrow in ("float16", "float32"):
        if np.dtype(narrow).itemsize < got.dtype.itemsize and got.dtype.kind == "f":
            finite = got[np.isfinite(got)]
            same = finite.astype(narrow).astype(got.dtype) == finite
            if len(finite) and same.all() and case.right_on(converted(case.problem, narrow)):
                return f"accumulates in {narrow}: every value of the result is one"
    return ""


def _integers(case: Evidence, got: Array) -> str:
    info = np.iinfo(got.dtype)
    if case.wrong is not None and case.wrong.any():
        hit = got[case.wrong]
        if ((hit == info.min) | (hit >= info.max - 2**10 * (info.bits == 64))).all():
            return "integers saturate, and do not wrap"
    a = case.problem.a
    small = np.sign(a.data).astype(a.data.dtype)
    if case.right_on(replace(case.problem, a=a._replace(data=small), b=np.sign(case.problem.b))):
        return "integer overflow or rounding: right for small numbers only"
    return ""


def converted(problem: Problem, dtype: str) -> Problem:
    """Return the problem with all values in another dtype."""
    a = problem.a
    return replace(
        problem,
        a=a._replace(data=a.data.astype(dtype)),
        b=problem.b.astype(dtype),
        bias=problem.bias.astype(dtype),
        earlier=None,
    )


NUMBERS: tuple[Hypothesis, ...] = (_numbers,)
"""Tried last, since a wrong number may have every other cause."""
