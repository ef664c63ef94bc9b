"""Every format, conversion and operation on arrays of a card: as in main memory, and no copies.

The card is a pretend one (``tests/pretend_device.py``). What is computed there must be the same bit
for bit as in main memory, and over the bus may go only numbers that decide what comes next: none
is an array, and there are not more of them for a larger matrix.
"""

import operator
import pickle
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array, bfloat16
from minisparse.core.errors import (
    FormatError,
    MinisparseError,
    MissingExtraError,
    UnsupportedOpError,
    UsageError,
)
from minisparse.core.triplets import Triplets
from minisparse.core.xp import is_on_gpu, to_device
from minisparse.formats import (
    BSR,
    COO,
    CSR,
    FORMATS,
    NM,
    Matrix,
    block_diag,
    by_length,
    by_similarity,
    equal,
    find_near_blocks,
    find_pattern,
    from_dense,
    from_triplets,
    hstack,
    reverse_cuthill_mckee,
    route,
    save_binsparse,
    save_npz,
    to_onnx,
    vstack,
    write_mtx,
)
from tests.pretend_device import PretendCupy

# What a format may want to know. 4:4 holds every matrix.
LAYOUTS: dict[str, Any] = {"block": (2, 3), "n": 4, "m": 4}
DTYPES = "bool int8 uint8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
NUMBER = 8
"""Bytes that may go to the host at a time: a count, a bound, a yes or no."""

every_format = pytest.mark.parametrize("format", FORMATS)


# -- samples -------------------------------------------------------------------------------------


def layout_of(format: str) -> dict[str, Any]:
    return {name: LAYOUTS[name] for name in FORMATS[format].layout_names}


def sample(shape: tuple[int, int], dtype: Any = "float32", density: float = 0.4) -> Array:
    """Return small integers, so that sums are exact in any order."""
    rng = np.random.default_rng(sum(shape))
    values = rng.integers(-4, 5, shape) * (rng.random(shape) < density)
    if shape[0] > 2:
        values[1] = 0
    return (np.abs(values) if np.dtype(dtype).kind in "ub" else values).astype(dtype)


def make(format: str, shape: tuple[int, int] = (5, 7), dtype: Any = "float32") -> Matrix:
    return from_dense(sample(shape, dtype), format, **layout_of(format))


def unsorted(format: str, dtype: Any = "float32") -> Matrix:
    """Return a matrix in any order, some cells several times, with stored zeros; as it can hold."""
    rng = np.random.default_rng(4)
    row, col = rng.integers(0, 5, 60), rng.integers(0, 7, 60)
    data = rng.integers(0, 5, 60).astype(dtype)
    if data.dtype.kind in "fc":
        data[:8] = [0, -0.0, -0.0, 1, 0, 2, -0.0, 0]
        row[:2], col[:2] = 4, 6
    triplets = Triplets(row, col, data, (5, 7))
    return from_triplets(triplets, format, canonical=False, **layout_of(format))


