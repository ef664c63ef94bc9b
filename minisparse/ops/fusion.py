"""What ``first`` and then ``after`` mean together, derived from what each means alone."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import InternalError
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.core.triplets import Triplets

if TYPE_CHECKING:
    from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def fuse(first: "Op", after: "Op") -> "Op":
    """Return the op that computes ``after(first(...), ...)``.

    Its operands are those of ``first`` and then those of ``after`` beyond its first, its
    constraints those of ``first`` and then those of ``after`` on the result between.
    """
    if after.attrs:
        raise InternalError(f"{after.name} has attributes and cannot be fused after {first.name}")
    count = len(first.operands)
    if len(after.operands) > 1 and first.operands[-1].endswith("?"):
        raise InternalError(f"{first.name} has optional operands; {after.name} cannot add more")

    def between(types: "Types", attrs: "Attrs") -> tuple[TensorType, ...]:
        """Types that ``after`` sees."""
        return (*first.infer(types[:count], attrs), *types[count:])

    def later(constraint: "Constraint") -> "Constraint":
        return replace(
            constraint,
            id=f"{after.name} {constraint.id}",
            holds=lambda types, attrs: constraint.holds(between(types, attrs), {}),
        )

    def dense(operands: Sequence[Array], attrs: "Attrs") -> Array:
        return after.dense((first.dense(operands[:count], attrs), *operands[count:]), {})

    def samples(rng: np.random.Generator) -> "Iterable[Sample]":
        for sample in first.samples(rng):
            fused = _with_more_operands(sample, first, after, rng)
            if fused is not None:
                yield fused

    return replace(
        first,
        name=f"{first.name}_{after.name.removeprefix('add_')}",
        operands=(*first.operands, *after.operands[1:]),
        constraints=(*first.constraints, *map(later, after.constraints)),
        result=lambda types, attrs: after.infer(between(types, attrs)),
        dense=dense,
        flops=lambda types, attrs: (
            first.flops(types[:count], attrs) + after.flops(between(types, attrs), {})
        ),
        samples=samples,
        parts=(*(first.parts or (first,)), after),
    )


def _with_more_operands(
    sample: "Sample", first: "Op", after: "Op", rng: np.random.Generator
) -> "Sample | None":
    """Return ``sample`` with what ``after`` takes beside the result of ``first``.

    None where ``after`` cannot take that result: there is no relu of complex numbers.
    """
    dense = [x.to_dense() if isinstance(x, Triplets) else x for x in sample.operands]
    with np.errstate(all="ignore"):
        result = first.dense(dense, first.complete(sample.attrs))
    more = after.companions(result, rng)
    types = [dense_type(x) for x in (result, *more)]
    if not all(constraint.holds(types, {}) for constraint in after.constraints):
        return None
    return replace(sample, operands=(*sample.operands, *more))
