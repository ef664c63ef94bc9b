"""Types and attributes that break each constraint of the ops whose windows slide."""

from tests.ops.breaches import Breach, of

_IMAGE = of(1, 4, 8, 8)
_FILTER = of(6, 4, 3, 3)
_SQUARE = {"kernel_shape": (2, 2)}

_CONVOLUTIONS = (
    Breach("conv", "C1", (of(1, 4), of(6, 4, 3))),
    Breach("conv", "C1", (_IMAGE, of(6, 4, 3))),
    Breach("conv", "C1", (of(1, 4, 8), of(6, 12)), {"kernel_shape": (3,)}),
    Breach("conv", "C1", (_IMAGE, _FILTER, of(6, 1))),
    Breach("conv", "C2", (_IMAGE, _FILTER), {"pads": (1, 1)}),
    Breach("conv", "C2", (_IMAGE, _FILTER), {"pads": (1, 1, 1, -1)}),
    Breach("conv", "C2", (_IMAGE, _FILTER), {"strides": (0, 1)}),
    Breach("conv", "C2", (_IMAGE, _FILTER), {"dilations": (1,)}),
    Breach("conv", "C2", (_IMAGE, _FILTER), {"group": 0}),
    Breach("conv", "C2", (_IMAGE, _FILTER), {"kernel_shape": (2, 2)}),
    Breach("conv", "C2", (of(1, 4, 8), of(6, 4, 3)), {"strides": (1, 1)}),
    Breach("conv", "C3", (_IMAGE, of(6, 36))),
    Breach("conv", "C3", (_IMAGE, of(6, 36)), {"kernel_shape": (3, 3), "group": 2}),
    Breach("conv", "C4", (_IMAGE, of(6, 5, 3, 3))),
    Breach("conv", "C4", (_IMAGE, of(6, 35)), {"kernel_shape": (3, 3)}),
    Breach("conv", "C4", (_IMAGE, of(6, 1, 3, 3)), {"group": 4}),
    Breach("conv", "C4", (of(1, "channels", 8, 8), _FILTER)),
    Breach("conv", "C5", (of(1, 4, "height", 8), _FILTER)),
    Breach("conv", "C6", (of(1, 4, 2, 2), _FILTER)),
    Breach("conv", "C6", (_IMAGE, _FILTER), {"dilations": (4, 1)}),
    Breach("conv", "C6", (of(1, 4, "?", 2), _FILTER)),
    Breach("conv", "C7", (_IMAGE, _FILTER, of(4))),
    Breach("conv", "C8", (_IMAGE, of(6, 4, 3, 3, dtype="O"))),
    Breach("conv_transpose", "C1", (of(1, 4), of(4, 6, 3))),
    Breach("conv_transpose", "C1", (_IMAGE, of(4, 54))),
    Breach("conv_transpose", "C1", (_IMAGE, of(4, 6, 3, 3), of(6, 1))),
    Breach("conv_transpose", "C2", (_IMAGE, of(4, 6, 3, 3)), {"output_padding": (1,)}),
    Breach("conv_transpose", "C2", (_IMAGE, of(4, 6, 3, 3)), {"strides": (2, 0)}),
    Breach("conv_transpose", "C2", (_IMAGE, of(4, 6, 3, 3)), {"kernel_shape": (3, 2)}),
    Breach("conv_transpose", "C3", (_IMAGE, of(6, 4, 3, 3))),
    Breach("conv_transpose", "C3", (_IMAGE, of(4, 6, 3, 3)), {"group": 3}),
    Breach("conv_transpose", "C3", (of(1, "channels", 8, 8), of(4, 6, 3, 3))),
    Breach("conv_transpose", "C4", (of(1, 4, "height", 8), of(4, 6, 3, 3))),
    Breach("conv_transpose", "C5", (of(1, 4, 1, 2), of(4, 6, 3, 3)), {"pads": (1, 1, 2, 1)}),
    Breach("conv_transpose", "C5", (of(1, 4, 0, 2), of(4, 6, 3, 3))),
    Breach("conv_transpose", "C6", (_IMAGE, of(4, 6, 3, 3), of(6)), {"group": 2}),
    Breach("conv_transpose", "C7", (_IMAGE, of(4, 6, 3, 3, dtype="O"))),
)
_POOLS = tuple(
    breach
    for op in ("max_pool", "max_pool_with_indices", "average_pool")
    for breach in (
        Breach(op, "C1", (of(3, 8),), {"kernel_shape": ()}),
        Breach(op, "C2", (_IMAGE,)),
        Breach(op, "C2", (_IMAGE,), {**_SQUARE, "strides": (2,)}),
        Breach(op, "C2", (_IMAGE,), {**_SQUARE, "ceil_mode": 2}),
        Breach(op, "C3", (of(1, 4, 8, "width"),), _SQUARE),
        Breach(op, "C4", (_IMAGE,), {**_SQUARE, "pads": (0, 2, 0, 0)}),
        Breach(op, "C4", (_IMAGE,), {**_SQUARE, "pads": (0, 0, 3, 0)}),
        Breach(op, "C4", (_IMAGE,), {"kernel_shape": (9, 2)}),
        Breach(op, "C4", (of(1, 1, 1),), {"kernel_shape": (2,), "dilations": (3,), "pads": (1, 2)}),
        Breach(op, "C5", (of(1, 4, 8, 8, dtype="complex64"),), _SQUARE),
    )
)

BREACHES = (
    *_CONVOLUTIONS,
    *_POOLS,
    Breach("max_pool_with_indices", "C2", (_IMAGE,), {**_SQUARE, "storage_order": 2}),
    Breach("average_pool", "C2", (_IMAGE,), {**_SQUARE, "count_include_pad": -1}),
    Breach("average_pool", "C5", (of(1, 4, 8, 8, dtype="int8"),), _SQUARE),
)