def same(found: Any, expected: Any) -> None:
    """Compare what came of a card with what came of main memory, bit for bit."""
    if isinstance(expected, Matrix):
        assert type(found) is type(expected)
        assert (found.shape, found.block) == (expected.shape, expected.block)
        assert found.device == "gpu"
        for name, array in expected.arrays.items():
            same(found.arrays[name], array)
    elif isinstance(expected, tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(expected, np.ndarray | np.generic):
        assert is_on_gpu(found)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.get().tobytes() == expected.tobytes()
    else:
        assert found == expected
        assert type(found) is type(expected)


def outcome(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except MinisparseError as error:
        return type(error), str(error)


# -- operations ----------------------------------------------------------------------------------


def operands(A: Matrix) -> dict[str, Any]:
    """Return what operations need beside A, in main memory."""
    m, k = A.shape
    rng = np.random.default_rng(m)
    return {
        "v": rng.integers(-3, 4, k).astype("float32"),
        "b": rng.integers(-3, 4, (k, 3)).astype("float32"),
        "w": rng.integers(-3, 4, (2, m)).astype("float32"),
        "B": from_dense(sample((m + 1, k))[1:], A.format, **layout_of(A.format)),
        "rows": rng.permutation(m),
        "cols": rng.permutation(k),
        "some": rng.integers(0, max(m, 1), 3),
        "others": rng.integers(-max(k, 1), max(k, 1), 3),
        "mask": np.arange(m) % 2 == 0,
        "data": A.data * 2,
        "dense": A.to_dense(),
    }


def _pickled(A: Matrix) -> Matrix:
    found: Matrix = pickle.loads(pickle.dumps(A))
    return found


Operation = Callable[[Matrix, Any], Any]


def _to(format: str) -> Operation:
    return lambda A, _: A.to(format, **layout_of(format))


def _from_dense(format: str) -> Operation:
    return lambda A, o: from_dense(o.dense, format, **layout_of(format))


def _method(name: str, *args: Any) -> Operation:
    return lambda A, _: getattr(A, name)(*args)


def _with_matrix(f: Callable[[Any, Any], Any]) -> Operation:
    return lambda A, o: f(A, o.B)


def _with_two(f: Callable[[Any, Any], Any]) -> Operation:
    return lambda A, _: f(A, 2)


_REDUCTIONS = "sum mean min max count_nonzero".split()
_ALONE = "to_dense canonical sort_indices eliminate_zeros copy conj triu tril".split()
_OF_TWO = (operator.add, operator.sub, operator.mul, operator.ne, operator.lt, operator.gt)
_OF_A_NUMBER = (operator.mul, operator.truediv, operator.eq, operator.gt, operator.ge)
OPERATIONS: dict[str, Operation] = {
    **{f"to {format}": _to(format) for format in FORMATS},
    "to bsr 3x2": lambda A, _: A.to("bsr", block=(3, 2)),
    **{f"from_dense {format}": _from_dense(format) for format in FORMATS},
    **{name: _method(name) for name in _ALONE},
    **{f"{name} {axis}": _method(name, axis) for name in _REDUCTIONS for axis in (None, 0, 1)},
    **{f"A {f.__name__} B": _with_matrix(f) for f in _OF_TWO},
    **{f"A {f.__name__} 2": _with_two(f) for f in _OF_A_NUMBER},
    "2 * A": lambda A, _: 2 * A,
    "A * float16": lambda A, _: A * np.float16(2),
    "triplets": lambda A, _: tuple(A.triplets()[:3]),
    "sorted?": lambda A, _: A.has_sorted_indices,
    "canonical?": lambda A, _: A.has_canonical_format,
    "T": lambda A, _: A.T,
    "-A": lambda A, _: -A,
    "abs": lambda A, _: abs(A),
    "astype": lambda A, _: A.astype("float16"),
    "with_data": lambda A, o: A.with_data(o.data),
    "check": lambda A, _: A.check(),
    "A @ v": lambda A, o: A @ o.v,
    "A @ b": lambda A, o: A @ o.b,
    "w @ A": lambda A, o: o.w @ A,
    "diagonal": lambda A, _: A.diagonal(1),
    "triu 2": lambda A, _: A.triu(2),
    "A[1:4]": lambda A, _: A[1:4],
    "A[:, ::-2]": lambda A, _: A[:, ::-2],
    "A[2:, 3:]": lambda A, _: A[2:, 3:],
    "A[0:2, 0:4]": lambda A, _: A[0:2, 0:4],
    "A[3]": lambda A, _: A[3],
    "A[2, 3]": lambda A, _: A[2, 3],
    "A[some]": lambda A, o: A[o.some],
    "A[:, others]": lambda A, o: A[:, o.others],
    "A[some, others]": lambda A, o: A[o.some, o.others],
    "A[2, others]": lambda A, o: A[2, o.others],
    "A[ix]": lambda A, o: A[np.ix_(o.some, o.others)],
    "A[mask]": lambda A, o: A[o.mask],
    "A[9]": lambda A, _: A[99],
    "permute_rows": lambda A, o: A.permute_rows(o.rows),
    "permute_columns": lambda A, o: A.permute_columns(o.cols),
    "hstack": lambda A, o: hstack([A, o.B]),
    "vstack": lambda A, o: vstack([A, o.B]),
    "block_diag": lambda A, o: block_diag([A, o.B]),
    "equal": lambda A, o: equal(A, A) and not equal(A, o.B),
    "repr": lambda A, _: repr(A),
    "by_length": lambda A, _: by_length(A),
    "facts": lambda A, _: (A.nnz, A.nbytes, A.density, str(A.type), str(A.storage)),
}


def on_card(operation: Operation, A: Matrix, given: dict[str, Any]) -> Any:
    """Return what comes of an operation on a card; nothing of it has been fetched before."""
    moved = {
        n: x.to_device("gpu") if isinstance(x, Matrix) else to_device(x, "gpu")
        for n, x in given.items()
    }
    there = A.to_device("gpu")
    return lambda: outcome(operation, there, SimpleNamespace(**moved))


@every_format
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_same_as_in_main_memory(format: str, name: str, pretend_cupy: PretendCupy) -> None:
    counted = []
    for A in (make(format, (6, 7)), make(format, (12, 14)), unsorted(format)):
        given = operands(A)
        expected = outcome(OPERATIONS[name], A, SimpleNamespace(**given))
        run = on_card(OPERATIONS[name], A, given)
        pretend_cupy.transfers.clear()
        found = run()
        moved = list(pretend_cupy.transfers)
        assert [t for t in moved if t.to == "device"] == []
        assert max((t.nbytes for t in moved), default=0) <= NUMBER, moved
        counted.append(len(moved))
        if "@" in name:  # 0 and -0: which of them depends on where a sum starts
            np.testing.assert_array_equal(found.get(), expected)
        else:
            same(found, expected)
    assert max(counted) <= 60
    assert counted[1] <= counted[0] + 10  # of the same kind, and four times as large


@pytest.mark.gpu
@every_format
def test_the_same_on_a_card(format: str) -> None:
    for A in (make(format, (12, 14)), make(format), unsorted(format)):
        for name, operation in OPERATIONS.items():
            given = operands(A)
            expected = outcome(operation, A, SimpleNamespace(**given))
            found = on_card(operation, A, given)()
            if "@" in name:
                np.testing.assert_array_equal(found.get(), expected, err_msg=name)
            else:
                same(found, expected)


@every_format
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(format: str, dtype: str, pretend_cupy: PretendCupy) -> None:
    for A in (make(format, dtype=dtype), unsorted(format, dtype)):
        there = A.to_device("gpu")
        for target in FORMATS:
            same(there.to(target, **layout_of(target)), A.to(target, **layout_of(target)))
        for f in (Matrix.to_dense, Matrix.canonical, Matrix.sum, lambda A: A.sum(1)):
            same(f(there), f(A))
        same(there @ pretend_cupy.ones((7, 2), dtype), A @ np.ones((7, 2), dtype))


@every_format
def test_bfloat16(format: str, pretend_cupy: PretendCupy) -> None:
    pytest.importorskip("ml_dtypes", reason='bfloat16 needs pip install "minisparse[io]"')
    for A in (make(format, dtype=bfloat16()), unsorted(format, bfloat16())):
        there = A.to_device("gpu")
        for target in FORMATS:
            same(there.to(target, **layout_of(target)), A.to(target, **layout_of(target)))
        same(there.to_dense(), A.to_dense())
        same(there.sum(0), A.sum(0))


@every_format
@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (1, 1), (1, 9), (9, 1)])
def test_shapes(format: str, shape: tuple[int, int], pretend_cupy: PretendCupy) -> None:
    A = make(format, shape)
    there = A.to_device("gpu")
    for target in FORMATS:
        same(there.to(target, **layout_of(target)), A.to(target, **layout_of(target)))
        same(
            from_dense(pretend_cupy.asarray(A.to_dense()), target, **layout_of(target)),
            from_dense(A.to_dense(), target, **layout_of(target)),
        )
    for name in ("to_dense", "sum 0", "sum 1", "count_nonzero 1", "A mul 2", "A[mask]"):
        given = operands(A)
        expected = outcome(OPERATIONS[name], A, SimpleNamespace(**given))
        same(on_card(OPERATIONS[name], A, given)(), expected)
    same(there + there, A + A)


