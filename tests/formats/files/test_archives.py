"""Archives: SciPy's layout and binsparse's, every format and dtype there and back."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array, bfloat16
from minisparse.core.errors import DTypeError, FormatError
from minisparse.core.npz import read_npz, write_npz
from minisparse.formats import (
    COO,
    CSR,
    FORMATS,
    Matrix,
    from_dense,
    load_binsparse,
    load_npz,
    save_binsparse,
    save_npz,
)

DTYPES = "bool int8 uint8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
SHAPES = [(5, 7), (6, 9), (0, 5), (5, 0), (0, 0), (1, 1)]
LAYOUTS: dict[str, Any] = {"block": (2, 3), "n": 4, "m": 4}
FAMILIAR = ("coo", "csr", "csc", "bsr")

every_format = pytest.mark.parametrize("format", FORMATS)
both_layouts = pytest.mark.parametrize(
    ("save", "load"), [(save_npz, load_npz), (save_binsparse, load_binsparse)]
)


def sample(dtype: Any = "float64", shape: tuple[int, int] = (6, 9)) -> Array:
    rng = np.random.default_rng(2)
    return (rng.integers(1, 100, shape) * (rng.random(shape) < 0.3)).astype(dtype)


def make(format: str, x: Array) -> Matrix:
    return from_dense(x, format, **{n: LAYOUTS[n] for n in FORMATS[format].layout_names})


def assert_same(A: Matrix, B: Matrix) -> None:
    assert type(A) is type(B)
    assert (A.shape, A.block, A.dtype) == (B.shape, B.block, B.dtype)
    for name, array in A.arrays.items():
        assert B.arrays[name].dtype == array.dtype
        assert B.arrays[name].shape == array.shape
        assert B.arrays[name].tobytes() == array.tobytes()


@every_format
@both_layouts
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(format: str, save: Any, load: Any, dtype: str, tmp_path: Path) -> None:
    A = make(format, sample(dtype))
    save(tmp_path / "a.npz", A)
    assert_same(load(tmp_path / "a.npz"), A)


@every_format
@both_layouts
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape(
    format: str, save: Any, load: Any, shape: tuple[int, int], tmp_path: Path
) -> None:
    A = make(format, sample("complex64", shape))
    save(tmp_path / "a.npz", A)
    assert_same(load(tmp_path / "a.npz"), A)


@every_format
@both_layouts
def test_bfloat16(format: str, save: Any, load: Any, tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes", reason='bfloat16 needs pip install "minisparse[io]"')
    A = make(format, sample("float32").astype(bfloat16()))
    save(tmp_path / "a.npz", A)
    assert_same(load(tmp_path / "a.npz"), A)


@both_layouts
def test_stored_entries_stay_as_they_are(save: Any, load: Any, tmp_path: Path) -> None:
    for A in (
        CSR([3.0, 0.0, -0.0], [1, 0, 1], [0, 3, 3], (2, 2)),
        COO([1, 2, 3], [1, 0, 1], [0, 1, 0], (2, 2**40)),
    ):
        assert not A.has_canonical_format
        save(tmp_path / "a.npz", A)
        assert_same(load(tmp_path / "a.npz"), A)


# -- SciPy's layout ------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FAMILIAR)
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_scipy_reads_ours_and_we_read_theirs(format: str, kind: str, tmp_path: Path) -> None:
    sparse = pytest.importorskip("scipy.sparse", reason='needs pip install "minisparse[peers]"')
    x, path = sample(), tmp_path / "a.npz"
    save_npz(path, make(format, x))
    theirs = sparse.load_npz(path)
    assert isinstance(theirs, sparse.sparray)
    assert theirs.format == format
    assert (theirs.toarray() == x).all()
    for compressed in (True, False):
        s = getattr(sparse, f"{format}_{kind}")(x)
        sparse.save_npz(path, s, compressed=compressed)
        A = load_npz(path)
        assert A.format == format
        assert (A.to_dense() == x).all()


def test_scipy_without_a_twin(tmp_path: Path) -> None:
    sparse = pytest.importorskip("scipy.sparse", reason='needs pip install "minisparse[peers]"')
    for A in (make("nm", sample()), from_dense(sample(), "bsr", block=(4, 4))):
        save_npz(tmp_path / "a.npz", A)
        assert_same(load_npz(tmp_path / "a.npz"), A)
        with pytest.raises(ValueError, match="does not contain"):
            sparse.load_npz(tmp_path / "a.npz")
    sparse.save_npz(tmp_path / "d.npz", sparse.dia_array(np.eye(3)))
    with pytest.raises(FormatError, match=r"'format' is 'dia'.*\.tocsr\(\)"):
        load_npz(tmp_path / "d.npz")


def test_arrays_longer_than_what_they_hold(tmp_path: Path) -> None:
    sparse = pytest.importorskip("scipy.sparse", reason='needs pip install "minisparse[peers]"')
    s = sparse.csr_array(np.array([[0.0, 1.0], [0.0, 1.0]]))
    s.data, s.indices = np.append(s.data, [7, 8]), np.append(s.indices, [0, 5])
    sparse.save_npz(tmp_path / "a.npz", s)
    assert load_npz(tmp_path / "a.npz").to_dense().tolist() == [[0, 1], [0, 1]]


def scipy_members() -> dict[str, Array]:
    A = from_dense(np.eye(3), "csr")
    return {"format": np.array(b"csr"), "shape": np.array([3, 3]), **A.arrays}


def test_other_spellings_of_scipys_layout(tmp_path: Path) -> None:
    path, parts = tmp_path / "a.npz", scipy_members()
    for format in (np.array("csr"), np.array(b"csr")):
        write_npz(path, {**parts, "format": format})
        assert (load_npz(path).to_dense() == np.eye(3)).all()
    coords = np.array([[0, 1], [2, 1]])
    write_npz(path, {**parts, "format": np.array(b"coo"), "coords": coords, "data": np.ones(2)})
    assert load_npz(path).to_dense().tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]


SCIPY_WRONG: list[tuple[str, Any, str]] = [
    ("format", None, "no member 'format'; there are shape"),
    ("format", 3, "'format' is no text"),
    ("format", b"csx", "'format' is 'csx'"),
    ("format", "\xe9\xe9", r"'format' is '\?'"),
    ("shape", None, "no member 'shape'"),
    ("shape", [3.0, 3.0], "'shape' holds 2 of float64"),
    ("shape", [3, 3, 3], "'shape' holds 3 of int64"),
    ("shape", [-3, 3], "shape is"),
    ("data", None, "no member 'data'"),
    ("data", ["a", "b", "c"], "dtype <U1 is not supported"),
    ("data", [1, 2], r"CSR \(F5\)"),
    ("data", 1.0, "must have 1 dimension"),
    ("indices", None, "no member 'indices'"),
    ("indices", [0, 1, 3], r"CSR \(F9\): indices\[2\] is 3"),
    ("indices", [0.0, 1.0, 2.0], "must hold integers"),
    ("indptr", None, "no member 'indptr'"),
    ("indptr", [0, 1, 2, -1], r"CSR \(F7\)"),
    ("indptr", [[0, 1, 2, 3]], "must have 1 dimension"),
    ("indptr", [], r"CSR \(F"),
]


@pytest.mark.parametrize(("name", "value", "message"), SCIPY_WRONG)
def test_wrong_members_are_named(name: str, value: Any, message: str, tmp_path: Path) -> None:
    parts = scipy_members()
    if value is None:
        del parts[name]
    else:
        parts[name] = np.array(value)
    write_npz(tmp_path / "a.npz", parts)
    with pytest.raises((FormatError, DTypeError), match=rf"a\.npz: .*{message}"):
        load_npz(tmp_path / "a.npz")


def test_pickles_are_never_read(tmp_path: Path) -> None:
    members: dict[str, Any] = {**scipy_members(), "data": np.array([print] * 3)}
    np.savez(tmp_path / "a.npz", **members)
    with pytest.raises(FormatError, match=r"member 'data\.npy'.*pickled"):
        load_npz(tmp_path / "a.npz")


@both_layouts
def test_a_bomb_is_refused_and_may_be_trusted(save: Any, load: Any, tmp_path: Path) -> None:
    A = CSR([1.0], [0], np.r_[np.zeros(17 << 20, int), 1], (17 << 20, 1))
    save(tmp_path / "bomb.npz", A)
    assert (tmp_path / "bomb.npz").stat().st_size < 1 << 20
    with pytest.raises(FormatError, match="above"):
        load(tmp_path / "bomb.npz", largest=1 << 26)
    assert load(tmp_path / "bomb.npz", largest=1 << 28).shape == A.shape


# -- binsparse -----------------------------------------------------------------------------------


def descriptor(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read_npz(path)["binsparse"].item())
    return found


def test_the_descriptor_is_as_specified(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_binsparse(path, from_dense(np.array([[0, 1j], [0, 0], [2, 0]]), "csc"))
    assert descriptor(path) == {
        "binsparse": {
            "version": "0.1",
            "format": "CSC",
            "shape": [3, 2],
            "number_of_stored_values": 2,
            "data_types": {
                "pointers_to_1": "int32", "indices_1": "int32", "values": "complex[float64]",
            },
        }
    }  # fmt: skip
    arrays = read_npz(path)
    assert arrays["pointers_to_1"].tolist() == [0, 1, 2]
    assert arrays["indices_1"].tolist() == [2, 0]
    assert arrays["values"].tolist() == [2, 0, 0, 1]
    save_binsparse(path, from_dense(np.array([[True]]), "coo"))
    assert descriptor(path)["binsparse"]["data_types"]["values"] == "bint8"
    assert set(read_npz(path)) == {"binsparse", "indices_0", "indices_1", "values"}
    save_binsparse(path, COO([1, 2], [0, 0], [1, 0], (1, 2)))  # unsorted: not what COO means there
    assert descriptor(path)["binsparse"]["format"] == "minisparse:coo"


def foreign() -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the specification's own example of a matrix whose values are all 7."""
    said = {
        "version": "0.1",
        "format": "CSR",
        "shape": [5, 5],
        "number_of_stored_values": 6,
        "data_types": {"pointers_to_1": "uint64", "indices_1": "uint64", "values": "iso[int8]"},
    }
    arrays = {
        "pointers_to_1": np.array([0, 1, 3, 3, 5, 6], "uint64"),
        "indices_1": np.array([3, 1, 4, 1, 2, 3], "uint64"),
        "values": np.array([7], "int8"),
    }
    return said, arrays


