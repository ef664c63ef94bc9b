"""Implementations of spmm_csr that tests name on the command line."""

import os
import signal
import sys
import time
from typing import Any

import numpy as np

from tests.oracle import wrong_kernels
from tests.oracle.right_kernels import loops

right = loops
sorts_in_place = wrong_kernels.sorts_in_place
ignores_fortran_order = wrong_kernels.ignores_fortran_order
reads_base_of_views = wrong_kernels.reads_base_of_views
keeps_stale_object = wrong_kernels.KeepsStaleObject()
keeps_first_array = wrong_kernels.KeepsFirstArray()
returns_its_buffer = wrong_kernels.ReturnsItsBuffer()
not_a_function = 3


def returns_an_input(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    c = loops(indptr, indices, data, shape, b)
    if c.shape == b.shape and c.tobytes() == b.tobytes() and b.flags.c_contiguous:
        return b
    return c


def takes_float32_only(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    if data.dtype != np.float32 or b.dtype != np.float32:
        raise NotImplementedError(f"{data.dtype} times {b.dtype}")
    return loops(indptr, indices, data, shape, b)


def prints(*arguments: Any) -> Any:
    sys.stdout.write("a line on stdout\n")
    os.write(1, b"and one below Python\n")
    assert sys.stdin.read() == ""
    return loops(*arguments)


def raises_its_own(*arguments: Any) -> Any:
    class Peculiar(Exception):
        pass

    raise Peculiar("of its own")


def returns_a_list(*arguments: Any) -> Any:
    return loops(*arguments).tolist()


def returns_objects(*arguments: Any) -> Any:
    return loops(*arguments).astype(object)


def is_killed(*arguments: Any) -> Any:
    if not arguments[2].size:
        sys.stderr.write("last words\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return loops(*arguments)


def hangs(*arguments: Any) -> Any:
    if not arguments[2].size:
        time.sleep(3600)
    return loops(*arguments)
