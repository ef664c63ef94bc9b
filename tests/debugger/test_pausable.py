"""Functions made pausable: the same result to the last bit, and pauses where the text says."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from minisparse.core.errors import UsageError
from minisparse.core.triplets import Triplets
from minisparse.debugger.pausable import Pausable, make_pausable
from minisparse.debugger.paused_run import PausedRun
from minisparse.formats import Matrix, from_triplets
from minisparse.kernels import KERNELS, Kernel, pack
from minisparse.ops import Sample

WITH_LOOPS = [kernel for kernel in KERNELS.values() if "loops" in kernel.levels]


def ended(pausable: Pausable, operands: Any = (), attrs: Any = None) -> PausedRun:
    run = PausedRun(pausable, operands, attrs or {})
    while run.advance():
        pass
    return run


def stored(kernel: Kernel, sample: Sample) -> Iterator[tuple[Any, ...]]:
    """Yield the sample's operands with the sparse ones in the kernel's format."""
    operands: list[Any] = list(sample.operands)
    for at in kernel.op.sparse:
        if kernel.format is None:
            given = operands[at]
            operands[at] = given.to_dense() if isinstance(given, Triplets) else given
            continue
        if not isinstance(operands[at], Triplets):
            return
        upright = kernel.op.name == "spgemm" and at == 1  # A's blocks are 2 x 3
        block = (3, 2) if upright else (2, 3)
        layouts: dict[str, dict[str, Any]] = {"bsr": {"block": block}, "nm": {"n": 4, "m": 4}}
        extra = layouts.get(kernel.format_name, {})
        operands[at] = from_triplets(operands[at], kernel.format_name, **extra)
        if at == kernel.op.weight:
            operands[at] = pack(kernel.levels["loops"], operands[at])
    yield tuple(operands)


def bits(result: Any) -> list[bytes]:
    """Return the bytes of a result: of a matrix, those of each of its arrays."""
    arrays = result.arrays.values() if isinstance(result, Matrix) else (result,)
    return [array.tobytes() for array in arrays]


def test_there_are_kernels_with_loops() -> None:
    assert {"spmm_csr", "spmm_bsr", "conv_csr", "gemm_dense"} <= {k.name for k in WITH_LOOPS}


@pytest.mark.parametrize("kernel", WITH_LOOPS, ids=lambda kernel: kernel.name)
def test_paused_loops_give_the_same_bits(kernel: Kernel) -> None:
    loops = kernel.levels["loops"].run
    pausable, tried = make_pausable(loops), 0
    for sample in kernel.op.samples(np.random.default_rng(0)):
        attrs = kernel.op.complete(sample.attrs)
        for operands in stored(kernel, sample):
            with np.errstate(all="ignore"):
                plain = loops(*operands, **attrs)
                run = ended(pausable, operands, attrs)
            assert run.result.dtype == plain.dtype, sample.label
            assert bits(run.result) == bits(plain), sample.label
            tried += 1
    assert tried > 5


@pytest.mark.parametrize("kernel", WITH_LOOPS, ids=lambda kernel: kernel.name)
def test_every_pause_lies_inside_the_function(kernel: Kernel) -> None:
    pausable = make_pausable(kernel.levels["loops"].run)
    kinds = [statement.kind for statement in pausable.statements]
    assert {"loop", "return"} <= set(kinds)
    if kernel.op.name in ("spmm", "spmv", "gemm", "conv"):
        assert {"multiply", "accumulate"} <= set(kinds)
    for statement in pausable.statements:
        assert pausable.first < statement.line <= statement.end <= pausable.last


@pytest.mark.parametrize("kernel", WITH_LOOPS, ids=lambda kernel: kernel.name)
def test_file_and_lines_are_the_functions_own(kernel: Kernel) -> None:
    pausable = make_pausable(kernel.levels["loops"].run)
    code = pausable.start.__code__
    own = kernel.levels["loops"].run.__code__
    assert code.co_filename == own.co_filename
    lines = {line for _, _, line in code.co_lines() if line}
    assert lines == {line for _, _, line in own.co_lines() if line}


# -- functions of other shapes -------------------------------------------------------------------


def closure(scale: float) -> Any:
    shift = 1.0

    def inner(x: Any, *, times: int = 2) -> Any:
        total = 0.0
        for k in range(len(x)):
            if x[k] < 0:
                continue
            total = total + float(x[k] * scale)
        total *= 2.0 * scale
        while times:
            times -= 1
            total += shift
        return total

    return inner


def test_closures_defaults_and_branches() -> None:
    function = closure(0.1)
    x = [0.3, -1.0, 0.7]
    run = ended(make_pausable(function), (x,))
    assert run.result == function(x)
    assert ended(make_pausable(function), (x,), {"times": 5}).result == function(x, times=5)


def test_an_assigned_sum_is_paused_at_its_product() -> None:
    pausable = make_pausable(closure(0.1))
    (place,) = [s for s in pausable.statements if s.kind == "multiply"]
    run = PausedRun(pausable, ([2.0],), {})
    while not run.at("multiply"):
        assert run.advance()
    assert run.statement == place
    assert run.product == 2.0 * 0.1
    assert run.value(place.target) == 0.0


def raises(x: Any) -> Any:
    try:
        for k in range(3):
            x[k] += 1
    except IndexError:
        return "caught"
    finally:
        x.append(0)
    return x[9]


def test_errors_are_raised_and_caught_as_in_the_function() -> None:
    assert ended(make_pausable(raises), ([0],)).result == "caught"
    with pytest.raises(IndexError):
        ended(make_pausable(raises), ([0, 0, 0],))


def test_names_of_an_inner_loop_are_out_of_scope_after_it() -> None:
    pausable = make_pausable(KERNELS["spmm_csr"].levels["loops"].run)
    (row,) = [s for s in pausable.statements if s.binds == ("m",)]
    (end,) = [s for s in pausable.statements if s.kind == "return"]
    assert {"p", "k", "n"}.isdisjoint(row.scope)
    assert {"m", "p", "k", "n"}.isdisjoint(end.scope)


@pytest.mark.parametrize("function", [len, lambda x: x, print], ids=["builtin", "lambda", "print"])
def test_what_has_no_lines_is_refused(function: Any) -> None:
    with pytest.raises(UsageError, match="no lines to step through"):
        make_pausable(function)


def test_a_function_without_source_is_refused() -> None:
    names: dict[str, Any] = {}
    exec("def made(x):\n    return x\n", names)
    with pytest.raises(UsageError, match="the source of made cannot be read"):
        make_pausable(names["made"])
