"""Files that a stranger made: each is read rightly, or refused by name, in little memory."""

import gzip
import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError, UsageError
from minisparse.formats import (
    Matrix,
    load_binsparse,
    load_npz,
    read_mtx,
    read_safetensors,
    write_mtx,
)

BANNER = "%%MatrixMarket matrix "
GENERAL = BANNER + "coordinate real general\n"
MOST_MEMORY = 256 << 20


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    tracemalloc.start()
    yield
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < MOST_MEMORY


# -- Matrix Market -------------------------------------------------------------------------------


def parse(folder: Path, text: bytes) -> Matrix:
    (folder / "a.mtx").write_bytes(text)
    return read_mtx(folder / "a.mtx")


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("1e400", np.inf), ("-1e400", -np.inf), ("1e-400", 0.0), ("nan", np.nan), ("+5", 5.0),
        ("-Infinity", -np.inf), ("9223372036854775808", 2.0**63), ("1D5", 1e5), ("5.", 5.0),
    ],
)  # fmt: skip
def test_odd_numbers_are_numbers(token: str, value: float, tmp_path: Path) -> None:
    A = parse(tmp_path, f"{GENERAL}1 1 1\n1 1 {token}\n".encode())
    np.testing.assert_array_equal(A.data, [value])


@pytest.mark.parametrize(
    "token",
    "0x10 0x1p3 1_000 --5 +-5 nan(1) NAN() 1,5 1e 1e5e5 . - True 1\0 \xb2 1j infi".split(" "),
)
def test_others_are_not(token: str, tmp_path: Path) -> None:
    for field in ("real", "integer"):
        with pytest.raises(FormatError, match=r"line 3: '.*' is not a(n integer| number)"):
            parse(tmp_path, f"{BANNER}coordinate {field} general\n1 1 1\n1 1 {token}\n".encode())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\xef\xbb\xbf" + GENERAL.encode() + b"1 1 0\n", "line 1"),
        ((GENERAL + "1 1 0\n").encode("utf-16"), "line 1"),
        ((GENERAL + "1 1 1\n1 1 1\n").replace("\n", "\r").encode(), "line 1"),
        ((GENERAL + "1 1\0 0\n").encode(), "line 2"),
        ((GENERAL + "1 1 1\n" + "1 " * (1 << 20)).encode(), "line 3: longer than 65536"),
        ((GENERAL + "1 1 2\n1 1 1\n" + "1 " * (1 << 20)).encode(), "line 4: longer than 65536"),
        (gzip.compress(gzip.compress(GENERAL.encode())), "line 1"),
        (gzip.compress(GENERAL.encode() + b"1 1 0\n") + b"junk", "cannot be read"),
        (gzip.compress(GENERAL.encode() + b"1 1 0\n")[:-4], "cannot be read"),
    ],
)
def test_texts_that_are_none(text: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=rf"a\.mtx.*{message}"):
        parse(tmp_path, text)


def test_line_ends_of_windows_and_files_put_together(tmp_path: Path) -> None:
    text = (GENERAL + "2 2 2\n1 1 1\n2 2 5\n").encode()
    whole = parse(tmp_path, text)
    for other in (
        text.replace(b"\n", b"\r\n"),
        gzip.compress(text[:-6]) + gzip.compress(text[-6:]),
    ):
        assert parse(tmp_path, other).data.tolist() == whole.data.tolist() == [1, 5]


