"""Which indices of which axes have to go together, which have to stay, and where one ends.

An *atom* is one index of one axis of one value: channel 3 of ``conv1``, row 3 of its weight. Ops
tie atoms together: if channel 3 goes from ``relu1`` it goes from ``conv1`` too, and so do the
filter and its bias. What is tied, directly or over others, is one *group*, found as the connected
components of a graph (union by smallest number, as in Shiloach & Vishkin, J. Algorithms 3(1),
1982). The idea of dependency groups is that of DepGraph (Fang et al., CVPR 2023); here they are
kept for each index, so that concatenation, flattening and splitting need no special case.

A group ends where ops sum over it: at a *sink*, such as the input channels of a convolution. It may
go if no op needs one of its atoms, and at every sink what it contributes is a constant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import InternalError
from minisparse.core.tensor_type import TensorType


class Atoms:
    """A number for each index of each axis whose size is a number.

    Examples
    --------
    >>> atoms = Atoms({"x": TensorType(("batch", 3), np.dtype("float32"))})
    >>> atoms.of("x", 1).tolist(), atoms.of("x", 0), atoms.count
    ([0, 1, 2], None, 3)
    """

    def __init__(self, types: Mapping[str, TensorType]) -> None:
        self._ids: dict[tuple[str, int], Array] = {}
        self._ranks = {name: type.ndim for name, type in types.items()}
        self.count = 0
        for name, type in types.items():
            for axis, size in enumerate(type.shape):
                if isinstance(size, int):
                    self._ids[name, axis] = np.arange(self.count, self.count + size)
                    self.count += size

    def of(self, value: str, axis: int) -> Array | None:
        """Return the atoms of an axis, counted from the end if negative; None if it has a name."""
        return self._ids.get((value, axis % max(self._ranks[value], 1)))

    def axes(self) -> Mapping[tuple[str, int], Array]:
        """Return every axis that has atoms, by value and number."""
        return self._ids


@dataclass(frozen=True)
class Way:
    """What needs the indices of a sink: ``needs[i, o]`` if atom ``outs[o]`` needs index i.

    An index may go if every atom that needs it goes as well. With None for ``outs`` whatever needs
    it stays. Like any array, ``needs`` may have 1 for an axis along which it is the same.
    """

    outs: Array | None
    needs: Array


@dataclass(frozen=True)
class Sink:
    """An axis that an op sums over.

    Attributes
    ----------
    node : str
        The node that sums.
    ids : ndarray of int
        The atoms of the axis.
    ways : tuple of Way
        An index may go if it may by one of these.
    reasons : mapping
        Why indices stay: from reasons to masks over the axis, the first that applies counts.
    """

    node: str
    ids: Array
    ways: tuple[Way, ...]
    reasons: Mapping[str, Array]

    def fails(self, gone: Array) -> Array:
        """Return where an index cannot go while others do: bool like ``ids``."""
        failed = np.ones(len(self.ids), bool)
        for way in self.ways:
            stays = np.ones(1, bool) if way.outs is None else ~gone[way.outs]
            failed &= (way.needs & stays).any(axis=1)
        return failed


@dataclass(frozen=True)
class Even:
    """Blocks of an axis that must keep equally many, unless a whole block goes with its partner.

    Grouped convolutions ask for it: ``blocks`` and ``partners`` are ``[groups, …]`` atoms, those of
    the output channels and of the input channels.
    """

    node: str
    blocks: Array
    partners: Array


Digits = tuple[Array, Array]
"""The atoms of an axis, and a digit for each: those with the same digit go together."""


@dataclass(frozen=True)
class Choice:
    """Ways in which two sides of a ``reshape`` may shrink together, of which one is taken.

    Attributes
    ----------
    candidates : tuple of pairs of Digits
        For each factor that both shapes share the axis before and the axis after, outermost first.
    why : str
        Why the axes of the others stay.
    together : str
        Why an index stays that others need with which it has to go.
    """

    candidates: tuple[tuple[Digits, Digits], ...]
    why: str
    together: str

    def take(self, group: Array, held: Array) -> int | None:
        """Return which candidate to take, None if all are held somewhere.

        The outermost that is free; but if an earlier choice already made groups of an axis, rather
        one that lets these be.
        """
        free = [i for i, pair in enumerate(self.candidates) if _some_digit_is_free(pair, held)]
        fitting = [i for i in free if all(_fits(side, group) for side in self.candidates[i])]
        return next(iter(fitting or free), None)


def _some_digit_is_free(pair: tuple[Digits, Digits], held: Array) -> bool:
    """Tell whether all atoms of some digit are held nowhere on either side."""
    first, second = (np.bincount(digits, weights=held[ids]) for ids, digits in pair)
    return bool(((first == 0) & (second == 0)).any())


def _fits(side: Digits, group: Array) -> bool:
    """Tell whether atoms of one digit are one group already, or each atom is still by itself."""
    ids, digits = side
    groups = len(np.unique(group[ids]))
    together = len(np.unique(group[ids] * (int(digits.max()) + 1) + digits))
    return groups == len(ids) or together == len(np.unique(digits))


@dataclass
class Dependencies:
    """What the nodes of a graph say about its atoms, collected node by node."""

    atoms: Atoms
    pairs: list[tuple[Array, Array]] = field(default_factory=list)
    kept: list[tuple[Array, str]] = field(default_factory=list)
    remarks: list[tuple[Array, str]] = field(default_factory=list)
    sinks: list[Sink] = field(default_factory=list)
    evens: list[Even] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)

    def tie(self, a: Array, b: Array) -> None:
        """Let atoms go together, one by one."""
        if len(a) != len(b):
            raise InternalError(f"{len(a)} indices cannot be tied to {len(b)}")
        self.pairs.append((a, b))

    def keep(self, ids: Array | None, why: str) -> None:
        """Let atoms stay."""
        if ids is not None and len(ids):
            self.kept.append((ids, why))

    def remark(self, ids: Array, why: str) -> None:
        """Note what makes atoms differ from input to input that were constant before."""
        if len(ids):
            self.remarks.append((ids, why))

    def choose(self) -> None:
        """Take of each choice the first candidate that is free, and tie what it ties."""
        group = self.groups()
        held = np.zeros(len(group), bool)  # by group
        for ids, _ in self.kept:
            held[group[ids]] = True
        for choice in self.choices:
            taken = choice.take(group, held[group])
            fresh = [] if taken is None else _tied(choice.candidates[taken])
            self.pairs += fresh
            mine = [] if taken is None else [ids[0] for ids, _ in choice.candidates[taken]]
            for ids, digits in () if taken is None else choice.candidates[taken]:
                if len(np.unique(digits)) < len(digits):
                    self.remark(ids, choice.together)
            for ids, _ in (side for pair in choice.candidates for side in pair):
                if ids[0] not in mine:
                    self.keep(ids, choice.why)
                    held[group[ids]] = True
            for a, b in fresh:
                merged = components(len(group), group[a], group[b])
                np.logical_or.at(held, merged[group], held[group])
                group = merged[group]

    def groups(self) -> Array:
        """Return for each atom the smallest atom of its group."""
        if not self.pairs:
            return np.arange(self.atoms.count)
        a, b = (np.concatenate(side) for side in zip(*self.pairs, strict=True))
        return components(self.atoms.count, a, b)


def _tied(pair: tuple[Digits, Digits]) -> list[tuple[Array, Array]]:
    """Return pairs of atoms that tie what has the same digit, on both sides."""
    (x, digits_x), (y, digits_y) = pair
    _, first = np.unique(digits_y, return_index=True)  # one atom for each digit
    return [(x, y[first][digits_x]), (y, y[first][digits_y])]


def components(count: int, a: Array, b: Array) -> Array:
    """Return for each of ``count`` things the smallest one that it is connected with.

    Examples
    --------
    >>> components(5, np.array([0, 3]), np.array([4, 4])).tolist()
    [0, 1, 2, 0, 0]
    """
    root = np.arange(count)
    while True:
        low = np.minimum(root[a], root[b])
        changed = (root[a] != low) | (root[b] != low)
        if not changed.any():
            return root
        a, b, low = a[changed], b[changed], low[changed]
        np.minimum.at(root, root[a], low)
        np.minimum.at(root, root[b], low)
        while (root[root] != root).any():  # let everyone point at the smallest
            root = root[root]
