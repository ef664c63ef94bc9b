"""Whole files of each format, and plain readers to compare with."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import (
    Matrix,
    from_dense,
    load_binsparse,
    load_npz,
    read_mtx,
    read_safetensors,
    save_binsparse,
    save_npz,
    write_mtx,
)
from tests.formats.files.damages import damage_archive, damage_safetensors, damage_text

Rng = np.random.Generator


class Reader(NamedTuple):
    """A reader, what it is fed with, and what a result of it is compared with."""

    whole: Callable[[Path], list[bytes]]
    corrupt: Callable[[Rng, bytes, bytes], bytes]
    read: Callable[[Path], Any]
    compare: Callable[[bytes, Any], None]


def sample(dtype: str = "float64", shape: tuple[int, int] = (6, 8)) -> Array:
    rng = np.random.default_rng(5)
    return (rng.integers(1, 50, shape) * (rng.random(shape) < 0.3)).astype(dtype)


def mtx_files(folder: Path, suffix: str = ".mtx") -> list[bytes]:
    x = sample()
    square = x[:, :6]
    plain = [
        (from_dense(x / 7, "coo"), "general"),
        (from_dense(sample("int64"), "csr"), "general"),
        (from_dense(sample("bool"), "csr"), "general"),
        (from_dense(square + square.T, "coo"), "symmetric"),
        (from_dense(square - square.T, "coo"), "skew-symmetric"),
        (from_dense(square + square.T + 1j * (square - square.T), "coo"), "hermitian"),
        (x[:3], "general"),
        (square + square.T, "symmetric"),
    ]
    found = []
    A: Any
    for i, (A, symmetry) in enumerate(plain):
        path = folder / f"{i}{suffix}"
        write_mtx(path, A, symmetry=symmetry, comment="a comment")
        found.append(path.read_bytes())
    return found


def packed_mtx_files(folder: Path) -> list[bytes]:
    return mtx_files(folder, ".mtx.gz")


def compare_mtx(data: bytes, A: Matrix) -> None:
    """Parse line by line, as the format's description says it, and compare."""
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    lines = [line.split() for line in text.split(b"\n")]
    kind, field, symmetry = (word.lower().decode() for word in lines[0][2:5])
    head = next(i for i, w in enumerate(lines) if i and w and text.split(b"\n")[i][:1] != b"%")
    m, k, *count = map(int, lines[head])
    entries = [words for words in lines[head + 1 :] if words]
    assert A.shape == (m, k)
    cells: dict[tuple[int, int], Any] = {}
    lower = symmetry != "general"
    if kind == "coordinate":
        assert len(entries) == count[0]
        todo = [(int(words[0]) - 1, int(words[1]) - 1) for words in entries]
        entries = [words[2:] for words in entries]
    elif entries:  # as many as there are cells; an empty array may be a billion wide
        off = int(symmetry == "skew-symmetric")
        todo = [(i, j) for j in range(k) for i in range(j + off if lower else 0, m)]
    else:
        todo = []
    for (i, j), words in zip(todo, entries, strict=True):
        value = number(field, words)
        assert 0 <= i < m
        assert 0 <= j < k
        cells[i, j] = cells.get((i, j), 0) + value
        if lower and i != j:
            turned = {"symmetric": value, "skew-symmetric": -value}.get(symmetry)
            turned = np.conj(value) if turned is None else turned
            cells[j, i] = cells.get((j, i), 0) + turned
    found: dict[tuple[int, int], Any] = {}
    row, col, values, _ = A.triplets()
    for cell_row, cell_col, value in zip(row.tolist(), col.tolist(), values.tolist(), strict=True):
        found[cell_row, cell_col] = found.get((cell_row, cell_col), 0) + value
    assert set(found) == set(cells)
    for cell, value in cells.items():
        np.testing.assert_equal(found[cell], value)


def number(field: str, words: list[bytes]) -> Any:
    if field == "pattern":
        return 1.0
    if field in ("integer", "unsigned-integer"):
        return int(words[0])
    parts = [float(word.lower().replace(b"d", b"e")) for word in words]
    return complex(*parts) if field == "complex" else parts[0]


def npz_files(folder: Path) -> list[bytes]:
    """Return archives in SciPy's layout."""
    layouts: list[tuple[str, dict[str, Any]]] = [
        ("coo", {}), ("csr", {}), ("csc", {}), ("bsr", {"block": (2, 2)}),
    ]  # fmt: skip
    found = []
    for format, layout in layouts:
        for dtype in ("float64", "int8", "bool", "complex64"):
            save_npz(folder / "a.npz", from_dense(sample(dtype), format, **layout))
            found.append((folder / "a.npz").read_bytes())
    return found


def own_npz_files(folder: Path) -> list[bytes]:
    """Return archives of what SciPy has no matrix for."""
    padded: list[tuple[str, dict[str, Any], str]] = [
        ("coo", {}, "float16"), ("csr", {}, "float16"), ("csc", {}, "float16"),
        ("bsr", {"block": (4, 3)}, "int64"), ("bsr", {"block": (4, 3)}, "bool"),
        ("nm", {"n": 3, "m": 4}, "float32"), ("nm", {"n": 3, "m": 4}, "complex128"),
    ]  # fmt: skip
    found = []
    for format, layout, dtype in padded:
        x = sample(dtype, (6, 10))
        x[:, ::4] = 0
        save_npz(folder / "a.npz", from_dense(x, format, **layout))
        found.append((folder / "a.npz").read_bytes())
    return found


