"""Programs on stored entries: every variant checked, translated, in any order, on a device."""

import importlib
import pkgutil
from typing import Any

import numpy as np
import pytest

import minisparse as ms
import minisparse.kernels.primitives
from minisparse.core import index
from minisparse.core.dtypes import bfloat16
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.triplets import Triplets
from minisparse.formats import COO, Matrix
from minisparse.gpu import ThreadProgram
from minisparse.kernels import KERNELS
from tests.kernels.gpu.entries import (
    CONVERT,
    DTYPES,
    SDDMM,
    SPGEMM,
    Case,
    arrays_of,
    assert_same,
    awkward,
    every_launch,
    factors,
    run,
    some_launches,
    with_seed,
)
from tests.kernels.reference import hold
from tests.pretend_device import PretendCupy

FOLDERS = ("sddmm", "softmax", "attention", "spgemm", "convert")
FEW = 64
"""Bytes of the numbers that a device is asked for: how much is to be allocated, or launched."""


def programs() -> dict[str, ThreadProgram]:
    """Return every thread program of these kernels and of what they are put together from."""
    modules = [f"minisparse.kernels.{folder}.threads" for folder in FOLDERS]
    modules += ["minisparse.kernels.spgemm.long_rows"]
    path, name = minisparse.kernels.primitives.__path__, minisparse.kernels.primitives.__name__
    modules += [f"{name}.{info.name}" for info in pkgutil.iter_modules(path)]
    found = (x for m in modules for x in vars(importlib.import_module(m)).values())
    return {x.name: x for x in found if isinstance(x, ThreadProgram)}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let little be much: for a table, a team of lanes, a block and a grid."""
    monkeypatch.setattr("minisparse.kernels.spgemm.threads.SLOTS", (8,))
    monkeypatch.setattr("minisparse.kernels.softmax.threads.LONG", 3)
    monkeypatch.setattr("minisparse.kernels.primitives.launch.MOST_BLOCKS", 2)
    for module in ("primitives.launch", "sddmm.threads"):
        monkeypatch.setattr(f"minisparse.kernels.{module}.THREADS", 32)
    for module in ("softmax.threads", "spgemm.long_rows"):
        monkeypatch.setattr(f"minisparse.kernels.{module}.THREADS", 64)


@pytest.mark.usefixtures("few")
def test_every_program_is_free_of_races_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    launches = with_seed(monkeypatch, 3, check=True)
    for case in every_launch("float32"):
        case()
    assert {program.name for program, _ in launches} == set(programs())


@pytest.mark.parametrize("dtype", ["float16", "int64"])
def test_free_of_races_with_sums_of_another_type(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_seed(monkeypatch, 4, check=True)
    for case in some_launches(dtype):
        case()


@pytest.mark.usefixtures("few")
def test_warps_and_blocks_take_several_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [case() for case in every_launch("float32", long=60)]
    monkeypatch.undo()
    for case, found in zip(every_launch("float32", long=60), few, strict=True):
        for x, y in zip(arrays_of(found), arrays_of(case()), strict=True):
            near = 1e-5 if x.dtype == np.float32 else 0
            np.testing.assert_allclose(x, y, near, near, err_msg=case.args[0])


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_threads_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    meet = {"spgemm_csr", "spgemm_csc"}  # where B stores a cell twice, lanes add in any order
    cases = [c for c in every_launch("float32") if c.args[0] not in meet or is_distinct(c)]
    wanted = [case() for case in cases]
    with_seed(monkeypatch, seed)
    for case, before in zip(cases, wanted, strict=True):
        assert_same(case(), before, case.args[0])


def is_distinct(case: Case) -> bool:
    a, b = case.args[1:]
    return bool(a.has_canonical_format and b.has_canonical_format)


@pytest.mark.filterwarnings("ignore:cupyx.jit.rawkernel is experimental:FutureWarning")
@pytest.mark.parametrize(
    ("dtype", "limit"),
    [*((dtype, index.INT32_LIMIT) for dtype in DTYPES), ("float32", 12), ("int64", 12)],
)
def test_every_program_translates(
    dtype: str, limit: int, few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cupy", reason="CuPy, which translates thread programs, is not installed")
    from minisparse.gpu.translate import translate, type_of

    monkeypatch.setattr(index, "INT32_LIMIT", limit)
    launches = with_seed(monkeypatch, None)
    for case in (every_launch if dtype == "float32" else some_launches)(dtype):
        case()
    done = {(program, tuple(type_of(x) for x in args)) for program, args in launches}
    for program, types in done:
        assert f"void {program.name}(" in translate(program, types).code
    rest = {"write_lines"} if dtype[0] == "f" else {"write_lines", "attend", "softmax_of_rows"}
    assert {program.name for program, _ in done} >= set(programs()) - rest


def test_indices_of_64_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [case() for case in every_launch("float32")]
    monkeypatch.setattr(index, "INT32_LIMIT", 5)
    for case, before in zip(every_launch("float32"), wanted, strict=True):
        found = case()
        assert all(x.dtype != np.int32 for x in arrays_of(found)), case.args[0]
        for x, y in zip(arrays_of(found), arrays_of(before), strict=True):
            np.testing.assert_array_equal(x, y, case.args[0])


# -- where operands lie ----------------------------------------------------------------------------


def there_and_back(case: Case, cupy: Any) -> Any:
    """Return what a case computes of operands on a device, brought back from there."""
    name, *operands = case.args
    there = [x.to_device("gpu") if isinstance(x, Matrix) else cupy.asarray(x) for x in operands]
    if isinstance(cupy, PretendCupy):
        cupy.transfers.clear()
    found = run(name, *there, **case.keywords)
    if isinstance(cupy, PretendCupy):
        assert all(t.nbytes <= FEW for t in cupy.transfers), (name, cupy.transfers)
    return found.to_device("cpu") if isinstance(found, Matrix) else found.get()


def test_results_lie_where_operands_do(pretend_cupy: PretendCupy) -> None:
    for case in every_launch("float32"):
        assert_same(there_and_back(case, pretend_cupy), case(), case.args[0])


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "float16", "int64"])
def test_a_card_and_the_simulator_agree(dtype: str) -> None:
    import cupy

    from minisparse.gpu.translate import rounded_products

    for case in every_launch(dtype, long=300):
        name = case.args[0]
        with rounded_products():
            found = there_and_back(case, cupy)
        meets = name.startswith("spgemm") and not is_distinct(case)
        if meets or name.startswith(("softmax", "attention")):  # added in any order; exp
            near = 2e-3 if dtype == "float16" else 1e-5
            for x, y in zip(arrays_of(found), arrays_of(case()), strict=True):
                np.testing.assert_allclose(x, y, near, 1e-6, err_msg=name)
        else:
            assert_same(found, case(), name)


# -- nothing to do, and what is refused ------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0), (4, 4)])
def test_nothing_is_launched_for_nothing(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    launches = with_seed(monkeypatch, None)  # fails where a grid has no blocks
    none = np.zeros(0, np.intp)
    t = Triplets(none, none, none.astype("float32"), shape)
    for format in SDDMM:
        found = run(f"sddmm_{format}", hold(t, format), *factors(t, 2))
        assert found.nnz == found.data.size
    assert not run("softmax_csr", hold(t, "csr")).nnz
    assert not launches or 4 in shape  # n:m stores its padding
    for before, after in CONVERT:
        found = run(f"convert_{before}", hold(t, before), format=after)
        assert (found.shape, found.nnz) == (shape, 0)
        assert_same(found, hold(t, before).to(after))
    for format in SPGEMM:
        found = run(f"spgemm_{format}", hold(t, format), hold(t, format).T.to(format))
        assert (found.shape, found.nnz) == ((shape[0], shape[0]), 0)
    for columns in (0, 3):
        q, k, v = np.ones((shape[0], 2)), np.ones((shape[1], 2)), np.ones((shape[1], columns))
        found = run("attention_coo", hold(t, "coo"), q, k, v)
        np.testing.assert_array_equal(found, np.zeros((shape[0], columns)))


@pytest.mark.parametrize("dtype", ["complex64", *(["bfloat16"] if bfloat16() else [])])
def test_dtypes_that_threads_do_not_have(dtype: str) -> None:
    x = np.eye(3).astype(bfloat16() if dtype == "bfloat16" else dtype)
    a = COO(x[[0, 1, 2], [0, 1, 2]], [0, 1, 2], [0, 1, 2], (3, 3))
    for format in SDDMM[:3]:
        with pytest.raises(UnsupportedOpError, match=f"threads do not compute with {dtype}"):
            ms.sddmm(a.to(format), x, x, level="gpu")
    with pytest.raises(UnsupportedOpError, match=f"csr at level gpu: .* with {dtype}"):
        ms.spgemm(a.to("csr"), a.to("csr"), level="gpu")
    assert KERNELS["convert_coo"].levels["gpu"].why_not is not None


def test_awkward_is_awkward() -> None:
    a = hold(awkward(), "csr")
    lengths = np.diff(a.arrays["indptr"])
    assert not lengths[0]
    assert not a.has_sorted_indices
    assert a.canonical().nnz < a.nnz
    assert (a.data == 0).any()
    assert np.diff(hold(awkward(long=300), "csr").arrays["indptr"]).max() > 256
