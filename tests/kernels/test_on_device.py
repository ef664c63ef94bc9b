"""Every kernel's array code on the pretend device, over its op's samples, copies counted.

A new kernel file is tested here unedited: it computes on a device what it computes in main memory,
asks the device for no number but those that its op states, and gives what lies on the device.
"""

from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import ShapeError, UnsupportedOpError, UsageError
from minisparse.formats import Matrix
from minisparse.gpu import segments
from minisparse.kernels import KERNELS, Kernel, execute, level_of, pack
from minisparse.ops import OPS, Op, Sample
from minisparse.ops.control import LOOP
from minisparse.oracle import exact, exact_results, judge
from tests.kernels import test_every_kernel as table
from tests.pretend.array import bare
from tests.pretend_device import PretendCupy

LOOKS = 12
"""Numbers that it may take to find out whether a matrix that is not sorted stores a cell twice."""
OTHER_STEPS = ("gelu", "erf", "scatter_elements", "scatter_nd")
"""Ops whose one function takes other steps on a device, where it must not look, nor add in turn."""
EVERY = [kernel for kernel in KERNELS.values() if "vectorized" in kernel.levels]


@pytest.fixture
def quick_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce runs at once, not thread by thread: their programs have tests of their own."""
    of = {
        segments.add: np.add,
        segments.times: np.multiply,
        segments.larger: np.maximum,
        segments.smaller: np.minimum,
    }

    def reduce(program: Any, values: Any, indptr: Any, out: Any, combine: Any = None) -> Any:
        found, bounds = bare(out), bare(indptr)
        filled = np.flatnonzero(np.diff(bounds))
        if program is segments.add_one_by_one:
            found[filled] = 0
            lines = np.repeat(np.arange(len(found)), np.diff(bounds))
            np.add.at(found, lines, bare(values).astype(found.dtype))
        elif len(filled):
            given = bare(values).astype(found.dtype)
            found[filled] = of[combine].reduceat(given, bounds[filled], axis=0, dtype=found.dtype)
        return out

    monkeypatch.setattr(segments, "_launch", reduce)


def there(x: Any, cupy: PretendCupy) -> Any:
    """Return an operand on the device."""
    return x.to_device("gpu") if isinstance(x, Matrix) else cupy.asarray(x)


def here(x: Any) -> Any:
    """Return a result in main memory."""
    return x.to_device("cpu") if isinstance(x, Matrix) else x.get()


def moved(kernel: Kernel, operands: list[Any], cupy: PretendCupy) -> list[Any]:
    """Return operands on the device, but for numbers that the host is told."""
    told = kernel.op.told
    return [x if i in told else there(x, cupy) for i, x in enumerate(operands)]


def computed(kernel: Kernel, sample: Sample, given: list[Any], cupy: PretendCupy) -> Any:
    """Return what the kernel's array code gives, the copies of this call alone being noted."""
    level = level_of(kernel, "vectorized").on(True)
    at = kernel.op.weight
    packed = list(given)
    if at is not None:
        packed[at] = pack(level, given[at])
    cupy.transfers.clear()
    with np.errstate(all="ignore"):
        return execute(kernel.op, level, packed, kernel.op.complete(sample.attrs))


def allowed(kernel: Kernel, sample: Sample, given: list[Any]) -> int:
    """Return how many numbers may be fetched."""
    unsorted = [x for x in given if isinstance(x, Matrix) and not x.has_canonical_format]
    first: Any = sample.operands[0]
    conditions = max(0, int(first.max())) if kernel.op is LOOP else 0
    return kernel.op.fetches + LOOKS * len(unsorted) + conditions


@pytest.mark.usefixtures("quick_segments")
@pytest.mark.parametrize("kernel", EVERY, ids=lambda kernel: kernel.name)
def test_array_code_computes_on_a_device(kernel: Kernel, pretend_cupy: PretendCupy) -> None:
    for sample, operands in table.samples(kernel, level="vectorized"):
        wanted = table.results_of(table.run(kernel, "vectorized", operands, sample))
        given = moved(kernel, operands, pretend_cupy)
        limit = allowed(kernel, sample, given)
        found = table.results_of(computed(kernel, sample, given, pretend_cupy))
        fetched = [t.by for t in pretend_cupy.transfers if t.to == "host"]
        assert len(fetched) <= limit, f"{sample.label}: {fetched}"
        if any(x is not y for x, y in zip(given, operands, strict=True)) and not kernel.op.of_sizes:
            found = tuple(map(here, found))
        compare(kernel, sample, operands, found, wanted)


def compare(
    kernel: Kernel,
    sample: Sample,
    operands: list[Any],
    found: tuple[Any, ...],
    wanted: tuple[Any, ...],
) -> None:
    """Compare bit for bit; what takes another way on a device must be within the op's bound."""
    assert len(found) == len(wanted), sample.label
    for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
        assert type(a) is type(b), sample.label
        assert (a.dtype, a.shape) == (b.dtype, b.shape), sample.label
        if np.array_equal(table.dense(a), table.dense(b), equal_nan=a.dtype.kind in "fc"):
            continue
        other_way = kernel.levels["vectorized"].device is not None or kernel.op.name in OTHER_STEPS
        assert other_way, f"{sample.label}: the same code gives other bits"
        verdict = judge(table.dense(a), exact_results(kernel.op, operands, sample.attrs)[i])
        assert verdict.passed, f"{sample.label}: {verdict.message}"


