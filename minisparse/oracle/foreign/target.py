"""What is to be judged, as a command line names it, as an implementation for the oracle."""

import builtins
import contextlib
import itertools
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.oracle.contracts import Contract
from minisparse.oracle.foreign.frames import BadFrame, Frame, dump_frame, pack, unpack
from minisparse.oracle.foreign.memory import block_of, pack_in_place, unpack_result
from minisparse.oracle.foreign.process import Process
from minisparse.oracle.foreign.signature import Signature, signature
from minisparse.oracle.outcomes import Crashed, Unsupported

Implementation = Callable[..., Any]
_LIBRARIES = (".so", ".dylib", ".dll")
_ROOT = Path(__file__).resolve().parents[3]
_START = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from minisparse.oracle.foreign.worker import main; main(*sys.argv[2:])"
)
"""``-c`` puts the current folder first, where the judged module may lie."""


class ForeignError(Exception):
    """A foreign function raised something that Python itself does not have."""


@contextlib.contextmanager
def open_target(target: str, contract: Contract, timeout: float = 10) -> Iterator[Implementation]:
    """Start what is to be judged, and give it as a function of plain arrays.

    Parameters
    ----------
    target : str
        ``package.module:function`` or ``file.py:function`` in Python, ``./lib.so:symbol`` as
        ``minisparse.h`` says, or ``./program`` with its arguments, which reads and writes frames.
    contract : Contract
        What it should fulfil.
    timeout : float
        Seconds that a call may take.

    Yields
    ------
    callable
        ``fn(*arguments)``, which raises Unsupported, Crashed or TimedOut where there is no result.

    Raises
    ------
    UsageError
        If there is no such target, or it cannot be started.
    """
    names = signature(contract.call)
    place, _, name = target.rpartition(":")
    if place and name.replace(".", "_").isidentifier() and not Path(target).exists():
        command = _worker(place, name)
        process = Process(command, timeout, greets=True, environ=os.environ)
        implementation: Implementation = _InWorker(process, contract.name, names)
    else:
        process = Process(_program(target), timeout)
        implementation = _Program(process, contract.name, names)
    try:
        process.start()
        yield implementation
    except UsageError as error:
        raise UsageError(f"{target}: {error}") from error
    finally:
        process.close()


def _worker(place: str, name: str) -> list[str]:
    """Return the command that serves a function of a module or a library."""
    kind = "library" if place.endswith(_LIBRARIES) else "python"
    if (kind == "library" or place.endswith(".py")) and not Path(place).is_file():
        raise UsageError(f"{place}:{name}: there is no file {place}")
    return [sys.executable, "-c", _START, str(_ROOT), kind, place, name]


def _program(target: str) -> list[str]:
    command = [target] if Path(target).is_file() else shlex.split(target)
    if command == [target] and Path(target).is_file() and not os.access(target, os.X_OK):
        raise UsageError(f"{target}: this file cannot be executed; a library is ./lib.so:symbol")
    if not command or shutil.which(command[0]) is None:
        raise UsageError(
            f"{target}: no program of that name; a target is package.module:function, "
            "file.py:function, ./lib.so:symbol or ./program"
        )
    return [str(Path(command[0]).resolve()) if "/" in command[0] else command[0], *command[1:]]


class _Program:
    """A program that takes frames with contiguous arrays."""

    def __init__(self, process: Process, op: str, names: Signature) -> None:
        self._process, self._op, self._names = process, op, names
        self._numbers = itertools.count()

    def __call__(self, *arguments: Any) -> Any:
        number = next(self._numbers)
        frame = self._process.ask(question(number, self._op, self._names, arguments))
        if frame.header.get("id") != number:
            raise BadFrame(f"question {number} was answered with id {frame.header.get('id')!r}")
        return answered(frame)


def question(number: int, op: str, names: Signature, arguments: tuple[Any, ...]) -> bytes:
    """Return the frame that asks for a call; tuples are arrays of int64."""
    packed = [
        pack(name, x if isinstance(x, np.ndarray) else np.array(x, np.int64))
        for name, x in zip(names.arguments, arguments, strict=True)
    ]
    header = {"id": number, "op": op, "returns": names.returns, "arrays": [e for e, _ in packed]}
    return dump_frame(header, [raw for _, raw in packed])


def answered(frame: Frame) -> Any:
    """Return the array or arrays of an answer; raise what it says instead.

    Raises
    ------
    Unsupported
        If it says so.
    BadFrame
        If it has neither.
    """
    _raise_if_said(frame.header)
    entries = frame.header.get("arrays")
    if not entries:
        raise BadFrame("an answer with neither 'arrays' nor 'unsupported'")
    found = [unpack(entry, raw) for entry, raw in zip(entries, frame.raws, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _raise_if_said(header: Mapping[str, Any]) -> None:
    if "unsupported" in header:
        raise Unsupported(str(header["unsupported"]))
    if "outside" in header:
        raise Crashed(str(header["outside"]))
    if "error" in header:
        name, message = str(header["error"]), str(header.get("message", ""))
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            with contextlib.suppress(TypeError):  # some want more than a message
                raise kind(message)
        raise ForeignError(f"{name}: {message}" if message else name)


class _InWorker:
    """A function in a worker, whose arrays lie there as they lie here."""

    def __init__(self, process: Process, op: str, names: Signature) -> None:
        self._process, self._op, self._names = process, op, names
        self._numbers = itertools.count()
        self._tokens = itertools.count()
        self._before: list[tuple[Array, int]] = []
        self._results: list[Array] = []

    def __call__(self, *arguments: Any) -> Any:
        arrays = [x for x in arguments if isinstance(x, np.ndarray)]
        known = {id(x): token for x, token in self._before}
        self._before = [(x, known.get(id(x), next(self._tokens))) for x in arrays]
        tokens = iter(self._before)
        packed = [
            pack_in_place(name, *next(tokens)) if isinstance(x, np.ndarray) else _as_tuple(name, x)
            for name, x in zip(self._names.arguments, arguments, strict=True)
        ]
        number = next(self._numbers)
        header = {"id": number, "op": self._op, "returns": self._names.returns,
                  "arrays": [entry for entry, _ in packed]}  # fmt: skip
        memory = {"argument": arrays, "result": self._results}
        self._results = []
        frame = self._process.ask(dump_frame(header, [raw for _, raw in packed]))
        return self._unpacked(frame, memory)

    def _unpacked(self, frame: Frame, memory: Mapping[str, list[Array]]) -> Any:
        header, raws = frame
        entries, changed = header["arrays"], header["changed"]
        for entry, raw in zip(changed, raws[len(entries) :], strict=True):
            owner, number = entry["memory"]
            block_of(memory[owner][number]).write(raw)
        _raise_if_said(header)
        found = [
            _stranger(entry["type"]) if "type" in entry else unpack_result(entry, raw, memory)
            for entry, raw in zip(entries, raws[: len(entries)], strict=True)
        ]
        self._results = [x for x in found if isinstance(x, np.ndarray)]
        if header["kind"] == "list":
            return found
        return tuple(found) if header["kind"] else found[0]


def _as_tuple(name: str, value: Any) -> tuple[dict[str, Any], bytes]:
    entry, raw = pack(name, np.array(value, np.int64))
    return entry | {"tuple": True}, raw


def _stranger(name: str) -> Any:
    """Return something of a type of that name, which is not an array."""
    plain: dict[str, Any] = {
        "NoneType": None,
        "int": 0,
        "float": 0.0,
        "bool": False,
        "str": "",
        "dict": {},
    }
    return plain[name] if name in plain else type(name, (), {})()