def test_shapes_beyond_64_bits(pretend_cupy: PretendCupy) -> None:
    n = 2**40
    A = COO([1.0, 2.0, 3.0, 4.0], [n - 1, 3, n - 1, 3], [5, n - 1, 2, n - 1], (n, n))
    there = A.to_device("gpu")
    same(there.canonical(), A.canonical())
    same(there + there.canonical(), A + A.canonical())
    same(there[[3, n - 1]][:, [2, n - 1]], A[[3, n - 1]][:, [2, n - 1]])


def test_special_values(pretend_cupy: PretendCupy) -> None:
    data = np.array([np.inf, -np.inf, np.nan, -0.0, 1e300, 1e300, 0.1, 0.2, 0.3, 65504], "f8")
    A = COO(data, [0, 0, 1, 1, 2, 2, 3, 3, 3, 4], [1, 1, 2, 3, 0, 0, 4, 4, 4, 0], (5, 5))
    for dtype in ("float16", "float32", "float64", "complex64"):
        with np.errstate(all="ignore"):
            B = A.with_data(data.astype(dtype))
        there = B.to_device("gpu")
        same(there.to("csr"), B.to("csr"))
        same(there.to_dense(), B.to_dense())
        if dtype != "complex64":
            same(there.max(1), B.max(1))
    for format in ("coo", "csr", "csc"):  # a stored -0.0 makes 0.0 of a cell
        zero = COO([-0.0, 1.0], [0, 1], [1, 0], (2, 2)).to(format)
        same(zero.to_device("gpu").to_dense(), zero.to_dense())
        assert not np.signbit(zero.to_dense()).any()