def write_foreign(path: Path, said: Any, arrays: dict[str, Array]) -> None:
    text = (
        said if isinstance(said, bytes) else json.dumps({"binsparse": said, "author": 1}).encode()
    )
    write_npz(path, {"binsparse": np.array(text), **arrays})


def test_the_specifications_example(tmp_path: Path) -> None:
    write_foreign(tmp_path / "a.npz", *foreign())
    A = load_binsparse(tmp_path / "a.npz")
    assert A.dtype == np.int8
    assert A.to_dense().tolist() == [
        [0, 0, 0, 7, 0], [0, 7, 0, 0, 7], [0, 0, 0, 0, 0], [0, 7, 7, 0, 0], [0, 0, 0, 7, 0],
    ]  # fmt: skip


BINSPARSE_WRONG: list[tuple[str, Any, str]] = [
    ("version", "1.0", "version '1.0'"),
    ("version", 0.1, "'version' is 0.1"),
    ("format", "DMAT", "'DMAT' is not among CSR, CSC"),
    ("format", "minisparse:abc", "'minisparse:abc' is not among"),
    ("format", "minisparse:nm", "no member 'data'"),
    ("shape", [5], "shape is"),
    ("shape", [5, 5.0], "shape is"),
    ("shape", [5, -5], "shape is"),
    ("shape", "55", "'shape' is '55'"),
    ("number_of_stored_values", 7, "6 values are stored, but the descriptor says 7"),
    ("number_of_stored_values", 2**60, "6 values are stored"),
    ("number_of_stored_values", True, "must be int"),
    ("structure", "symmetric_lower", "'structure' is 'symmetric_lower'"),
    ("fill", True, "'fill' is True"),
    ("data_types", {"values": "int8"}, "holds uint64, but data_types says None"),
    ("data_types", [], "must be dict"),
]


