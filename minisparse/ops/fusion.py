"""What ``first`` and then ``after`` mean together, derived from what each means alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import InternalError, ShapeError
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.core.triplets import Triplets

if TYPE_CHECKING:
    from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

T = TypeVar("T")


def fuse(first: "Op", after: "Op") -> "Op":
    """Return the op that computes ``after(first(...), ...)``.

    Its operands are those of ``first`` and then those of ``after`` beyond its first, its
    constraints those of ``first`` and then those of ``after`` on the result between; and the
    result keeps the shape of the one between, so that it can be finished where it stands.
    """
    _check(first, after)
    pair = _Pair(first, after)
    return replace(
        first,
        name=f"{first.name}_{after.name.removeprefix('add_')}",
        operands=(*first.operands, *after.operands[1:]),
        constraints=tuple(pair.constraints()),
        result=lambda types, attrs: after.infer(pair.between(types, attrs), _only(after, attrs)),
        dense=pair.dense,
        flops=pair.flops,
        samples=pair.samples,
        attrs={**first.attrs, **after.attrs},
        sparse=(*first.sparse, *_also_sparse(first, after)),
        parts=(*(first.parts or (first,)), after),
    )


def _also_sparse(first: "Op", after: "Op") -> tuple[int, ...]:
    """Return where an operand of ``after`` may be sparse too, beside a result that is."""
    return tuple(len(first.operands) + at - 1 for at in after.sparse if at and first.sparse)


def _check(first: "Op", after: "Op") -> None:
    twice = sorted(set(first.attrs) & set(after.attrs))
    if twice:
        raise InternalError(f"{first.name} and {after.name} both have attribute {twice[0]}")
    if any(name.endswith("?") for name in after.operands):
        raise InternalError(f"{after.name} has optional operands and cannot follow {first.name}")


@dataclass(frozen=True)
class _Pair:
    """Two ops, of which the second takes the first's result as its first operand."""

    first: "Op"
    after: "Op"

    def cut(self, operands: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
        """Return the operands of the first, and those of the second beyond its first."""
        count = len(operands) - (len(self.after.operands) - 1)
        return operands[:count], operands[count:]

    def between(self, types: "Types", attrs: "Attrs") -> tuple[TensorType, ...]:
        """Return the types that the second sees."""
        own, rest = self.cut(types)
        return (*self.first.infer(own, _only(self.first, attrs)), *rest)

    def keeps_shape(self, types: "Types", attrs: "Attrs") -> bool:
        """Tell whether the result has the shape of the one between."""
        seen = self.between(types, attrs)
        return self.after.infer(seen, _only(self.after, attrs))[0].shape == seen[0].shape

    def constraints(self) -> "Iterator[Constraint]":
        """Yield the first's, then the second's, each seeing its own operands."""
        for c in self.first.constraints:
            yield replace(c, holds=self.on_first(c))
        for c in self.after.constraints:
            yield replace(c, id=f"{self.after.name} {c.id}", holds=self.on_after(c))
        yield replace(
            c,
            id=f"{self.after.name} C0",
            text=f"the result of {self.after.name} must have the shape of {self.first.name}'s",
            holds=self.keeps_shape,
            error=ShapeError,
        )

    def on_first(self, c: "Constraint") -> "Callable[[Types, Attrs], bool]":
        """Return a constraint of the first on the fused op's operands."""
        return lambda types, attrs: c.holds(self.cut(types)[0], attrs)

    def on_after(self, c: "Constraint") -> "Callable[[Types, Attrs], bool]":
        """Return a constraint of the second on the fused op's operands."""
        return lambda types, attrs: c.holds(self.between(types, attrs), attrs)

    def dense(self, operands: Sequence[Array], attrs: "Attrs") -> Any:
        """Compute one after the other."""
        own, rest = self.cut(operands)
        return self.after.dense((self.first.dense(own, attrs), *rest), attrs)

    def flops(self, types: "Types", attrs: "Attrs") -> int:
        """Add up both."""
        own, _ = self.cut(types)
        return self.first.flops(own, attrs) + self.after.flops(self.between(types, attrs), attrs)

    def samples(self, rng: "np.random.Generator") -> "Iterator[Sample]":
        """Yield the first's, with what the second takes beside."""
        for sample in self.first.samples(rng):
            fused = _with_more_operands(sample, self.first, self.after, rng)
            if fused is not None:
                yield fused


def _only(op: "Op", attrs: "Attrs") -> dict[str, Any]:
    """Return the attributes that are the op's own."""
    return {name: value for name, value in attrs.items() if name in op.attrs}


def _with_more_operands(
    sample: "Sample", first: "Op", after: "Op", rng: "np.random.Generator"
) -> "Sample | None":
    """Return ``sample`` with what ``after`` takes beside the result of ``first``.

    None where ``after`` cannot take that result: there is no relu of complex numbers.
    """
    dense = [x.to_dense() if isinstance(x, Triplets) else x for x in sample.operands]
    with np.errstate(all="ignore"):
        result = first.dense(dense, first.complete(sample.attrs))
    more = after.companions(result, rng)
    types = [dense_type(x) for x in (result, *more)]
    if not all(constraint.holds(types, after.attrs) for constraint in after.constraints):
        return None
    return replace(sample, operands=(*sample.operands, *more))
