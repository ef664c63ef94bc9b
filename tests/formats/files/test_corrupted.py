"""Corrupted files: an error that says so, or what the file says; in bounded time and memory.

Some hundred files a reader; ``HYPOTHESIS_PROFILE=nightly`` takes 10 000 of them, other ones each
time. A file that is read wrongly is kept in pytest's folder, and the message says where. How many
were read, the slowest and the largest are logged: ``--log-cli-level=INFO``.
"""

import logging
import os
import signal
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from minisparse.core.errors import DTypeError, FormatError, MinisparseError
from minisparse.formats import Matrix
from tests.formats.files.corruption import READERS

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
FILES = 10_000 if NIGHTLY else 200
MOST_MEMORY = 256 << 20
MOST_SECONDS = 2.0  # of the processor's time, which other programs do not lengthen
HANGS = 60  # seconds on the wall

every_reader = pytest.mark.parametrize("name", READERS)


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@every_reader
def test_whole_files_are_read(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    for data in reader.whole(tmp_path):
        (tmp_path / "whole").write_bytes(data)
        reader.compare(data, reader.read(tmp_path / "whole"))


@contextmanager
def ended() -> Iterator[None]:
    """Fail the test where the block hangs; where there are no alarms, it then hangs."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def give_up(*_: object) -> None:
        pytest.fail(f"no end after {HANGS} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(HANGS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@every_reader
def test_corrupted_files(name: str, tmp_path: Path) -> None:
    reader, path = READERS[name], tmp_path / "corrupted"
    seed = int.from_bytes(os.urandom(4), "little") if NIGHTLY else 0
    rng = np.random.default_rng(seed)
    whole = reader.whole(tmp_path)
    refused, slowest, largest = 0, 0.0, 0
    for i in range(FILES):
        one, other = rng.integers(0, len(whole), 2)
        data = reader.corrupt(rng, whole[one], whole[other])
        path.write_bytes(data)
        tracemalloc.reset_peak()
        start, message = time.process_time(), str(path)
        try:
            with ended():
                found = reader.read(path)
        except (FormatError, DTypeError) as error:  # anything else is a bug, and fails the test
            refused += 1
            message = str(error)
        else:
            for value in found.values() if isinstance(found, dict) else [found]:
                if isinstance(value, Matrix):
                    value.check()
        slowest = max(slowest, time.process_time() - start)
        largest = max(largest, tracemalloc.get_traced_memory()[1])
        if message == str(path):
            reader.compare(data, found)
        assert str(path) in message, f"file {i} of seed {seed}"
        assert slowest < MOST_SECONDS, f"file {i} of seed {seed}"
        assert largest < MOST_MEMORY, f"file {i} of seed {seed}"
    path.unlink()  # what stays is what failed
    logging.getLogger(__name__).info(
        f"{name}: {refused} of {FILES} refused; at most {slowest:.3f} s, {largest / 2**20:.1f} MiB"
    )
    assert FILES / 3 < refused < FILES


@every_reader
@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 100, b"\0" * 10_000, b"%%MatrixMarket"])
def test_no_file_at_all(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(FormatError, match="x"):
        READERS[name].read(tmp_path / "x")
    with pytest.raises(FormatError, match="no such file"):
        READERS[name].read(tmp_path / "none")
    with pytest.raises(MinisparseError):
        READERS[name].read(tmp_path)
