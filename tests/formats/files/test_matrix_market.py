"""Matrix Market: every kind of file there and back, and what is wrong with the others."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.dtypes import Array, bfloat16
from minisparse.core.errors import FormatError, UsageError
from minisparse.formats import COO, FORMATS, from_dense, read_mtx, write_mtx

DTYPES = "bool int8 uint8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
LAYOUTS: dict[str, Any] = {"block": (2, 3), "n": 4, "m": 4}
GENERAL = "%%MatrixMarket matrix coordinate real general\n"


def sample(dtype: Any, shape: tuple[int, int] = (5, 7)) -> Array:
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape) * 10 * (rng.random(shape) < 0.4)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * np.roll(x, 1, 0)
    return x.astype(dtype)


def parse(tmp_path: Path, text: str) -> COO:
    path = tmp_path / "a.mtx"
    path.write_text(text)
    return read_mtx(path)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("suffix", [".mtx", ".mtx.gz"])
def test_every_dtype_comes_back_bit_for_bit(dtype: str, suffix: str, tmp_path: Path) -> None:
    x = sample(dtype)
    for given_matrix in (from_dense(x, "coo"), x):
        write_mtx(tmp_path / f"a{suffix}", given_matrix)
        A = read_mtx(tmp_path / f"a{suffix}")
        A.check()
        assert A.to_dense().astype(dtype).tobytes() == (x + np.zeros(1, dtype)).tobytes()
    assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]


def test_bfloat16_is_widened(tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes", reason='bfloat16 needs pip install "minisparse[io]"')
    x = sample("float32").astype(bfloat16())
    write_mtx(tmp_path / "a.mtx", from_dense(x, "csr"))
    assert (read_mtx(tmp_path / "a.mtx").to_dense() == x.astype("float64")).all()


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_written(format: str, tmp_path: Path) -> None:
    layout = {name: LAYOUTS[name] for name in FORMATS[format].layout_names}
    A = from_dense(sample("float32"), format, **layout)
    write_mtx(tmp_path / "a.mtx", A)
    B = read_mtx(tmp_path / "a.mtx")
    for ours, theirs in zip(A.triplets(), B.triplets(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", ["coordinate", "array"])
@pytest.mark.parametrize("dtype", ["int8", "float32", "complex128"])
@pytest.mark.parametrize("symmetry", ["symmetric", "skew-symmetric", "hermitian"])
def test_symmetries(kind: str, dtype: str, symmetry: str, tmp_path: Path) -> None:
    half = sample(dtype, (6, 6))
    turned = {"symmetric": half.T, "hermitian": half.conj().T}.get(symmetry, -half.T)
    x = half + turned
    A = x if kind == "array" else from_dense(x, "csr")
    path = tmp_path / "a.mtx"
    if symmetry == "hermitian" and dtype != "complex128":
        with pytest.raises(FormatError, match="hermitian files hold complex"):
            write_mtx(path, A, symmetry=symmetry)
        return
    write_mtx(path, A, symmetry=symmetry)
    assert symmetry in path.read_text().splitlines()[0]
    assert (read_mtx(path).to_dense() == x).all()
    for wrong, why in ((sample(dtype, (6, 6)), "is not"), (sample(dtype), "square|is not")):
        with pytest.raises(FormatError, match=f"write_mtx: A .*({why})"):
            write_mtx(path, wrong, symmetry=symmetry)
        with pytest.raises(FormatError, match=r"write_mtx: A .*is not|square"):
            write_mtx(path, from_dense(wrong, "csr"), symmetry=symmetry)


@given(st.lists(st.floats(width=64), min_size=1), st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_any_number_comes_back(
    tmp_path_factory: pytest.TempPathFactory, floats: list[float], integers: list[int]
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.mtx"
    for values in (np.array(floats, "float64"), np.array(integers, "int64")):
        entries = np.arange(len(values))
        write_mtx(path, COO(values, entries, entries, (len(values), 2**62)))
        A = read_mtx(path)
        assert A.shape == (len(values), 2**62)
        np.testing.assert_array_equal(A.data, values)
        assert A.data.dtype == values.dtype


def test_written_as_the_format_says(tmp_path: Path) -> None:
    path = tmp_path / "a.mtx"
    write_mtx(path, COO([0.1, 0.0], [1, 0], [2, 0], (2, 3)), comment="one\ntwo")
    assert path.read_text() == f"{GENERAL}% one\n% two\n2 3 2\n2 3 0.1\n1 1 0.0\n"
    write_mtx(path, COO([True, True], [0, 1], [1, 1], (2, 2)))
    assert path.read_text().endswith("pattern general\n2 2 2\n1 2\n2 2\n")
    write_mtx(path, COO([True, False], [0, 1], [1, 1], (2, 2)))
    assert path.read_text().endswith("integer general\n2 2 2\n1 2 1\n2 2 0\n")
    write_mtx(path, np.array([[1, 2], [3, 4]]))
    assert path.read_text().endswith("array integer general\n2 2\n1\n3\n2\n4\n")
    write_mtx(tmp_path / "a.gz", np.eye(2))
    first = (tmp_path / "a.gz").read_bytes()
    write_mtx(tmp_path / "a.gz", np.eye(2))
    assert (tmp_path / "a.gz").read_bytes() == first
    assert first[4:8] == bytes(4)  # no time of day in it
    write_mtx(path, np.array([[200]], "uint8"))
    assert path.read_text().endswith("array integer general\n1 1\n200\n")


def test_zeros_stored_on_a_skew_diagonal_are_left_out(tmp_path: Path) -> None:
    A = COO([0.0, 1.0, -1.0], [0, 1, 0], [0, 0, 1], (2, 2))
    write_mtx(tmp_path / "a.mtx", A, symmetry="skew-symmetric")
    assert read_mtx(tmp_path / "a.mtx").to_dense().tolist() == [[0, -1], [1, 0]]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mtx"
    write_mtx(path, np.eye(2))
    before = path.read_bytes()
    with pytest.raises(FormatError):
        write_mtx(path, np.array([[0, 1.0], [2, 0]]), symmetry="symmetric")
    with pytest.raises(UsageError, match="it must be one of general, symmetric"):
        write_mtx(path, np.eye(2), symmetry="lower")
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_mirrored_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mtx"
    nan = np.array([[np.nan]])
    least = np.array([[0, -128], [-128, 0]], "int8")  # its own negative
    for x, symmetry in (
        (nan, "skew-symmetric"),
        (least, "skew-symmetric"),
        (nan * 1j, "hermitian"),
    ):
        with pytest.raises(FormatError, match="its values are not"):
            write_mtx(path, x, symmetry=symmetry)
        with pytest.raises(FormatError, match="its values are not"):
            write_mtx(path, from_dense(x, "csr"), symmetry=symmetry)


def test_lenient_where_the_format_is(tmp_path: Path) -> None:
    A = parse(
        tmp_path,
        "%%matrixmarket MATRIX Coordinate REAL General\r\n%\n% \xe9\n\n  2\t3 4 \n\n"
        "1 1 1.5D+1\n\n2 3 -Inf\r\n2 3 nan\n 01 +2 .5",
    )
    assert A.row.tolist() == [0, 1, 1, 0]
    assert A.col.tolist() == [0, 2, 2, 1]
    np.testing.assert_array_equal(A.data, [15, -np.inf, np.nan, 0.5])
    assert parse(tmp_path, GENERAL + "0 0 0").shape == (0, 0)
    assert parse(tmp_path, "%%MatrixMarket matrix array real general\n0 9\n").nnz == 0
    huge = parse(tmp_path, GENERAL + f"{2**63 - 1} 1 1\n{2**63 - 1} 1 2\n")
    assert huge.row.tolist() == [2**63 - 2]


def test_duplicates_and_zeros_are_kept(tmp_path: Path) -> None:
    A = parse(tmp_path, GENERAL + "2 2 3\n1 1 1\n1 1 2\n2 2 0\n")
    assert A.data.tolist() == [1, 2, 0]
    assert A.to_dense().tolist() == [[3, 0], [0, 0]]


KIND = "%%MatrixMarket matrix "
WRONG = [
    ("", "ends after line 0"),
    ("%%MatrixMarket vector coordinate real general\n", "line 1: .*must be '%%MatrixMarket"),
    (KIND + "sparse real general\n", "line 1: 'sparse' is neither"),
    (KIND + "coordinate quaternion general\n", "line 1: 'quaternion' is none of real"),
    (KIND + "coordinate real lower\n", "line 1: 'lower' is none of general"),
    (KIND + "array pattern general\n", "line 1: a pattern must be 'coordinate'"),
    (KIND + "coordinate pattern skew-symmetric\n", "line 1: a pattern must be"),
    (KIND + "coordinate real hermitian\n", "line 1: 'hermitian' needs 'complex'"),
    (GENERAL + "% only comments\n", "ends after line 2"),
    (GENERAL + "%" + "x" * 70_000 + "\n", "line 2: longer than"),
    (GENERAL + "2 2\n", "line 2: '2 2': it must hold the 3 numbers"),
    (GENERAL + "2 2 -1\n", "line 2: .* 3 numbers"),
    (GENERAL + "2 2 1e3\n", "line 2: .* 3 numbers"),
    (GENERAL + f"{2**63} 2 0\n", "line 2: .*64 bits"),
    (GENERAL + "9" * 5000 + " 2 0\n", "line 2: .*64 bits"),
    (KIND + "coordinate real symmetric\n2 3 0\n", "line 2: 2x3 cannot be symmetric"),
    (GENERAL + "2 2 1\n", "ends after 0 entries: line 2 says that there are 1"),
    (GENERAL + f"9 9 {2**62}\n1 1 1\n", "ends after 1 entries"),
    (GENERAL + "2 2 1\n1 1 1\n\n2 2 2\n", "line 5: '2' is one entry more than 1"),
    (GENERAL + "2 2 2\n1 1 1\n2 2\n", "line 4: it holds 2 numbers: it must hold 3"),
    (GENERAL + "2 2 2\n1 1 1 1 1\n2\n", "line 3: it holds 5 numbers"),
    (GENERAL + "2 2 2\n1 1 1\n% late\n", "line 4: it holds 2 numbers"),
    (GENERAL + "2 2 1\n0 1 1\n", "line 3: '0' must be from 1 to 2, the number of rows"),
    (GENERAL + "2 2 1\n1 3 1\n", "line 3: '3' must be from 1 to 2, the number of columns"),
    (GENERAL + "2 2 1\n-1 1 1\n", "line 3: '-1' must be from 1"),
    (GENERAL + "2 2 1\n1.0 1 1\n", "line 3: '1.0' is not an integer"),
    (GENERAL + "2 2 1\n1 99999999999999999999 1\n", "line 3: .* has more than 19 digits"),
    (GENERAL + f"2 2 1\n1 {2**63} 1\n", "line 3: .* does not fit into 64 bits"),
    (GENERAL + "2 2 1\n1 1 one\n", "line 3: 'one' is not a number"),
    (GENERAL + "2 2 2\n1 1 1-2\n2 2 x", "line 3: '1-2' is not a number"),
    (GENERAL + "2 2 1\n1 1 1_0\n", "line 3: '1_0' is not a number"),
    (GENERAL + "2 2 1\n1 1 \0\n", "line 3: .* is not a number"),
    (KIND + "coordinate integer general\n1 1 1\n1 1 1.5\n", "line 3: '1.5' is not an integer"),
    (KIND + f"array integer general\n1 1\n{2**63}\n", "line 3: .*64 bits"),
    (KIND + "coordinate real symmetric\n2 2 1\n1 2 1\n", "line 3: '1' as a row, with column 2"),
    (KIND + "coordinate real skew-symmetric\n2 2 1\n2 2 1\n", "line 3: '2' on the diagonal"),
    (KIND + "coordinate complex hermitian\n1 1 1\n1 1 1 2\n", "line 3: .*must be real"),
    (KIND + "array complex hermitian\n1 1\n1 2\n", "diagonal of a hermitian file must be real"),
    (KIND + f"array integer skew-symmetric\n2 2\n{-(2**63)}\n", "does not fit into 64 bits"),
    (KIND + "array real general\n2 2\n1\n2\n3\n", "ends after 3 entries: line 2 says .* 4"),
    (KIND + f"array real general\n{2**40} {2**40}\n1\n", "ends after 1 entries"),
    (KIND + "array real general\n1 2\n1 2\n", "line 3: it holds 2 numbers: it must hold 1"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_wrong_files_are_told_with_their_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=rf"a\.mtx.*{message}"):
        parse(tmp_path, text)


def test_lines_are_counted_across_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from minisparse.formats.files import matrix_market

    text = GENERAL + "9 9 4\n1 1 1\n\n2 2 2.25\n3 3 3\n4 4 4"
    whole = parse(tmp_path, text)
    for size in (1, 2, 3, 7, 20):
        monkeypatch.setattr(matrix_market, "_PIECE", size)
        A = parse(tmp_path, text)
        assert A.data.tolist() == whole.data.tolist() == [1, 2.25, 3, 4]
        assert A.row.tolist() == whole.row.tolist()
        with pytest.raises(FormatError, match="line 6: 'x' is not a number"):
            parse(tmp_path, text.replace("3 3 3", "3 3 x"))
        with pytest.raises(FormatError, match="line 8: '5' is one entry more than 4"):
            parse(tmp_path, text.replace("4 4 4", "5 4 4").replace("3 3 3", "3 3 3\n5 5 5"))


def test_a_bomb_is_refused_and_may_be_trusted(tmp_path: Path) -> None:
    text = (GENERAL + "1 1 1\n1 1 5\n").encode() + b"\n" * (17 << 20)
    path = tmp_path / "bomb.mtx"
    path.write_bytes(gzip.compress(text))
    with pytest.raises(FormatError, match=r"more than 4194304 bytes.*largest="):
        read_mtx(path)
    assert read_mtx(path, largest=len(text)).data.tolist() == [5]


@pytest.mark.parametrize("line", ["%\n", "\n"])
def test_a_bomb_above_the_sizes_is_refused_too(line: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.mtx"
    path.write_bytes(gzip.compress((GENERAL + line * (6 << 20)).encode(), 1))
    with pytest.raises(FormatError, match="more than 4194304 bytes"):
        read_mtx(path)
