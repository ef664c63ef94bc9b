"""A contest on the card: ways to compute the same are checked, timed in turns, and compared."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from minisparse.bench.gpu.operands import types_of
from minisparse.bench.gpu.part import FailedItem, SkippedItem
from minisparse.bench.gpu.worker import FAILURES
from minisparse.core.discover import declared
from minisparse.core.dtypes import Array
from minisparse.core.extras import require
from minisparse.formats import Matrix
from minisparse.gpu.timing import time_on_gpu
from minisparse.kernels import PROVIDERS, Level, pack
from minisparse.kernels.places import place_of
from minisparse.runtime import Timing

Call = Callable[[], Any]
Makers = Mapping[str, Callable[[], Call]]
TOLERANCE = {"float16": 4e-3, "float32": 2e-4, "float64": 1e-10}
"""Relative, of sums of positive terms: rounding stays below it, and a missing term does not."""
BUDGET = 0.4
"""Seconds of rounds."""


@dataclass(frozen=True)
class Duel:
    """What is compared with what.

    Attributes
    ----------
    title : str
        In words.
    ours, theirs : str
        Regular expressions of contenders' names; the fastest of each side counts.
    limit : float
        What the ratio of ours over theirs should be at most.
    """

    title: str
    ours: str
    theirs: str
    limit: float


def contest(
    makers: Makers, wanted: Any, duels: Sequence[Duel], budget: float = BUDGET
) -> Mapping[str, Any]:
    """Return what each contender takes, and how the duels end.

    Parameters
    ----------
    makers : mapping
        From names to what prepares a contender: packs what is packed once, and returns its call.
    wanted : array
        The result, float64, on the card; a contender whose result is another is not timed.
    duels : sequence of Duel
        What to compare.
    budget : float
        Seconds of rounds.

    Raises
    ------
    FailedItem
        If a result is wrong; what the others took is told all the same.
    SkippedItem
        If no duel has anyone on both sides.
    """
    calls, out = {}, {}
    for name, make in makers.items():
        try:
            call = make()
            wrong = fault(call(), wanted)
        except SkippedItem as error:
            out[name] = str(error)
            continue
        except FAILURES as error:
            wrong = f"{type(error).__name__}: {' '.join(str(error).split())}"
        if wrong:
            out[name] = f"WRONG: {wrong}"
        else:
            calls[name] = call
    taken = {n: Timing(s) for n, s in time_on_gpu(calls, budget=budget).items()} if calls else {}
    found: dict[str, Any] = {
        "microseconds": {n: round(t.median * 1e6, 3) for n, t in taken.items()},
        "spread": {n: round(t.spread, 3) for n, t in taken.items()},
        "duels": [each for each in (_ended(duel, taken) for duel in duels) if each],
        "out": out,
    }
    failed = [f"{name}: {why}" for name, why in out.items() if why.startswith("WRONG")]
    if failed:
        raise FailedItem("\n".join([*failed, f"of the others: {found['microseconds']}"]))
    if not found["duels"]:
        raise SkippedItem(f"nobody to compare with: {out}")
    return found


def _ended(duel: Duel, taken: Mapping[str, Timing]) -> dict[str, Any] | None:
    """Return how a duel ended, ratios being those of single rounds; None where a side is empty."""
    ours, theirs = (
        [name for name in taken if re.fullmatch(side, name)] for side in (duel.ours, duel.theirs)
    )
    if not ours or not theirs:
        return None
    best, other = (min(side, key=lambda n: taken[n].median) for side in (ours, theirs))
    pairs = zip(taken[best].seconds, taken[other].seconds, strict=True)
    ratio = Timing(tuple(a / b for a, b in pairs))
    low, high = ratio.quartiles
    return {
        "what": duel.title, "ours": best, "theirs": other, "ratio": round(ratio.median, 4),
        "quartiles": [round(low, 4), round(high, 4)], "limit": duel.limit,
        "met": ratio.median <= duel.limit,
    }  # fmt: skip


def fault(result: Any, wanted: Any) -> str:
    """Return what is wrong with a result; nothing where it is right to rounding."""
    values = result.data if isinstance(result, Matrix) else result
    if place_of(values) != "gpu":
        return "the result does not lie on the card"
    if values.shape != wanted.shape:
        return f"the result is {list(values.shape)}, not {list(wanted.shape)}"
    wide = values.astype("float64")
    # Not "error > limit", which NaN would pass.
    far = ~(abs(wide - wanted) <= TOLERANCE[values.dtype.name] * abs(wanted))
    count = int(far.sum())
    return f"{count} of {values.size} elements are off" if count else ""


def ways(op: str, format: str) -> Iterator[tuple[str, Level]]:
    """Yield every level that an op's folder declares for a format, by the name of its constant.

    Which format one is for is part of its name, or of its file's: ``MMA_BSR``, ``threads_csr.GPU``.
    """
    folder = f"minisparse.kernels.{op}"
    path = import_module(folder).__path__
    for name, level in declared(folder, path, Level).items():
        if format in re.split(r"[._]", name.lower()):
            yield name, level


def our_makers(op: str, format: str, a: Any, *operands: Any) -> dict[str, Callable[[], Call]]:
    """Return makers of all our levels of an op for a format, named ``our ...``."""
    return {f"our {name}": partial(ready, level, a, *operands) for name, level in ways(op, format)}


def library_maker(name: str, op: str, format: str, a: Any, *operands: Any) -> Callable[[], Call]:
    """Return the maker of a library's level."""

    def make() -> Call:
        provider = PROVIDERS[name]
        why = provider.why_not(op, format, types_of([a, *operands]))
        if why or not provider.is_installed:
            raise SkippedItem(why or provider.missing)
        return ready(provider.offers[op, format].level, a, *operands)

    return make


def ready(level: Level, a: Any, *operands: Any) -> Call:
    """Return the call of a level on operands on the card, its matrix being packed."""
    why = level.why_not(types_of([a, *operands])) if level.why_not is not None else ""
    if why:
        raise SkippedItem(why)
    return partial(level.run, pack(level, a, operands[0].shape[-1]), *operands)


def on_card(x: Array) -> Any:
    """Return an array on the card."""
    return require("cupy", "gpu-cuda13", "bench gpu").asarray(x)


def product64(a: Array, b: Array) -> Any:
    """Return ``a @ b`` in float64, computed on the card, of plain arrays of the host's."""
    return on_card(a).astype(np.float64) @ on_card(b).astype(np.float64)
