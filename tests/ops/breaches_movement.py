"""Breaches of the constraints of ops that move elements, choose among them, or tell of shapes."""

import numpy as np

from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType, known_type
from tests.ops.breaches import Breach, of


def ints(*values: int) -> TensorType:
    """Return the type of a vector of whole numbers that are known."""
    return known_type(np.array(values, np.int64))


def whole(*shape: Dim) -> TensorType:
    """Return the type of whole numbers of which nothing is known."""
    return of(*shape, dtype="int64")


def number(value: float, dtype: str = "int64") -> TensorType:
    """Return the type of a number that is known."""
    return known_type(np.array(value, dtype))


_X = of(2, 3, 4)
_OBJECTS = of(2, 3, 4, dtype="O")
_NOTHING = of(0)
_IMAGE = of(1, 8, 4, 6)


def _resize(
    scales: TensorType = _NOTHING,
    sizes: TensorType | None = None,
    roi: TensorType = _NOTHING,
    x: TensorType = _X,
) -> tuple[TensorType, ...]:
    return x, roi, scales, whole(0) if sizes is None else sizes


_TWICE = known_type(np.full(3, 2, np.float32))
_CROP = {"coordinate_transformation_mode": "tf_crop_and_resize"}

_SHAPES = (
    Breach("reshape", "C1", (_X, whole(2, 2))),
    Breach("reshape", "C1", (_X, whole("rank"))),
    Breach("reshape", "C2", (_X, of(2))),
    Breach("reshape", "C2", (_OBJECTS, ints(24))),
    Breach("reshape", "C3", (_X, ints(-1, -1))),
    Breach("reshape", "C3", (_X, ints(-2, 3))),
    Breach("reshape", "C3", (_X, ints(2, 3, 4, 0))),
    Breach("reshape", "C3", (_X, ints(0, -1)), {"allowzero": 1}),
    Breach("reshape", "C4", (_X, ints(5, 5))),
    Breach("reshape", "C4", (_X, ints(5, -1))),
    Breach("reshape", "C4", (_X, ints(0, 0, 5))),
    Breach("squeeze", "C1", (_X, whole("axes"))),
    Breach("squeeze", "C1", (_X, whole(1, 1))),
    Breach("squeeze", "C2", (_X, of(1))),
    Breach("squeeze", "C3", (_X, ints(3))),
    Breach("squeeze", "C3", (of(1, 1), ints(0, -2))),
    Breach("squeeze", "C3", (_X, whole(4))),
    Breach("squeeze", "C4", (_X, ints(1))),
    Breach("squeeze", "C4", (of("batch", 1),)),
    Breach("squeeze", "C4", (of("batch", 1), ints(0))),
    Breach("unsqueeze", "C1", (_X, whole("axes"))),
    Breach("unsqueeze", "C2", (_X, of(1))),
    Breach("unsqueeze", "C3", (_X, ints(4))),
    Breach("unsqueeze", "C3", (_X, ints(0, -5))),
    Breach("identity", "C1", (_OBJECTS,)),
    Breach("expand", "C1", (_X, whole())),
    Breach("expand", "C2", (_X, of(3))),
    Breach("expand", "C3", (_X, ints(2, -1, 4))),
    Breach("expand", "C4", (_X, ints(2, 2, 4))),
    Breach("expand", "C4", (of("batch", 3), ints(4, 3))),
    Breach("tile", "C1", (_X, ints(2, 2))),
    Breach("tile", "C1", (_X, whole())),
    Breach("tile", "C2", (_X, of(3))),
    Breach("tile", "C3", (_X, ints(2, -1, 1))),
    Breach("shape", "C1", (_X,), {"end": 1.5}),
    Breach("shape", "C2", (_OBJECTS,)),
    Breach("size", "C1", (_OBJECTS,)),
    Breach("range", "C1", (whole(2), whole(), whole())),
    Breach("range", "C2", (of(dtype="bool"), whole(), whole())),
    Breach("range", "C2", (of(dtype="uint64"), of(dtype="complex64"), whole())),
    Breach("range", "C3", (number(0), number(4), number(0))),
    Breach("range", "C3", (whole(), whole(), number(0))),
    Breach("range", "C3", (number(0), number(np.inf, "float32"), number(1))),
    Breach("range", "C3", (number(0), number(2**62), number(1))),
    Breach("constant_of_shape", "C1", (whole("rank"),)),
    Breach("constant_of_shape", "C2", (of(2),)),
    Breach("constant_of_shape", "C3", (ints(2, -1),)),
    Breach("constant_of_shape", "C4", (ints(2),), {"dtype": "object"}),
    Breach("constant_of_shape", "C4", (ints(2),), {"dtype": "nonsense"}),
)