# -- to the card and back ------------------------------------------------------------------------


@every_format
def test_to_device_copies_once(format: str, pretend_cupy: PretendCupy) -> None:
    A = make(format)
    assert (A.device, A.to_device("cpu")) == ("cpu", A) or A.to_device("cpu") is A
    assert A.has_canonical_format
    there = A.to_device("gpu")
    assert there.device == "gpu"
    assert [t.to for t in pretend_cupy.transfers] == ["device"] * len(A.arrays)
    assert pretend_cupy.bytes_to("device") == A.nbytes
    pretend_cupy.transfers.clear()
    assert there.to_device("gpu") is there
    assert there.has_canonical_format  # was found before
    assert pretend_cupy.transfers == []
    back = there.to_device("cpu")
    assert pretend_cupy.bytes_to("host") == A.nbytes
    assert back.device == "cpu"
    for name, array in A.arrays.items():
        assert back.arrays[name].tobytes() == array.tobytes()
        assert not back.arrays[name].flags.writeable
    with pytest.raises(UsageError, match=r"to_device: device is 'cuda': it must be cpu or gpu"):
        A.to_device("cuda")


@every_format
def test_construction_fetches_a_few_numbers(format: str, pretend_cupy: PretendCupy) -> None:
    for shape in ((6, 8), (40, 30)):
        A = make(format, shape)
        arrays = {name: pretend_cupy.asarray(x) for name, x in A.arrays.items()}
        pretend_cupy.transfers.clear()
        same(FORMATS[format].from_arrays(arrays, A.shape, A.block), A)
        moved = pretend_cupy.transfers[: -len(A.arrays)]  # the last ones are the comparison's
        assert {t.to for t in moved} == {"host"}
        assert max(t.nbytes for t in moved) <= NUMBER
        expected = {"coo": 4, "csr": 5, "csc": 5, "bsr": 7, "nm": 4}.get(format, 8)
        assert len(moved) <= expected


