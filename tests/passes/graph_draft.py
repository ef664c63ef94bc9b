"""A random graph in the making: what there is to read, and constants with all kinds of zeros."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Matrix, from_dense
from minisparse.graph import Graph, GraphBuilder
from tests.networks import PATTERNS, pruned

Fits = Callable[[TensorType], bool]

WIDTHS = (4, 8, 16)
"""Sizes of features: few, so that values of different steps can meet."""
FORMATS = ("csr", "csc", "coo", "bsr", "nm")


def is_matrix(type: TensorType) -> bool:
    """Tell whether rows of features are meant: ``[..., K]`` of two axes, K known."""
    return type.ndim == 2 and isinstance(type.shape[1], int)


def is_sequence(type: TensorType) -> bool:
    return type.ndim == 3 and isinstance(type.shape[2], int)


def is_image(type: TensorType) -> bool:
    return type.ndim == 4 and all(isinstance(d, int) for d in type.shape[1:])


def is_column(type: TensorType) -> bool:
    """Tell whether columns of features are meant: ``[K, ...]`` of two axes, K known."""
    return type.ndim == 2 and isinstance(type.shape[0], int)


def is_any(type: TensorType) -> bool:
    return type.ndim > 0


class Draft:
    """A builder that remembers what may be read, and draws whatever is left open.

    Attributes
    ----------
    b : GraphBuilder
        Where nodes go.
    rng : numpy.random.Generator
        Each step has its own, so that leaving one out changes no other.
    dtype : str
        Of all real numbers.
    values : list of str
        Dense real values that later steps may read, the latest last.
    exact : set of str
        Those that no rounding went into: what jumps may only read these.
    """

    def __init__(self, name: str, dtype: str, symbolic: bool) -> None:
        self.b = GraphBuilder(name)
        self.rng = np.random.default_rng(0)
        self.dtype = dtype
        self.values: list[str] = []
        self.exact: set[str] = set()
        self._batch: Dim = "batch" if symbolic else 3
        self._length: Dim = "length" if symbolic else 5
        self._given: set[str] = set()
        self._constants: list[tuple[str, Array | Matrix]] = []
        self._read: set[str] = set()

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def numbers(self, *shape: int) -> Array:
        return np.asarray(self.rng.standard_normal(shape).astype(self.dtype))

    def shape(self, value: str) -> tuple[Dim, ...]:
        return self.b.type_of(value).shape

    def width(self, value: str, axis: int = -1) -> int:
        """Return a size that is known."""
        found = self.shape(value)[axis]
        assert isinstance(found, int)
        return found

    # what there is to read

    def input(self, shape: Sequence[Dim]) -> str:
        name = self.b.input(f"x{len(self._given) + 1}", tuple(shape), self.dtype)
        self._given.add(name)
        self.values.append(name)
        self.exact.add(name)
        return name

    def value(self, fits: Fits, usual: Sequence[Dim]) -> str:
        """Return a value of a kind: often the latest, sometimes an earlier one or an input."""
        found = [v for v in self.values if fits(self.b.type_of(v))]
        if not found or (len(self._given) < 3 and self.chance(0.1)):
            return self.input(usual)
        return found[-1] if self.chance(0.6) else str(self.pick(*found))

    def matrix(self) -> str:
        return self.value(is_matrix, (self._batch, self.pick(*WIDTHS)))

    def column(self) -> str:
        return self.value(is_column, (self.pick(*WIDTHS), self._batch))

    def sequence(self) -> str:
        return self.value(is_sequence, (self._batch, self._length, self.pick(*WIDTHS)))

    def image(self) -> str:
        return self.value(is_image, (self._batch, self.pick(2, 4, 8), 6, 6))

    def any(self) -> str:
        return self.value(is_any, (self._batch, self.pick(*WIDTHS)))

    def like(self, value: str) -> str:
        """Return a value of the same shape, which may be the same value."""
        return self.value(lambda t: t.shape == self.shape(value), self.shape(value))

    # nodes

    def op(self, op: str, *operands: str, **attrs: Any) -> str:
        """Add a node whose result later steps may read too."""
        name = self.hidden(op, *operands, **attrs)
        self.values.append(name)
        return name

    def hidden(self, op: str, *operands: str, **attrs: Any) -> str:
        """Add a node whose result is this step's own: what is no plain array of real numbers."""
        self._read.update(operands)
        return self.b.op(op, *operands, **attrs)

    def moved(self, op: str, *operands: str, **attrs: Any) -> str:
        """Add a node that computes nothing: its result is exact where its operand is."""
        name = self.op(op, *operands, **attrs)
        if operands[0] in self.exact:
            self.exact.add(name)
        return name

    # constants

    def constant(self, value: Any) -> str:
        """Add a constant, or find it: some are shared, some are kept twice."""
        given = value if isinstance(value, Matrix) else np.asarray(value)
        for name, other in self._constants:
            if _are_same(given, other) and self.chance(0.7):
                return name
        name = self.b.constant(f"c{len(self._constants)}", given)
        self._constants.append((name, given))
        return name

    def number(self, value: float) -> str:
        """Return a constant of one number, with axes or without."""
        shape = self.pick((), (1,), (1, 1))
        return self.constant(np.full(shape, value, self.dtype))

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def vector(self, size: int) -> str:
        """Return a vector; half of them are one that other layers have too."""
        same = [n for n, c in self._constants if c.shape == (size,) and c.dtype == self.dtype]
        if same and self.chance(0.5):
            return str(self.pick(*same))
        return self.constant(self.numbers(size))

    def positive(self, size: int) -> str:
        """Return a vector of numbers from 1/2 to 3/2, as variances are."""
        return self.constant((self.rng.random(size) + 0.5).astype(self.dtype))

    def zeroed(self, m: int, k: int) -> Array:
        """Return weights ``[M, K]`` with zeros of some kind, of unit gain."""
        w = pruned(self.rng, m, k, self.pick(*PATTERNS)) / np.sqrt(k)
        return np.ascontiguousarray(w, self.dtype)

    def weight(self, m: int, k: int) -> str:
        """Return a weight ``[M, K]``, which some layer may have already."""
        tied = [n for n, c in self._constants if c.shape == (m, k) and isinstance(c, np.ndarray)]
        real = [n for n in tied if self.b.type_of(n).dtype == self.dtype]
        if real and self.chance(0.3):
            return str(self.pick(*real))
        return self.constant(self.zeroed(m, k))

    def stored(self, m: int, k: int) -> str:
        """Return a weight ``[M, K]`` that is stored in a sparse format already."""
        kind = self.pick(*FORMATS)
        if kind == "bsr":
            block = self.pick((2, 2), (4, 4))
            return self.constant(from_dense(self.zeroed(m, k), "bsr", block=block))
        if kind == "nm":
            w = np.where(np.arange(k) % 4 < 2, self.numbers(m, k), 0).astype(self.dtype)
            return self.constant(from_dense(w, "nm", n=2, m=4))
        return self.constant(from_dense(self.zeroed(m, k), kind))

    # the end

    def build(self) -> Graph:
        """Return the graph: what nothing reads is returned, and some of what is read."""
        last = [v for v in self.values if v not in self._read and v not in self._given]
        read = [v for v in self.values if v in self._read and v not in self._given]
        shown = last or [self.op("relu", self.any())]
        if read and self.chance(0.4):
            shown = [*shown, self.pick(*read)]
        outputs = {f"y{i}": value for i, value in enumerate(dict.fromkeys(shown))}
        if self.chance(0.05):
            outputs["again"] = shown[0]
        if self.chance(0.05):
            outputs["given"] = self.pick(*self.values)
        graph = self.b.build(outputs)
        return graph if self.chance(0.2) else graph.drop_unused()


def _are_same(a: Array | Matrix, b: Array | Matrix) -> bool:
    plain = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
    alike = plain and a.shape == b.shape and a.dtype == b.dtype
    return alike and np.asarray(a).tobytes() == np.asarray(b).tobytes()
