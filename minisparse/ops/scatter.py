"""Ops that write updates to places of a copy of X: ``scatter_elements``, ``scatter_nd``.

With a reduction, updates are added to, multiplied with, or compared with what is there, each of
them where several go to one place. Without, the last of them in memory order stays.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.errors import ShapeError
from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.gpu.segments import add_runs, reduce_segments
from minisparse.ops.axes import dtypes_are, has_axis, may_lie_within
from minisparse.ops.dims import may_equal, result_dtype
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.indexing import (
    COVERED,
    WITHIN,
    each_index,
    elements_index,
    is_covered,
    points_into,
    tuple_length,
    tuples_index,
)
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

REDUCTIONS: dict[str, Any] = {
    "none": None,
    "add": np.add,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
}
"""What becomes of an update and of what is there; NaN wins among ``max`` and ``min``."""

_KNOWN = f"reduction must be {', '.join(REDUCTIONS)}; for complex numbers none or add"
_DTYPES = "dtypes of X and updates must be supported and mix, and indices whole numbers"


def _has_reduction(number: str) -> Constraint:
    def holds(types: Types, attrs: Attrs) -> bool:
        real = "c" not in {t.dtype.kind for t in types}
        return attrs["reduction"] in (REDUCTIONS if real else ("none", "add"))

    return Constraint(number, _KNOWN, holds)


def _written(x: Array, index: tuple[Array, ...], updates: Array, reduction: str) -> Array:
    """Return a copy of X with updates at an index."""
    dtype = np.result_type(x, updates)
    combine = REDUCTIONS[reduction]
    if combine is None:
        found = x.astype(dtype)
        found[index] = updates
        return found
    wide = accumulator(dtype)
    if namespace(x) is not np:
        return _in_order(x.astype(wide), index, updates.astype(wide), combine).astype(dtype)
    found = x.astype(wide)
    combine.at(found, index, updates.astype(wide))
    return found.astype(dtype)


def _in_order(x: Array, index: tuple[Array, ...], updates: Array, combine: np.ufunc) -> Array:
    """Return the same where arrays lie on a device, where ``at`` would add in any order.

    What is there and its updates are brought together, and each such run is reduced.
    """
    xp, lead = namespace(x), x.shape[: len(index)]
    count, rest = math.prod(lead), math.prod(x.shape[len(lead) :])
    place = xp.zeros((), np.int64)
    for part, length in zip(index, lead, strict=True):
        place = place * length + part
    place = xp.concatenate([xp.arange(count), place.reshape(-1)])
    order = xp.argsort(place, kind="stable")
    values = xp.concatenate([x.reshape(count, rest), updates.reshape(-1, rest)])[order]
    bounds = xp.searchsorted(place[order], xp.arange(count + 1))
    found: Array = xp.empty((count, rest), x.dtype)
    if combine is np.add:  # one after the other, as "at" does in main memory
        add_runs(values, bounds, found)
    else:
        reduce_segments(combine, values, bounds, found)
    return found.reshape(x.shape)


def _flops(types: Types, attrs: Attrs) -> int:
    return 0 if attrs["reduction"] == "none" else types[2].size


def _same_type(types: Types, attrs: Attrs) -> TensorType:
    x, _, updates = types
    return TensorType(x.shape, result_dtype((x, updates)))


def _scatter_elements(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, indices, updates = operands
    if indices.shape != updates.shape:
        raise ShapeError(
            f"scatter_elements (C3): indices is {list(indices.shape)}, "
            f"updates {list(updates.shape)}: {_ALIKE}"
        )
    index = elements_index("scatter_elements (C5)", x, indices, attrs["axis"], COVERED)
    return _written(x, index, updates, attrs["reduction"])


def _reduced(rng: "np.random.Generator", arrays: Sequence[Array], attrs: Attrs) -> Iterator[Sample]:
    """Yield samples of every reduction, in dtypes in which care is needed."""
    x, indices, updates = arrays
    for name in REDUCTIONS:
        if name == "none":
            continue
        chosen = {**attrs, "reduction": name}
        yield Sample(name, (x, indices, updates), chosen)
        for dtype in ("float16", "int8", "bool"):
            yield Sample(
                f"{name}, {dtype}",
                (x.astype(dtype), indices, random_values(rng, updates.shape, dtype)),
                chosen,
            )
    special = np.where(updates > 0.5, np.nan, np.where(updates < -0.5, np.inf, updates))
    yield Sample(
        "NaN and inf", (x, indices, special.astype(x.dtype)), {**attrs, "reduction": "max"}
    )


def _elements_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (4, 5), "float32")
    indices = np.array([[0, 3, -2], [1, 4, 2]])
    updates = random_values(rng, (2, 3), "float32")
    yield Sample("along the last axis", (x, indices, updates), {"axis": 1})
    yield Sample("along the first", (x, indices % 4, updates), {"axis": -2})
    yield Sample("none", (x, indices[:0], updates[:0]))
    yield Sample("into nothing", (x[:0], indices[:0], updates[:0]))
    yield Sample("whole numbers", (np.arange(6), np.array([5, 0]), np.array([7, 8])))
    yield Sample("dtypes that mix", (x, indices, updates.astype(np.float64)), {"axis": 1})
    again = np.array([[0, 0, 0], [4, 1, 4]])
    yield from _reduced(rng, (x, again, updates), {"axis": 1})


_ALIKE = "indices and updates must have the same shape"

SCATTER_ELEMENTS = Op(
    "scatter_elements",
    ("x", "indices", "updates"),
    (
        has_axis("C1"),
        Constraint(
            "C2",
            COVERED,
            lambda types, attrs: is_covered(types[0], types[1], attrs["axis"]),
        ),
        Constraint(
            "C3",
            _ALIKE,
            lambda types, attrs: (
                types[1].ndim == types[2].ndim
                and all(map(may_equal, types[1].shape, types[2].shape))
            ),
        ),
        dtypes_are("C4", _DTYPES, whole=(1,)),
        Constraint(
            "C5",
            WITHIN,
            lambda types, attrs: may_lie_within(types[1], types[0].shape[attrs["axis"]]),
        ),
        _has_reduction("C6"),
    ),
    _same_type,
    _scatter_elements,
    _flops,
    _elements_samples,
    attrs={"axis": 0, "reduction": "none"},
    fetches=1,
)


def _wanted(types: Types) -> tuple[Dim, ...]:
    """Return the shape that updates must have."""
    x, indices, _ = types
    return (*indices.shape[:-1], *x.shape[tuple_length(indices) :])


def _scatter_nd(operands: Sequence[Array], attrs: Attrs) -> Array:
    x, indices, updates = operands
    wanted = (*indices.shape[:-1], *x.shape[indices.shape[-1] :])
    if updates.shape != wanted:
        raise ShapeError(
            f"scatter_nd (C3): X is {list(x.shape)}, indices {list(indices.shape)}, "
            f"updates {list(updates.shape)}: {_PARTS}"
        )
    index = tuples_index("scatter_nd (C5)", x.shape, indices)
    return _written(x, index, updates, attrs["reduction"])


def _nd_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (4, 5), "float32")
    elements = np.array([[0, -1], [3, 4], [2, 2]])
    updates = random_values(rng, (3, 5), "float32")
    yield Sample("elements", (x, elements, updates[:, 0]))
    yield Sample("rows", (x, np.array([[3], [0], [-2]]), updates))
    yield Sample("none", (x, elements[:0], updates[:0, 0]))
    yield Sample("whole numbers", (np.arange(6), np.array([[5], [0]]), np.array([7, 8])))
    yield Sample("dtypes that mix", (x, elements, updates[:, 0].astype(np.float64)))
    yield from _reduced(rng, (x, np.array([[3], [3], [-1]]), updates), {})


_PARTS = "updates must have a part of X for each row of indices: indices[:-1] + X[depth:]"

SCATTER_ND = Op(
    "scatter_nd",
    ("x", "indices", "updates"),
    (
        Constraint(
            "C1",
            "X and indices must have at least 1 dimension",
            lambda types, attrs: all(t.ndim for t in types[:2]),
        ),
        Constraint(
            "C2",
            "the last dimension of indices must be a number, 1 or more, and point into X",
            lambda types, attrs: points_into(types[0], types[1]),
        ),
        Constraint(
            "C3",
            _PARTS,
            lambda types, attrs: (
                types[2].ndim == len(_wanted(types))
                and all(map(may_equal, types[2].shape, _wanted(types)))
            ),
        ),
        dtypes_are("C4", _DTYPES, whole=(1,)),
        Constraint(
            "C5",
            WITHIN,
            lambda types, attrs: (
                types[1].ndim > 1 or all(map(may_lie_within, each_index(types[1]), types[0].shape))
            ),
        ),
        _has_reduction("C6"),
    ),
    _same_type,
    _scatter_nd,
    _flops,
    _nd_samples,
    attrs={"reduction": "none"},
    fetches=8,
)