@pytest.mark.parametrize(("name", "value", "message"), BINSPARSE_WRONG)
def test_wrong_descriptors(name: str, value: Any, message: str, tmp_path: Path) -> None:
    said, arrays = foreign()
    write_foreign(tmp_path / "a.npz", {**said, name: value}, arrays)
    with pytest.raises(FormatError, match=rf"a\.npz: .*{message}"):
        load_binsparse(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[" * 5000, b"\xff", b"3", b'{"binsparse": 3}', b"NaN"]
)
def test_descriptors_that_are_none(text: bytes, tmp_path: Path) -> None:
    write_foreign(tmp_path / "a.npz", text, foreign()[1])
    with pytest.raises(FormatError, match=r"a\.npz: member 'binsparse'"):
        load_binsparse(tmp_path / "a.npz")


def test_values_that_are_not_what_the_descriptor_says(tmp_path: Path) -> None:
    said, arrays = foreign()
    types = said["data_types"]
    for type_name, values, message in [
        ("int8", np.ones(6, "int16"), "holds int16, but data_types says 'int8'"),
        ("iso[int8]", np.ones(2, "int8"), "'iso' means one value"),
        ("bint8", np.full(6, 2, "uint8"), "neither 0 nor 1"),
        ("complex[float32]", np.ones(11, "float32"), "not pairs of numbers"),
        ("int8", np.ones(5, "int8"), r"CSR \(F5\)"),
    ]:
        new = {**said, "data_types": {**types, "values": type_name}}
        write_foreign(tmp_path / "a.npz", new, {**arrays, "values": values})
        with pytest.raises(FormatError, match=message):
            load_binsparse(tmp_path / "a.npz")
    arrays["indices_1"] = np.array([3, 4, 1, 1, 2, 3], "uint64")
    write_foreign(tmp_path / "a.npz", said, arrays)
    with pytest.raises(FormatError, match="must be sorted and without duplicates"):
        load_binsparse(tmp_path / "a.npz")


@pytest.mark.parametrize("block", [None, [2], [2, "4"], [2, True], [3, 4], [-1, 4], "24"])
def test_wrong_blocks(block: Any, tmp_path: Path) -> None:
    save_binsparse(tmp_path / "a.npz", from_dense(np.eye(4), "nm", n=2, m=4))
    arrays = dict(read_npz(tmp_path / "a.npz"))
    said = json.loads(arrays.pop("binsparse").item())["binsparse"]
    write_foreign(tmp_path / "a.npz", {**said, "block": block}, arrays)
    with pytest.raises(FormatError, match=r"a\.npz: .*(block|NM \(F2\))"):
        load_binsparse(tmp_path / "a.npz")


def test_other_compressions_are_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("format.npy", b"\0" * 100)
    with pytest.raises(FormatError, match=r"'format\.npy' has compression type 14"):
        load_npz(tmp_path / "a.npz")


def test_the_specifications_other_name_of_coo(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_binsparse(path, from_dense(np.array([[0, 5], [6, 0]]), "coo"))
    arrays = read_npz(path)
    text = arrays["binsparse"].item().replace(b'"COO"', b'"COOR"')
    write_npz(path, {**arrays, "binsparse": np.array(text)})
    assert load_binsparse(path).to_dense().tolist() == [[0, 5], [6, 0]]
