"""What an op is: numbered constraints, result types, a dense meaning, flops. Never how.

The dense meaning is what the op computes when every operand is a plain array; a sparse format
does not change it, except that implicit zeros are skipped (docs/language.md, rule S1).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from minisparse.core.dtypes import SUPPORTED, Array, is_supported
from minisparse.core.errors import DTypeError, MinisparseError, ShapeError, UnsupportedOpError
from minisparse.core.tensor_type import TensorType
from minisparse.core.triplets import Triplets
from minisparse.ops.fusion import fuse

Attrs = Mapping[str, Any]
Types = Sequence[TensorType]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Constraint:
    """A condition that the operands of an op must meet, numbered as in docs/language.md.

    Attributes
    ----------
    id : str
        ``"C1"``, ``"C2"`` …, unique within the op.
    text : str
        The condition in words: "A's columns must equal B's rows".
    holds : callable
        From operand types and attributes to whether it holds.
    error : type
        Which error a breach raises.
    """

    id: str
    text: str
    holds: Callable[[Types, Attrs], bool]
    error: type[MinisparseError] = ShapeError


@dataclass(frozen=True, slots=True)
class Sample:
    """Valid operands of an op; a sparse one as triplets, so that any format can hold it."""

    label: str
    operands: tuple[Array | Triplets, ...]
    attrs: Attrs = field(default_factory=dict)


def _letter(name: str, given: TensorType) -> str:
    """Return an operand's name as the field writes it: matrices in capitals."""
    name = name.rstrip("?*")
    return name.upper() if len(name) == 1 and given.ndim > 1 else name


def _size(given: TensorType) -> str:
    """Return ``2x3``; ``[5]`` for vectors and ``[batch, 64]`` where a dimension has only a name."""
    if given.ndim < 2 or given.symbols:
        return f"[{', '.join(map(str, given.shape))}]"
    return "x".join(map(str, given.shape))


def _told(given: TensorType, error: type[MinisparseError]) -> str:
    """Return what matters of an operand to an error: its dtype, its size, or how it is stored."""
    if issubclass(error, DTypeError):
        known = is_supported(given.dtype)
        return str(given.dtype) + ("" if known else f" (supported are {', '.join(SUPPORTED)})")
    return f"{_size(given)} {given.layout}" if error is UnsupportedOpError else _size(given)


def _no_companions(first: Array, rng: "np.random.Generator") -> tuple[Array, ...]:
    """Return nothing: the op takes one operand."""
    return ()


def _is_alike(value: Any, default: Any) -> bool:
    """Tell whether an attribute's value is of the kind of its default; of None any kind is."""
    if default is None:
        return True
    if isinstance(default, int | float):
        return isinstance(value, int | float | np.number)
    return isinstance(value, type(default))