def test_broken_rules_are_named(pretend_cupy: PretendCupy) -> None:
    cp = pretend_cupy
    data, shape = cp.ones(3, "float32"), (2, 3)
    broken: list[tuple[str, Callable[[], Any]]] = [
        (r"F2\): data has shape \(1, 3\)", lambda: CSR(data[None], data, data, shape)),
        (r"F3\): indices has dtype float32", lambda: CSR(data, data, data, shape)),
        (r"F6\): indptr\[0\] is 1", lambda: CSR(data, cp.arange(3), cp.asarray([1, 2, 3]), shape)),
        (r"F7\): indptr\[2\] is 1 but indptr\[1\] is 2",
         lambda: CSR(data, cp.arange(3), cp.asarray([0, 2, 1]), shape)),
        (r"F8\): indptr\[2\] is 2", lambda: CSR(data, cp.arange(3), cp.asarray([0, 2, 2]), shape)),
        (r"F9\): indices\[2\] is 7",
         lambda: CSR(data, cp.asarray([0, 1, 7]), cp.asarray([0, 2, 3]), shape)),
        (r"F5\): row\[1\] is -1",
         lambda: COO(data, cp.asarray([0, -1, 0]), cp.arange(3), shape)),
        (r"F10\): data\[0, 0, 1\] is 1.0 but stands for A\[0, 3\]",
         lambda: BSR(cp.ones((1, 1, 2)), cp.ones(1, int), cp.asarray([0, 1, 1]), shape)),
        (r"F6\): in row 0, group 0, positions\[0, 1\] is 1 after 1",
         lambda: NM(cp.ones((1, 2)), cp.ones((1, 2), int), (1, 4))),
    ]  # fmt: skip
    for message, construct in broken:
        with pytest.raises(FormatError, match=message):
            construct()
    with pytest.raises(FormatError, match=r"nm: row 0, group 0 .* holds 4 nonzeros: 2:4 allows 2"):
        from_dense(cp.ones((2, 4)), "nm", n=2, m=4)


@every_format
def test_pickles(format: str, pretend_cupy: PretendCupy) -> None:
    A = unsorted(format)
    same(_pickled(A.to_device("gpu")), A)


@every_format
def test_pattern(format: str, pretend_cupy: PretendCupy, monkeypatch: pytest.MonkeyPatch) -> None:
    A = unsorted(format)
    for limit in (2**26, 0):  # by a mask, and from coordinates
        monkeypatch.setattr("minisparse.formats.recognition.MASK_LIMIT", limit)
        expected = find_pattern(A, rectangles=[(2, 3)])
        pretend_cupy.transfers.clear()
        found = find_pattern(A.to_device("gpu"), rectangles=[(2, 3)])
        assert max(t.nbytes for t in pretend_cupy.transfers if t.to == "host") <= 7 * 8
        assert str(found) == str(expected)
        np.testing.assert_array_equal(found.row_counts, expected.row_counts)
        np.testing.assert_array_equal(found.col_counts, expected.col_counts)
    assert str(find_pattern(pretend_cupy.asarray(A.to_dense()))) == str(find_pattern(A.to_dense()))


@every_format
def test_pictures_fetch_counts(format: str, pretend_cupy: PretendCupy) -> None:
    A = make(format, (300, 400))
    there = A.to_device("gpu")
    card, text = A._repr_html_(), A.spy()
    pretend_cupy.transfers.clear()
    assert there._repr_html_() == card
    assert there.spy() == text
    assert pretend_cupy.bytes_to("host") < 400_000 < A.shape[0] * A.shape[1] * 4


def test_an_order_by_chance_brings_its_numbers(pretend_cupy: PretendCupy) -> None:
    A = make("csr", (20, 30))
    there = A.to_device("gpu")
    pretend_cupy.transfers.clear()
    found = by_similarity(there)
    assert pretend_cupy.bytes_to("device") == 4 * 30 * 8
    same(found, by_similarity(A))


def test_lists_are_brought_and_arrays_are_not(pretend_cupy: PretendCupy) -> None:
    A = make("csr")
    there = A.to_device("gpu")
    pretend_cupy.transfers.clear()
    same(there[[2, 0]], A[[2, 0]])
    assert pretend_cupy.bytes_to("device") == 16
    same(there.permute_rows([4, 0, 1, 2, 3]), A.permute_rows([4, 0, 1, 2, 3]))
    with pytest.raises(UsageError, match=r"an index lies on the cpu, but the matrix on the gpu"):
        there[np.array([2, 0])]
    with pytest.raises(UsageError, match=r"an index lies on the gpu, but the matrix on the cpu"):
        A[pretend_cupy.asarray([2, 0])]
    with pytest.raises(UsageError, match=r"permute_rows: order lies on the cpu"):
        there.permute_rows(np.arange(5))


