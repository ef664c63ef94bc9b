"""Machines in files: written by ``minisparse calibrate``, shipped with minisparse, or anyone's.

A file is JSON and untrusted: it is bounded, every figure is checked, and what is wrong is refused
with the file's name and what to do.
"""

import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from minisparse.core.errors import UsageError
from minisparse.cost.coefficients import SCALARS, Coefficients, Fit
from minisparse.cost.library_speeds import LibrarySpeed
from minisparse.cost.machine import Machine, MemoryLevel

FORMAT, VERSION = "minisparse machine", 1
LARGEST = 1 << 20
"""Bytes of a file at most; one has some 50 kB."""
MOST_LEVELS, MOST_ENTRIES, LONGEST = 8, 2000, 2000
_KEYS = {
    "format", "version", "name", "source", "matmul", "other_matmul", "elementwise", "memory",
    "call", "step", "cores", "instructions", "libraries", "coefficients", "sources", "identity",
    "like",
}  # fmt: skip
_LEVEL = {"name", "size", "bandwidth", "gather"}
_SPEED = ("call", "row", "entry", "product", "element", "double")


class ProfileError(UsageError):
    """A machine's file that is damaged, of another kind or version, or says what cannot be."""


def as_data(machine: Machine) -> dict[str, Any]:
    """Return a machine as JSON holds it."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": machine.name,
        "source": machine.source,
        "matmul": dict(machine.matmul),
        "other_matmul": machine.other_matmul,
        "elementwise": machine.elementwise,
        "memory": [
            {**asdict(x), "size": None if math.isinf(x.size) else x.size} for x in machine.memory
        ],
        "call": machine.call,
        "step": machine.step,
        "cores": machine.cores,
        "instructions": sorted(machine.instructions),
        "libraries": {" ".join(names): asdict(s) for names, s in machine.libraries.items()},
        "coefficients": {"/".join(names): _fitted(c) for names, c in machine.coefficients.items()},
        "sources": dict(machine.sources),
        "identity": dict(machine.identity),
        "like": None if machine.like is None else machine.like.name,
    }


def _fitted(c: Coefficients) -> dict[str, Any]:
    found: dict[str, Any] = {name: _short(getattr(c, name)) for name in SCALARS}
    found |= {"gather": [_short(x) for x in c.gather], "byte": [_short(x) for x in c.byte]}
    found["overlap"] = c.overlap
    if c.fit is not None:
        found["fit"] = {name: _short(x) for name, x in c.fit._asdict().items()}
    return found


def _short(x: float) -> float:
    """Return a figure of no more digits than can be meant."""
    return x if isinstance(x, int) else float(f"{x:.4g}")


def write_profile(machine: Machine, path: Path) -> None:
    """Write a machine's file, all of it or nothing.

    Raises
    ------
    UsageError
        If there cannot be such a file.
    """
    text = json.dumps(as_data(machine), indent=1, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(name, 0o644)  # a temporary file is its owner's alone
            os.replace(name, path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path}: the profile cannot be written: {error.strerror}") from error


def read_profile(path: Path, like: Mapping[str, Machine] | None = None) -> Machine:
    """Return the machine of a file.

    Parameters
    ----------
    path : Path
        The file.
    like : mapping, optional
        Machines that it may refer to, by name.

    Raises
    ------
    ProfileError
        If it cannot be read, or is not to be trusted.
    """
    try:
        if path.stat().st_size > LARGEST:
            _refuse(path, f"is larger than {LARGEST >> 20} MiB")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        _refuse(path, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        _refuse(path, "is no text")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        _refuse(path, "is no JSON")
    return from_data(data, path, like or {})


def from_data(data: Any, path: Path, like: Mapping[str, Machine]) -> Machine:
    """Return the machine that JSON tells of; see :func:`read_profile`."""
    _check_kind(data, path)
    return _Reader(path, like).machine(data)


def _check_kind(data: Any, path: Path) -> None:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        _refuse(path, f"is no profile: its 'format' is not '{FORMAT}'")
    version = data.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        _refuse(path, f"has no version: {version!r:.40}")
    if version > VERSION:
        _refuse(path, f"is of version {version}, and this minisparse reads up to {VERSION}")
    if set(data) != _KEYS:
        odd = ", ".join(sorted(map(str, set(data) ^ _KEYS)))
        _refuse(path, f"lacks or has besides: {odd:.200}")


def _refuse(path: Path, why: str) -> NoReturn:
    raise ProfileError(
        f"the machine profile {path} {why}. Write it anew with 'minisparse calibrate', or delete it"
    )


class _Reader:
    """Takes what a file says apart; whatever is not as it must be is refused."""

    def __init__(self, path: Path, like: Mapping[str, Machine]) -> None:
        self._path, self._like = path, like

    def machine(self, data: Mapping[str, Any]) -> Machine:
        levels = self._levels(data["memory"])
        like = data["like"]
        if like is not None and like not in self._like:
            _refuse(self._path, f"refers to a machine that there is not: {like!r:.40}")
        return Machine(
            name=self._word(data["name"], "name"),
            source=self._word(data["source"], "source"),
            matmul={k: self._rate(v, f"matmul {k}") for k, v in self._map(data, "matmul")},
            other_matmul=self._rate(data["other_matmul"], "other_matmul"),
            elementwise=self._rate(data["elementwise"], "elementwise"),
            memory=levels,
            call=self._seconds(data["call"], "call"),
            step=self._seconds(data["step"], "step"),
            cores=self._count(data["cores"], "cores"),
            instructions=frozenset(self._words(data["instructions"], "instructions")),
            libraries={
                self._names(k, " ", 3): self._speed(v, k) for k, v in self._map(data, "libraries")
            },
            coefficients={
                self._names(k, "/", 2): self._coefficients(v, k, len(levels))
                for k, v in self._map(data, "coefficients")
            },
            sources={k: self._word(v, k) for k, v in self._map(data, "sources")},
            identity={k: self._word(v, k) for k, v in self._map(data, "identity")},
            like=None if like is None else self._like[like],
        )

    def _levels(self, found: Any) -> tuple[MemoryLevel, ...]:
        if not isinstance(found, list) or not 1 <= len(found) <= MOST_LEVELS:
            _refuse(self._path, f"must list 1 to {MOST_LEVELS} levels of memory")
        levels = []
        for level in found:
            if not isinstance(level, dict) or set(level) != _LEVEL:
                _refuse(
                    self._path, f"has a level of memory that lacks or has besides: {level!r:.80}"
                )
            name, size = self._word(level["name"], "memory"), level["size"]
            bytes_ = math.inf if size is None else self._number(size, f"size of {name}", 1, 1e18)
            rates = (self._rate(level[x], f"{x} of {name}") for x in ("bandwidth", "gather"))
            levels.append(MemoryLevel(name, bytes_, *rates))
        sizes = [level.size for level in levels]
        if sizes != sorted(set(sizes)) or not math.isinf(sizes[-1]):
            _refuse(self._path, "must list levels of memory by size, the last without one (null)")
        return tuple(levels)

    def _coefficients(self, found: Any, name: str, levels: int) -> Coefficients:
        wanted = {*SCALARS, "gather", "byte", "overlap"}
        if not isinstance(found, dict) or not wanted <= set(found) <= wanted | {"fit"}:
            _refuse(self._path, f"has no such coefficients of '{name:.80}' as there must be")
        figures = [self._seconds(found[key], f"{key} of {name}", 0) for key in SCALARS]
        for key in ("gather", "byte"):
            some = found[key]
            if not isinstance(some, list) or len(some) != levels:
                _refuse(self._path, f"needs {levels} figures of '{key}' for '{name:.80}'")
            figures += [self._seconds(x, f"{key} of {name}", 0) for x in some]
        overlap = self._number(found["overlap"], f"overlap of {name}", 0, 1)
        c = Coefficients.of_vector(np.array(figures), self._fit(found, name))
        return replace(c, overlap=overlap)

    def _fit(self, found: Mapping[str, Any], name: str) -> Fit | None:
        told = found.get("fit")
        if told is None:
            return None
        if not isinstance(told, dict) or set(told) != set(Fit._fields):
            _refuse(self._path, f"does not tell how well '{name:.80}' was fitted")
        return Fit(
            self._count(told["problems"], f"problems of {name}"),
            self._number(told["error"], f"error of {name}", 1, 1e12),
            self._number(told["within"], f"within of {name}", 0, 1),
        )

    def _speed(self, found: Any, name: str) -> LibrarySpeed:
        if not isinstance(found, dict) or set(found) != set(_SPEED):
            _refuse(self._path, f"has no such figures of the library '{name:.80}' as there must be")
        return LibrarySpeed(*(self._number(found[x], f"{x} of {name}", 0, 1e9) for x in _SPEED))

    def _map(self, data: Mapping[str, Any], name: str) -> Iterable[tuple[str, Any]]:
        found = data[name]
        if not isinstance(found, dict) or len(found) > MOST_ENTRIES:
            _refuse(self._path, f"must have a mapping of at most {MOST_ENTRIES} as '{name}'")
        return [(self._word(k, name), v) for k, v in found.items()]

    def _names(self, text: str, between: str, count: int) -> Any:
        parts = tuple(text.split(between, count - 1))
        if len(parts) != count:
            _refuse(self._path, f"has a name that is none: {text!r:.80}")
        return parts

    def _words(self, found: Any, name: str) -> list[str]:
        if not isinstance(found, list) or len(found) > MOST_ENTRIES:
            _refuse(self._path, f"must have a list of words as '{name}'")
        return [self._word(x, name) for x in found]

    def _word(self, found: Any, name: str) -> str:
        if not isinstance(found, str) or not 0 < len(found) <= LONGEST or not found.isprintable():
            _refuse(self._path, f"must have a text as '{name:.80}', not {found!r:.40}")
        return found

    def _rate(self, found: Any, name: str) -> float:
        return self._number(found, name, 1.0, 1e18)

    def _seconds(self, found: Any, name: str, least: float = 1e-15) -> float:
        return self._number(found, name, least, 1e3)

    def _count(self, found: Any, name: str) -> int:
        if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= 10**6:
            _refuse(self._path, f"says of '{name:.80}' {found!r:.40}: a number from 1 on is wanted")
        return found

    def _number(self, found: Any, name: str, least: float, most: float) -> float:
        real = isinstance(found, int | float) and not isinstance(found, bool)
        if not real or not least <= found <= most:  # NaN is not between anything
            _refuse(
                self._path,
                f"says of '{name:.80}' {found!r:.40}: it must be from {least:g} to {most:g}",
            )
        return float(found)