_PARTS = (
    Breach("concat", "C1", ()),
    Breach("concat", "C1", (_X, of(2, 3))),
    Breach("concat", "C1", (of(), of())),
    Breach("concat", "C2", (_X, _X), {"axis": 3}),
    Breach("concat", "C3", (_X, of(2, 5, 4))),
    Breach("concat", "C3", (of(2, "seq"), of(2, "past"))),
    Breach("concat", "C4", (_X, _OBJECTS)),
    Breach("split", "C1", (of(), ints(1))),
    Breach("split", "C2", (_X,)),
    Breach("split", "C2", (_X,), {"num_outputs": 0}),
    Breach("split", "C2", (_X, ints(1, 1)), {"num_outputs": 2}),
    Breach("split", "C2", (_X, whole("parts"))),
    Breach("split", "C3", (_X, of(2))),
    Breach("split", "C4", (_X, ints(1, 2))),
    Breach("split", "C4", (_X, ints(3, -1))),
    Breach("slice", "C1", (_X, ints(0), ints(1, 2))),
    Breach("slice", "C1", (_X, whole("n"), whole("n"))),
    Breach("slice", "C1", (_X, whole(), whole())),
    Breach("slice", "C2", (_X, of(1), ints(1))),
    Breach("slice", "C3", (_X, ints(0), ints(1), ints(3))),
    Breach("slice", "C3", (_X, ints(0, 0), ints(1, 1), ints(0, -3))),
    Breach("slice", "C3", (of(3), ints(0, 0), ints(1, 1))),
    Breach("slice", "C4", (_X, ints(0), ints(1), ints(0), ints(0))),
    Breach("pad", "C1", (_X, ints(1, 1))),
    Breach("pad", "C1", (_X, ints(1, 1), of(), whole("axes"))),
    Breach("pad", "C2", (_X, whole(6), of(2))),
    Breach("pad", "C3", (_X, of(6))),
    Breach("pad", "C3", (_X, whole(6), of(dtype="O"))),
    Breach("pad", "C4", (_X, ints(1, 1), of(), ints(3))),
    Breach("pad", "C4", (_X, ints(1, 1, 1, 1), of(), ints(0, -3))),
    Breach("pad", "C5", (_X, ints(-1, 0, 0, -2, 0, 0))),
    Breach("pad", "C5", (of(0, 3), ints(1, 0, 0, 0)), {"mode": "edge"}),
    Breach("pad", "C6", (_X, whole(6)), {"mode": "symmetric"}),
    Breach("trilu", "C1", (of(3),)),
    Breach("trilu", "C1", (_X, whole(2))),
    Breach("trilu", "C2", (_X, of())),
    Breach("trilu", "C3", (_X,), {"upper": 2}),
    *(
        Breach(op, number, (x,), attrs)
        for op, wrong in (("depth_to_space", of(1, 6, 4, 6)), ("space_to_depth", of(1, 8, 3, 6)))
        for number, x, attrs in (
            ("C1", of(8, 4, 6), {"blocksize": 2}),
            ("C2", _IMAGE, {"blocksize": 2, "mode": "RCD"}),
            ("C3", wrong, {"blocksize": 2}),
            ("C3", _IMAGE, {"blocksize": 0}),
            ("C4", of(1, 8, 4, 6, dtype="O"), {"blocksize": 2}),
        )
    ),
)

