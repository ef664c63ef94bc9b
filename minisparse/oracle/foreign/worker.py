"""The process in which a foreign function runs: questions on stdin, answers on stdout.

``worker.py python package.module function`` or ``worker.py library ./lib.so symbol``. What the
function prints goes to stderr, so that it cannot spoil an answer.

On Linux the function lives in a child that is forked before it is loaded: where that dies, the next
is there at once, without another start of Python.
"""

import importlib
import importlib.util
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.oracle.foreign.c_abi import DTYPES, WroteOutside, load_symbol
from minisparse.oracle.foreign.frames import Frame, dump_frame, read_frame, unpack
from minisparse.oracle.foreign.memory import Block, block_of, pack_result, place
from minisparse.oracle.foreign.process import how_ended
from minisparse.oracle.outcomes import Unsupported

_FORKS = sys.platform == "linux"
_DONE = 77
"""How a child ends that has nothing left to answer; any other status is a foreign function's."""

Call = Callable[[Mapping[str, Any], Sequence[str]], Any]


def main(kind: str, place: str, name: str) -> None:
    """Load a function, say that it is there or why not, and answer until the questions end."""
    questions, answers = _own_streams()
    while _FORKS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads: those of BLAS can fork
            child = os.fork()
        if not child:
            break
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == _DONE:
            return
        _send(answers, dump_frame({"crashed": how_ended(status)}))
    _serve(kind, place, name, questions, answers)
    sys.stderr.flush()
    os._exit(_DONE if _FORKS else 0)


def _serve(kind: str, place: str, name: str, questions: BinaryIO, answers: BinaryIO) -> None:
    try:
        call = load_symbol(place, name) if kind == "library" else load_function(place, name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a foreign module raises
        _send(answers, dump_frame({"error": type(error).__name__, "message": _told(error)}))
        return
    _send(answers, dump_frame({"ready": True, "child": os.getpid() if _FORKS else None}))
    desk = _Desk(call)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        while (frame := read_frame(questions)) is not None:
            _send(answers, desk.answer(frame))


def load_function(module: str, name: str) -> Call:
    """Return a Python function, from a module or a file, as ``call(arguments, returns)``.

    Raises
    ------
    ImportError, AttributeError, TypeError
        If there is no such module or function, or it is not callable; whatever the module raises.
    """
    if module.endswith(".py"):
        spec = importlib.util.spec_from_file_location("judged", module)
        if spec is None or spec.loader is None:
            raise ImportError(f"{module} cannot be imported")
        found = importlib.util.module_from_spec(spec)
        sys.modules["judged"] = found
        spec.loader.exec_module(found)
    else:
        found = importlib.import_module(module)
    function: Any = found
    for part in name.split("."):
        function = getattr(function, part)
    if not callable(function):
        raise TypeError(f"{module}:{name} is a {type(function).__name__}, not a function")
    return lambda arguments, returns: function(*arguments.values())


class _Desk:
    """Answers questions; keeps the arrays of the last one, since the next may use them again."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._before: dict[int, Array] = {}
        self._results: list[Array] = []

    def answer(self, frame: Frame) -> bytes:
        """Return the answer to one question as a frame."""
        header = frame.header
        arguments = self._arguments(frame)
        arrays = [x for x in arguments.values() if isinstance(x, np.ndarray)]
        blocks = {
            "argument": [block_of(x) for x in arrays],
            "result": [block_of(x) for x in self._results],
        }
        kept = {owner: [block.read() for block in found] for owner, found in blocks.items()}
        got, said = self._outcome(arguments, header["returns"])
        changed, raws = _changes(blocks, kept)
        found = [] if said else _flat(got)
        packed = [pack_result(x, blocks) if _is_plain(x) else (_odd(x), b"") for x in found]
        self._results = [x for x in found if _is_plain(x)]
        kind = type(got).__name__ if isinstance(got, tuple | list) else ""
        body = {"kind": kind, "changed": changed, "arrays": [entry for entry, _ in packed]}
        return dump_frame(
            {"id": header["id"], **said, **body}, [*(raw for _, raw in packed), *raws]
        )

    def _outcome(
        self, arguments: Mapping[str, Any], returns: Sequence[str]
    ) -> tuple[Any, dict[str, str]]:
        """Return what came back, or else what to say instead."""
        try:
            return self._call(arguments, returns), {}
        except (Unsupported, NotImplementedError) as error:
            return None, {"unsupported": str(error) or type(error).__name__}
        except WroteOutside as error:
            return None, {"outside": str(error)}
        except Exception as error:  # noqa: BLE001 - whatever a foreign function raises is the finding
            return None, {"error": type(error).__name__, "message": _told(error)}

    def _arguments(self, frame: Frame) -> dict[str, Any]:
        found: dict[str, Any] = {}
        arrays: dict[int, Array] = {}
        for entry, raw in zip(frame.header["arrays"], frame.raws, strict=True):
            if entry.get("tuple"):
                found[entry["name"]] = tuple(unpack(entry, raw).tolist())
                continue
            x = place(entry, raw, self._before)
            found[entry["name"]] = arrays[entry["token"]] = x
        self._before = arrays
        return found


def _changes(
    blocks: Mapping[str, list[Block]], kept: Mapping[str, list[bytes]]
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Return which arguments and earlier results were written to, and what is there now."""
    entries, raws = [], []
    for owner, found in blocks.items():
        for number, block in enumerate(found):
            now = block.read()
            if now != kept[owner][number]:
                entries.append({"memory": [owner, number], "nbytes": len(now)})
                raws.append(now)
    return entries, raws


def _flat(got: Any) -> list[Any]:
    """Return what came back as a list; scalars of NumPy as arrays."""
    parts = list(got) if isinstance(got, tuple | list) else [got]
    return [np.asarray(x) if isinstance(x, np.generic) else x for x in parts]


def _is_plain(x: Any) -> bool:
    """Tell whether something is an array of numbers."""
    return isinstance(x, np.ndarray) and x.dtype.name in DTYPES


def _odd(x: Any) -> dict[str, Any]:
    """Return what a frame says of a result that is not an array of numbers."""
    name = f"ndarray of {x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__
    return {"type": name, "nbytes": 0}


def _told(error: BaseException) -> str:
    """Return an exception's text in a line."""
    last = traceback.format_exception_only(error)[-1].strip()
    return last.partition(": ")[2] or str(error)


def _own_streams() -> tuple[BinaryIO, BinaryIO]:
    """Return stdin and stdout for frames alone; prints go to stderr from now on."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return questions, answers


def _send(stream: BinaryIO, frame: bytes) -> None:
    stream.write(frame)
    stream.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
