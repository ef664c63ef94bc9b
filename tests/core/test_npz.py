"""Archives from outside: bounded, never unpickled, written whole or not at all."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from minisparse.core import npz
from minisparse.core.errors import ModelFileError


def test_reads_what_it_wrote(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(6, dtype="float32").reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "none": np.zeros((0, 4), "int8"),
        "scalar": np.array(3.5),
    }
    npz.write_npz(tmp_path / "x.npz", arrays)
    found = npz.read_npz(tmp_path / "x.npz")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    npz.write_npz(tmp_path / "x.npz", {"a": np.ones(2)})
    with pytest.raises(ModelFileError, match="Python objects"):
        npz.write_npz(tmp_path / "x.npz", {"a": np.array([object()])})
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]
    np.testing.assert_array_equal(npz.read_npz(tmp_path / "x.npz")["a"], np.ones(2))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such file"):
        npz.read_npz(tmp_path / "none.npz")
    with pytest.raises(ModelFileError, match="no such file"):
        npz.read_npy(tmp_path / "none.npy")


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", a=np.array([{"x": 1}], dtype=object))
    with pytest.raises(ModelFileError, match=r"member 'a\.npy'.*pickled"):
        npz.read_npz(tmp_path / "p.npz")


def test_a_directory_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="not a readable"):
        npz.read_npz(tmp_path)


def _member(shape: str, data: bytes) -> bytes:
    """Return the bytes of an .npy whose header declares any shape it likes."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(-2, -1)", "(3,)", "(2**9,)", "'a'"])
def test_a_header_that_lies_is_refused_before_anything_is_allocated(
    tmp_path: Path, shape: str
) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", _member(shape, b"\0" * 16))
    with pytest.raises(ModelFileError, match=r"member 'a\.npy'"):
        npz.read_npz(tmp_path / "x.npz")


def test_the_sum_of_all_sizes_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npz.write_npz(tmp_path / "x.npz", {"a": np.zeros(1000)})
    monkeypatch.setattr(npz, "LARGEST_TOTAL", 1000)
    with pytest.raises(ModelFileError, match="above 1000"):
        npz.read_npz(tmp_path / "x.npz")


def test_damaged_files_give_one_kind_of_error_or_an_array(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.arange(50, dtype="float32"), b=np.eye(3))
    whole = buffer.getvalue()
    rng = np.random.default_rng(0)
    path, refused = tmp_path / "d.npz", 0
    for i in range(300):
        damaged = bytearray(whole[: rng.integers(len(whole))] if i % 3 == 0 else whole)
        for at in rng.integers(0, max(len(damaged), 1), 3):
            if damaged:
                damaged[at % len(damaged)] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            npz.read_npz(path)
        except ModelFileError:
            refused += 1
    assert refused > 200


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3))
    np.testing.assert_array_equal(npz.read_npy(tmp_path / "a.npy"), [0, 1, 2])
    (tmp_path / "b.npy").write_bytes(b"not an array")
    with pytest.raises(ModelFileError, match="not a readable"):
        npz.read_npy(tmp_path / "b.npy")


def _one_member(folder: Path, content: bytes) -> Path:
    with zipfile.ZipFile(folder / "x.npz", "w") as archive:
        archive.writestr("a.npy", content)
    return folder / "x.npz"


def test_more_than_the_header_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="but 24 bytes follow"):
        npz.read_npz(_one_member(tmp_path, _member("(2,)", b"\0" * 24)))


def test_a_long_header_is_refused_unread(tmp_path: Path) -> None:
    head = b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little")
    with pytest.raises(ModelFileError, match="header says that it has 2147483648 bytes, above"):
        npz.read_npz(_one_member(tmp_path, head + b" " * 100))


def test_bools_are_0_or_1(tmp_path: Path) -> None:
    content = _member("(2,)", b"\1\2").replace(b"'<f8'", b"'|b1'")
    with pytest.raises(ModelFileError, match="bools that are neither 0 nor 1"):
        npz.read_npz(_one_member(tmp_path, content))


def test_arrays_cannot_be_written_to(tmp_path: Path) -> None:
    npz.write_npz(tmp_path / "x.npz", {"a": np.zeros(3)})
    assert not npz.read_npz(tmp_path / "x.npz")["a"].flags.writeable
