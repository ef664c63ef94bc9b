"""Dimensions as texts: arithmetic on them means arithmetic on the sizes."""

from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.symbolic import (
    UNKNOWN,
    Dim,
    add,
    divide,
    is_unknown,
    multiply,
    names_in,
    replace_names,
)

NAMES = ("batch", "seq", "past length", "?1")
SIZES: dict[str, Dim] = {"batch": 3, "seq": 7, "past length": 5, "?1": 2}
simple = st.integers(-9, 9) | st.sampled_from(NAMES)
dims = st.recursive(
    simple,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(add)
        | st.lists(inner, min_size=1, max_size=3).map(multiply)
    ),
    max_leaves=6,
)


def size(dim: Dim) -> int:
    found = replace_names(dim, SIZES)
    assert isinstance(found, int)
    return found


@given(st.lists(dims, max_size=3))
def test_sums_and_products_are_those_of_the_sizes(some: list[Dim]) -> None:
    sizes = [size(d) for d in some]
    assert size(add(some)) == sum(sizes)
    product = 1
    for n in sizes:
        product *= n
    assert size(multiply(some)) == product


@given(dims, dims)
def test_order_does_not_show(a: Dim, b: Dim) -> None:
    assert add([a, b]) == add([b, a])
    assert multiply([a, b]) == multiply([b, a])


@given(dims, simple)
def test_a_quotient_times_the_divisor_is_the_dimension(a: Dim, b: Dim) -> None:
    found = divide(multiply([a, b]), b) if b != 0 else UNKNOWN
    if is_unknown(a) or is_unknown(b) or b == 0:
        assert is_unknown(found) or isinstance(found, int)
    else:
        assert size(found) == size(a)


@given(dims)
def test_some_names_may_become_numbers_before_others(dim: Dim) -> None:
    first = replace_names(dim, {"batch": 3})
    assert "batch" not in names_in(first)
    assert size(first) == size(dim)


def test_what_does_not_divide_is_unknown() -> None:
    assert divide("3*batch", 2) == UNKNOWN
    assert divide("batch", "seq") == UNKNOWN
    assert divide("batch + 1", "batch") == UNKNOWN
    assert divide(0, "batch") == 0