def binsparse_files(folder: Path) -> list[bytes]:
    layouts: list[tuple[str, dict[str, Any]]] = [
        ("coo", {}), ("csr", {}), ("csc", {}), ("bsr", {"block": (4, 3)}), ("nm", {"n": 3, "m": 4}),
    ]  # fmt: skip
    found = []
    for format, layout in layouts:
        for dtype in ("float32", "bool", "complex64", "float16"):
            x = sample(dtype, (6, 10))
            x[:, ::4] = 0
            save_binsparse(folder / "a.npz", from_dense(x, format, **layout))
            found.append((folder / "a.npz").read_bytes())
    return found


def compare_archive(data: bytes, A: Matrix) -> None:
    """Compare with the arrays that NumPy finds."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = dict(archive)
    said = json.loads(arrays["binsparse"].item())["binsparse"] if "binsparse" in arrays else {}
    shape: Any = said.get("shape", arrays.get("shape", A.shape))
    assert A.shape == tuple(shape)
    if said.get("block"):
        assert A.block == tuple(said["block"])
    theirs = {"data": "values", "row": "indices_0", "col": "indices_1", "indices": "indices_1"}
    theirs["indptr"] = "pointers_to_1"
    for name, ours in A.arrays.items():
        stored = arrays[name] if name in arrays else arrays[theirs[name]]
        if said and A.roles[name] == "values":
            stored = stored.view(ours.dtype)
            if "iso" in said["data_types"].get("values", ""):
                stored = np.repeat(stored, len(ours))
        elif not said and "indptr" in arrays and name != "indptr":
            stored = stored[: arrays["indptr"][-1]]
        np.testing.assert_array_equal(ours, stored)


def safetensors_files(folder: Path) -> list[bytes]:
    some = {"plain": sample("int16"), "flags": sample("bool")}
    more = {"w": sample("float32"), "none": sample("float64", (0, 3)), "one": np.array(7)}
    return [safetensors(some), safetensors(more), safetensors(some | more), safetensors({})]


def bitmask_files(folder: Path) -> list[bytes]:
    """Return checkpoints with packed tensors, 2:4 and not."""
    x = np.array([[0, 1, 2, 0], [3, 0, 0, 4], [0, 0, 5, 6]], "float32")
    mask = x != 0
    parts: dict[str, Array] = {
        "w.compressed": x[mask].reshape(3, 2),
        "w.bitmask": np.packbits(mask, axis=1, bitorder="little"),
        "w.shape": np.array([[3], [4]]),
        "u.compressed": x[:, :3][mask[:, :3]],
        "u.bitmask": np.packbits(mask[:, :3], axis=1, bitorder="little"),
        "u.shape": np.array([3, 3]),
        "u.row_offsets": np.array([0, 2, 3]),
        "plain": sample("int16"),
        "flags": sample("bool"),
    }
    return [safetensors(parts), safetensors({k: v for k, v in parts.items() if k[0] != "u"})]


def safetensors(tensors: dict[str, Array]) -> bytes:
    """Return a file of these tensors."""
    names = {"float32": "F32", "int16": "I16", "int64": "I64", "uint8": "U8", "bool": "BOOL"}
    names |= {"bfloat16": "BF16", "float16": "F16", "float64": "F64"}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, array in tensors.items():
        header[name] = {"dtype": names[array.dtype.name], "shape": array.shape}
        header[name]["data_offsets"] = [at, at + array.nbytes]
        at += array.nbytes
    text = json.dumps(header).encode()
    body = b"".join(array.tobytes() for array in tensors.values())
    return len(text).to_bytes(8, "little") + text + body


def compare_safetensors(data: bytes, found: dict[str, Any]) -> None:
    """Compare with the bytes where the header says that they are."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    raw = {
        name: body[said["data_offsets"][0] : said["data_offsets"][1]]
        for name, said in header.items()
        if name != "__metadata__"
    }
    for name, value in found.items():
        if isinstance(value, np.ndarray):
            assert value.shape == tuple(header[name]["shape"])
            assert value.tobytes() == raw[name]
            continue
        mask = np.frombuffer(raw[f"{name}.bitmask"], np.uint8).reshape(value.shape[0], -1)
        bits = np.unpackbits(mask, axis=1, bitorder="little")
        row, col, values, _ = value.triplets()
        assert np.stack([row, col], axis=1).tolist() == np.argwhere(bits).tolist()
        assert values.tobytes() == raw[f"{name}.compressed"]


READERS = {
    "mtx": Reader(mtx_files, damage_text, read_mtx, compare_mtx),
    "mtx.gz": Reader(packed_mtx_files, damage_text, read_mtx, compare_mtx),
    "npz": Reader(npz_files, damage_archive, load_npz, compare_archive),
    "npz of ours": Reader(own_npz_files, damage_archive, load_npz, compare_archive),
    "binsparse": Reader(binsparse_files, damage_archive, load_binsparse, compare_archive),
    "safetensors": Reader(
        safetensors_files, damage_safetensors, read_safetensors, compare_safetensors
    ),
    "bitmask": Reader(bitmask_files, damage_safetensors, read_safetensors, compare_safetensors),
}