_INDEXED = (
    Breach("gather", "C1", (_X, whole(2)), {"axis": 3}),
    Breach("gather", "C2", (_X, of(2))),
    Breach("gather", "C3", (_X, ints(0, 2))),
    Breach("gather", "C3", (_X, number(-4)), {"axis": 1}),
    Breach("gather_elements", "C1", (_X, whole(2, 3, 4)), {"axis": -4}),
    Breach("gather_elements", "C2", (_X, whole(2, 3))),
    Breach("gather_elements", "C2", (_X, whole(9, 4, 4))),
    Breach("gather_elements", "C3", (_X, of(2, 3, 4))),
    Breach("gather_elements", "C4", (of(3), ints(0, 3))),
    Breach("gather_nd", "C1", (_X, whole())),
    Breach("gather_nd", "C2", (_X, of(2, 1))),
    Breach("gather_nd", "C3", (_X, whole(3, 1)), {"batch_dims": 1}),
    Breach("gather_nd", "C3", (_X, whole(2, 1)), {"batch_dims": -1}),
    Breach("gather_nd", "C3", (_X, whole(2, 3)), {"batch_dims": 2}),
    Breach("gather_nd", "C4", (_X, whole(2, 4))),
    Breach("gather_nd", "C4", (_X, whole(2, "depth"))),
    Breach("gather_nd", "C5", (_X, ints(0, 3))),
    Breach("scatter_elements", "C1", (of(), whole(), of())),
    Breach("scatter_elements", "C2", (_X, whole(3, 4, 4), of(3, 4, 4))),
    Breach("scatter_elements", "C3", (_X, whole(2, 3, 4), of(2, 3, 3))),
    Breach("scatter_elements", "C4", (_X, of(2, 3, 4), of(2, 3, 4))),
    Breach("scatter_elements", "C5", (of(3), ints(3), of(1))),
    Breach("scatter_elements", "C6", (_X, whole(2, 3, 4), _X), {"reduction": "mean"}),
    Breach(
        "scatter_elements",
        "C6",
        (of(3, dtype="complex64"), ints(0), of(1)),
        {"reduction": "max"},
    ),
    Breach("scatter_nd", "C1", (_X, whole(), _X)),
    Breach("scatter_nd", "C2", (_X, whole(2, 4), of(2))),
    Breach("scatter_nd", "C2", (_X, whole(2, 0), of(2, 2, 3, 4))),
    Breach("scatter_nd", "C3", (_X, whole(5, 1), of(5, 3, 3))),
    Breach("scatter_nd", "C4", (_X, of(5, 1), of(5, 3, 4))),
    Breach("scatter_nd", "C5", (_X, ints(-3), of(3, 4))),
    Breach("scatter_nd", "C6", (_X, whole(5, 1), of(5, 3, 4)), {"reduction": "sub"}),
    Breach("one_hot", "C1", (whole(2, 3), whole(), of(2)), {"axis": 3}),
    Breach("one_hot", "C2", (whole(2, 3), whole(), of(2, dtype="O"))),
    Breach("one_hot", "C2", (of(2, 3, dtype="complex64"), whole(), of(2))),
    Breach("one_hot", "C3", (whole(2, 3), whole(2), of(2))),
    Breach("one_hot", "C3", (whole(2, 3), number(-1), of(2))),
    Breach("one_hot", "C3", (whole(2, 3), number(4), of(3))),
    Breach("non_zero", "C1", (_OBJECTS,)),
)

_CHOSEN = (
    *(
        Breach(op, *each)
        for op in ("arg_max", "arg_min")
        for each in (
            ("C1", (_X,), {"axis": 3}),
            ("C2", (of(2, 0),), {"axis": 1}),
            ("C3", (of(2, dtype="complex64"),), {}),
            ("C4", (_X,), {"keepdims": 2}),
        )
    ),
    Breach("top_k", "C1", (of(), ints(1))),
    Breach("top_k", "C2", (_X, whole(2))),
    Breach("top_k", "C3", (_X, of())),
    Breach("top_k", "C3", (of(3, dtype="complex64"), ints(1))),
    Breach("top_k", "C4", (_X, ints(5))),
    Breach("top_k", "C4", (of("batch"), ints(-1))),
    Breach("top_k", "C5", (_X, ints(1)), {"largest": 2}),
    Breach("cum_sum", "C1", (_X, whole(2))),
    Breach("cum_sum", "C2", (_X, of())),
    Breach("cum_sum", "C3", (_X, number(3))),
    Breach("cum_sum", "C3", (of(), whole())),
    Breach("cum_sum", "C4", (_X, whole()), {"reverse": 2}),
    Breach("resize", "C1", _resize(_TWICE), {"axes": (0, 3)}),
    Breach("resize", "C1", _resize(_TWICE), {"axes": (0, -3, 1)}),
    Breach("resize", "C2", _resize()),
    Breach("resize", "C2", _resize(_TWICE, ints(4, 6, 8))),
    Breach("resize", "C2", _resize(_TWICE), {"axes": (0, 1)}),
    Breach("resize", "C2", _resize(of())),
    Breach("resize", "C3", _resize(whole(3))),
    Breach("resize", "C3", _resize(_TWICE, x=of(2, 3, 4, dtype="bool")), {"mode": "linear"}),
    Breach("resize", "C4", _resize(_TWICE), {"mode": "area"}),
    Breach("resize", "C4", _resize(_TWICE), {"nearest_mode": "round"}),
    Breach("resize", "C5", _resize(known_type(np.array([1.0, 0.0, 1.0])))),
    Breach("resize", "C5", _resize(sizes=ints(2, -3, 4))),
    Breach("resize", "C5", _resize(sizes=ints(2, 3), x=of(0, 3))),
    Breach("resize", "C6", _resize(_TWICE), _CROP),
    Breach("resize", "C6", _resize(_TWICE, roi=of(3)), _CROP),
    Breach("resize", "C7", _resize(_TWICE), {"antialias": 2}),
    Breach("resize", "C7", _resize(_TWICE), {"cubic_coeff_a": float("inf")}),
)

BREACHES = (*_SHAPES, *_PARTS, *_INDEXED, *_CHOSEN)
