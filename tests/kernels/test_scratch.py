"""Scratch: what threads keep is counted, that of helpers too, and can be let go of."""

import threading

import numpy as np

from minisparse.kernels.scratch import (
    MOST_KEPT,
    forget_scratch,
    held_scratch,
    kept_scratch,
    scratch,
)
from minisparse.kernels.threads import share

BYTES = np.dtype(np.uint8)


def test_what_is_kept_is_counted_by_use() -> None:
    forget_scratch()
    scratch("a", (100,), BYTES)
    scratch("a", (50,), BYTES)
    scratch("b", (7,), BYTES)
    scratch("too large", (MOST_KEPT + 1,), BYTES)
    found = {key: size for key, size in kept_scratch().items() if size}
    assert found == {("a", False): 100, ("b", False): 7}
    assert held_scratch() == 107
    forget_scratch()
    assert held_scratch() == 0


def test_threads_that_share_work_will_each_keep_their_own() -> None:
    forget_scratch()
    met = threading.Barrier(2, timeout=10)

    def work(size: int) -> None:
        met.wait()  # so that both threads take an item
        scratch("shared", (size,), BYTES)

    scratch("alone", (30,), BYTES)
    share(work, [100, 100], threads=2)
    found = kept_scratch()
    assert found["shared", False] == found["shared", True] == 100
    assert found["alone", True] == 0
    assert held_scratch() == 230
    forget_scratch()
    assert scratch("shared", (10,), BYTES).size == 10


def test_what_a_thread_kept_is_gone_with_it() -> None:
    forget_scratch()
    thread = threading.Thread(target=scratch, args=("other", (1000,), BYTES))
    thread.start()
    thread.join()
    assert held_scratch() == 0
