"""Questions for ``gen``, and answers for ``verify``: a pipe in three parts that share a seed.

As TestFloat's ``testfloat_gen | yours | testfloat_ver``: what is in the middle reads frames and
writes frames, and needs to know nothing else.
"""

import hashlib
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from minisparse.oracle.check import problems
from minisparse.oracle.contracts import Contract
from minisparse.oracle.foreign.frames import BadFrame, Frame, read_frame
from minisparse.oracle.foreign.signature import signature
from minisparse.oracle.foreign.target import answered, question
from minisparse.oracle.narrowed import of_dtypes
from minisparse.oracle.outcomes import Crashed, Unsupported

Implementation = Callable[..., Any]


def questions(
    contract: Contract, examples: int, seed: int, dtypes: Collection[str] = ()
) -> Iterator[bytes]:
    """Yield a frame for each problem, numbered from 0; with ``dtypes``, only of values of these.

    Examples
    --------
    >>> from minisparse.oracle.contracts import find_contract
    >>> first = next(questions(find_contract("spmv_csr"), 1, 0))
    >>> first[:44]
    b'{"id": 0, "op": "spmv_csr", "returns": ["y"]'
    """
    names = signature(contract.call)
    for number, arguments in _numbered(contract, examples, seed, dtypes):
        yield question(number, contract.name, names, tuple(arguments.values()))


def repeated(fn: Implementation, times: int) -> Implementation:
    """Return an implementation that calls ``fn`` so often, and returns what differs from the first.

    Races show so: a result that is odd once in a while is the one that is judged.
    """

    def often(*arguments: Any) -> Any:
        first = fn(*arguments)
        for _ in range(times - 1):
            again = fn(*arguments)
            if _bits(again) != _bits(first):
                return again
        return first

    return often if times > 1 else fn


class Answers:
    """The answers in a stream, as an implementation; what was not asked is not supported.

    Parameters
    ----------
    stream : binary file
        Frames with the ids of the questions, in any order.
    contract, examples, seed, dtypes
        Those of the questions.

    Raises
    ------
    BadFrame
        If something else is in the stream.
    """

    def __init__(
        self,
        stream: BinaryIO,
        contract: Contract,
        examples: int,
        seed: int,
        dtypes: Collection[str] = (),
    ) -> None:
        self._frames: dict[int, Frame] = {}
        while (frame := read_frame(stream)) is not None:
            number = frame.header.get("id")
            if not isinstance(number, int):
                raise BadFrame(f"after {len(self._frames)} answers: 'id' is {number!r}")
            self._frames[number] = frame
        self._numbers: dict[bytes, list[int]] = {}
        for number, arguments in _numbered(contract, examples, seed, dtypes):
            self._numbers.setdefault(_digest(arguments.values()), []).append(number)
        self._last: tuple[list[Any], int] = ([], 0)

    def __len__(self) -> int:
        return len(self._frames)

    def __call__(self, *arguments: Any) -> Any:
        """Return a copy of the answer to the question with these arguments."""
        number = self._number(list(arguments))
        if number not in self._frames:
            raise Crashed(f"question {number} was not answered")
        return answered(self._frames[number])

    def _number(self, arguments: list[Any]) -> int:
        """Return which question this is; the same arrays again are the same question."""
        before, number = self._last
        if len(before) == len(arguments) and all(map(_is, before, arguments)):
            return number
        numbers = self._numbers.get(_digest(arguments))
        if numbers is None:
            raise Unsupported("not in the stream")
        number = numbers.pop(0) if len(numbers) > 1 else numbers[0]
        self._last = arguments, number
        return number


def _numbered(
    contract: Contract, examples: int, seed: int, dtypes: Collection[str]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    contract = of_dtypes(contract, dtypes) if dtypes else contract
    for number, problem in enumerate(itertools.islice(problems(contract, seed), examples)):
        yield number, contract.arguments(problem)


def _is(x: Any, y: Any) -> bool:
    return x is y


def _digest(arguments: Any) -> bytes:
    """Return a hash of arguments, of how they lie in memory too."""
    found = hashlib.blake2b(digest_size=16)
    for x in arguments:
        if isinstance(x, np.ndarray):
            found.update(repr((x.dtype.name, x.shape, x.strides)).encode() + x.tobytes())
        else:
            found.update(repr(x).encode())
    return found.digest()


def _bits(result: Any) -> list[bytes]:
    parts = result if isinstance(result, tuple | list) else [result]
    return [np.asarray(part).tobytes() for part in parts]