MIXED: dict[str, Callable[[Matrix, Matrix, Any], Any]] = {
    "A + B": lambda A, B, x: A + B,
    "A != B": lambda A, B, x: A != B,
    "equal": lambda A, B, x: equal(A, B),
    "hstack": lambda A, B, x: hstack([A, B]),
    "A @ b": lambda A, B, x: A @ x.T,
    "b @ A": lambda A, B, x: x.T @ A,
    "with_data": lambda A, B, x: A.with_data(B.data),
    "constructor": lambda A, B, x: FORMATS[A.format].from_arrays(
        {**A.arrays, "data": B.data}, A.shape, A.block
    ),
}


@every_format
@pytest.mark.parametrize("name", MIXED)
def test_nothing_is_copied_unasked(format: str, name: str, pretend_cupy: PretendCupy) -> None:
    A = make(format)
    there = A.to_device("gpu")
    for one, other in ((A, there), (there, A)):
        x = other.to_dense()
        pretend_cupy.transfers.clear()
        with pytest.raises(UsageError, match=r"copied unasked"):
            MIXED[name](one, other, x)
        assert pretend_cupy.transfers == []


HOST_ONLY: dict[str, Callable[[Matrix], Any]] = {
    "to_scipy": lambda A: A.to_scipy(),
    "to_torch": lambda A: A.to_torch(),
    "to_onnx": to_onnx,
    "save_npz": lambda A: save_npz("nowhere.npz", A),
    "save_binsparse": lambda A: save_binsparse("nowhere.npz", A),
    "write_mtx": lambda A: write_mtx("nowhere.mtx", A),
    "show": lambda A: A.show(),
    "route": lambda A: route(A, "coo"),
    "near": lambda A: find_near_blocks(A, 2),
    "reverse_cuthill_mckee": reverse_cuthill_mckee,
}


@pytest.mark.parametrize("name", HOST_ONLY)
def test_what_needs_main_memory_says_so(name: str, pretend_cupy: PretendCupy) -> None:
    there = make("csr").to_device("gpu")
    pretend_cupy.transfers.clear()
    with pytest.raises(UsageError, match=r"on the GPU, .*write A.to_device\('cpu'\) first"):
        HOST_ONLY[name](there)
    assert pretend_cupy.transfers == []
    with pytest.raises(TypeError, match=r"write .to_dense"):
        np.asarray(there)


def test_triplets(pretend_cupy: PretendCupy) -> None:
    A = unsorted("coo")
    entries = A.to_device("gpu").triplets()
    same(from_triplets(entries, "coo").to_dense(), A.to_dense())
    with pytest.raises(UsageError, match=r"on the GPU: write from_triplets\(t, 'coo'\)"):
        entries.to_dense()


def test_dense_beside_sparse_is_refused_as_in_main_memory(pretend_cupy: PretendCupy) -> None:
    there = make("csr").to_device("gpu")
    with pytest.raises(UnsupportedOpError, match="A \\+ b: A is csr but b is of type"):
        there + there.to_dense()
    same(there * pretend_cupy.asarray(2.0, "float32"), make("csr") * np.float32(2))


def test_without_a_card(pretend_cupy: PretendCupy, monkeypatch: pytest.MonkeyPatch) -> None:
    A = make("csr")

    def refuse() -> int:
        raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")

    runtime = SimpleNamespace(getDeviceCount=refuse, CUDARuntimeError=RuntimeError)
    monkeypatch.setattr(pretend_cupy, "cuda", SimpleNamespace(runtime=runtime))
    with pytest.raises(UsageError, match="there is no GPU to use: CUDA says cudaErrorInsuff"):
        A.to_device("gpu")
    runtime.getDeviceCount = lambda: 0
    with pytest.raises(UsageError, match="there is no GPU to use: CUDA finds none"):
        A.to_device("gpu")
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(MissingExtraError, match=r"CSR.to_device needs .*minisparse\[gpu-cuda13\]"):
        A.to_device("gpu")
