"""Put one problem to an implementation, and judge all that comes of it."""

import contextlib
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.oracle.contracts import Arguments, Contract
from minisparse.oracle.exact import exact
from minisparse.oracle.problem import Problem
from minisparse.oracle.profile import Profile
from minisparse.oracle.truth import Truth
from minisparse.oracle.verdict import FAIL, Judgement, judge

Implementation = Callable[..., Any]


@dataclass(frozen=True)
class Attempt:
    """What came of one problem.

    Attributes
    ----------
    judgement : Judgement
        Its rule may also be ``"exception"``, ``"inputs"`` (written to), ``"fresh"`` (memory
        shared with an input or an earlier result) or ``"repeat"`` (wrong the second time).
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
    truth = exact(contract.op, contract.operands(kept), profile=profile)
    expected = truth.rounded()
    try:
        got = fn(*arguments.values())
    except Exception as error:  # noqa: BLE001 - whatever a foreign function raises is the finding
        return Attempt(_raised(error), kept, error, expected)
    judgement = judge(got, truth)
    result = Attempt(judgement, kept, _copied(got), expected)
    if judgement.verdict == FAIL:
        return result
    found = _broken_manners(arguments, kept, got)
    return replace(result, judgement=found) if found else _again(fn, arguments, result, got, truth)


def _call_before(
    fn: Implementation, contract: Contract, early: Arguments, late: Arguments, problem: Problem
) -> Arguments:
    """Call ``fn`` with other values; return arguments for which only the values have changed."""
    values = contract.encoding.values
    with contextlib.suppress(Exception):  # the call that follows is the one that is judged
        fn(*early.values())
    if problem.in_place and early[values].flags.writeable:
        early[values][...] = late[values]
        return early
    return {**early, values: late[values]}


def _again(
    fn: Implementation, arguments: Arguments, first: Attempt, got: Array, truth: Truth
) -> Attempt:
    """Call once more: within the bound again, in memory of its own, the first result untouched."""
    try:
        second = fn(*arguments.values())
    except Exception as error:  # noqa: BLE001 - whatever a foreign function raises is the finding
        return replace(first, judgement=_raised(error, "called again: "), got=error)
    judgement = judge(second, truth)
    if judgement.verdict == FAIL:
        judgement = replace(judgement, rule="repeat", message=f"called again: {judgement.message}")
        return replace(first, judgement=judgement, got=_copied(second))
    if np.shares_memory(got, second) or not _same(got, first.got):
        text = "the second call's result shares memory with the first's: return a new array"
        return replace(first, judgement=Judgement(FAIL, "fresh", np.inf, message=text))
    return first if _same(second, first.got) else replace(first, note="not the same bits twice")


def _broken_manners(arguments: Arguments, kept: Mapping[str, Any], got: Array) -> Judgement | None:
    """Return a failure if an input was written to, or shares memory with the result."""
    for name, value in arguments.items():
        if not isinstance(value, np.ndarray):
            continue
        if not _same(value, kept[name]):
            return Judgement(FAIL, "inputs", np.inf, message=f"changed its input '{name}'")
        if np.shares_memory(value, got):
            text = f"the result shares memory with the input '{name}': return a new array"
            return Judgement(FAIL, "fresh", np.inf, message=text)
    return None


def _same(x: Any, y: Any) -> bool:
    """Tell whether two arrays have the same bits."""
    return bool(np.asarray(x).tobytes() == np.asarray(y).tobytes())


def _copied(value: Any) -> Any:
    return value.copy(order="K") if isinstance(value, np.ndarray) else value


def _raised(error: Exception, when: str = "") -> Judgement:
    name = type(error).__name__
    last = traceback.format_exception_only(error)[-1].strip()
    last = last[last.find(name) :]  # without the module
    return Judgement(FAIL, f"exception {name}", np.inf, message=f"{when}{last}")
