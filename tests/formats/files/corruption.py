"""Whole files of each format, ways to corrupt them, and plain readers to compare with."""

import gzip
import io
import json
import zipfile
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

Rng = np.random.Generator
HUGE = [b"2147483648", b"9223372036854775807", b"18446744073709551616", b"-1", b"0", b"1e999"]
HUGE += [b"9" * 30, b"999999999", b"null", b'"x"', b"[]", b"nan", b"1000000000000"]


class Reader(NamedTuple):
    """A reader, what it is fed with, and what a result of it is compared with."""

    whole: Callable[[Path], list[bytes]]
    corrupt: Callable[[Rng, bytes, bytes], bytes]
    read: Callable[[Path], Any]
    compare: Callable[[bytes, Any], None]


# -- ways to corrupt -----------------------------------------------------------------------------


def damage(rng: Rng, whole: bytes, other: bytes) -> bytes:
    """Flip bytes, cut off, put two files together, take out or repeat a part, enlarge a number."""
    data = bytearray(whole)
    for _ in range(int(rng.integers(1, 4))):
        at, to = sorted(rng.integers(0, max(len(data), 1), 2).tolist())
        kind = rng.integers(8)
        if kind == 0 and data:
            for place in rng.integers(0, len(data), rng.integers(1, 9)):
                data[place] ^= int(rng.integers(1, 256))
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:] = other[int(rng.integers(0, len(other) + 1)) :]
        elif kind == 3:
            del data[at:to]
        elif kind == 4:
            data[at:at] = data[at:to][:2000]
        elif kind == 5:
            data[at : at + 8] = int(rng.choice([2**31, 2**40, 2**63 - 1, 0])).to_bytes(8, "little")
        elif kind == 6:
            data[at:at] = rng.integers(0, 256, rng.integers(1, 20), np.uint8).tobytes()
        else:
            enlarge(rng, data)
    return bytes(data)


def enlarge(rng: Rng, data: bytearray) -> None:
    """Put another number in the place of one that is written in digits."""
    digits = [i for i, b in enumerate(data) if 48 <= b <= 57 and not 48 <= data[i - 1] <= 57]
    if digits:
        at = to = int(rng.choice(digits[:200]))
        while to < len(data) and 48 <= data[to] <= 57:
            to += 1
        data[at:to] = HUGE[int(rng.integers(len(HUGE)))]


def damage_text(rng: Rng, whole: bytes, other: bytes) -> bytes:
    """Damage a file; where it is compressed, half the time what is inside."""
    if whole[:2] != b"\x1f\x8b" or rng.random() < 0.5:
        return damage(rng, whole, other)
    inside = gzip.decompress(other) if other[:2] == b"\x1f\x8b" else other
    return gzip.compress(damage(rng, gzip.decompress(whole), inside), 1)


def damage_archive(rng: Rng, whole: bytes, other: bytes) -> bytes:
    """Damage an archive; mostly what is inside, with checksums that are right again."""
    if rng.random() < 0.3:
        return damage(rng, whole, other)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(io.BytesIO(other)) as archive:
        strangers = {name: archive.read(name) for name in archive.namelist()}
    name = str(rng.choice(list(members)))
    kind = rng.integers(5)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[name] = strangers.get(name, members[name])
    elif kind == 2:  # only what stands in the header, so that its length stays right
        at = members[name].index(b"{")
        header = bytearray(members[name][at : members[name].index(b"\n", at) + 1])
        size = len(header)
        enlarge(rng, header)
        fitted = header.rstrip()[: size - 1].ljust(size - 1) + b"\n"
        members[name] = members[name][:at] + fitted + members[name][at + size :]
    else:
        start = 0 if kind == 3 else members[name].index(b"\n") + 1  # the values alone, or all
        body = damage(rng, members[name][start:], strangers.get(name, b"\0" * 64))
        if kind == 4:
            body = body[: len(members[name]) - start].ljust(len(members[name]) - start, b"\0")
        members[name] = members[name][:start] + body
    return packed(members)


def packed(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def damage_safetensors(rng: Rng, whole: bytes, other: bytes) -> bytes:
    """Damage a file; half the time its header, whose length is told right again."""
    if rng.random() < 0.5:
        return damage(rng, whole, other)
    length = int.from_bytes(whole[:8], "little")
    header = damage(rng, whole[8 : 8 + length], other[8:200])
    return len(header).to_bytes(8, "little") + header + whole[8 + length :]


# -- whole files, and what they mean -------------------------------------------------------------


def sample(dtype: str = "float64", shape: tuple[int, int] = (6, 8)) -> Array:
    rng = np.random.default_rng(5)
    return (rng.integers(1, 50, shape) * (rng.random(shape) < 0.3)).astype(dtype)


def mtx_files(folder: Path) -> list[bytes]:
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
        path = folder / (f"{i}.mtx.gz" if i % 3 == 2 else f"{i}.mtx")
        write_mtx(path, A, symmetry=symmetry, comment="a comment")
        found.append(path.read_bytes())
    return found


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
    todo = [(i, j) for j in range(k) for i in range(j if lower else 0, m)]
    if symmetry == "skew-symmetric":
        todo = [(i, j) for i, j in todo if i != j]
    if kind == "coordinate":
        assert len(entries) == count[0]
        todo = [(int(words[0]) - 1, int(words[1]) - 1) for words in entries]
        entries = [words[2:] for words in entries]
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
    layouts: list[tuple[str, dict[str, Any]]] = [
        ("coo", {}), ("csr", {}), ("csc", {}), ("bsr", {"block": (2, 2)}),
    ]  # fmt: skip
    found = []
    for format, layout in layouts:
        for dtype in ("float64", "int8", "bool", "complex64"):
            save_npz(folder / "a.npz", from_dense(sample(dtype), format, **layout))
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
    "npz": Reader(npz_files, damage_archive, load_npz, compare_archive),
    "binsparse": Reader(binsparse_files, damage_archive, load_binsparse, compare_archive),
    "safetensors": Reader(
        safetensors_files, damage_safetensors, read_safetensors, compare_safetensors
    ),
}
