"""A guess at the kind of bug, from experiments on the smallest failing input.

Two kinds of evidence: what came is right for another problem, such as the one without its
duplicates (:meth:`Evidence.as_if`), or the implementation is right as soon as one circumstance is
changed (:meth:`Evidence.right_on`). Without evidence there is no guess, for a wrong one misleads.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from minisparse.core.triplets import Triplets
from minisparse.oracle.cases import sparse_problem
from minisparse.oracle.diagnosis_numbers import converted
from minisparse.oracle.diagnosis_structure import STRUCTURE
from minisparse.oracle.diagnosis_values import VALUES
from minisparse.oracle.evidence import Evidence, Hypothesis
from minisparse.oracle.problem import Problem, has_duplicates, is_sorted

CHANGES = "differs from call to call: a race, or something random"
"""What is said of a failure that does not come every time."""


def guess(case: Evidence) -> str:
    """Return what is probably wrong, or nothing.

    Examples
    --------
    See the ``guess`` of :class:`~minisparse.oracle.report.Failure`.
    """
    rule = case.found.judgement.rule.split()[0]
    for hypothesis in _BY_RULE.get(rule, ()):
        found = hypothesis(case)
        if found:
            return found
    return ""


def rule_id(case: Evidence, guessed: str) -> str:
    """Return the id in ``docs/language.md`` of the rule that is broken, or the section of the op.

    It follows from what was judged, from what is probably wrong, and from what the smallest input
    still needs to fail.
    """
    rule = (case.found.judgement.rule or "unsteady").split()[0]
    if rule in _RULES:
        return _RULES[rule]
    for words, number in _RULES_OF_GUESSES:
        if words in guessed:
            return number
    problem = case.problem
    if problem.index_dtypes != ("int32", "int32"):
        # a matrix has no other widths; that arrays of other integers come is the contract's own
        return "S12" if {*problem.index_dtypes} <= {"int32", "int64"} else _op(case)
    if has_duplicates(problem.a):
        return "S2"
    if not is_sorted(problem.a):
        return "S3"
    if rule in ("exception", "crash", "timeout"):
        return "S16"
    message = case.found.judgement.message
    if rule == "special" and _op(case) != "softmax":
        return "S1" if (problem.a.data == 0).any() else "S10"
    if rule == "value" and "must be within" in message:
        return "S8" if problem.b.dtype.itemsize <= 2 else "S9"
    return _op(case)


_RULES = {
    "unsteady": "S9",
    "inputs": "S5",
    "fresh": "S5",
    "shape": "S5",
    "array": "S5",
    "dtype": "S7",
    "repeat": "S4",
}
_RULES_OF_GUESSES = (
    ("stale", "S4"),
    ("of the call before", "S4"),
    ("implicit zeros are computed", "S1"),
    ("explicit zeros", "S1"),
    ("stored zeros", "S1"),
    ("zeros of b", "S1"),
    ("-0.0", "S10"),
    ("uplicates", "S2"),
    ("sorted", "S3"),
    ("accumulates in", "S8"),
    ("integers saturate", "S8"),
    ("right for small numbers only", "S8"),
    ("NaN is spread", "S10"),
    ("NaN is", "S11"),
    ("cancel", "S19"),
    ("subnormal", "S10"),
    ("overflow in", "S12"),
    ("integer overflow:", "S12"),
)
"""Words of guesses, and the rules that they speak of."""


def _op(case: Evidence) -> str:
    """Return the op's section: ``spmm`` for ``spmm_csr``, ``convert`` for conversions."""
    return "convert" if "_to_" in case.contract.name else case.contract.name.rpartition("_")[0]


# -- manners ---------------------------------------------------------------------------------------


def _writes(case: Evidence) -> str:
    name = case.found.judgement.message.rpartition("input ")[2]
    if not is_sorted(case.problem.a) and case.right_on(_sorted(case.problem)):
        return f"sorts its input {name} in place"
    return f"writes into its input {name}"


def _fresh(case: Evidence) -> str:
    if "second call" in case.found.judgement.message:
        return "returns the same buffer again at every call"
    return "returns an input, or a view of it, as its result"


