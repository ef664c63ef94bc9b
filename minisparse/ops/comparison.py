"""What is true of elements: ``equal`` and ``less``, ``is_nan``, and what combines bools.

Two elements are compared in the dtype that they have in common; a comparison with NaN is false.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray, namespace
from minisparse.ops.binary import INTEGERS, integer_pairs, meeting, meets, one_each, pair_samples
from minisparse.ops.constraints import plain_kind, plain_mix
from minisparse.ops.elementwise import FLOATING, float_samples
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.known import Element, OnNames, order, with_known
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

_BOOL = np.dtype(bool)


def _bool(types: Types) -> Any:
    return _BOOL


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    yield from pair_samples(rng)
    yield from integer_pairs(*INTEGERS)
    x = np.round(random_values(rng, (6, 5), "float32"))
    yield Sample("some equal", (x, x[::-1]))
    yield Sample("bool", (np.array([True, False]), np.array([[True], [False]])))


def _equal_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    yield from _samples(rng)
    z = np.round(random_values(rng, (4, 3), "complex64"))
    yield Sample("complex", (z, np.where(rng.random((4, 3)) < 0.5, z, z.conj())))


def _of_order(told: Callable[[int], bool]) -> OnNames:
    """Return a comparison of names where their order is the same for all sizes."""

    def on_names(a: Element, b: Element) -> Element | None:
        found = order(a, b)
        return None if found is None else told(found)

    return on_names


def _comparison(
    name: str, function: Callable[[Array, Array], Any], told: Callable[[int], bool]
) -> Op:
    """Return an op that compares; complex numbers are equal or not, but have no order."""

    def dense(operands: Sequence[Array], attrs: Attrs) -> Array:
        return asarray(function(*operands))

    ordered = plain_kind("C3", "biuf", "the dtypes must be real: complex numbers have no order")
    return Op(
        name,
        ("a", "b"),
        (meets("C1"), plain_mix("C2"), *([] if name == "equal" else [ordered])),
        meeting(dense, _bool, _of_order(told)),
        dense,
        one_each,
        _equal_samples if name == "equal" else _samples,
        broadcasts=True,
    )


EQUAL = _comparison("equal", np.equal, lambda found: found == 0)
LESS = _comparison("less", np.less, lambda found: found < 0)
GREATER = _comparison("greater", np.greater, lambda found: found > 0)
LESS_OR_EQUAL = _comparison("less_or_equal", np.less_equal, lambda found: found <= 0)
GREATER_OR_EQUAL = _comparison("greater_or_equal", np.greater_equal, lambda found: found >= 0)


def _logical_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = rng.random((4, 3, 5)) < 0.5
    yield Sample("same shape", (x, x[::-1]))
    yield Sample("both broadcast", (x[:, :1], x[0]))
    yield Sample("a number", (x, np.array(True)))
    yield Sample("no dimensions", (np.array(True), np.array(False)))
    yield Sample("no elements", (x[:0], x[0]))
    yield Sample("strided", (x[::2, :, ::2], x[1::2, :, ::2]))


def _logical(name: str, function: Callable[[Array, Array], Any]) -> Op:
    """Return an op on bool."""

    def dense(operands: Sequence[Array], attrs: Attrs) -> Array:
        return asarray(function(*operands))

    kind = plain_kind("C2", "b", "the dtypes must be bool")
    return Op(
        name, ("a", "b"), (meets("C1"), kind), meeting(dense, _bool), dense, one_each,
        _logical_samples, broadcasts=True,
    )  # fmt: skip


AND = _logical("and", np.logical_and)
OR = _logical("or", np.logical_or)
XOR = _logical("xor", np.logical_xor)


def _told(
    name: str,
    domain: Constraint,
    dense: Callable[[Sequence[Array], Attrs], Array],
    samples: Callable[["np.random.Generator"], Iterator[Sample]],
    *more: Constraint,
    attrs: Attrs | None = None,
) -> Op:
    """Return an op that tells something of each element."""

    def result(types: Types, given: Attrs) -> TensorType:
        found = TensorType(types[0].shape, _BOOL)
        return with_known(found, types, lambda operands: dense(operands, given))

    return Op(
        name,
        ("x",),
        (domain, *more),
        result,
        dense,
        lambda types, given: types[0].size,
        samples,
        attrs=attrs or {},
        elementwise=True,
    )


def _not_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = rng.random((4, 5)) < 0.5
    yield Sample("plain", (x,))
    yield Sample("no elements", (x[:0],))
    yield Sample("no dimensions", (np.array(True),))
    yield Sample("strided", (x[:, ::2],))


def _is_inf(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,) = operands
    wanted: Array = namespace(x).zeros(x.shape, bool)
    if attrs["detect_positive"]:
        wanted |= x == np.inf
    if attrs["detect_negative"]:
        wanted |= x == -np.inf
    return wanted


def _is_inf_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    yield from float_samples(rng)
    x = np.array([np.nan, np.inf, -np.inf, 1.0, -3e38], "float32")
    yield Sample("positive ones", (x,), {"detect_negative": 0})
    yield Sample("negative ones", (x,), {"detect_positive": 0})
    yield Sample("none", (x,), {"detect_positive": 0, "detect_negative": 0})


NOT = _told(
    "not",
    plain_kind("C1", "b", "the dtype must be bool"),
    lambda operands, attrs: asarray(np.logical_not(operands[0])),
    _not_samples,
)
IS_NAN = _told(
    "is_nan", FLOATING, lambda operands, attrs: asarray(np.isnan(operands[0])), float_samples
)
IS_INF = _told(
    "is_inf",
    FLOATING,
    _is_inf,
    _is_inf_samples,
    Constraint(
        "C2",
        "detect_negative and detect_positive must be 0 or 1",
        lambda types, attrs: all(value in (0, 1) for value in attrs.values()),
    ),
    attrs={"detect_negative": 1, "detect_positive": 1},
)