@dataclass(frozen=True)
class Op:
    """What an operation means.

    Attributes
    ----------
    name : str
        The name in graphs and in ``docs/language.md``: ``"spmm"``; for ops of ONNX their
        ONNX name in snake case, with ONNX's semantics and attribute names.
    operands : tuple of str
        Names of the operands in order; a trailing ``?`` marks an optional one, and a trailing
        ``*`` at the last one that there may be any number of it.
    constraints : tuple of Constraint
        Checked in order before anything else; the first breach is reported.
    result : callable
        From operand types and attributes to the type of the result, or a tuple of several.
    dense : callable
        From operand arrays and attributes to the result, or a tuple of several: the meaning,
        plainly written.
    flops : callable
        From operand types and attributes to floating-point operations; a multiply-add counts 2.
    samples : callable
        From a random generator to valid inputs, the awkward ones among them.
    attrs : mapping
        Default of every attribute that the op has.
    sparse : tuple of int
        Which operands may be stored sparse. The first of them is the weight: its format decides
        which kernel is taken, and it is what a kernel prepares.
    masked : bool
        Whether the weight is a mask: which of its entries are stored is part of what the op means,
        so that a format with padding, or a plain array, would mean another thing.
    companions : callable
        From a first operand and a random generator to fitting operands beside it; what an op
        that can be fused after another needs, so that samples can be made for the two together.
    elementwise : bool
        Whether each element of the result depends on the one operand's element at the same place
        alone, so that the op commutes with anything that only moves elements.
    broadcasts : bool
        Whether each element of the result depends on the elements of several operands alone that
        meet at its place, as NumPy broadcasts shapes.
    sums_products : bool
        Whether it is sums of products of two operands that take its time: a matrix
        multiplication, a convolution.
    moves : bool
        Whether it only moves elements and computes none; its result may be a view of an operand.
    told : tuple of int
        Which operands are numbers for whoever computes, and not for the computation: sizes, axes,
        a condition. They lie in main memory wherever the others do.
    of_sizes : bool
        Whether the result is made of the operands' sizes alone; then it lies in main memory too.
    on_host : bool
        Whether its meaning is for arrays in main memory only.
    fetches : int
        How many times, at most, whoever computes has to ask a device for a number: how large the
        result is, whether indices lie within an axis. Of an op whose operands may be sparse, where
        one is.
    parts : tuple of Op
        For a fused op what it was made of; see :meth:`then`.
    """

    name: str
    operands: tuple[str, ...]
    constraints: tuple[Constraint, ...]
    result: Callable[[Types, Attrs], TensorType | tuple[TensorType, ...]]
    dense: Callable[[Sequence[Array], Attrs], Any]
    flops: Callable[[Types, Attrs], int]
    samples: Callable[["np.random.Generator"], Iterable[Sample]]
    attrs: Attrs = field(default_factory=dict)
    sparse: tuple[int, ...] = ()
    masked: bool = False
    companions: Callable[[Array, "np.random.Generator"], tuple[Array, ...]] = _no_companions
    elementwise: bool = False
    broadcasts: bool = False
    sums_products: bool = False
    moves: bool = False
    told: tuple[int, ...] = ()
    of_sizes: bool = False
    on_host: bool = False
    fetches: int = 0
    parts: tuple["Op", ...] = ()

    def then(self, after: "Op") -> "Op":
        """Return the op that feeds this op's result to ``after`` without a stop in memory.

        The meaning is derived from the two, never written a second time. Operands of ``after``
        beyond its first are appended; its attributes become the fused
        op's, so no name may occur twice.

        Examples
        --------
        >>> from minisparse.ops import ADD_BIAS, RELU, SPMM
        >>> SPMM.then(ADD_BIAS).then(RELU)
        spmm_bias_relu(a, b, bias)
        """
        return fuse(self, after)

    def __repr__(self) -> str:
        """Return name and operands."""
        return f"{self.name}({', '.join(self.operands)})"

    @property
    def base(self) -> "Op":
        """The op that does the main work: the first part of a fused op, else the op itself."""
        return self.parts[0] if self.parts else self

    @property
    def epilogue(self) -> tuple["Op", ...]:
        """The ops applied to the main result, in order; empty unless fused."""
        return self.parts[1:]

    @property
    def weight(self) -> int | None:
        """Which operand is the weight: the first that may be sparse; None where none may."""
        return self.sparse[0] if self.sparse else None

    def split(self, operands: Sequence[T]) -> list[tuple[T, ...]]:
        """Return operands part by part: those of the base, then what each of the epilogue adds.

        Examples
        --------
        >>> from minisparse.ops import SPMM_BIAS_RELU
        >>> SPMM_BIAS_RELU.split("a b bias".split())
        [('a', 'b'), ('bias',), ()]
        """
        counts = [len(part.operands) - 1 for part in self.epilogue]
        stop = len(operands) - sum(counts)  # the base may have left out optional ones
        found = [tuple(operands[:stop])]
        for count in counts:
            found.append(tuple(operands[stop : stop + count]))
            stop += count
        return found

    def attrs_of(self, part: "Op", attrs: Attrs) -> dict[str, Any]:
        """Return those attributes of a fused op that are one part's own."""
        return {name: attrs[name] for name in part.attrs}

    def check(self, types: Types, attrs: Attrs) -> None:
        """Raise the error of the first constraint that the operands break."""
        self._check_count(types)
        self._check_storage(types)
        for constraint in self.constraints:
            if not constraint.holds(types, attrs):
                given = self._describe(types, attrs, constraint.error)
                raise constraint.error(f"{self.name} ({constraint.id}): {given}: {constraint.text}")

    def infer(self, types: Types, attrs: Attrs | None = None) -> tuple[TensorType, ...]:
        """Check the operands and return the types of the results."""
        attrs = self.complete(attrs or {})
        if self.parts:
            told = self._infer_by_parts(types, attrs)
            if told is not None:
                return told
        self.check(types, attrs)
        found = self.result(types, attrs)
        return found if isinstance(found, tuple) else (found,)

    def _infer_by_parts(self, types: Types, attrs: Attrs) -> tuple[TensorType, ...] | None:
        """Return the result's type, part after part; None where a constraint is broken.

        The fused op's own constraints say the same and name what is broken, but each of them works
        out the type between anew.
        """
        own, *rest = self.split(types)
        try:
            (found,) = self.base.infer(own, self.attrs_of(self.base, attrs))
            for part, more in zip(self.epilogue, rest, strict=True):
                before = found.shape
                (found,) = part.infer((found, *more), self.attrs_of(part, attrs))
                if found.shape != before:
                    return None
        except MinisparseError:
            return None
        return (found,)

    def complete(self, attrs: Attrs) -> dict[str, Any]:
        """Return the attributes with defaults filled in.

        Raises
        ------
        ShapeError
            If a name is unknown, or a value is of another kind than the default.
        """
        unknown = sorted(set(attrs) - set(self.attrs))
        if unknown:
            known = ", ".join(self.attrs) or "none"
            raise ShapeError(
                f"{self.name}: unknown attribute {', '.join(unknown)}; it has: {known}"
            )
        plain = {n: tuple(v) if isinstance(v, list) else v for n, v in attrs.items()}
        for name, value in plain.items():
            if not _is_alike(value, self.attrs[name]):
                raise ShapeError(
                    f"{self.name}: attribute {name} is {value!r}; it must be of the kind of its "
                    f"default, {self.attrs[name]!r}"
                )
        return {**self.attrs, **plain}

    def operand_names(self, count: int) -> tuple[str, ...]:
        """Return a name for each of ``count`` operands: the last is repeated if there may be many.

        Examples
        --------
        >>> from minisparse.ops import GEMM
        >>> GEMM.operand_names(2)
        ('a', 'b')
        """
        names = self.operands
        if names and names[-1].endswith("*"):
            names = (*names[:-1], *[names[-1]] * (count - len(names) + 1))
        return names[:count]

    def _describe(self, types: Types, attrs: Attrs, error: type[MinisparseError]) -> str:
        """Return what was given, in the field's letters: ``A is 2x3 but B is 4x5``."""
        given = [
            f"{_letter(name, t)} is {_told(t, error)}"
            for name, t in zip(self.operand_names(len(types)), types, strict=True)
        ]
        text = (" but " if len(given) == 2 else ", ").join(given)
        chosen = [f"{n}={v!r}" for n, v in attrs.items() if v != self.attrs[n]]
        if chosen:
            text += f", with {', '.join(chosen)}"
        names = dict.fromkeys(s for t in types for s in t.symbols)
        return text + (f" ({', '.join(names)} named, not known)" if names else "")

    def _check_count(self, types: Types) -> None:
        least = sum(not name.endswith(("?", "*")) for name in self.operands)
        if len(types) < least or len(self.operand_names(len(types))) < len(types):
            wanted = ", ".join(self.operands)
            raise ShapeError(
                f"{self.name} (C0): {len(types)} operands given, but it takes {wanted}"
            )

    def _check_storage(self, types: Types) -> None:
        names = self.operand_names(len(types))
        for i, (name, given) in enumerate(zip(names, types, strict=True)):
            if given.format != "dense" and i not in self.sparse:
                named = " and ".join(_letter(self.operands[at], types[at]) for at in self.sparse)
                may = f"only {named}" if named else "no operand"
                raise UnsupportedOpError(
                    f"{self.name} (C0): {_letter(name, given)} is stored as {given.layout}, but "
                    f"{may} can be sparse here: make it a plain array with .to_dense()"
                )
