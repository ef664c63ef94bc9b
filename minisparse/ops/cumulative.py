"""``cum_sum``: sums of all elements up to each; ``trilu``: a triangle of each matrix."""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.errors import ShapeError
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.ops.axes import as_ints, dtypes_are, is_axis, is_single, no_flops, whole_known
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _cum_sum(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, (axis,) = operands[0], as_ints(operands[1])
    if not is_axis(axis, x.ndim):
        raise ShapeError(f"cum_sum (C3): X is {list(x.shape)}, axis {axis}: {_IS_AXIS}")
    wide = accumulator(x.dtype)
    y = np.flip(x, axis) if attrs["reverse"] else x
    found: Array = namespace(x).zeros(x.shape, wide)
    lead = (slice(None),) * (axis % x.ndim)
    if attrs["exclusive"]:
        np.cumsum(y[(*lead, slice(0, -1))], axis, wide, out=found[(*lead, slice(1, None))])
    else:
        np.cumsum(y, axis, wide, out=found)
    return (np.flip(found, axis) if attrs["reverse"] else found).astype(x.dtype)


def _known_axis_fits(types: Types, attrs: Attrs) -> bool:
    axis = whole_known(types[1])
    return types[0].ndim > 0 and (axis is None or is_axis(axis[0], types[0].ndim))


def _cum_sum_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (3, 4, 5), "float32")
    for axis in (0, 1, -1):
        for exclusive in (0, 1):
            for reverse in (0, 1):
                label = f"axis {axis}{', exclusive' * exclusive}{', reverse' * reverse}"
                yield Sample(
                    label, (x, np.array(axis)), {"exclusive": exclusive, "reverse": reverse}
                )
    yield Sample("a vector as axis", (x, np.array([1], np.int32)))
    yield Sample("whole numbers", (np.arange(5), np.array(0)))
    yield Sample("no elements", (x[:, :0], np.array(1)), {"exclusive": 1})
    yield Sample("inf and NaN", (np.array([1, np.inf, -np.inf, 2.0]), np.array(0)))
    for dtype in ("float16", "int8", "bool", "float64", "complex64"):
        yield Sample(dtype, (random_values(rng, (2, 40), dtype), np.array(1)))


_IS_AXIS = "axis must name an axis of X"

CUM_SUM = Op(
    "cum_sum",
    ("x", "axis"),
    (
        Constraint("C1", "axis must be a single number", lambda types, attrs: is_single(types[1])),
        dtypes_are("C2", "X's dtype must be supported, and axis a whole number", whole=(1,)),
        Constraint("C3", _IS_AXIS, _known_axis_fits),
        Constraint(
            "C4",
            "exclusive and reverse must be 0 or 1",
            lambda types, attrs: {attrs["exclusive"], attrs["reverse"]} <= {0, 1},
        ),
    ),
    lambda types, attrs: TensorType(types[0].shape, types[0].dtype),
    _cum_sum,
    lambda types, attrs: types[0].size,
    _cum_sum_samples,
    attrs={"exclusive": 0, "reverse": 0},
    told=(1,),
)


def _trilu(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, *rest = operands
    (k,) = as_ints(rest[0]) if rest else (0,)
    rows, columns = x.shape[-2:]
    # NumPy's own triu and tril overflow where k is as large as an index can be.
    k = max(-rows - 1, min(k, columns + 1))
    return np.triu(x, k) if attrs["upper"] else np.tril(x, k)


def _trilu_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (2, 4, 5), "float32")
    for upper in (1, 0):
        which = "upper" if upper else "lower"
        yield Sample(which, (x,), {"upper": upper})
        for k in (2, -3, 9, -9, 2**62):
            yield Sample(f"{which} from {k}", (x, np.array(k)), {"upper": upper})
    yield Sample("NaN on both sides", (np.full((3, 3), np.nan), np.array([1])))
    yield Sample("whole numbers", (np.arange(12).reshape(3, 4), np.array(0)))
    yield Sample("no rows", (x[:, :0],))
    yield Sample("bool", (x > 0,))


TRILU = Op(
    "trilu",
    ("x", "k?"),
    (
        Constraint(
            "C1",
            "X must have at least 2 dimensions, and k be a single number",
            lambda types, attrs: types[0].ndim >= 2 and all(map(is_single, types[1:])),
        ),
        dtypes_are("C2", "X's dtype must be supported, and k a whole number", whole=(1,)),
        Constraint("C3", "upper must be 0 or 1", lambda types, attrs: attrs["upper"] in (0, 1)),
    ),
    lambda types, attrs: TensorType(types[0].shape, types[0].dtype),
    _trilu,
    no_flops,
    _trilu_samples,
    attrs={"upper": 1},
    told=(1,),
)