def test_the_most_cells_that_a_small_file_can_have(tmp_path: Path) -> None:
    n = 2000
    head = f"{BANNER}array integer symmetric\n{n} {n}\n".encode()
    A = parse(tmp_path, gzip.compress(head + b"0\n" * (n * (n + 1) // 2), 1))
    assert A.nnz == n * n


def test_comments_that_could_not_be_read_are_not_written(tmp_path: Path) -> None:
    write_mtx(tmp_path / "a.mtx", np.eye(1), comment="x" * 1000)
    assert read_mtx(tmp_path / "a.mtx").nnz == 1
    with pytest.raises(UsageError, match="more than 1000 bytes"):
        write_mtx(tmp_path / "a.mtx", np.eye(1), comment="fine\n" + "x" * 1001)


# -- archives ------------------------------------------------------------------------------------


def npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def pack(path: Path, members: list[tuple[str, Any]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, npy(content) if isinstance(content, np.ndarray) else content)


def scipy_members(kind: str = "csr", /, **other: Any) -> list[tuple[str, Any]]:
    parts = {"data": np.ones(3), "indices": np.arange(3), "indptr": np.arange(4)}
    parts |= {"format": np.array(kind.encode()), "shape": np.array([3, 3])}
    return [(f"{name}.npy", array) for name, array in (parts | other).items()]


def test_names_of_members_lead_nowhere(tmp_path: Path) -> None:
    pack(tmp_path / "a.npz", [*scipy_members(), ("../b.npy", np.ones(1)), ("/c.npy", np.ones(1))])
    assert load_npz(tmp_path / "a.npz").nnz == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    pack(tmp_path / "a.npz", [(f"/x/{name}", a) for name, a in scipy_members()])
    with pytest.raises(FormatError, match="no member 'format'; there are /x/data"):
        load_npz(tmp_path / "a.npz")


def test_two_members_of_one_name(tmp_path: Path) -> None:
    pack(tmp_path / "a.npz", [*scipy_members(), ("data", np.full(3, 9.0))])
    with pytest.raises(FormatError, match="member 'data' is there twice"):
        load_npz(tmp_path / "a.npz")


def test_from_a_big_endian_machine(tmp_path: Path) -> None:
    turned = {"data": np.array([1.0, 2, 3], ">f8"), "indices": np.arange(3, dtype=">i4")}
    turned |= {"indptr": np.arange(4, dtype=">i8"), "format": np.array("csr", ">U3")}
    pack(tmp_path / "a.npz", scipy_members(**turned))
    A = load_npz(tmp_path / "a.npz")
    assert A.to_dense().tolist() == np.diag([1.0, 2, 3]).tolist()
    assert A.dtype.isnative


@pytest.mark.parametrize("wrong", [np.ones((3, 0, 0)), np.ones((3, 0, 1))])
def test_blocks_without_cells(wrong: Array, tmp_path: Path) -> None:
    pack(tmp_path / "a.npz", scipy_members("bsr", data=wrong))
    with pytest.raises(FormatError, match=r"a\.npz: BSR \(F2\)"):
        load_npz(tmp_path / "a.npz")


def test_narrow_indices_are_counted_as_wide_as_they_become(tmp_path: Path) -> None:
    rows = 20 << 20
    few = {"data": np.zeros(0), "indices": np.zeros(0, np.uint8)}
    narrow = scipy_members(**few, indptr=np.zeros(rows + 1, np.uint8), shape=np.array([rows, 3]))
    pack(tmp_path / "a.npz", narrow)
    with pytest.raises(FormatError, match=r"would take 8388.* bytes, above 67108864"):
        load_npz(tmp_path / "a.npz")


def pack_binsparse(path: Path, text: str, arrays: dict[str, Array]) -> None:
    members = [("binsparse.npy", np.array(text.encode()))]
    pack(path, [*members, *((f"{name}.npy", a) for name, a in arrays.items())])


def test_one_value_that_stands_for_too_many(tmp_path: Path) -> None:
    n = 7 << 20
    types = {"indices_0": "uint8", "indices_1": "uint8", "values": "iso[complex[float64]]"}
    said: dict[str, Any] = {"version": "0.1", "format": "COO", "shape": [2, 2], "data_types": types}
    said["number_of_stored_values"] = n
    index = np.zeros(n, np.uint8)
    arrays: dict[str, Array] = {"indices_0": index, "indices_1": index, "values": np.zeros(2)}
    pack_binsparse(tmp_path / "a.npz", json.dumps({"binsparse": said}), arrays)
    with pytest.raises(FormatError, match=rf"member 'values' stands for {n} values, more than"):
        load_binsparse(tmp_path / "a.npz")


def test_a_descriptor_that_says_it_twice(tmp_path: Path) -> None:
    pack_binsparse(tmp_path / "a.npz", '{"binsparse": {"shape": [1, 1], "shape": [2, 2]}}', {})
    with pytest.raises(FormatError, match="member 'binsparse' is not JSON: 'shape' is there twice"):
        load_binsparse(tmp_path / "a.npz")


# -- safetensors ---------------------------------------------------------------------------------


def read(folder: Path, header: Any, body: bytes = b"", length: int | None = None) -> Any:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    length = len(text) if length is None else length
    (folder / "a.safetensors").write_bytes(length.to_bytes(8, "little") + text + body)
    return read_safetensors(folder / "a.safetensors")


def tensor(dtype: Any, shape: Any, *offsets: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 2, 6)}, "'b' begins at byte 2"),
        ({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 0, 4)}, "'b' begins at byte 0"),
        ({"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 4, 6)}, "'b' begins at byte 4"),
        ({"a": tensor("U8", [40], 0, 40)}, "have 40 bytes together, but 6 are there"),
        ({"a": tensor("U8", [4], 0, 4)}, "have 4 bytes together, but 6 are there"),
        ({"a": tensor("U8", [4], 4, 0)}, r"'a': data_offsets is \[4, 0\]"),
        ({"a": tensor("U8", [6], 0, 6, 6)}, "'a': data_offsets is"),
        ({"a": tensor("F4", [12], 0, 6)}, "'a': dtype is 'F4'"),
        ({"a": tensor(["U8"], [6], 0, 6)}, "'a': dtype is"),
        ({"a": tensor("U8", [6.0], 0, 6)}, r"'a': shape is \[6\.0\]"),
        ({"a": tensor("U8", [True, 6], 0, 6)}, r"'a': shape is \[True"),
        ({"a": tensor("U8", [1] * 32 + [6], 0, 6)}, "'a': shape is"),
        ({"a": tensor("U8", [2**62] * 2 + [0], 0, 0), "b": tensor("U8", [6], 0, 6)}, "'a': "),
        ({"a": {"dtype": "U8", "shape": [6]}}, "'a': its entry must be"),
        ({"a": 3}, "'a': its entry must be"),
        (b"[]", "no JSON object"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1, "a": 2}', "'a' is there twice"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
        (b'\xef\xbb\xbf{}', "not JSON"),
    ],
)  # fmt: skip
def test_headers_that_lie(tensors: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=rf"a\.safetensors.*{message}"):
        read(tmp_path, tensors, bytes(6))


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 3, 100_000_001])
def test_lengths_that_lie(length: int, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=rf"the header has {length} bytes"):
        read(tmp_path, b"{}", length=length)


