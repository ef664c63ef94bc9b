"""Files between SciPy and us: each reads what the other wrote, in every kind that both have."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.formats import FORMATS, Matrix, from_dense, load_npz, read_mtx, save_npz, write_mtx

FIELDS = {"real": "float64", "integer": "int64", "complex": "complex128", "pattern": "bool"}
SYMMETRIES = ["general", "symmetric", "skew-symmetric", "hermitian"]
KINDS = [
    (kind, field, symmetry)
    for kind in ("coordinate", "array")
    for field in FIELDS
    for symmetry in SYMMETRIES
    if (field == "complex" or symmetry != "hermitian")
    and (field != "pattern" or (kind == "coordinate" and symmetry in SYMMETRIES[:2]))
]
SUFFIXES = [".mtx", ".mtx.gz"]
FAMILIAR = ("coo", "csr", "csc", "bsr")
DTYPES = "bool int8 uint8 int16 int32 int64 float32 float64 complex64 complex128".split()

every_kind = pytest.mark.parametrize(("kind", "field", "symmetry"), KINDS)


@pytest.fixture
def io() -> Any:
    return pytest.importorskip("scipy.io", reason='needs pip install "minisparse[peers]"')


@pytest.fixture
def sparse() -> Any:
    return pytest.importorskip("scipy.sparse", reason='needs pip install "minisparse[peers]"')


def sample(dtype: str, symmetry: str = "general", shape: tuple[int, int] = (5, 7)) -> Array:
    rng = np.random.default_rng(4)
    shape = shape if symmetry == "general" else (6, 6)
    x = rng.standard_normal(shape) * 10 * (rng.random(shape) < 0.4)
    if dtype.startswith("complex"):
        x = x + 1j * np.roll(x, 1, 0)
    x = x.astype(dtype)
    if symmetry == "general":
        return x
    turned = {"symmetric": x.T, "hermitian": x.conj().T}.get(symmetry)
    found: Array = x - x.T if turned is None else x + turned
    return found


def as_array(found: Any) -> Array:
    array: Array = found if isinstance(found, np.ndarray) else found.toarray()
    return array


@every_kind
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_scipy_reads_our_matrix_market(
    io: Any, kind: str, field: str, symmetry: str, suffix: str, tmp_path: Path
) -> None:
    x, path = sample(FIELDS[field], symmetry), tmp_path / f"a{suffix}"
    write_mtx(path, x if kind == "array" else from_dense(x, "csr"), symmetry=symmetry)
    theirs = io.mmread(path)
    assert isinstance(theirs, np.ndarray) == (kind == "array")
    assert as_array(theirs).tobytes() == (x + np.zeros(1, theirs.dtype)).tobytes()
    ours = read_mtx(path)
    assert (theirs.dtype, theirs.shape) == (ours.dtype, ours.shape)


@every_kind
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_we_read_scipys_matrix_market(
    io: Any, sparse: Any, kind: str, field: str, symmetry: str, suffix: str, tmp_path: Path
) -> None:
    x, path = sample(FIELDS[field], symmetry), tmp_path / f"a{suffix}"
    values = x.astype("float64") if field == "pattern" else x
    given = values if kind == "array" else sparse.coo_array(values)
    io.mmwrite(tmp_path / "a.mtx", given, field=field, symmetry=symmetry, precision=17)
    text = (tmp_path / "a.mtx").read_bytes()
    assert text.split()[2:5] == [word.encode() for word in (kind, field, symmetry)]
    path.write_bytes(gzip.compress(text) if suffix == ".mtx.gz" else text)
    ours, theirs = read_mtx(path), io.mmread(path)
    assert (ours.to_dense() == values).all()
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert (ours.to_dense() == as_array(theirs)).all()


LINES = {
    "real": "{} {} {}.5",
    "integer": "{} {} {}",
    "complex": "{} {} {}.5 -{}",
    "pattern": "{} {}",
}


@every_kind
def test_both_read_a_text_of_neither(
    io: Any, kind: str, field: str, symmetry: str, tmp_path: Path
) -> None:
    """Duplicates, unsorted entries, a zero, blank lines: what no writer makes, but readers meet."""
    n, lower = 3, symmetry != "general"
    strictly = int(symmetry == "skew-symmetric")
    cells = [(i, j) for j in range(n) for i in range(j + strictly if lower else 0, n)]
    if kind == "coordinate":
        cells = [*cells[::-2], cells[0], cells[0]]
    lines = []
    for value, (i, j) in enumerate(cells):
        line = LINES[field].format(i + 1, j + 1, value, 0 if i == j and lower else value + 1)
        lines.append(line if kind == "coordinate" else " ".join(line.split()[2:]))
    if symmetry == "hermitian":
        lines = [line.replace(" -0", " 0") for line in lines]
    head = f"%%MatrixMarket matrix {kind} {field} {symmetry}\n% a comment\n\n{n} {n}"
    head += f" {len(cells)}\n" if kind == "coordinate" else "\n"
    (tmp_path / "a.mtx").write_text(head + "\n".join(lines) + "\n")
    ours, theirs = read_mtx(tmp_path / "a.mtx"), io.mmread(tmp_path / "a.mtx")
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours.to_dense(), as_array(theirs))


@pytest.mark.parametrize("values", [np.array([2**63 + 1, 5], "u8"), np.array([7, 5], "u8")])
def test_unsigned_ones_are_read_where_they_fit(io: Any, values: Array, tmp_path: Path) -> None:
    io.mmwrite(tmp_path / "a.mtx", values[:, None])
    assert b"unsigned-integer" in (tmp_path / "a.mtx").read_bytes()
    if values[0] > 2**63:
        with pytest.raises(ValueError, match=r"line [34]: .*does not fit"):
            read_mtx(tmp_path / "a.mtx")
    else:
        assert read_mtx(tmp_path / "a.mtx").data.tolist() == [7, 5]


def test_double_is_real(tmp_path: Path) -> None:
    (tmp_path / "a.mtx").write_text("%%MatrixMarket matrix coordinate double general\n1 1 1\n1 1 2")
    assert read_mtx(tmp_path / "a.mtx").data.tolist() == [2.0]


# -- archives ------------------------------------------------------------------------------------


def make(x: Array, format: str) -> Matrix:
    return from_dense(x, format, **({"block": (2, 3)} if format == "bsr" else {}))


@pytest.mark.parametrize("format", FAMILIAR)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(6, 9), (0, 3), (2, 0)])
def test_archives_both_ways(
    sparse: Any, format: str, dtype: str, shape: tuple[int, int], tmp_path: Path
) -> None:
    x, path = sample(dtype, shape=shape), tmp_path / "a.npz"
    A = make(x, format)
    save_npz(path, A)
    theirs = sparse.load_npz(path)
    assert isinstance(theirs, sparse.sparray)
    assert (theirs.format, theirs.dtype, theirs.shape) == (format, A.dtype, A.shape)
    assert theirs.toarray().tobytes() == A.to_dense().tobytes()
    sparse.save_npz(path, theirs)
    back = load_npz(path)
    assert type(back) is FORMATS[format]
    assert (back.shape, back.block) == (A.shape, A.block)
    for name, array in A.arrays.items():
        assert back.arrays[name].dtype == array.dtype
        assert back.arrays[name].tobytes() == array.tobytes()
