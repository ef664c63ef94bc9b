"""Every kernel at every level over its op's samples: a new kernel file is tested here unedited."""

from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.core.triplets import Triplets
from minisparse.formats import Matrix
from minisparse.kernels import KERNELS, PROVIDERS, Kernel, execute, find_level, level_of, pack
from minisparse.ops import OPS, Op, Sample
from minisparse.oracle import exact_results, judge
from tests.kernels.reference import hold


def levels(kernel: Kernel) -> list[str]:
    """Return its own levels, and the libraries that are installed and offer another."""
    offered = (kernel.op.name, kernel.format_name)
    here = {n: p for n, p in PROVIDERS.items() if p.place == "cpu" and p.is_installed}
    lent = [n for n, p in here.items() if offered in p.offers]
    return [*kernel.levels, *lent]


EVERY = [(kernel, level) for kernel in KERNELS.values() for level in levels(kernel)]
every_level = pytest.mark.parametrize(
    ("kernel", "level"), EVERY, ids=[f"{kernel.name} {level}" for kernel, level in EVERY]
)


def held(kernel: Kernel, sample: Sample) -> list[Any] | None:
    """Return the operands as the kernel takes them; None where its format cannot hold one."""
    operands: list[Any] = list(sample.operands)
    for at in kernel.op.sparse:
        given = operands[at]
        if kernel.format is None:
            operands[at] = given.to_dense() if isinstance(given, Triplets) else given
        elif isinstance(given, Triplets):
            upright = kernel.op.name == "spgemm" and at == 1  # A's blocks are 2 x 3
            operands[at] = hold(given, kernel.format_name, (3, 2) if upright else (2, 3))
        else:
            return None  # conv with 4-D weights: for a plain array only
    return operands


def run(kernel: Kernel, level: str, operands: list[Any], sample: Sample, **more: Any) -> Any:
    found = level_of(kernel, level)
    attrs = kernel.op.complete(sample.attrs)
    given = list(operands)
    at = kernel.op.weight
    with np.errstate(all="ignore"):
        if at is not None:
            given[at] = pack(found, given[at])
        return execute(kernel.op, found, given, attrs, **more)


def samples(kernel: Kernel, seed: int = 0, level: str = "") -> list[tuple[Sample, list[Any]]]:
    """Return the samples that the kernel's format can hold, and that the level does not refuse."""
    every = [(s, held(kernel, s)) for s in kernel.op.samples(np.random.default_rng(seed))]
    kept = [(s, operands) for s, operands in every if operands is not None]
    return [(s, x) for s, x in kept if not why_not(kernel, level, types_of(x))]


def why_not(kernel: Kernel, level: str, types: list[TensorType]) -> str:
    if level in PROVIDERS:
        return PROVIDERS[level].why_not(kernel.op.name, kernel.format_name, types)
    refuses = kernel.levels[level].why_not if level else None
    return refuses(types) if refuses is not None else ""


def types_of(operands: list[Any]) -> list[TensorType]:
    return [x.type if isinstance(x, Matrix) else dense_type(x) for x in operands]


def dense(x: Any) -> Array:
    return x.to_dense() if isinstance(x, Matrix) else np.asarray(x)


@every_level
def test_results_are_right(kernel: Kernel, level: str) -> None:
    for sample, operands in samples(kernel, level=level):
        result = run(kernel, level, operands, sample)
        truths = exact_results(kernel.op, operands, sample.attrs)
        for one, truth in zip(results_of(result), truths, strict=True):
            found = judge(dense(one), truth)
            assert found.passed, f"{sample.label}: {found.message}"


def results_of(result: Any) -> tuple[Any, ...]:
    """Return one or several results as a tuple."""
    return result if isinstance(result, tuple) else (result,)


def in_double(x: Array) -> Array:
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


@every_level
def test_operands_are_never_written_to(kernel: Kernel, level: str) -> None:
    for sample, operands in samples(kernel, level=level):
        for x in operands:
            if not isinstance(x, Matrix):
                x.flags.writeable = False
        before = [dense(x).copy() for x in operands]
        run(kernel, level, operands, sample)
        for x, was in zip(operands, before, strict=True):
            np.testing.assert_array_equal(dense(x), was, sample.label)


