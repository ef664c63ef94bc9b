"""Images in other sizes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minisparse.frontends.torch.lowering import Lowering
from minisparse.frontends.torch.table import Table


def _resize(mode: str) -> Callable[..., str]:
    """Return the rule of ``upsample(x, output_size, [align_corners], scale_factors)``."""

    def lower(g: Lowering, x: str, output_size: Any, *rest: Any) -> str:
        scales = rest[-1] if rest else None
        align = bool(rest[0]) if mode != "nearest" and rest else False
        nothing = g.number([], np.float32)
        sizes, factors = g.number([], np.int64), nothing
        if scales is not None and output_size is None:
            factors = g.number([1.0, 1.0, *scales], np.float32)
        else:
            sizes = g.vector([*g.extents(x)[:2], *output_size])
        how = "asymmetric" if mode == "nearest" else "align_corners" if align else "half_pixel"
        return g.op(
            "resize",
            *(x, nothing, factors, sizes),
            mode=mode,
            coordinate_transformation_mode="pytorch_half_pixel" if how == "half_pixel" else how,
            nearest_mode="floor",
            cubic_coeff_a=-0.75,
        )

    return lower


def pixel_shuffle(g: Lowering, x: str, factor: int) -> str:
    """``aten.pixel_shuffle``."""
    return g.op("depth_to_space", x, blocksize=factor, mode="CRD")


RESIZING = Table(
    {
        **{f"aten.upsample_nearest{n}d.vec": _resize("nearest") for n in (1, 2, 3)},
        "aten.upsample_linear1d.vec": _resize("linear"),
        "aten.upsample_bilinear2d.vec": _resize("linear"),
        "aten.upsample_trilinear3d.vec": _resize("linear"),
        "aten.upsample_bicubic2d.vec": _resize("cubic"),
        "aten.pixel_shuffle.default": pixel_shuffle,
    }
)