def _second_time(case: Evidence) -> str:
    return "keeps something from one call to the next"


def _dtype(case: Evidence) -> str:
    got = case.got[2] if isinstance(case.got, tuple) and len(case.got) == 3 else case.got
    if not isinstance(got, np.ndarray):
        return ""
    a, b = case.problem.a.data.dtype, case.problem.b.dtype
    if a != b and got.dtype in (a, b):
        return f"the result has the dtype of the {'first' if got.dtype == a else 'second'} operand"
    expected = case.found.expected
    wanted = expected["data"].dtype if isinstance(expected, dict) else expected.dtype
    if got.dtype.itemsize > wanted.itemsize:
        return f"computes in {got.dtype}, and does not round the result to {wanted}"
    return f"computes in {got.dtype}, which is narrower than {wanted}"


def _shape(case: Evidence) -> str:
    expected = case.found.expected
    got, wanted = np.shape(case.got), np.shape(expected)
    if got == wanted[::-1]:
        return "the result is transposed"
    if int(np.prod(got)) == int(np.prod(wanted)) > 0:
        return "dimensions of length 1 are lost or added"
    row = case.problem.a.row
    if (
        len(got) == len(wanted)
        and got[1:] == wanted[1:]
        and got[0] == (row.max() + 1 if len(row) else 0)
    ):
        return "takes the number of rows from the last one that holds an entry, not from shape"
    return ""


_PLAIN = sparse_problem(np.random.default_rng(0), "plain", (6, 6), 0.5)


# -- exceptions ------------------------------------------------------------------------------------


def _raises(case: Evidence) -> str:
    problem = case.problem
    if not case.right_on(_PLAIN):
        return ""  # it takes nothing, or not this: what it raised says more than a guess
    if problem.a.data.dtype != np.float32 and case.right_on(converted(problem, "float32")):
        return f"does not take {problem.a.data.dtype}"
    for circumstance, without, words in _CIRCUMSTANCES:
        if circumstance(problem) and case.right_on(without(problem)):
            return words(problem)
    nothing = Triplets(
        problem.a.row[:0], problem.a.col[:0], problem.a.data[:0], (max(1, problem.block[0]),) * 2
    )
    one = np.ones(nothing.shape[:1], problem.b.dtype)
    if not case.right_on(Problem("", nothing, one[:, None], one.astype(nothing.data.dtype))):
        return "does not take a matrix with nothing stored"
    if 0 in problem.a.shape or 0 in problem.b.shape:
        return "does not take dimensions of length 0"
    if not len(problem.a.data):
        return "does not take a matrix with nothing stored"
    return ""


def _sorted(problem: Problem) -> Problem:
    return problem.with_entries(np.lexsort((problem.a.col, problem.a.row)))


_CIRCUMSTANCES: tuple[
    tuple[Callable[[Problem], bool], Callable[[Problem], Problem], Callable[[Problem], str]], ...
] = (
    (
        lambda p: p.layout == "read-only",
        lambda p: replace(p, layout="C"),
        lambda p: "does not take read-only arrays: it may want to write into them",
    ),
    (
        lambda p: p.layout != "C",
        lambda p: replace(p, layout="C"),
        lambda p: f"does not take arrays in this layout: {p.layout}",
    ),
    (
        lambda p: p.index_dtypes != ("int32", "int32"),
        lambda p: replace(p, index_dtypes=("int32", "int32")),
        # a longer line would be cut in a report
        lambda p: f"does not take indices of {' and '.join(p.index_dtypes)}; any integers may come",
    ),
    (
        lambda p: not is_sorted(p.a),
        _sorted,
        lambda p: "assumes sorted indices",
    ),
)

_BY_RULE: dict[str, tuple[Hypothesis, ...]] = {
    "inputs": (_writes,),
    "fresh": (_fresh,),
    "repeat": (_second_time,),
    "dtype": (_dtype,),
    "shape": (_shape,),
    "exception": (_raises,),
    "crash": (_raises,),
    "value": VALUES,
    "special": VALUES,
    "pattern": STRUCTURE,
    "structure": STRUCTURE,
}
