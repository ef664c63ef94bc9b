"""What a rule is given: the means to add constants, sizes and nodes in place of one operator."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import DType
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.symbolic import Dim, is_unknown
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Matrix
from minisparse.frontends.torch.naming import Names
from minisparse.frontends.torch.sizes import Size, Sym, dim_of
from minisparse.frontends.torch.tensors import dtype_of
from minisparse.graph import Constant, GraphBuilder

EVERYTHING = 2**63 - 1
"""How torch writes "to the end" in a slice."""


class Lowering:
    """The graph so far, and the operator that is being written into it.

    Attributes
    ----------
    torch : module
        PyTorch.
    builder : GraphBuilder
        What the nodes are added to.
    constants : dict
        Those that the graph has so far, by name.
    symbols : mapping
        From torch's symbols (``"s77"``) to names of dimensions.
    origins : mapping
        From a dimension's name to an input and the axis that has its size.
    rows : dict
        From values ``[..., K]`` to the same as matrices.
    told : dict
        From values to the shapes that torch found for them.
    node : torch.fx.Node
        The operator whose rule is running.
    base : str
        What its nodes are called.
    """

    def __init__(
        self,
        torch: Any,
        builder: GraphBuilder,
        names: Names,
        symbols: Mapping[str, str],
        origins: Mapping[str, tuple[str, int]],
    ) -> None:
        self.torch = torch
        self.builder = builder
        self.names = names
        self.symbols = symbols
        self.origins = origins
        self.constants: dict[str, Constant] = {}
        self.rows: dict[str, str] = {}
        self.told: dict[str, tuple[Dim, ...]] = {}
        self.node: Any = None
        self.base = ""
        self._numbers: dict[tuple[str, str, tuple[int, ...]], str] = {}
        self._sizes: dict[tuple[Dim, ...], str] = {}
        self._plain: dict[str, str] = {}
        self._numbers_of: dict[Dim, str] = {}

    # -- nodes and constants ----------------------------------------------------------------

    def op(self, op: str, *operands: str, part: str = "", **attrs: Any) -> str:
        """Add a node; ``part`` tells it from the operator's main node, which has its name."""
        name = self.names.unused(f"{self.base}:{part}" if part else self.base)
        return self.builder.op(op, *operands, name=name, **attrs)

    def several(self, count: int, op: str, *operands: str, **attrs: Any) -> tuple[str, ...]:
        """Add a node with several results."""
        first = self.op(op, *operands, **attrs)
        return (first, *(f"{first}.{i}" for i in range(1, count)))

    def constant(self, name: str, value: Constant) -> str:
        """Add a constant under a name that is like the given one."""
        name = self.names.unused(name)
        self.builder.constant(name, value)
        self.constants[name] = value
        return name

    def matrix(self, value: str) -> Matrix | None:
        """Return the constant of that name where it is stored sparse."""
        found = self.constants.get(value)
        return found if isinstance(found, Matrix) else None

    def dense(self, value: str) -> str:
        """Return a value that is a plain array: a sparse constant is converted first."""
        if self.matrix(value) is None:
            return value
        if value not in self._plain:
            self._plain[value] = self.op("convert", value, part="dense", format="dense")
        return self._plain[value]

    def number(self, value: Any, dtype: Any) -> str:
        """Return a number or nested list of numbers as a constant; equal ones are one."""
        array = np.asarray(value, np.dtype(dtype))
        text = str(array.tolist())
        key = (text, array.dtype.name, array.shape)
        if key not in self._numbers:
            common = ("float32", "int64", "bool")
            name = text if array.dtype.name in common else f"{text}:{array.dtype.name}"
            self._numbers[key] = self.constant(name, array)
        return self._numbers[key]

    def ints(self, *values: int) -> str:
        """Return a constant vector of int64."""
        return self.number(list(values), np.int64)

    # -- types ------------------------------------------------------------------------------

    def type(self, value: str) -> TensorType:
        """Return the type of a value."""
        return self.builder.type_of(value)

    def ndim(self, value: str) -> int:
        """Return the number of dimensions of a value."""
        return len(self.type(value).shape)

    def axis(self, axis: int, value: str) -> int:
        """Return an axis counted from the front; a number has the axis 0, as in torch."""
        return axis % max(1, self.ndim(value))

    @property
    def result(self) -> Any:
        """What torch knows of the operator's result: a traced tensor, or several."""
        return self.node.meta["val"]

    @property
    def dtype(self) -> DType:
        """The dtype of the operator's (first) result."""
        first = self.result[0] if isinstance(self.result, list | tuple) else self.result
        return dtype_of(first.dtype)

    def promoted(self) -> DType:
        """Return the dtype in which torch computes with the operator's first two arguments."""
        given = [getattr(a, "meta", {}).get("val", a) for a in self.node.args[:2]]
        plain = [1 if isinstance(a, self.torch.SymInt) else a for a in given]
        return dtype_of(self.torch.result_type(*plain))

    def check_alike(self, x: str, weight: str) -> None:
        """Raise UnsupportedOpError unless two values have one dtype, as torch wants of a layer.

        Traced tensors do not: an example of another dtype would pass unnoticed.
        """
        found, wanted = self.type(x).dtype, self.type(weight).dtype
        if found != wanted:
            raise UnsupportedOpError(
                f"its input is {found}, but its weight {wanted}: give an example of that dtype, or "
                f"convert the module"
            )

    def cast(self, value: str, dtype: DType) -> str:
        """Return a value in a dtype."""
        if self.type(value).dtype == dtype:
            return value
        return self.op("cast", value, part="cast", to=dtype.name)

    def operand(self, given: Any, dtype: DType) -> str:
        """Return what may be a tensor, a number or a size as a value of that dtype."""
        if isinstance(given, str):
            return self.cast(self.dense(given), dtype)
        if isinstance(given, Sym):
            return self.cast(self._number_of(given), dtype)
        return self.number(given, dtype)

    def _number_of(self, size: Sym) -> str:
        """Return a size as a number, without dimensions."""
        if size.dim not in self._numbers_of:
            if size.dim in self.origins:
                made = self.builder.op(
                    "squeeze", self.size(size), self.ints(0), name=self.names.unused(str(size.dim))
                )
            else:
                made = self.op("squeeze", size.make(), self.ints(0), part="number")
            if is_unknown(size.dim):
                return made
            self._numbers_of[size.dim] = made
        return self._numbers_of[size.dim]

    # -- sizes ------------------------------------------------------------------------------

    def dims(self, traced: Any) -> tuple[Dim, ...]:
        """Return the shape of a traced tensor in names of dimensions."""
        return tuple(dim_of(size, self.symbols) for size in traced.shape)

    def extent(self, value: str, axis: int) -> Size:
        """Return how long a value is along an axis."""
        axis = self.axis(axis, value)
        dim = self.shape(value)[axis]
        if isinstance(dim, int):
            return dim

        def make() -> str:
            return self.op("shape", value, part="size", start=axis, end=axis + 1)

        return Sym(dim, make)

    def shape(self, value: str) -> tuple[Dim, ...]:
        """Return the shape of a value, as far as we or torch can tell it.

        Torch has seen the example: that a table of 512 places is as long as the sequence after
        ``table[:length]`` follows from the lengths that it allows, and not from the slice.
        """
        own = self.type(value).shape
        told = self.told.get(value, own)
        return tuple(t if is_unknown(d) else d for d, t in zip(own, told, strict=True))

    def extents(self, value: str) -> list[Size]:
        """Return the shape of a value."""
        return [self.extent(value, axis) for axis in range(self.ndim(value))]

    def size(self, size: Size) -> str:
        """Return a size as a vector of one element; a named one is computed once."""
        if isinstance(size, int):
            return self.ints(size)
        if isinstance(size.dim, int):
            return self.ints(size.dim)
        if (size.dim,) in self._sizes:
            return self._sizes[(size.dim,)]
        if size.dim in self.origins:
            value, axis = self.origins[size.dim]
            name = self.names.unused(f"{size.dim}:size")
            made = self.builder.op("shape", value, name=name, start=axis, end=axis + 1)
        else:
            made = size.make()
        if not is_unknown(size.dim):
            self._sizes[(size.dim,)] = made
        return made

    def vector(self, sizes: Sequence[Size]) -> str:
        """Return sizes as one vector, such as ``reshape`` takes; equal ones are computed once."""
        if all(isinstance(size, int) for size in sizes):
            return self.number(list(sizes), np.int64)
        key = tuple(size if isinstance(size, int) else size.dim for size in sizes)
        if key in self._sizes:
            return self._sizes[key]
        if len(sizes) == 1:
            return self.size(sizes[0])
        pieces: list[str] = []
        run: list[int] = []
        for size in [*sizes, None]:
            if isinstance(size, int):
                run.append(size)
                continue
            if run:
                pieces.append(self.ints(*run))
                run = []
            if size is not None:
                pieces.append(self.size(size))
        name = self.names.unused(f"[{', '.join(map(str, key))}]")
        made = self.builder.op("concat", *pieces, name=name, axis=0)
        if not any(is_unknown(dim) for dim in key):
            self._sizes[key] = made
        return made

    def reshape(self, value: str, sizes: Sequence[Size], part: str = "") -> str:
        """Return a value in another shape, told by constants wherever that can be.

        Of sizes that only the run tells one may be left to -1, and those that stay where they
        are need not be told at all (0).
        """
        given = self.shape(value)
        wanted = [size if isinstance(size, int) else size.dim for size in sizes]
        if list(given) == wanted and not any(map(is_unknown, wanted)):
            return value
        if 0 in wanted:
            return self.op("reshape", value, self.vector(sizes), part=part, allowzero=1)
        told: list[int] = []
        for axis, dim in enumerate(wanted):
            stays = axis < len(given) and given[axis] == dim and not is_unknown(dim)
            told.append(dim if isinstance(dim, int) else 0 if stays else -1)
        shape = self.number(told, np.int64) if told.count(-1) <= 1 else self.vector(sizes)
        return self.op("reshape", value, shape, part=part)
