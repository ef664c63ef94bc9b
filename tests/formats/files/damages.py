"""Ways to corrupt a file: much and little, from outside and from inside."""

import gzip
import io
import json
import zipfile
from typing import Any

import numpy as np

Rng = np.random.Generator
HUGE = [b"2147483648", b"9223372036854775807", b"18446744073709551616", b"-1", b"0", b"1e999"]
SMALL = [b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"-1", b"10", b"12", b"32"]
HUGE += [b"9" * 30, b"999999999", b"null", b'"x"', b"[]", b"nan", b"1000000000000"]


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


def enlarge(rng: Rng, data: bytearray, numbers: list[bytes] = HUGE) -> None:
    """Put another number in the place of one that is written in digits."""
    digits = [i for i, b in enumerate(data) if 48 <= b <= 57 and not 48 <= data[i - 1] <= 57]
    if digits:
        at = to = int(rng.choice(digits[:200]))
        while to < len(data) and 48 <= data[to] <= 57:
            to += 1
        data[at:to] = numbers[int(rng.integers(len(numbers)))]


def nudge(rng: Rng, whole: bytes) -> bytes:
    """Change so little that much of it may still be right: a number, a line, one byte."""
    lines = whole.splitlines(keepends=True)
    one, other = (int(i) for i in rng.integers(0, max(len(lines), 1), 2))
    kind = rng.integers(7)
    if kind < 3 or not lines:
        data = bytearray(whole)
        enlarge(rng, data, [HUGE, SMALL, SMALL][kind % 3])
        return bytes(data)
    if kind == 3:
        lines[one], lines[other] = lines[other], lines[one]
    elif kind == 4:
        del lines[one]
    elif kind == 5:
        lines.insert(one, lines[other])
    else:
        words = [b"general", b"symmetric", b"skew-symmetric", b"hermitian", b"real", b"integer"]
        words += [b"complex", b"pattern", b"array", b"coordinate"]
        there = [word for word in words if word in lines[0]] or words
        old, new = there[int(rng.integers(len(there)))], words[int(rng.integers(len(words)))]
        lines[0] = lines[0].replace(old, new)
    return b"".join(lines)


def damage_text(rng: Rng, whole: bytes, other: bytes) -> bytes:
    """Damage a file much or little; where it is compressed, mostly what is inside."""
    if whole[:2] != b"\x1f\x8b":
        return nudge(rng, whole) if rng.random() < 0.5 else damage(rng, whole, other)
    if rng.random() < 0.3:
        return damage(rng, whole, other)
    inside = damage_text(rng, gzip.decompress(whole), gzip.decompress(other))
    return gzip.compress(inside, 1)


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
    """Damage a file, or its header, whose length is told right again, or what stands there."""
    kind, length = rng.integers(4), int.from_bytes(whole[:8], "little")
    header, body = whole[8 : 8 + length], whole[8 + length :]
    if kind == 0:
        return damage(rng, whole, other)
    if kind == 1:
        header = damage(rng, header, other[8:200])
    elif kind == 2:
        header = changed(rng, header)
    elif body:  # as long as before
        flipped = bytearray(body)
        for place in rng.integers(0, len(body), rng.integers(1, 4)):
            flipped[place] ^= 1 << int(rng.integers(8))
        body = bytes(flipped)
    return len(header).to_bytes(8, "little") + header + body


def changed(rng: Rng, header: bytes) -> bytes:
    """Change a header into another that is JSON: a dtype, a size, a place, a name."""
    said: dict[str, Any] = json.loads(header)
    names = [name for name in said if name != "__metadata__"]
    if not names:
        return header
    one, other = (names[int(i)] for i in rng.integers(0, len(names), 2))
    kind = rng.integers(6)
    if kind == 0:
        dtypes = ["BOOL", "U8", "I8", "I16", "F32", "I64", "F64", "C64", "F4", "", "f32"]
        said[one]["dtype"] = dtypes[int(rng.integers(len(dtypes)))]
    elif kind in (1, 2):
        numbers = said[one]["shape" if kind == 1 else "data_offsets"]
        if numbers:
            number = [0, 1, 2, 3, 4, 6, 8, 12, 2**31, 2**62, 2**63, -1][int(rng.integers(12))]
            numbers[int(rng.integers(len(numbers)))] = number
    elif kind == 3:
        said[one], said[other] = said[other], said[one]
    elif kind == 4:
        said[one]["shape"].reverse()
    else:
        said[f"{one}.bitmask"] = said.pop(one)
    return json.dumps(said).encode()
