"""Work on several threads: the same bits, nothing left running, BLAS as it was before."""

import multiprocessing
import os
import threading
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.formats import from_dense
from minisparse.kernels import KERNELS, blas, pack
from minisparse.kernels.scratch import MOST_KEPT, scratch
from minisparse.kernels.spmm import panels
from minisparse.kernels.threads import share

COUNTS = (1, 2, 3, 4)


@pytest.mark.parametrize("threads", COUNTS)
def test_every_item_is_taken_once(threads: int) -> None:
    taken: list[int] = []
    share(taken.append, range(200), threads)
    assert sorted(taken) == list(range(200))
    share(taken.append, [], threads)
    assert len(taken) == 200


def test_two_threads_do_meet() -> None:
    both = threading.Barrier(2, timeout=20)
    share(lambda item: both.wait(), range(2), 2)


@pytest.mark.parametrize("threads", COUNTS)
@pytest.mark.parametrize("bad", [0, 7])
def test_errors_arrive_and_nothing_runs_on(threads: int, bad: int) -> None:
    running = threading.Semaphore(0)

    def work(item: int) -> None:
        running.release()
        if item == bad:
            raise KeyError(item)

    with pytest.raises(KeyError, match=str(bad)):
        share(work, range(8), threads)
    share(lambda item: None, range(8), threads)


def test_warnings_are_off_in_all_threads() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        share(lambda item: np.float32(3e38) * np.full(3, 10, np.float32), range(20), 3)


def test_shares_within_shares_end() -> None:
    done: list[tuple[int, int]] = []

    def outer(i: int) -> None:
        share(lambda j: done.append((i, j)), range(3), 4)

    share(outer, range(10), 4)
    assert sorted(done) == [(i, j) for i in range(10) for j in range(3)]


def test_blas_has_one_thread_within_and_as_many_as_before_after() -> None:
    controls = blas.controls()
    if controls is None:
        pytest.skip("the BLAS of this NumPy has no way to ask for its threads")
    before = controls.get()
    controls.set(2)
    try:
        with blas.one_thread():
            assert controls.get() == 1
            assert blas.thread_count() == 2
            with blas.one_thread():
                assert controls.get() == 1
            assert controls.get() == 1
        assert controls.get() == blas.thread_count() == 2
        with pytest.raises(KeyError), blas.one_thread():
            raise KeyError
        assert controls.get() == 2
    finally:
        controls.set(before)


def test_a_blas_that_is_not_known_leaves_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "controls", lambda: None)
    assert blas.thread_count() == 1
    with blas.one_thread():
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own() -> None:
    share(lambda item: None, range(8), 3)
    child = multiprocessing.get_context("fork").Process(
        target=share, args=(_nothing, list(range(8)), 3)
    )
    child.start()
    child.join(30)
    assert child.exitcode == 0


def _nothing(item: int) -> None:
    pass


# -- kernels -------------------------------------------------------------------------------------


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what makes panels take so many threads, however little there is to do."""

    def use(count: int) -> None:
        monkeypatch.setattr(panels, "SHARED", 0)
        monkeypatch.setattr(panels, "usable_threads", lambda: count)

    return use


@pytest.mark.parametrize("format", ["csr", "bsr"])
@pytest.mark.parametrize("columns", [40, 64, 300, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_the_same_bits_on_any_number_of_threads(
    format: str, columns: int, dtype: str, threads: Callable[[int], None]
) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((193, 160)) * np.kron(rng.random((97, 80)) < 0.1, np.ones((2, 2)))[:193]
    layout = {"block": (2, 2)} if format == "bsr" else {}
    a = from_dense(x.astype(dtype), format, **layout)
    b = rng.standard_normal((160, columns)).astype(dtype)
    b[3, 5] = np.inf
    level = KERNELS[f"spmm_{format}"].levels["vectorized"]
    packed = pack(level, a, columns)
    finished: list[tuple[slice, ...]] = []

    def finish(tile: Array, index: tuple[slice, ...]) -> None:
        finished.append(index)
        np.maximum(tile, 0, out=tile)

    found = []
    for count in COUNTS:
        threads(count)
        with np.errstate(all="ignore"):
            found.append(level.run(packed, b, finish=finish).tobytes())
    assert len(set(found)) == 1
    assert len(set(map(str, finished))) * len(COUNTS) == len(finished)


# -- scratch -------------------------------------------------------------------------------------


def test_scratch_is_aligned_and_by_use() -> None:
    dtype = np.dtype("float32")
    first, second = scratch("one", (3, 5), dtype), scratch("two", (7,), dtype)
    assert (first.shape, second.shape) == ((3, 5), (7,))
    assert not np.shares_memory(first, second)
    for x in (first, second, scratch("one", (1000, 3), dtype)):
        assert x.__array_interface__["data"][0] % 64 == 0
    assert scratch("one", (0, 4), dtype).size == 0


def test_each_thread_has_scratch_of_its_own() -> None:
    mine = scratch("shared?", (100,), np.dtype("int64"))
    others: list[Array] = []
    thread = threading.Thread(
        target=lambda: others.append(scratch("shared?", (100,), np.dtype("int64")))
    )
    thread.start()
    thread.join()
    assert not np.shares_memory(mine, others[0])


def test_what_is_large_is_not_kept() -> None:
    large = (MOST_KEPT + 1,)
    byte = np.dtype("uint8")
    assert not np.shares_memory(scratch("big", large, byte), scratch("big", large, byte))
