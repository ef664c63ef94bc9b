"""Matrices of PyTorch, ONNX and safetensors: in and out, entry for entry."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import (
    DTypeError,
    FormatError,
    MinisparseError,
    ShapeError,
    UnsupportedOpError,
    UsageError,
)
from minisparse.formats import COO, CSR, NM, Matrix, from_dense
from minisparse.formats.files.safetensors import read_safetensors
from minisparse.formats.onnx_interop import from_onnx, to_onnx
from minisparse.formats.torch_interop import from_torch, to_torch

DTYPES = "bool int8 uint8 int32 int64 float16 float32 float64 complex64 complex128".split()
X = np.array([[0, 1, 0, 2, 0, 0], [0] * 6, [3, 0, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0]])


def stored(format: str, dtype: str = "float32") -> Matrix:
    return from_dense(X.astype(dtype), format, **({"block": (2, 3)} if format == "bsr" else {}))


def assert_same(A: Matrix, B: Matrix) -> None:
    assert type(A) is type(B)
    assert (A.shape, A.dtype) == (B.shape, B.dtype)
    for name, array in A.arrays.items():
        np.testing.assert_array_equal(array, B.arrays[name], err_msg=name)


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason='needs pip install "minisparse[torch]"')


@pytest.fixture
def onnx() -> Any:
    return pytest.importorskip("onnx", reason='needs pip install "minisparse[onnx]"')


@pytest.mark.parametrize("format", ["coo", "csr", "csc", "bsr"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_to_torch_and_back(torch: Any, format: str, dtype: str) -> None:
    A = stored(format, dtype)
    t = A.to_torch()
    assert str(t.layout) == f"torch.sparse_{format}"
    if dtype not in ("float16", "bool"):
        np.testing.assert_array_equal(t.to_dense().numpy(), X.astype(dtype))
    assert_same(from_torch(t), A)


def test_block_columns_of_torch(torch: Any) -> None:
    A = stored("bsr")
    t = to_torch(A, columns=True)
    assert str(t.layout) == "torch.sparse_bsc"
    assert_same(from_torch(t), A)


def test_torch_keeps_duplicates_and_order(torch: Any) -> None:
    A = COO([1.0, 2.0, 4.0], [1, 0, 1], [0, 1, 0], (2, 2))
    t = A.to_torch()
    assert not t.is_coalesced()
    assert_same(from_torch(t), A)
    np.testing.assert_array_equal(t.to_dense().numpy(), A.to_dense())


def test_torch_gets_copies(torch: Any) -> None:
    A = stored("csr")
    A.to_torch().values().fill_(7)
    np.testing.assert_array_equal(A.to_dense(), X)


def test_torch_has_no_such_matrix(torch: Any) -> None:
    with pytest.raises(UnsupportedOpError, match=r"no format 'nm'.*to\('csr'\)"):
        from_dense(X[:, :4].astype("float32"), "nm", n=2, m=4).to_torch()
    with pytest.raises(UnsupportedOpError, match="do not divide"):
        from_dense(X, "bsr", block=(3, 4)).to_torch()
    with pytest.raises(UnsupportedOpError, match="must be a sparse tensor"):
        from_torch(torch.zeros(2, 2))
    with pytest.raises(ShapeError, match="it must be a matrix"):
        from_torch(torch.zeros(2, 2, 2).to_sparse())


def test_torchs_bfloat16(torch: Any) -> None:
    pytest.importorskip("ml_dtypes", reason='bfloat16 needs pip install "minisparse[io]"')
    x = torch.tensor([[0, 1.5], [-2, 0]]).bfloat16()
    for t in (x.to_sparse(), x.to_sparse_csr(), x.to_sparse_csc()):
        A = from_torch(t)
        assert A.dtype.name == "bfloat16"
        assert A.to_dense().tolist() == [[0, 1.5], [-2, 0]]
        back = A.to_torch()
        assert back.dtype == torch.bfloat16
        assert_same(from_torch(back), A)


def test_views_of_torch(torch: Any) -> None:
    x = torch.tensor([[0, 1 + 2j], [3 - 1j, 0]])
    for t in (x.to_sparse(), x.to_sparse_csr()):
        np.testing.assert_array_equal(
            from_torch(t.conj()).to_dense(), x.conj().resolve_conj().numpy()
        )
        np.testing.assert_array_equal(from_torch(t.requires_grad_()).to_dense(), x.numpy())
    t = x.to_sparse_csr()
    A = from_torch(t)
    t.values().fill_(9)
    np.testing.assert_array_equal(A.to_dense(), x.numpy())


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("format", ["coo", "csr", "csc", "bsr"])
def test_torch_without_cells(torch: Any, format: str, shape: tuple[int, int]) -> None:
    layout: dict[str, Any] = {"block": (1, 1)} if format == "bsr" else {}
    A = from_dense(np.zeros(shape, "float32"), format, **layout)
    assert_same(from_torch(A.to_torch()), A)


def test_what_from_torch_refuses(torch: Any) -> None:
    ones = torch.ones(2, 3, 4)
    for t in (
        ones.to_sparse_csr(),
        ones.to_sparse(2),
        ones[0].to_sparse(1),
        ones[0, 0].to_sparse(),
    ):
        with pytest.raises(ShapeError, match="it must be a matrix"):
            from_torch(t)
    with pytest.raises(UnsupportedOpError, match="'meta' holds no values"):
        from_torch(torch.sparse_coo_tensor(size=(2, 2), device="meta", check_invariants=False))
    for dtype in (torch.float8_e4m3fn, torch.uint16):
        t = torch.sparse_coo_tensor(
            [[0], [1]], torch.ones(1).to(dtype), (2, 2), check_invariants=False
        )
        with pytest.raises(DTypeError, match=r"float8|uint16"):
            from_torch(t)
    wrong = torch.sparse_coo_tensor([[9], [1]], [1.0], (2, 2), check_invariants=False)
    with pytest.raises(FormatError, match=r"COO \(F5\): row\[0\] is 9"):
        from_torch(wrong)


def test_conjugates_and_negatives_that_torch_has_not_computed_yet(torch: Any) -> None:
    x = torch.tensor([[0, 1 + 2j], [3j, 0]])
    index = x.to_sparse().coalesce().indices()
    values = x.to_sparse().coalesce().values()
    late = torch.sparse_coo_tensor(index, values.conj(), (2, 2), check_invariants=True)
    assert from_torch(late).to_dense().tolist() == [[0, 1 - 2j], [-3j, 0]]
    rows = torch.sparse_csr_tensor(
        torch.tensor([0, 1, 2]),
        torch.tensor([1, 0]),
        values.conj().imag,
        (2, 2),
        check_invariants=True,
    )
    assert from_torch(rows).to_dense().tolist() == [[0, -2], [-3, 0]]


def test_too_many_cells_for_torch(torch: Any) -> None:
    with pytest.raises(ShapeError, match=r"at most 2\*\*63 - 1 cells"):
        COO([1.0], [2**40], [0], (2**62, 4)).to_torch()
    A = COO([1.0], [2**40], [0], (2**62, 1))
    assert_same(from_torch(A.to_torch()), A)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("linear", [False, True])
def test_to_onnx_and_back(onnx: Any, dtype: str, linear: bool) -> None:
    A = stored("coo", dtype)
    proto = to_onnx(A, "w", linear=linear)
    assert list(proto.indices.dims) == ([A.nnz] if linear else [A.nnz, 2])
    onnx.checker.check_sparse_tensor(proto)
    assert_same(from_onnx(proto), A)
    assert_same(from_onnx(proto.SerializeToString()), A)


def test_onnx_wants_what_it_forbids_refused(onnx: Any) -> None:
    proto = to_onnx(stored("coo"), linear=True)
    for indices in ([3, 1, 12, 17, 20, 21], [1, 1, 12, 17, 20, 21], [1, 3, 12, 17, 20, 24]):
        wrong = onnx.SparseTensorProto()
        wrong.CopyFrom(proto)
        wrong.indices.CopyFrom(onnx.numpy_helper.from_array(np.array(indices)))
        with pytest.raises(FormatError, match="from_onnx: indices"):
            from_onnx(wrong)
    with pytest.raises(MinisparseError):
        from_onnx(b"\xff not a message")


def test_onnx_without_cells_and_with_many(onnx: Any) -> None:
    for linear in (False, True):
        for shape in ((0, 3), (3, 0), (0, 0)):
            A: Matrix = COO([], [], [], shape)
            assert_same(from_onnx(to_onnx(A, linear=linear)), A)
        A = COO([1.0, 2.0], [1, 2**40], [3, 2**20 - 1], (2**41, 2**20))
        assert_same(from_onnx(to_onnx(A, linear=linear)), A)
    wide = COO([1.0], [2**62], [5], (2**63 - 1, 2**40))
    assert_same(from_onnx(to_onnx(wide)), wide)
    with pytest.raises(UsageError, match=r"do not fit into 64 bits; write linear=False"):
        to_onnx(wide, linear=True)
    unsorted = COO([1.0, 2.0, 4.0], [1, 0, 1], [0, 1, 0], (2, 3))
    assert_same(from_onnx(to_onnx(unsorted)), unsorted.canonical())
    assert to_onnx(unsorted, "w").values.name == "w"


def test_what_from_onnx_refuses(onnx: Any) -> None:
    make = onnx.numpy_helper.from_array
    values, indices = make(np.array([1.0, 2.0], "float32")), make(np.array([0, 3]))
    truncated, elsewhere, segment, empty, long = (onnx.TensorProto() for _ in range(5))
    for tensor in (truncated, elsewhere, segment, long):
        tensor.CopyFrom(values)
    truncated.raw_data, long.raw_data = b"123", bytes(100)
    elsewhere.data_location = onnx.TensorProto.EXTERNAL
    segment.segment.begin = 0
    large = onnx.TensorProto(data_type=1, dims=[2**40], raw_data=b"")
    flags = onnx.TensorProto(data_type=onnx.TensorProto.BOOL, dims=[2], raw_data=b"\1\2")
    for wrong, dims, message in [
        (values, [4], "dims"), (values, [2, 2, 1], "dims"), (values, [-2, 2], "dims"),
        (truncated, [2, 2], "values: "), (long, [2, 2], "values: "), (empty, [2, 2], "values"),
        (elsewhere, [2, 2], "another file"), (segment, [2, 2], "another file"),
        (large, [2, 2], "values have dims"), (flags, [2, 2], "neither 0 nor 1"),
    ]:  # fmt: skip
        proto = onnx.SparseTensorProto(values=wrong, indices=indices, dims=dims)
        with pytest.raises(FormatError, match=f"from_onnx: .*{message}"):
            from_onnx(proto)
    for other in (make(np.array([0, 3], "int32")), make(np.array([0, 1, 3])), make(np.eye(2, 3))):
        with pytest.raises(FormatError, match=r"it must be \[NNZ\]"):
            from_onnx(onnx.SparseTensorProto(values=values, indices=other, dims=[2, 2]))
    for linear in ([-1, 3], [0, 4], [1, 1], [3, 0]):
        with pytest.raises(FormatError, match="from_onnx: indices"):
            from_onnx(
                onnx.SparseTensorProto(values=values, indices=make(np.array(linear)), dims=[2, 2])
            )
    with pytest.raises(FormatError, match="not a serialized"):
        from_onnx(b"\xff not a message")
    with pytest.raises(UsageError, match="must be a SparseTensorProto"):
        from_onnx(values)


def write_safetensors(path: Path, tensors: dict[str, tuple[str, Array]]) -> None:
    header, body = {}, b""
    for name, (dtype, array) in tensors.items():
        end = len(body) + array.nbytes
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [len(body), end]}
        body += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def test_safetensors_plain_and_packed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    w = np.where(np.arange(16) % 4 < 2, rng.standard_normal((3, 16)), 0).astype("float32")
    bits = np.packbits(w != 0, axis=1, bitorder="little")
    write_safetensors(
        tmp_path / "m.safetensors",
        {
            "bias": ("F64", rng.standard_normal(5)),
            "w.compressed": ("F32", w[w != 0].reshape(3, 8)),
            "w.bitmask": ("U8", bits),
            "w.shape": ("I64", np.array([[3], [16]])),
            "v.compressed": ("F32", w[w != 0]),
            "v.bitmask": ("U8", bits),
            "v.shape": ("I64", np.array([3, 16])),
            "v.row_offsets": ("I64", np.array([0, 8, 16])),
        },
    )
    found = read_safetensors(tmp_path / "m.safetensors")
    assert set(found) == {"bias", "w", "v"}
    packed, flat = found["w"], found["v"]
    assert isinstance(packed, NM)
    assert isinstance(flat, CSR)
    assert packed.block == (2, 4)
    np.testing.assert_array_equal(packed.to_dense(), w)
    np.testing.assert_array_equal(flat.to_dense(), w)


def test_a_safetensors_file_written_by_its_own_library(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy", reason='needs pip install "minisparse[io]"')
    tensors = {"a": np.arange(6, dtype="int32").reshape(2, 3), "b": np.array([1.5, -2], "float16")}
    library.save_file(tensors, tmp_path / "m.safetensors", metadata={"made": "by hand"})
    found = read_safetensors(tmp_path / "m.safetensors")
    for name, array in tensors.items():
        read = found[name]
        assert isinstance(read, np.ndarray)
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype


def test_safetensors_bools_are_0_or_1_and_arrays_are_read_only(tmp_path: Path) -> None:
    def write(data: bytes) -> Path:
        header = json.dumps({"a": {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]}}).encode()
        path = tmp_path / "x.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + data)
        return path

    found = read_safetensors(write(b"\1\0"))["a"]
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [True, False]
    assert not found.flags.writeable
    with pytest.raises(FormatError, match="'a' holds bools that are neither 0 nor 1"):
        read_safetensors(write(b"\1\2"))
