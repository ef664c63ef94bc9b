"""Carrying it out: smaller constants, and what nodes ask while they are rewritten."""

from dataclasses import dataclass, field

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import InternalError
from minisparse.formats import Matrix
from minisparse.graph import Constant, Graph
from minisparse.passes.shrinking.channels import Facts
from minisparse.passes.shrinking.dependencies import Atoms


@dataclass
class Cut:
    """What goes from a graph, and its constants as they become.

    Attributes
    ----------
    graph : Graph
        As it was.
    facts : mapping
        What is known of its values.
    atoms : Atoms
        The numbers of its indices.
    gone : ndarray of bool
        Which of them go.
    constants : dict
        The constants of the new graph so far: each cut to size, under the name that it had.
    """

    graph: Graph
    facts: Facts
    atoms: Atoms
    gone: Array
    constants: dict[str, Constant] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Cut every constant."""
        self.constants.update({name: self._sliced(name) for name in self.graph.constants})

    def leaving(self, value: str, axis: int) -> Array:
        """Return for each index of an axis whether it goes; empty if the size has only a name."""
        ids = self.atoms.of(value, axis)
        return np.zeros(0, bool) if ids is None else self.gone[ids]

    def kept(self, value: str, axis: int) -> Array:
        """Return which indices of an axis stay, as numbers; its size must be a number."""
        if self.atoms.of(value, axis) is None:
            raise InternalError(f"axis {axis} of '{value}' has no size yet")
        return np.flatnonzero(~self.leaving(value, axis))

    def shrinks(self, *values: str) -> bool:
        """Tell whether anything goes from some of these values."""
        return any(
            self.leaving(value, axis).any()
            for value in values
            for axis in range(self.graph.types[value].ndim)
        )

    def add(self, name: str, array: Array) -> str:
        """Add a constant and return its name, which is ``name`` or begins with it."""
        taken = self.constants.keys() | self.graph.types.keys()
        free = name
        number = 2
        while free in taken:
            free, number = f"{name}.{number}", number + 1
        self.constants[free] = np.ascontiguousarray(array)
        return free

    def instead_of(self, name: str, array: Array) -> str:
        """Give a constant another value, if only one node reads it, else a name of its own."""
        if not self.is_read_once(name):
            return self.add(name, array)
        self.constants[name] = np.ascontiguousarray(array)
        return name

    def is_read_once(self, value: str) -> bool:
        """Tell whether a value has one reader, which reads it once, and is no output."""
        reads = sum(node.inputs.count(value) for node in self.graph.nodes)
        return reads == 1 and not self.is_output(value)

    def is_output(self, value: str) -> bool:
        """Tell whether the graph returns a value."""
        return value in self.graph.outputs.values()

    def like_result(self, value: str, array: Array) -> Array:
        """Return an array that broadcasts to a value without what goes from that."""
        for axis in range(-array.ndim, 0):
            leaving = self.leaving(value, axis)
            if array.shape[axis] != 1 and leaving.any():
                array = np.compress(~leaving, array, axis=axis)
        return array

    def _sliced(self, name: str) -> Constant:
        constant = self.graph.constants[name]
        if not self.shrinks(name):
            return constant
        if isinstance(constant, Matrix):
            for axis in (0, 1):
                if self.leaving(name, axis).any():
                    kept = self.kept(name, axis)
                    constant = constant[kept] if axis == 0 else constant[:, kept]
            return constant
        for axis in range(constant.ndim):
            constant = np.compress(~self.leaving(name, axis), constant, axis=axis)
        return np.ascontiguousarray(constant)
