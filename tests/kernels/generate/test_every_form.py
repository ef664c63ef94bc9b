"""Every op, format and form over the samples that kernels written by hand have to pass."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.formats import Matrix, from_dense
from minisparse.gpu.translate import translate, type_of
from minisparse.kernels import KERNELS, Kernel
from minisparse.kernels.generate import EXPRESSIONS, STORAGE, describe, generate
from minisparse.kernels.generate.gpu import why_not, write_gpu
from minisparse.kernels.generate.launch import launch, lay_out, thread_program
from minisparse.kernels.generate.loops import write_loops
from minisparse.kernels.generate.nest import Nest
from minisparse.kernels.generate.runs import bake, pack
from minisparse.kernels.generate.vectorized import write_vectorized
from minisparse.kernels.generate.written import written
from minisparse.oracle import exact_results, judge
from tests.kernels import test_every_kernel as table

LONGEST = 60
"""Lines of a kernel that fits on a page."""
LARGE = ("B ", "deep", "wide", "tall")
"""How the labels of samples begin that take long."""
ALIKE = ("backwards", "negative zeros", "badly scaled", "duplicates side by side", "one entry")
"""Samples that are nothing of their own to a thread."""
WIDEST = 110
SOME = 11
"""Samples, of all that there are, where one test is much like another."""
KINDS = [(op, format) for op in EXPRESSIONS for format in STORAGE]
every_kind = pytest.mark.parametrize(("op", "format"), KINDS, ids=map("-".join, KINDS))


def by_hand(op: str, format: str) -> Kernel:
    return KERNELS[f"{op}_{format}"]


@cache
def samples(op: str, format: str) -> list[tuple[str, list[Any], Any]]:
    """Return label, operands and the exact answer of every sample."""
    kernel = by_hand(op, format)
    return [
        (sample.label, operands, exact_results(kernel.op, operands, sample.attrs)[0])
        for sample, operands in table.samples(kernel)
    ]


def nest_of(kernel: Kernel, operands: list[Any], runs: bool = False) -> Nest:
    """Return the nest of these very operands, everything baked in."""
    nest = describe(kernel.op, table.types_of(operands))
    a = operands[kernel.op.weight or 0]
    if not runs or not isinstance(a, Matrix) or nest.expression.scale is not None:
        return nest
    return bake(nest, a)


def run_form(kernel: Kernel, nest: Nest, form: str, operands: list[Any]) -> Any:
    at = kernel.op.weight or 0
    with np.errstate(all="ignore"):
        if form == "gpu":
            return launch(nest, *operands)
        if form == "loops":
            return written(nest.name, write_loops(nest))(*operands)
        given = list(operands)
        if isinstance(given[at], Matrix):
            given[at] = pack(nest, given[at])
        return written(nest.name, write_vectorized(nest))(*given)


def bits(x: Any) -> tuple[Any, ...]:
    values: Array = x.data if isinstance(x, Matrix) else x
    # Python itself does not always give the same NaN.
    return values.dtype, values.shape, np.where(values == values, values, 0).tobytes()


@pytest.mark.parametrize("form", ["vectorized", "gpu"])
@every_kind
def test_results_are_right(op: str, format: str, form: str) -> None:
    """The loops have a test of their own: they are the same as those written by hand."""
    kernel = by_hand(op, format)
    for label, operands, truth in samples(op, format):
        nest = nest_of(kernel, operands, runs=form == "vectorized")
        if label.startswith(LARGE) or (form == "gpu" and why_not(nest)):
            continue
        if form == "gpu" and label in ALIKE:
            continue
        found = judge(table.dense(run_form(kernel, nest, form, operands)), truth)
        assert found.passed, f"{label}: {found.message}"


@every_kind
def test_cupy_translates_thread_programs(op: str, format: str) -> None:
    pytest.importorskip("cupy", reason="CuPy translates thread programs, and is not installed")
    seen = set()
    for label, operands, _ in samples(op, format):
        nest = nest_of(by_hand(op, format), operands)
        if why_not(nest) or (nest.dtype, nest.wide) in seen:
            continue
        seen.add((nest.dtype, nest.wide))
        given = lay_out(nest, tuple(operands))
        made = translate(thread_program(nest), [type_of(x) for x in given.arguments])
        assert f"__global__ void {nest.name}(" in made.code, label
    assert len(seen) > 1


@every_kind
def test_loops_are_those_written_by_hand_bit_for_bit(op: str, format: str) -> None:
    kernel = by_hand(op, format)
    for label, operands, _ in samples(op, format):
        if label.startswith(LARGE[:2]):
            continue
        ours = run_form(kernel, nest_of(kernel, operands), "loops", operands)
        with np.errstate(all="ignore"):
            theirs = kernel.levels["loops"].run(*operands)
        assert type(ours) is type(theirs), label
        assert bits(ours) == bits(theirs), label


@every_kind
def test_sizes_may_be_left_open(op: str, format: str) -> None:
    kernel = by_hand(op, format)
    for label, operands, truth in samples(op, format)[:SOME]:
        nest = nest_of(kernel, operands)
        opened = replace(
            nest,
            sizes=tuple((letter, None) for letter, _ in nest.sizes),
            operands=tuple(o._replace(shape=(None,) * len(o.shape)) for o in nest.operands),
        )
        for form in ("loops", "vectorized", "gpu"):
            if form == "gpu" and why_not(opened):
                continue
            found = judge(table.dense(run_form(kernel, opened, form, operands)), truth)
            assert found.passed, f"{form}, {label}: {found.message}"


@every_kind
def test_source_fits_on_a_page_and_is_the_same_again(op: str, format: str) -> None:
    kernel = by_hand(op, format)
    for label, operands, _ in samples(op, format)[:SOME]:
        nest = nest_of(kernel, operands, runs=True)
        for write in (write_loops, write_vectorized, write_gpu):
            if write is write_gpu and why_not(nest):
                continue
            source = write(nest)
            assert len(source.splitlines()) <= LONGEST, label
            assert max(map(len, source.splitlines())) <= WIDEST, label
            assert source == write(nest_of(kernel, operands, runs=True)), label


def test_the_longest_source_fits_on_a_page() -> None:
    """Every group of rows written out, every edge, every step of an epilogue, every size."""
    rng = np.random.default_rng(0)
    counts = np.repeat([400, 200, 100, 40, 10], 30)
    x = np.zeros((151, 1201), "float32")
    for row, count in enumerate(counts):
        x[row, rng.permutation(1201)[:count]] = 1
    attrs = {"min": -1.0, "max": 1.0, "approximate": "tanh"}
    chain = ("bias", "gelu", "add", "silu", "clip")
    a = from_dense(x, "csr")
    made = generate("spmm", a, epilogue=chain, attrs=attrs, name="n" * 99, level="vectorized")
    assert "a.runs[3]" in made.source
    blocks = generate("spmm", from_dense(x, "bsr", block=(4, 3)), epilogue=chain, attrs=attrs)
    for found in (made, blocks):
        for level in ("loops", "vectorized", "gpu"):
            assert len(found.source_at(level).splitlines()) <= LONGEST
