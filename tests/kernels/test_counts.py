"""What a kernel states of its loops is what running them on recording operands measures."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from minisparse.core.errors import UnsupportedOpError
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.formats import BSR, CSR, Matrix, from_dense
from minisparse.kernels import KERNELS, Kernel
from minisparse.kernels.counts import Counts
from minisparse.kernels.recording import Recording, measure_counts, record_run
from minisparse.ops import Sample
from tests.kernels.test_every_kernel import samples

WITH_LOOPS = [kernel for kernel in KERNELS.values() if "loops" in kernel.levels]
COUNTED = [kernel for kernel in WITH_LOOPS if kernel.counts is not None]
every_with_loops = pytest.mark.parametrize("kernel", WITH_LOOPS, ids=lambda kernel: kernel.name)
every_counted = pytest.mark.parametrize("kernel", COUNTED, ids=lambda kernel: kernel.name)


def test_every_kernel_with_loops_states_its_counts() -> None:
    assert [kernel.name for kernel in WITH_LOOPS if kernel.counts is None] == []


MOST_FLOPS = 16_000
"""Larger samples are left out: they take most of the time, and show nothing more."""


@cache
def recordings(name: str) -> list[tuple[Sample, list[Any], Recording]]:
    kernel, found = KERNELS[name], []
    for sample, operands in samples(kernel):
        if kernel.op.flops(types_of(operands), kernel.op.complete(sample.attrs)) <= MOST_FLOPS:
            found.append((sample, operands, record_run(kernel, operands, sample.attrs)))
    return found


@every_counted
def test_stated_is_measured(kernel: Kernel) -> None:
    assert kernel.counts is not None
    for sample, operands, recording in recordings(kernel.name):
        told = kernel.counts(*operands, **kernel.op.complete(sample.attrs))
        assert told == recording.counts, sample.label
        assert all(type(getattr(told, name)) is int for name in Counts.__slots__), sample.label


@every_with_loops
def test_a_recorded_run_gives_the_same_bits(kernel: Kernel) -> None:
    for sample, operands, recording in recordings(kernel.name):
        with np.errstate(all="ignore"):
            attrs = kernel.op.complete(sample.attrs)
            plain = kernel.levels["loops"].run(*operands, **attrs)
        _assert_same_bits(recording.result, plain, sample)


def _assert_same_bits(found: Any, plain: Any, sample: Sample) -> None:
    assert type(found) is type(plain), sample.label
    if isinstance(plain, Matrix):
        assert found.type == plain.type, sample.label
        for name, array in plain.arrays.items():
            _assert_same_bits(found.arrays[name], array, sample)
        return
    assert (found.dtype, found.shape) == (plain.dtype, plain.shape), sample.label
    # Python itself does not always give the same NaN.
    found, plain = (np.where(x == x, x, np.zeros_like(x)) for x in (found, plain))
    assert found.tobytes() == plain.tobytes(), sample.label


@every_with_loops
def test_accesses_lie_in_their_arrays(kernel: Kernel) -> None:
    for sample, _, recording in recordings(kernel.name):
        stream = recording.stream
        lengths = np.array(stream.lengths)
        assert (stream.element >= 0).all(), sample.label
        assert (stream.element < lengths[stream.array]).all(), sample.label
        written = {stream.names[number] for number in stream.array[stream.write]}
        operands = {name.rstrip("?") for name in kernel.op.operands}
        assert operands.isdisjoint(name.split(".")[0] for name in written), sample.label


# -- what the words mean -------------------------------------------------------------------------


def without_edges(format: str) -> Any:
    """Return a matrix ``[12, 18]`` without empty rows and columns, blocks fitting."""
    rng = np.random.default_rng(3)
    x = np.where(np.arange(18) % 6 < 3, rng.random((12, 18)) + 0.5, 0).astype("float32")
    if format == "dense":
        return x
    x[::4] = np.roll(x[::4], 3, axis=1)
    layout: dict[str, dict[str, Any]] = {"bsr": {"block": (2, 3)}, "nm": {"n": 3, "m": 6}}
    return from_dense(x, format, **layout.get(format, {}))


FORMATS = ["bsr", "coo", "csc", "csr", "dense", "nm"]
BESIDE: dict[str, Callable[[Any], list[Any]]] = {
    "spmv": lambda a: [a, np.ones(18, "float32")],
    "spmm": lambda a: [a, np.ones((18, 5), "float32")],
    "spmm_t": lambda a: [a, np.ones((12, 5), "float32")],
    "dsmm": lambda a: [np.ones((5, 12), "float32"), a],
    "sddmm": lambda a: [a, np.ones((12, 5), "float32"), np.ones((5, 18), "float32")],
}
"""A matrix of 12 x 18 among fitting operands."""
BY_ROWS = ("csr", "nm", "bsr")
SCATTERING = {
    *((op, format) for op in ("spmv", "spmm") for format in ("coo", "csc")),
    *((op, format) for op in ("spmm_t", "dsmm") for format in ("coo", *BY_ROWS)),
}
"""Products that reach C through an index: that it is zeroed before is not in their accounts."""


def types_of(operands: list[Any]) -> list[TensorType]:
    return [x.type if isinstance(x, Matrix) else dense_type(x) for x in operands]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("op", BESIDE)
def test_products_move_the_bytes_of_their_accounts(op: str, format: str) -> None:
    kernel, operands = KERNELS[f"{op}_{format}"], BESIDE[op](without_edges(format))
    account = kernel.bytes_moved(*types_of(operands))
    recording = record_run(kernel, operands)
    if (op, format) in SCATTERING:
        account += recording.result.nbytes
    if (op, format) == ("sddmm", "bsr"):
        blocks = operands[0].nnz // 6
        account -= (blocks * 2 - 12) * 5 * 4  # it has two rows of X for each block, not once
    assert recording.counts.moved == account


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("op", ["spmv", "spmm", "spmm_t", "dsmm"])
def test_flops_are_those_of_the_op(op: str, format: str) -> None:
    kernel, operands = KERNELS[f"{op}_{format}"], BESIDE[op](without_edges(format))
    assert measure_counts(kernel, operands).flops == kernel.op.flops(types_of(operands), {})


def test_counts_of_a_small_product_by_hand() -> None:
    a = CSR(np.ones(3, "float16"), [2, 0, 2], [0, 1, 1, 3], (3, 3))
    b = np.ones((3, 2), "float16")
    counts = measure_counts(KERNELS["spmm_csr"], (a, b))
    assert counts.flops == 3 * 2 * 2
    assert counts.value_bytes == (3 + 3 * 2) * 2  # A's values, and C
    assert counts.index_bytes == (4 + 3) * 4
    assert counts.gathered_bytes == 3 * 2 * 2  # row 2 of B twice, row 0 once
    assert counts.scratch == (3 * 2 + 3 * 2) * 4  # B and C in float32
    assert counts.calls == 3 * 2 + 3 + 3 * 2 * 4  # pointers, indices, and four a multiply-add
    assert counts.moved == 18 + 28 + 12


@pytest.mark.parametrize("places", [[0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1, 1, 1, 2]])
def test_blocks_stored_more_than_twice_are_added_in_turn(places: list[int]) -> None:
    """Two blocks of scratch take turns, and the one that is left serves the next sum."""
    a = BSR(np.ones((len(places), 2, 3)), places, [0, len(places)], (2, 9))
    b = BSR(np.ones((2, 2, 3)), [1, 2], [0, 2], (2, 9))
    kernel = KERNELS["add_bsr"]
    assert kernel.counts is not None
    assert measure_counts(kernel, (a, b)) == kernel.counts(a, b)


def test_counts_add_up() -> None:
    total = Counts(1, 2, 3, 4, 5, 6) + Counts(10, 20, 30, 40, 50, 60)
    assert total == Counts(11, 22, 33, 44, 55, 66)


def test_a_kernel_without_loops_has_nothing_to_record() -> None:
    with pytest.raises(UnsupportedOpError, match="there are no loops"):
        measure_counts(KERNELS["flatten_dense"], (np.ones(3),))
