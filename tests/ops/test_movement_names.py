"""What types say of names must be so whatever numbers the names stand for."""

import math
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from minisparse.core.symbolic import Dim, is_unknown, replace_names
from minisparse.core.tensor_type import TensorType, known_type
from minisparse.ops import OPS
from minisparse.ops.shapes import target_shape
from minisparse.ops.slicing import part_length

DIMS: st.SearchStrategy[Dim] = st.sampled_from(
    [0, 1, 2, 5, "a", "b", "a + b", "a + 1", "2*a", "a*b", "a - 1"]
)
SIZES: st.SearchStrategy[Dim] = DIMS.filter(lambda d: d != "a - 1")
BOUNDS: st.SearchStrategy[Dim] = DIMS | st.integers(-4, 6) | st.just(2**63 - 1)
NAMES = st.fixed_dictionaries({"a": st.integers(0, 5), "b": st.integers(0, 5)})


def bound_to(dim: Dim, names: dict[str, int]) -> int:
    found = replace_names(dim, names)
    assert isinstance(found, int)
    return found


@given(SIZES, BOUNDS, BOUNDS, st.sampled_from([1, 1, 1, 2, -1]), NAMES)
def test_slices(size: Dim, start: Dim, end: Dim, step: int, names: dict[str, int]) -> None:
    told = part_length(size, start, end, step)
    n, first, last = (bound_to(d, names) for d in (size, start, end))
    if not is_unknown(told):
        assert bound_to(told, names) == len(range(n)[first:last:step])


@given(SIZES, BOUNDS, BOUNDS, NAMES)
def test_no_slice_is_told_to_be_shorter_than_nothing(
    size: Dim, start: Dim, end: Dim, names: dict[str, int]
) -> None:
    told = part_length(size, start, end, 1)
    assert is_unknown(told) or bound_to(told, names) >= 0


@given(
    st.lists(SIZES, max_size=4),
    st.lists(SIZES | st.sampled_from([0, -1]), max_size=4),
    st.integers(0, 1),
    NAMES,
)
def test_reshapes(
    shape: list[Dim], wanted: list[Dim], allowzero: int, names: dict[str, int]
) -> None:
    assume(wanted.count(-1) < 2)
    assume(allowzero or all(d != 0 or i < len(shape) for i, d in enumerate(wanted)))
    # A 0 that a name stands for means X's dimension, too: such a size is not to be foretold.
    assume(allowzero or all(isinstance(d, int) or bound_to(d, names) for d in wanted))
    told = target_shape(shape, wanted, allowzero)
    numbers = [bound_to(d, names) for d in shape]
    to = [bound_to(d, names) if isinstance(d, str) else d for d in wanted]
    found = target_shape(numbers, to, allowzero)
    if told is None:
        assert found is None
    if found is None or told is None:
        return
    assert math.prod(map(int, found)) == math.prod(numbers)
    for less, more in zip(told, found, strict=True):
        assert is_unknown(less) or bound_to(less, names) == more


@given(st.lists(SIZES, min_size=1, max_size=4), st.lists(st.booleans(), min_size=4), NAMES)
def test_what_is_left_by_a_reshape(
    shape: list[Dim], kept: list[bool], names: dict[str, int]
) -> None:
    wanted = [d for d, keep in zip(shape, kept, strict=False) if keep and d != 0]
    left = [d for d, keep in zip(shape, kept, strict=False) if not keep or d == 0]
    told = target_shape([*shape, 6], [*wanted, 2, -1], 1)
    assert told is not None
    assert bound_to(told[-1], names) == 3 * math.prod(bound_to(d, names) for d in left)


OPERANDS: dict[str, Any] = {
    "range": lambda a, b: (a, b, 1),
    "expand": lambda a, b: (np.zeros((a, 1)), [b]),
    "tile": lambda a, b: (np.zeros((a, 2)), [b, 3]),
    "concat": lambda a, b: (np.zeros((a, 2)), np.zeros((b, 2))),
    "split": lambda a, b: (np.zeros((2 * a, 2)),),
    "pad": lambda a, b: (np.zeros((a, 2)), [1, 0, b, 0]),
    "one_hot": lambda a, b: (np.zeros(a, int), b, np.zeros(2)),
    "constant_of_shape": lambda a, b: ([a, 2, b],),
    "size": lambda a, b: (np.zeros((a, 3, b)),),
    "shape": lambda a, b: (np.zeros((a, 3, b)),),
}


def _named(op: str) -> list[TensorType]:
    """Return the types of the operands with names where a and b are: no other number is theirs."""
    texts: dict[int, Dim] = {3 * 7: "a", 5 * 7: "b", 6 * 7: "2*a"}
    types = []
    for x in OPERANDS[op](3 * 7, 5 * 7):
        given_type = known_type(np.asarray(x))
        known = given_type.known
        if known is not None:
            known = tuple(texts.get(v, v) if isinstance(v, int) else v for v in known)
        shape = tuple(texts.get(d, d) if isinstance(d, int) else d for d in given_type.shape)
        types.append(TensorType(shape, given_type.dtype, known=known))
    return types


@given(st.sampled_from(sorted(OPERANDS)), NAMES)
def test_types_of_names_are_those_of_numbers(op: str, names: dict[str, int]) -> None:
    attrs = OPS[op].complete({"num_outputs": 2} if op == "split" else {})
    told = OPS[op].infer(_named(op), attrs)
    arrays = [np.asarray(x) for x in OPERANDS[op](names["a"], names["b"])]
    found = OPS[op].infer([known_type(x) for x in arrays], attrs)
    for less, more in zip(told, found, strict=True):
        settled = less.bind(names)
        for d, n in zip(settled.shape, more.shape, strict=True):
            assert is_unknown(d) or d == n
        if settled.known is not None:
            assert settled.known == more.known


def test_named_operands_have_names() -> None:
    assert _named("tile")[1].known == ("b", 3)
    assert _named("split")[0].shape == ("2*a", 2)