@every_level
def test_results_are_fresh_and_the_same_again(kernel: Kernel, level: str) -> None:
    for sample, operands in samples(kernel, level=level):
        runs = (run(kernel, level, operands, sample) for _ in range(2))
        for first, second in zip(*map(results_of, runs), strict=True):
            np.testing.assert_array_equal(dense(first), dense(second), sample.label)
            if kernel.op.moves or isinstance(first, Matrix):
                continue
            assert first.flags.writeable, sample.label
            assert not np.shares_memory(first, second), sample.label
            for x in operands:
                assert isinstance(x, Matrix) or not np.shares_memory(first, x), sample.label


@every_level
def test_results_go_where_they_are_told(kernel: Kernel, level: str) -> None:
    for sample, operands in samples(kernel, level=level):
        wanted = run(kernel, level, operands, sample)
        if isinstance(wanted, Matrix | tuple):
            continue
        out = np.full_like(wanted, 7, order="C")
        assert run(kernel, level, operands, sample, out=out) is out
        np.testing.assert_array_equal(out, wanted, sample.label)
        # Elsewhere in memory BLAS may sum in another order.
        for out in (np.full_like(wanted, 7, order="F"), every_second(wanted)):
            assert run(kernel, level, operands, sample, out=out) is out
            np.testing.assert_allclose(in_double(out), in_double(wanted), 1e-3, 1e-5)


def every_second(x: Array) -> Array:
    """Return an array like ``x`` whose rows lie apart in memory."""
    return np.full((2 * x.shape[0], *x.shape[1:]), 7, x.dtype)[::2] if x.ndim else x.copy()


FUSED = [op for op in OPS.values() if op.parts]


@pytest.mark.parametrize("op", FUSED, ids=lambda op: op.name)
def test_fused_equals_one_after_another_bit_for_bit(op: Op) -> None:
    for kernel in KERNELS.values():
        if kernel.op is not op.base:
            continue
        for level in levels(kernel):
            _compare_fused(op, kernel, level)


def _compare_fused(op: Op, kernel: Kernel, name: str) -> None:
    level = level_of(kernel, name)
    for sample in op.samples(np.random.default_rng(2)):
        operands = held(kernel, sample)
        if operands is None or _refused(op, kernel, name, operands):
            continue
        attrs = op.complete(sample.attrs)
        with np.errstate(all="ignore"):
            if op.weight is not None:
                operands[op.weight] = pack(level, operands[op.weight])
            fused = execute(op, level, operands, attrs)
            base, *rest = op.split(operands)
            result = execute(op.base, level, base, op.attrs_of(op.base, attrs))
            for part, more in zip(op.epilogue, rest, strict=True):
                format = result.format if isinstance(result, Matrix) else "dense"
                _, after = find_level(part, format, "vectorized")
                result = execute(part, after, (result, *more), op.attrs_of(part, attrs))
        assert fused.dtype == result.dtype, sample.label
        assert type(fused) is type(result), sample.label
        np.testing.assert_array_equal(dense(fused), dense(result), f"{kernel.name}: {sample.label}")


def _refused(op: Op, kernel: Kernel, name: str, operands: list[Any]) -> bool:
    base = types_of(list(op.split(operands)[0]))
    return name in PROVIDERS and bool(
        PROVIDERS[name].why_not(kernel.op.name, kernel.format_name, base)
    )


def test_a_wider_bias_widens_the_result() -> None:
    spmm = KERNELS["spmm_csr"]
    (sample, operands), *_ = samples(spmm)
    level = spmm.levels["vectorized"]
    bias = np.linspace(-1, 1, operands[0].shape[0])
    given = (pack(level, operands[0]), operands[1], bias)
    fused = execute(OPS["spmm_bias_relu"], level, given)
    assert fused.dtype == np.float64
    product = run(spmm, "vectorized", operands, sample)
    np.testing.assert_array_equal(fused, np.maximum(product + bias[:, None], 0))


def test_every_op_has_a_kernel_on_plain_arrays() -> None:
    have = {kernel.op.name for kernel in KERNELS.values() if kernel.format is None}
    assert have >= {op.name for op in OPS.values() if not op.parts}


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=lambda kernel: kernel.name)
def test_bytes_moved_counts_at_least_what_is_stored(kernel: Kernel) -> None:
    for sample, operands in samples(kernel):
        types = types_of(operands)
        moved = kernel.bytes_moved(*types)
        assert isinstance(moved, int), sample.label
        at = kernel.op.weight
        if at is not None:
            assert moved >= types[at].nnz * types[at].itemsize, sample.label
