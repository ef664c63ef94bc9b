"""Recording operands: what is an index, what is a number, and which element was touched when."""

from collections.abc import Callable
from typing import Any

import numpy
import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import InternalError
from minisparse.cost.cache import Cache
from minisparse.formats import CSR, from_dense
from minisparse.kernels import KERNELS, Kernel
from minisparse.kernels.recording import Recording, record, record_run
from minisparse.kernels.recording.stream import PAGE
from minisparse.kernels.wide import widen
from minisparse.ops import RELU, SPMM, SPMV, Op

# -- loops of other shapes -----------------------------------------------------------------------

A = CSR(np.array([1.0, 2.0, 3.0, 4.0]), [1, 3, 1, 0], [0, 2, 2, 3, 4], (4, 4))
X = np.array([0.5, 1.5, 2.5, 3.5])


def run(loops: Callable[..., Any], *operands: Any, op: Op = SPMV) -> Recording:
    kernel = Kernel(op, CSR, lambda *types: 0, loops=loops)
    recording = record_run(kernel, operands)
    plain = loops(*operands)
    np.testing.assert_array_equal(recording.result, plain)
    assert np.asarray(recording.result).dtype == np.asarray(plain).dtype
    return recording


def test_an_index_is_known_as_one_through_arithmetic() -> None:
    def loops(a: CSR, x: Array) -> Array:
        y = np.zeros(4)
        for p in range(4):
            k = int(a.indices[p])
            tried = (k + 1, 1 + k, k - 0, 4 - k, k * 1, 2 * k, k // 2, k % 3, divmod(k, 2)[1])
            y[p] = sum(float(x[i % 4]) for i in tried)
        return y

    assert run(loops, A, X).counts.gathered_bytes == sum(
        8 * len({(k + 1) % 4, k, (4 - k) % 4, 2 * k % 4, k // 2, k % 3, k % 2})
        for k in A.indices.tolist()
    )


def test_an_index_read_again_at_once_is_one_reading_and_later_another() -> None:
    def at_once(a: CSR, x: Array) -> Array:
        y = np.zeros(1)
        for _ in range(3):
            y[0] += x[a.indices[0]]
        return y

    def later(a: CSR, x: Array) -> Array:
        y = np.zeros(1)
        for p in (0, 1, 0):
            y[0] += x[a.indices[p]]
        return y

    assert run(at_once, A, X).counts.gathered_bytes == 8
    assert run(later, A, X).counts.gathered_bytes == 3 * 8
    assert run(later, A, X).counts.index_bytes == 2 * 4


def test_what_lies_behind_gathered_pointers_is_gathered() -> None:
    def loops(a: CSR, b: CSR) -> Array:
        y = np.zeros(4)
        for p in range(a.indptr[0], a.indptr[4]):
            k = a.indices[p]
            for q in range(b.indptr[k], b.indptr[k + 1]):
                y[b.indices[q]] += b.data[q]
        return y

    counts = run(loops, A, A, op=SPMM).counts
    met = [int(A.indptr[k + 1] - A.indptr[k]) for k in A.indices]
    of_b = 4 * 2 * 4 + sum(met) * (4 + 8)  # two pointers for each entry, an index and a value
    assert counts.gathered_bytes == of_b + sum(met) * 2 * 8
    assert counts.index_bytes == (2 + 4) * 4
    assert counts.value_bytes == 4 * 8


def test_rows_taken_by_an_index_are_gathered_and_whole_arrays_counted() -> None:
    def loops(a: CSR, b: Array) -> Array:
        c = np.empty((4, 2))
        for p in range(4):
            c[p] = b[a.indices[p]] * a.data[p]
        return np.maximum(c, 0)

    counts = run(loops, A, np.arange(8.0).reshape(4, 2)).counts
    assert counts.flops == 4 * 2
    assert counts.gathered_bytes == 4 * 2 * 8
    assert counts.calls == 4 * (2 + 2) + 1
    assert counts.scratch == (2 + 4 * 2) * 8  # a row of products, again and again, and c


def test_numbers_compute_as_numpys_scalars() -> None:
    def loops(x: Array) -> Array:
        y = np.zeros(6, x.dtype)
        y[0] = (2 - x[0]) / (1 + x[1]) ** 2
        y[1] = np.exp(x[0]) - x[1] * np.float32(0.1)
        y[2] = max(x[2], x[3]) if x[2] < x[3] or x[0] == x[1] else -abs(x[2])
        y[3] = np.float32(0.1) * x[0].astype("float32")
        y[4] = np.maximum(x[0], x[1])
        y[5] = 1 if np.isnan(x[1]) else int(x[3])
        return y

    counts = run(loops, X.astype("float32"), op=RELU).counts
    assert counts.flops == 4 + 3 + 1


def new_row(count: int) -> Array:
    return np.zeros(count)


new_row.__module__ = "minisparse.kernels.here"


def test_a_helper_that_makes_arrays_is_recorded_too() -> None:
    def loops(x: Array) -> Array:
        (wide,) = widen(x)
        y, row = np.zeros(4, wide.dtype), new_row(4)
        for i in range(4):
            row[i] = wide[3 - i]
            y[i] = row[i]
        return y

    recording = run(loops, X.astype("float16"), op=RELU)
    assert recording.counts.value_bytes == 4 * 2 + 4 * 8 + 4 * 4
    assert recording.counts.scratch == 4 * 4 + 4 * 8
    assert new_row.__globals__["np"] is np


def test_an_index_in_memory_used_again_is_another_one() -> None:
    def loops(x: Array) -> Array:
        y = np.zeros(2)
        for i in range(2):
            order = np.argsort(x)
            y[i] = x[order[0]]
            del order
        return y

    assert run(loops, X, op=RELU).counts.gathered_bytes == 2 * 8


def test_loops_that_write_to_an_operand_are_told() -> None:
    def loops(x: Array) -> Array:
        x[0] = 1
        return x

    with pytest.raises(InternalError, match="the loops write to x, an operand"):
        run(loops, X.copy(), op=RELU)


@pytest.mark.parametrize("name", ["cumsum", "sort", "flatnonzero"])
def test_functions_that_would_go_past_the_record_are_refused(name: str) -> None:
    def loops(x: Array) -> Any:
        return getattr(np, name)(x)

    with pytest.raises(InternalError, match=f"np.{name} is not recorded"):
        run(loops, X, op=RELU)


def test_a_sum_over_a_whole_array_is_refused() -> None:
    with pytest.raises(InternalError, match=r"np\.add\.reduce is not recorded"):
        run(lambda x: np.add.reduce(x), X, op=RELU)
    with pytest.raises(AttributeError, match="sum"):
        run(lambda x: x.sum(), X, op=RELU)


def test_what_would_compute_unseen_is_refused() -> None:
    with pytest.raises(InternalError, match="x is made a plain array on the way"):
        run(lambda x: numpy.asarray(x) + 1, X, op=RELU)
    with pytest.raises(TypeError, match="float"):
        run(lambda x: np.float64(x[0]) + 1, X, op=RELU)
    with pytest.raises(InternalError, match="to_dense of a matrix is not recorded"):
        run(lambda a, x: a.to_dense() @ x, A, X)


def test_memory_that_was_given_up_is_used_again() -> None:
    def one_by_one(x: Array) -> Array:
        total = np.zeros(4)
        for i in range(4):
            row = np.zeros(4)
            row[i] = x[i]
            total[i] = row[i] + 1
            del row
        return total

    def side_by_side(x: Array) -> Array:
        total = np.zeros(4)
        rows = [np.zeros(4) for _ in range(4)]
        for i in range(4):
            rows[i][i] = x[i]
            total[i] = rows[i][i] + 1
        return total

    assert run(one_by_one, X, op=RELU).counts.scratch == 4 * 8
    assert run(side_by_side, X, op=RELU).counts.scratch == 4 * 4 * 8


def test_a_matrix_that_is_made_is_named_after_its_arrays() -> None:
    a = KERNELS["spgemm_csr"]
    stream = record(a, (A, A))
    assert {"result.data", "result.indices", "result.indptr"} <= set(stream.names)
    assert "result.data" in record(KERNELS["relu_csr"], (A,)).names


# -- the stream ----------------------------------------------------------------------------------


def test_the_stream_is_the_textbooks() -> None:
    b = np.arange(8.0).reshape(4, 2)
    stream = record(KERNELS["spmm_csr"], (A, b))
    told = [
        f"{stream.names[i]}[{e}]{'!' * int(w)}"
        for i, e, w in zip(stream.array, stream.element, stream.write, strict=True)
    ]
    expected: list[str] = []
    for m in range(4):
        expected += [f"a.indptr[{m}]", f"a.indptr[{m + 1}]"]
        for p in range(A.indptr[m], A.indptr[m + 1]):
            expected += [f"a.indices[{p}]"]
            for n in range(2):
                c, k = 2 * m + n, A.indices[p]
                expected += [f"result[{c}]", f"a.data[{p}]", f"b[{2 * k + n}]", f"result[{c}]!"]
    assert told == expected


def test_elements_of_views_are_those_of_what_is_seen() -> None:
    b = np.arange(48.0).reshape(8, 6)[::-2, ::3]
    stream = record(KERNELS["spmm_csr"], (A, b))
    (number,) = [i for i, name in enumerate(stream.names) if name == "b"]
    assert stream.lengths[number] == b.size
    assert set(stream.element[stream.array == number].tolist()) <= set(range(b.size))
    by_row = record(KERNELS["gemm_dense"], (X[None], np.ones((2, 4))), {"transB": 1})
    assert by_row.element[by_row.array == 1].tolist() == list(range(8))


def test_addresses_are_apart_and_aligned() -> None:
    stream = record(KERNELS["spmm_csr"], (A, np.ones((4, 300))))
    bases = np.array(stream.bases)
    assert (bases % PAGE == 0).all()
    ends = bases + np.array(stream.lengths) * stream.itemsizes
    assert (ends[:-1] <= bases[1:]).all()
    addresses = stream.addresses()
    assert addresses.dtype == np.int64
    assert (addresses >= bases[stream.array]).all()
    assert (addresses < ends[stream.array]).all()
    assert len(stream) == len(addresses) == len(stream.write)


def test_a_small_cache_forgets_what_is_gathered_as_counts_say() -> None:
    m, k = np.indices((6, 48))
    a = from_dense((k % 3 == m % 3).astype("float32"), "csr")  # no column again within 32 entries
    recording = record_run(KERNELS["spmm_csr"], (a, np.ones((48, 16), "float32")))
    replay = Cache(size=16 * 64, line=64, ways=16).replay(recording.stream)
    accesses, misses = replay.by_array()["b"]
    assert accesses == a.nnz * 16
    assert misses * 64 == recording.counts.gathered_bytes