FUSED = [op for op in OPS.values() if op.parts]


@pytest.mark.usefixtures("quick_segments")
@pytest.mark.parametrize("op", FUSED, ids=lambda op: op.name)
def test_fused_ops_compute_on_a_device(op: Op, pretend_cupy: PretendCupy) -> None:
    for kernel in (k for k in EVERY if k.op is op.base):
        for sample in list(op.samples(np.random.default_rng(2)))[::3]:
            operands = table.held(kernel, sample)
            if operands is None:
                continue
            there_, at = [there(x, pretend_cupy) for x in operands], op.weight
            level = kernel.levels["vectorized"].on(True)
            if at is not None:
                there_[at] = pack(level, there_[at])
            pretend_cupy.transfers.clear()
            with np.errstate(all="ignore"):
                found = execute(op, level, there_, op.complete(sample.attrs))
            fetched = [t.by for t in pretend_cupy.transfers if t.to == "host"]
            assert len(fetched) <= op.base.fetches, f"{kernel.name}: {sample.label}: {fetched}"
            verdict = judge(table.dense(here(found)), exact(op, operands, sample.attrs))
            assert verdict.passed, f"{kernel.name}: {sample.label}: {verdict.message}"


def pair(cupy: PretendCupy) -> tuple[Matrix, Any, Matrix, Any]:
    """Return a matrix and an array, here and there."""
    rng = np.random.default_rng(0)
    a = ms.from_dense(np.where(rng.random((6, 5)) < 0.4, rng.random((6, 5)), 0), "csr")
    b = rng.random((5, 4))
    return a, b, a.to_device("gpu"), cupy.asarray(b)


def test_functions_take_what_lies_on_a_device(pretend_cupy: PretendCupy) -> None:
    a, b, a_there, b_there = pair(pretend_cupy)
    found: Any = ms.spmm(a_there, b_there)
    np.testing.assert_allclose(found.get(), ms.spmm(a, b), rtol=1e-14)
    k = ms.prepare("spmm", a_there, columns=4)
    pretend_cupy.transfers.clear()
    out = pretend_cupy.empty((6, 4))
    assert k(b_there, out=out) is out
    assert not pretend_cupy.transfers
    np.testing.assert_array_equal(out.get(), found.get())
    fused: Any = ms.spmm_bias_relu(a_there, b_there, pretend_cupy.asarray(np.full(6, -0.5)))
    np.testing.assert_array_equal(fused.get(), np.maximum(found.get() - 0.5, 0))


def test_what_lies_in_two_places_is_refused(pretend_cupy: PretendCupy) -> None:
    a, b, a_there, b_there = pair(pretend_cupy)
    for x, y, name in ((a, b_there, "a"), (a_there, b, "b")):
        with pytest.raises(UsageError, match=f"spmm: {name} in main memory, .*cupy.asarray"):
            ms.spmm(x, y)
    with pytest.raises(UsageError, match="b is in main memory, but the matrix was packed on the"):
        ms.prepare("spmm", a_there)(b)
    with pytest.raises(UsageError, match=r"b is on the GPU, .* write x.get\(\)"):
        ms.prepare("spmm", a)(b_there)
    with pytest.raises(UsageError, match="out in main memory"):
        ms.spmm(a_there, b_there, out=np.empty((6, 4)))


def test_levels_for_main_memory_are_refused(pretend_cupy: PretendCupy) -> None:
    _, _, a_there, b_there = pair(pretend_cupy)
    with pytest.raises(UnsupportedOpError, match="the level loops is for operands in main memory"):
        ms.spmm(a_there, b_there, level="loops")
    with pytest.raises(UnsupportedOpError, match="the level loops is for operands in main memory"):
        ms.prepare("spmm", a_there, level="loops")


def test_an_index_beyond_its_axis_is_an_error(pretend_cupy: PretendCupy) -> None:
    x, wrong = pretend_cupy.asarray(np.arange(3.0)), pretend_cupy.asarray(np.array([0, 3]))
    with pytest.raises(ShapeError, match=r"indices\[1\] is 3, but axis 0 has 3 elements"):
        OPS["gather"].dense((x, wrong), {"axis": 0})


def test_padding_of_blocks_takes_no_part(pretend_cupy: PretendCupy) -> None:
    """What a block holds beyond the matrix must not meet an infinity, nor weigh in a softmax."""
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    a = ms.from_dense(x, "bsr", block=(2, 2)).to_device("gpu")
    b = np.array([[np.inf], [1.0], [1.0]])
    product: Any = ms.spmm(a, pretend_cupy.asarray(b))
    np.testing.assert_array_equal(product.get(), np.full((3, 1), np.inf))
    weights = ms.softmax(a).to_device("cpu").to_dense()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-14)
