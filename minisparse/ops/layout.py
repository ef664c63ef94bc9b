"""Ops that move elements and compute nothing: ``transpose``, ``flatten``, ``convert``."""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.symbolic import multiply
from minisparse.core.tensor_type import TensorType
from minisparse.core.triplets import Triplets
from minisparse.ops.constraints import are_ints, dtypes_mix, plain_mix
from minisparse.ops.hard_matrices import hard_matrices, random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types


def _no_flops(types: Types, attrs: Attrs) -> int:
    return 0


def _perm(ndim: int, attrs: Attrs) -> tuple[int, ...]:
    """Return the order of axes; by default reversed."""
    given = attrs["perm"]
    return tuple(reversed(range(ndim))) if given is None else tuple(given)


def _is_permutation(types: Types, attrs: Attrs) -> bool:
    ndim = types[0].ndim
    perm = _perm(ndim, attrs)
    return are_ints(perm, ndim, 0) and sorted(perm) == list(range(ndim))


def _transposed(types: Types, attrs: Attrs) -> TensorType:
    (x,) = types
    shape = tuple(x.shape[axis] for axis in _perm(x.ndim, attrs))
    return TensorType(shape, x.dtype, known=x.known)


def _transpose_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (2, 3, 4, 5), "float32")
    yield Sample("reversed", (x,))
    yield Sample("NCHW to NHWC", (x,), {"perm": (0, 2, 3, 1)})
    yield Sample("a matrix", (x[0, 0],))
    yield Sample("no elements", (x[:0],), {"perm": (1, 0, 2, 3)})


TRANSPOSE = Op(
    "transpose",
    ("x",),
    (
        Constraint("C1", "perm must name every axis of X once", _is_permutation),
        plain_mix("C2"),
    ),
    _transposed,
    lambda operands, attrs: np.transpose(operands[0], _perm(operands[0].ndim, attrs)),
    _no_flops,
    _transpose_samples,
    attrs={"perm": None},
    moves=True,
)


def _axis(types: Types, attrs: Attrs) -> int:
    axis: int = attrs["axis"]
    return axis + types[0].ndim if axis < 0 else axis


def _flattened(types: Types, attrs: Attrs) -> TensorType:
    (x,) = types
    axis = _axis(types, attrs)
    shape = multiply(x.shape[:axis]), multiply(x.shape[axis:])
    return TensorType(shape, x.dtype)


def _flatten(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,) = operands
    axis = attrs["axis"] + (x.ndim if attrs["axis"] < 0 else 0)
    rows = int(np.prod(x.shape[:axis], dtype=int))
    columns = int(np.prod(x.shape[axis:], dtype=int))
    return x.reshape(rows, columns)


def _flatten_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    x = random_values(rng, (2, 3, 4, 5), "float32")
    for axis in (1, 0, 2, 4, -1):
        yield Sample(f"axis {axis}", (x,), {"axis": axis})
    yield Sample("no elements", (x[:0],))
    yield Sample("in Fortran order", (np.asfortranarray(x),))


FLATTEN = Op(
    "flatten",
    ("x",),
    (
        Constraint(
            "C1",
            "axis must lie between -r and r, r the number of X's dimensions",
            lambda types, attrs: (
                are_ints((attrs["axis"],), 1, -types[0].ndim) and attrs["axis"] <= types[0].ndim
            ),
        ),
        plain_mix("C2"),
    ),
    _flattened,
    _flatten,
    _no_flops,
    _flatten_samples,
    attrs={"axis": 1},
    moves=True,
)


def _converted(types: Types, attrs: Attrs) -> TensorType:
    (x,) = types
    shape = x.shape[0], multiply(x.shape[1:])
    block = attrs["block"]
    return TensorType(
        shape, x.dtype, attrs["format"], block=None if block is None else tuple(block)
    )


def _matrix_shaped(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,) = operands
    return x.reshape(x.shape[0], int(np.prod(x.shape[1:], dtype=int)))


def _convert_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    for label, matrix in hard_matrices(rng):
        for layout in ({"format": "csr"}, {"format": "bsr", "block": (2, 3)}):
            yield Sample(f"{label} to {layout['format']}", (matrix,), layout)
    w = random_values(rng, (4, 3, 2, 2), "float32")
    yield Sample("filters", (np.where(rng.random(w.shape) < 0.5, 0, w).astype(w.dtype),))
    row, col = np.nonzero(np.tile([True, False, False, True], (6, 3)))
    values = random_values(rng, row.shape, "float32")
    yield Sample("2:4", (Triplets(row, col, values, (6, 12)),), {"format": "nm", "block": (2, 4)})


CONVERT = Op(
    "convert",
    ("x",),
    (
        Constraint(
            "C1",
            "X must have at least 2 dimensions; those after the first are flattened",
            lambda types, attrs: types[0].ndim >= 2,
        ),
        Constraint(
            "C2",
            "format must be the name of a format: dense, coo, csr, csc, bsr or nm",
            lambda types, attrs: attrs["format"] in ("dense", "coo", "csr", "csc", "bsr", "nm"),
            UnsupportedOpError,
        ),
        Constraint(
            "C3",
            "block must be two positive numbers for bsr (height, width) and nm (n, m), else None",
            lambda types, attrs: (
                are_ints(attrs["block"], 2, 1)
                if attrs["format"] in ("bsr", "nm")
                else attrs["block"] is None
            ),
        ),
        dtypes_mix("C4"),
    ),
    _converted,
    _matrix_shaped,
    _no_flops,
    _convert_samples,
    attrs={"format": "csr", "block": None},
    sparse=(0,),
    fetches=32,
)
