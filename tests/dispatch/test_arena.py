"""Where buffers lie in an arena, and which results are views: against NumPy, for every op."""

from itertools import combinations
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from minisparse.core.tensor_type import known_type
from minisparse.dispatch.arena import LINE, Span, most_alive, place
from minisparse.dispatch.views import c_strides, reshaped, view_of
from minisparse.graph import Node
from minisparse.kernels import KERNELS, Kernel, execute
from minisparse.kernels.execute import in_place_operands
from minisparse.ops import OPS

spans = st.lists(
    st.builds(
        lambda nbytes, first, length: Span(nbytes, first, first + length),
        st.integers(0, 1000),
        st.integers(0, 20),
        st.integers(0, 8),
    ),
    max_size=30,
)


@given(spans)
def test_buffers_that_are_alive_together_lie_apart(given: list[Span]) -> None:
    offsets, size = place(given)
    assert all(offset % LINE == 0 for offset in offsets)
    assert all(offset + span.nbytes <= size for offset, span in zip(offsets, given, strict=True))
    assert most_alive(given) <= size
    for (i, a), (k, b) in combinations(zip(offsets, given, strict=True), 2):
        assert not a.meets(b) or i + a.nbytes <= k or k + b.nbytes <= i


def test_a_gap_is_used_and_the_smallest_that_fits() -> None:
    given = [Span(640, 0, 9), Span(320, 0, 4), Span(256, 0, 9), Span(128, 0, 4), Span(64, 0, 9)]
    later = [Span(128, 5, 9), Span(320, 5, 9)]
    offsets, size = place([*given, *later])
    assert size == most_alive([*given, *later]) == sum(s.nbytes for s in given)
    assert (offsets[5], offsets[6]) == (offsets[3], offsets[1])


MOVING = [op for op in OPS.values() if op.moves]


@pytest.mark.parametrize("op", MOVING, ids=lambda op: op.name)
def test_views_are_foretold_as_numpy_makes_them(op: Any) -> None:
    level = KERNELS[f"{op.name}_dense"].levels["vectorized"]
    told = 0
    for sample in op.samples(np.random.default_rng(0)):
        attrs = op.complete(sample.attrs)
        for x in laid_in_ways(np.asarray(sample.operands[0])):
            operands = [x, *sample.operands[1:]]
            found = execute(op, level, operands, attrs)
            strides = tuple(s // x.itemsize for s in x.strides)
            results = found if isinstance(found, tuple) else (found,)
            types = [known_type(np.asarray(y)) for y in operands]
            node = Node("n", op, tuple("abcde"[: len(types)]), ("y",), attrs)
            for y in results:
                view = view_of(node, types, known_type(y), strides)
                if y.size:
                    shares = np.may_share_memory(x, y)
                    assert view.shares in (None, shares), sample.label
                    told += view.shares is not None
                    check_strides(y, view.strides)
    assert told or op.name.endswith(("_depth", "_space"))


def check_strides(y: Any, strides: tuple[int, ...] | None) -> None:
    """Compare strides in elements, but for axes of length 1, along which nothing lies."""
    if strides is not None:
        for n, found, wanted in zip(y.shape, strides, y.strides, strict=True):
            assert n == 1 or found * y.itemsize == wanted


def laid_in_ways(x: Any) -> list[Any]:
    """Return the same elements in C order, in Fortran order, and apart from each other."""
    apart = np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x
    return [np.ascontiguousarray(x).reshape(x.shape), np.asfortranarray(x), apart]


@given(
    st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=4), st.randoms(), st.integers(0, 5)
)
def test_reshapes_copy_where_numpy_does(shape: list[int], rng: Any, kind: int) -> None:
    x = np.arange(np.prod(shape)).reshape(shape)
    perm = rng.sample(range(len(shape)), len(shape))
    y = np.transpose(x, perm)
    factors = [n for n in shape for n in ([2, 2] if n == 4 and kind % 2 else [n])]
    rng.shuffle(factors)
    cuts = sorted(rng.sample(range(len(factors) + 1), min(kind, len(factors))))
    wanted = [
        int(np.prod(factors[i:j])) for i, j in zip([0, *cuts], [*cuts, len(factors)], strict=True)
    ]
    strides = reshaped(y.shape, tuple(s // y.itemsize for s in y.strides), wanted)
    z = y.reshape(wanted)
    assert (strides is not None) == np.shares_memory(y, z)
    check_strides(z, strides if strides is not None else c_strides(wanted))


def in_place_kernels() -> list[tuple[Kernel, str, int]]:
    return [
        (kernel, name, at)
        for kernel in KERNELS.values()
        if kernel.format is None
        for name, level in kernel.levels.items()
        for at in in_place_operands(kernel.op, level)
    ]


IN_PLACE = in_place_kernels()


def test_there_are_ops_that_work_in_place() -> None:
    names = {kernel.op.name for kernel, _, _ in IN_PLACE}
    assert {"relu", "gelu", "add", "multiply", "div", "tanh", "sigmoid", "add_bias"} <= names
    assert not names & {"softmax", "matmul", "transpose"}


@pytest.mark.parametrize(
    ("kernel", "name", "at"), IN_PLACE, ids=[f"{k.name} {n} {at}" for k, n, at in IN_PLACE]
)
def test_a_result_written_over_an_operand_is_the_same(kernel: Kernel, name: str, at: int) -> None:
    level, tried = kernel.levels[name], 0
    for sample in kernel.op.samples(np.random.default_rng(0)):
        if not all(isinstance(x, np.ndarray) for x in sample.operands):
            continue
        operands: list[Any] = [np.array(x, order="C") for x in sample.operands]
        attrs = kernel.op.complete(sample.attrs)
        with np.errstate(all="ignore"):
            wanted = execute(kernel.op, level, operands, attrs, np.empty_like(
                execute(kernel.op, level, operands, attrs), order="C"))  # fmt: skip
            if (operands[at].shape, operands[at].dtype) != (wanted.shape, wanted.dtype):
                continue
            found = execute(kernel.op, level, operands, attrs, operands[at])
        tried += 1
        assert found is operands[at]
        np.testing.assert_array_equal(found, wanted, sample.label)
    assert tried
