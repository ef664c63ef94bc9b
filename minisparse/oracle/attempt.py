"""Put one problem to an implementation, and judge all that comes of it."""

import contextlib
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.oracle.contracts import Arguments, Contract, Expectation
from minisparse.oracle.outcomes import Crashed, TimedOut, Unsupported
from minisparse.oracle.problem import Problem
from minisparse.oracle.profile import Profile
from minisparse.oracle.verdict import FAIL, UNSUPPORTED, Judgement

Implementation = Callable[..., Any]


@dataclass(frozen=True)
class Attempt:
    """What came of one problem.

    Attributes
    ----------
    judgement : Judgement
        Its rule may also be ``"crash"``, ``"timeout"``, ``"exception"``, ``"inputs"`` (written
        to), ``"fresh"`` (memory shared with an input or an earlier result) or ``"repeat"`` (wrong
        the second time).
    inputs : mapping
        Copies of the arguments, by name and in order.
    got : object
        What was returned, or the exception.
    expected : ndarray
        The exact result, rounded.
    note : str
        What is odd and yet no failure.
    """

    judgement: Judgement
    inputs: Mapping[str, Any]
    got: Any
    expected: Array
    note: str = field(default="")

    @property
    def failed(self) -> bool:
        """Whether something is wrong."""
        return self.judgement.verdict == FAIL


def attempt(fn: Implementation, contract: Contract, problem: Problem, profile: Profile) -> Attempt:
    """Call ``fn`` on a problem, twice, and judge results, inputs and memory.

    Whatever ``fn`` raises is a failure. It sees fresh arrays, except where the problem asks for
    a call before with the same arrays and other values.
    """
    arguments = contract.arguments(problem)
    if problem.earlier is not None:
        early = replace(problem, a=problem.a._replace(data=problem.earlier), earlier=None)
        arguments = _call_before(fn, contract, contract.arguments(early), arguments, problem)
    kept = {name: _copied(value) for name, value in arguments.items()}
    truth = contract.expect(kept, profile)
    expected = truth.rounded()
    try:
        got = fn(*arguments.values())
    except Unsupported as error:
        return Attempt(Judgement(UNSUPPORTED, message=str(error)), kept, error, expected)
    except Exception as error:  # noqa: BLE001 - whatever a foreign function raises is the finding
        return Attempt(_raised(error), kept, error, expected)
    judgement = truth.judge(got)
    result = Attempt(judgement, kept, _copied(got), expected)
    if judgement.verdict == FAIL:
        return result
    found = _broken_manners(arguments, kept, got)
    return replace(result, judgement=found) if found else _again(fn, arguments, result, got, truth)


def _call_before(
    fn: Implementation, contract: Contract, early: Arguments, late: Arguments, problem: Problem
) -> Arguments:
    """Call ``fn`` with other values; return arguments for which only the values have changed."""
    values = contract.values
    with contextlib.suppress(Exception):  # the call that follows is the one that is judged
        fn(*early.values())
    if problem.in_place and early[values].flags.writeable:
        early[values][...] = late[values]
        return early
    return {**early, values: late[values]}


def _again(
    fn: Implementation, arguments: Arguments, first: Attempt, got: Any, truth: Expectation
) -> Attempt:
    """Call once more: within the bound again, in memory of its own, the first result untouched."""
    try:
        second = fn(*arguments.values())
    except Exception as error:  # noqa: BLE001 - whatever a foreign function raises is the finding
        return replace(first, judgement=_raised(error, "called again: "), got=error)
    judgement = truth.judge(second)
    if judgement.verdict == FAIL:
        judgement = replace(judgement, rule="repeat", message=f"called again: {judgement.message}")
        return replace(first, judgement=judgement, got=_copied(second))
    if _shares(got, second) or not _same(got, first.got):
        text = "the second call's result shares memory with the first's: return a new array"
        return replace(first, judgement=Judgement(FAIL, "fresh", np.inf, message=text))
    return first if _same(second, first.got) else replace(first, note="not the same bits twice")


def _broken_manners(arguments: Arguments, kept: Mapping[str, Any], got: Any) -> Judgement | None:
    """Return a failure if an input was written to, or shares memory with the result."""
    for name, value in arguments.items():
        if not isinstance(value, np.ndarray):
            continue
        if not _same(value, kept[name]):
            return Judgement(FAIL, "inputs", np.inf, message=f"changed its input '{name}'")
        if _shares(value, got):
            text = f"the result shares memory with the input '{name}': return a new array"
            return Judgement(FAIL, "fresh", np.inf, message=text)
    return None


def _arrays(x: Any) -> list[Array]:
    """Return the arrays of a result: itself, or those of a tuple."""
    return [np.asarray(part) for part in x] if isinstance(x, tuple | list) else [np.asarray(x)]


def _shares(x: Any, y: Any) -> bool:
    """Tell whether two results, or an argument and a result, have memory in common."""
    return any(np.shares_memory(a, b) for a in _arrays(x) for b in _arrays(y))


def _same(x: Any, y: Any) -> bool:
    """Tell whether two arguments or results have the same bits."""
    pairs = zip(_arrays(x), _arrays(y), strict=True)
    return all(a.tobytes() == b.tobytes() for a, b in pairs)


def _copied(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(map(_copied, value))
    return value.copy(order="K") if isinstance(value, np.ndarray) else value


def _raised(error: Exception, when: str = "") -> Judgement:
    if isinstance(error, Crashed | TimedOut):
        rule = "crash" if isinstance(error, Crashed) else "timeout"
        return Judgement(FAIL, rule, np.inf, message=f"{when}{error}")
    name = type(error).__name__
    last = traceback.format_exception_only(error)[-1].strip()
    last = last[last.find(name) :]  # without the module
    return Judgement(FAIL, f"exception {name}", np.inf, message=f"{when}{last}")