def test_a_name_that_comes_again_after_many(tmp_path: Path) -> None:
    many = "".join(f'"{i}": 0,' for i in range(100_000))
    with pytest.raises(FormatError, match="'99999' is there twice"):
        read(tmp_path, f'{{{many} "99999": 0}}'.encode())


@pytest.mark.parametrize("shape", [(2**62, 0), (2**40, 0), (0, 2**61), (2**28, 0)])
@pytest.mark.parametrize("offsets", [False, True])
def test_packed_rows_that_take_no_bytes(
    shape: tuple[int, int], offsets: bool, tmp_path: Path
) -> None:
    m, k = shape
    header = {
        "w.bitmask": tensor("U8", [m, -(-k // 8)], 0, 0),
        "w.shape": tensor("I64", [2], 0, 16),
    }
    header["w.compressed"] = tensor("F32", [0], 0, 0)
    if offsets:
        header["w.row_offsets"] = tensor("I64", [0], 16, 16)
    body = np.array(shape).tobytes()
    if m == 2**28 and not offsets:
        assert read(tmp_path, header, body)["w"].shape == shape
        return
    with pytest.raises(FormatError, match=r"tensor 'w': (shape is|row_offsets has 0 elements)"):
        read(tmp_path, header, body)


@pytest.mark.parametrize(
    ("k", "bits", "message"), [(4, 0b1, "1 of columns 0 to 3 of row 0"), (3, 0b1001, "column 2")]
)
def test_bitmasks_that_lie(k: int, bits: int, message: str, tmp_path: Path) -> None:
    header = {"w.bitmask": tensor("U8", [1, 1], 0, 1), "w.compressed": tensor("U8", [1], 1, 2)}
    header["w.shape"] = tensor("I64", [2], 2, 18)
    with pytest.raises(FormatError, match=f"tensor 'w': bitmask has .*{message}"):
        read(tmp_path, header, bytes([bits, 7]) + np.array([1, k]).tobytes())


def test_every_dtype_is_what_its_library_wrote(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy", reason='needs pip install "minisparse[io]"')
    codes = "? u1 i1 u2 i2 u4 i4 u8 i8 f2 f4 f8 c8".split()
    tensors = {code: np.array([1, 0, 3]).astype(code) for code in codes}
    tensors |= {f"-{c}": np.array([-1, 2]).astype(c) for c in codes if c[0] in "ifc"}
    tensors |= {"u8 large": np.array([2**64 - 1], "u8"), "u2 large": np.array([2**16 - 1], "u2")}
    library.save_file(tensors, tmp_path / "a.safetensors")
    for name, found in read_safetensors(tmp_path / "a.safetensors").items():
        assert isinstance(found, np.ndarray)
        assert found.dtype == tensors[name].dtype
        np.testing.assert_array_equal(found, tensors[name])
        assert not found.flags.writeable
