"""Whether what failed by one profile is right by another: a choice, and no mistake."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.oracle.attempt import Implementation, attempt
from minisparse.oracle.contracts import Contract
from minisparse.oracle.narrowed import narrowed
from minisparse.oracle.problem import Problem
from minisparse.oracle.profile import AXES, PROFILES, Profile
from minisparse.oracle.verdict import PASS

_MEANINGS: dict[tuple[str, Any], str] = {
    ("implicit_zeros", "skip"): "implicit zeros are skipped",
    ("implicit_zeros", "compute"): "implicit zeros are computed",
    ("explicit_zeros", "keep"): "stored zeros count as stored",
    ("explicit_zeros", "drop"): "stored zeros count as not stored",
    ("duplicates", "sum"): "duplicates are summed",
    ("duplicates", "last"): "of duplicates the last one counts",
    ("duplicates", "reject"): "no duplicates are given",
    ("cancelled", "keep"): "cells that cancel are stored",
    ("cancelled", "drop"): "cells that cancel are not stored",
    ("cancelled", "either"): "cells that cancel may be stored or not",
    ("empty_softmax_row", "empty"): "softmax of a row without weight is NaN",
    ("empty_softmax_row", "nan"): "softmax of a row without weight is NaN",
    ("empty_softmax_row", "zero"): "softmax of a row without weight is 0",
    ("signed_zero", "ignored"): "the sign of zeros is ignored",
    ("signed_zero", "kept"): "the sign of zeros is kept",
    ("flush_to_zero", False): "subnormal numbers are kept",
    ("flush_to_zero", True): "subnormal numbers may be taken as 0",
    ("accumulator", "wide"): "narrow dtypes are summed in float32",
    ("accumulator", "own"): "narrow dtypes may be summed in their own precision",
    ("integer_overflow", "wrap"): "integers wrap",
    ("integer_overflow", "saturate"): "integers saturate",
    ("result_dtype", "result_type"): "the result has the dtype of NumPy's promotion",
    ("result_dtype", "first"): "the result has the first operand's dtype",
    ("unsorted", "accept"): "indices may be unsorted",
    ("unsorted", "reject"): "the indices of a row are sorted",
}
_HOPELESS = ("timeout",)
"""Rules whose failures are not tried again: that would only take as long again."""


def allowed_by(
    fn: Implementation, contract: Contract, problem: Problem, profile: Profile
) -> tuple[str, ...]:
    """Return by which other choices an attempt that failed would have been right.

    Parameters
    ----------
    fn : callable
        The implementation; it is called some forty times.
    contract : Contract
        What it should fulfil.
    problem : Problem
        Which it failed: a small one is quickly tried again.
    profile : Profile
        By which it failed.

    Returns
    -------
    tuple of str
        Sentences, best first: a single choice that some preset makes too, other single choices,
        and presets that make several. Empty where it would be wrong by all, where it failed only
        once, and where it did not answer in time.

    Examples
    --------
    >>> from minisparse.core.triplets import Triplets
    >>> from minisparse.oracle.contracts import find_contract
    >>> from minisparse.oracle.profile import DEFAULT
    >>> def dense_product(indptr, indices, data, shape, x):
    ...     row = np.repeat(np.arange(shape[0]), np.diff(indptr))
    ...     return Triplets(row, indices, data, shape).to_dense() @ x
    >>> nothing = Triplets(np.zeros(0, int), np.zeros(0, int), np.zeros(0), (1, 1))
    >>> problem = Problem("inf in b", nothing, np.array([[np.inf]]), np.zeros(1))
    >>> allowed_by(dense_product, find_contract("spmv_csr"), problem, DEFAULT)
    ('right if implicit zeros are computed: profile ieee',)
    """
    # What fn computes with NaN and infinities is judged by its results, not by its warnings.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _allowed_by(fn, contract, problem, profile)


def _allowed_by(
    fn: Implementation, contract: Contract, problem: Problem, profile: Profile
) -> tuple[str, ...]:
    found = attempt(fn, contract, problem, profile)
    if not found.failed or found.judgement.rule in _HOPELESS:
        return ()

    def is_right(other: Profile) -> bool:
        contracted = narrowed(contract, other)
        if not contracted.accepts(problem):
            return False
        return attempt(fn, contracted, problem, other).judgement.verdict == PASS

    presets = [p for p in PROFILES.values() if p.name != profile.name and is_right(p)]
    single = [_sentence(other, profile, presets) for other in _others(profile) if is_right(other)]
    single.sort(key=lambda sentence: ": profile " not in sentence)
    if single:
        return tuple(dict.fromkeys(single))
    return tuple(f"right by profile {p.name}" for p in presets)


def _others(profile: Profile) -> Iterator[Profile]:
    """Yield the profiles that differ in one choice."""
    yield from profile.alternatives()
    for names in (("int32",), ("int64",)):
        if names != profile.index_dtypes:
            yield replace(profile, index_dtypes=names)


def _sentence(other: Profile, profile: Profile, presets: list[Profile]) -> str:
    """Return what is different in ``other``, and which of the presets are so too."""
    for axis in AXES:
        value = getattr(other, axis)
        if value != getattr(profile, axis):
            meaning = _MEANINGS[axis, value]
            names = [p.name for p in presets if getattr(p, axis) == value]
            break
    else:
        meaning = f"all index arrays are {other.index_dtypes[0]}"
        names = [p.name for p in presets if p.index_dtypes == other.index_dtypes]
    return f"right if {meaning}" + (f": profile {', '.join(names)}" if names else "")
