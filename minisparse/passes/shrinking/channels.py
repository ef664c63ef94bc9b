"""What is known of a value for every input: abstract interpretation, slice by slice.

A filter of zeros gives its bias everywhere; ``relu`` makes of a constant a constant; a convolution
adds up what it reads, so that it gives a constant where all of that is. :class:`Partial` says of a
value which of its elements are such constants, and which. It is a lattice of two levels for each
element, "this number" below "anything", and one walk through the nodes in order reaches the fixed
point, because a graph has no loops (Cousot & Cousot, POPL 1977).

Arithmetic is that of the op's own meaning; what it gives is kept in float64. Activations are taken
to be finite: a zero weight contributes nothing. An element that comes out infinite or NaN counts as
unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.symbolic import Dim
from minisparse.formats import Matrix
from minisparse.graph import Constant


@dataclass(frozen=True)
class Partial:
    """Which elements of a value are the same for every input, and their numbers.

    Both arrays have the value's rank and broadcast to its shape; where a dimension is 1 although
    the value's is not, the facts hold all along it. So a dimension whose size has only a name is
    always 1 here.

    Attributes
    ----------
    known : ndarray of bool
        Where the number is known.
    value : ndarray
        The number there; anything elsewhere.

    Examples
    --------
    >>> dead = Partial(np.array([[True, False]]), np.array([[0.5, 0.0]]))  # of [batch, 2]
    >>> dead.known.tolist(), dead.along(1, 2).known.tolist()
    ([[True, False]], [True, False])
    """

    known: Array
    value: Array

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return self.value.ndim

    @property
    def is_zero(self) -> Array:
        """Where it is known to be 0."""
        found: Array = self.known & (self.value == 0)
        return found

    @property
    def is_constant(self) -> bool:
        """Whether every element is known."""
        return bool(self.known.all())

    @property
    def numbers(self) -> Array:
        """The known numbers, 0 elsewhere."""
        if self.is_constant:
            return self.value
        found: Array = np.where(self.known, self.value, np.zeros((), self.value.dtype))
        return found

    def uniform(self, axes: Sequence[int]) -> "Partial":
        """Return what is the same all along some axes, which become 1; the rest is unknown."""
        axes = tuple(axis for axis in axes if self._shape[axis] != 1)
        if not axes:
            return self
        known, value = np.broadcast_arrays(self.known, self.value)
        first = value[tuple(slice(0, 1) if a in axes else slice(None) for a in range(self.rank))]
        same: Array = (known & (value == first)).all(axis=axes, keepdims=True)
        return Partial(same, first)

    def along(self, axis: int, size: int) -> "Partial":
        """Return for each index of one axis whether all of that slice is one number, ``[size]``."""
        only = self.uniform([a for a in range(self.rank) if a != axis])
        known, value = (np.broadcast_to(x.reshape(-1), (size,)) for x in (only.known, only.value))
        return Partial(known, value)

    def lifted(self, rank: int) -> "Partial":
        """Return the same with dimensions of 1 in front, as broadcasting does."""
        new = (1,) * (rank - self.rank)
        return Partial(
            self.known.reshape(new + self.known.shape), self.value.reshape(new + self.value.shape)
        )

    def expanded(self, shape: Sequence[Dim], axes: Sequence[int]) -> "Partial":
        """Return the same, written out in full size along some axes, which are numbers."""
        sizes = list(self._shape)
        for axis in axes:
            size = shape[axis]
            if isinstance(size, int):
                sizes[axis] = size
        return Partial(np.broadcast_to(self.known, sizes), np.broadcast_to(self.value, sizes))

    def transposed(self, perm: Sequence[int]) -> "Partial":
        """Return the same with the axes in another order."""
        return Partial(self.known.transpose(perm), self.value.transpose(perm))

    @property
    def _shape(self) -> tuple[int, ...]:
        return np.broadcast_shapes(self.known.shape, self.value.shape)


def unknown(rank: int) -> Partial:
    """Return that nothing is known of a value."""
    ones = (1,) * rank
    return Partial(np.zeros(ones, bool), np.zeros(ones))


def constant(value: Constant) -> Partial:
    """Return what is known of a constant: every finite number."""
    array = value.to_dense() if isinstance(value, Matrix) else value
    if array.dtype.name in ("float16", "bfloat16"):
        array = array.astype(np.float32)
    if not array.size:
        return unknown(array.ndim)
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        return Partial(np.isfinite(array), array)
    return Partial(np.ones((1,) * array.ndim, bool), array)


def widened(array: Array) -> Array:
    """Return real floating-point numbers as float64, and anything else as it is."""
    real = array.dtype.kind == "f" or array.dtype.name == "bfloat16"
    return array.astype(np.float64) if real else array


def tidy(partial: Partial) -> Partial:
    """Return the same without numbers that are not finite, and small where nothing is known."""
    value = widened(partial.value)
    known = partial.known
    if value.dtype.kind in "fc":
        known = known & np.isfinite(value)
    return Partial(known, Partial(known, value).numbers) if known.any() else unknown(partial.rank)


Facts = Mapping[str, Partial]
"""From the names of values to what is known of them."""
