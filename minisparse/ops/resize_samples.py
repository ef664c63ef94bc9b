"""Samples of ``resize``: every mode, coordinate transformation and policy, and awkward shapes."""

from collections.abc import Iterator, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.interpolation import MODES, NEAREST, TRANSFORMATIONS
from minisparse.ops.op import Sample

POLICIES = ("stretch", "not_larger", "not_smaller")
"""What sizes mean: themselves, or the one scale of them, the least or the largest."""


def resize_operands(
    x: Array, scales: Sequence[float] = (), sizes: Sequence[int] = (), roi: Sequence[float] = ()
) -> tuple[Array, ...]:
    """Return the operands of ``resize``; those that are left out have no elements."""
    return (
        x,
        np.array(roi, np.float32),
        np.array(scales, np.float32),
        np.array(sizes, np.int64),
    )


def resize_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    """Yield images in every mode, larger and smaller, with every option."""
    x = random_values(rng, (1, 2, 4, 5), "float32")
    larger, smaller = resize_operands(x, (1, 1, 2, 1.6)), resize_operands(x, sizes=(1, 2, 3, 2))
    for mode in MODES:
        for where in TRANSFORMATIONS[:-1]:
            for label, operands in (("larger", larger), ("smaller", smaller)):
                yield Sample(
                    f"{mode}, {where}, {label}",
                    operands,
                    {"mode": mode, "coordinate_transformation_mode": where},
                )
        crop = resize_operands(x, sizes=(6, 3), roi=(-0.2, 0.3, 1.1, 0.9))
        attrs = {"mode": mode, "axes": (2, -1), "extrapolation_value": 10.0}
        where = "tf_crop_and_resize"
        yield Sample(f"{mode}, {where}", crop, {**attrs, "coordinate_transformation_mode": where})
    for rounding in NEAREST:
        attrs = {"nearest_mode": rounding, "coordinate_transformation_mode": "asymmetric"}
        yield Sample(rounding, resize_operands(x, (1, 1, 2, 0.5)), attrs)
    for mode in MODES[1:]:
        yield Sample(f"{mode}, outside excluded", larger, {"mode": mode, "exclude_outside": 1})
        yield Sample(f"{mode}, antialiased", smaller, {"mode": mode, "antialias": 1})
        both = {"mode": mode, "antialias": 1, "exclude_outside": 1}
        yield Sample(f"{mode}, antialiased, outside excluded", smaller, both)
    for policy in POLICIES:
        attrs = {"axes": (2, 3), "keep_aspect_ratio_policy": policy, "mode": "linear"}
        yield Sample(policy, resize_operands(x, sizes=(7, 8)), attrs)
    yield from _awkward_samples(rng, x)


def _awkward_samples(rng: "np.random.Generator", x: Array) -> Iterator[Sample]:
    """Yield samples in other dtypes, of odd shapes, and beside infinities."""
    yield Sample("nothing changes", resize_operands(x, (1, 1, 1, 1)), {"mode": "cubic"})
    yield Sample("no images", resize_operands(x[:0], (1, 1, 2, 2)), {"mode": "linear"})
    yield Sample("no elements left", resize_operands(x, (1, 1, 0.1, 1)), {"mode": "linear"})
    yield Sample("one element", resize_operands(x[0, 0, 0, :1], (3,)), {"mode": "cubic"})
    special = np.array([1, np.inf, 2, np.nan, 3, 4])
    aligned = {"coordinate_transformation_mode": "align_corners", "mode": "linear"}
    yield Sample("NaN and inf", resize_operands(special, sizes=(11,)), aligned)
    for dtype in ("float64", "float16", "uint8", "int8", "int32"):
        small = random_values(rng, (3, 4), dtype)
        yield Sample(dtype, resize_operands(small, (1.5, 2)), {"mode": "cubic"})
    full = np.array([[0, 255], [255, 0]], np.uint8)
    yield Sample("beyond what uint8 holds", resize_operands(full, (3, 3)), {"mode": "cubic"})
    for dtype in ("bool", "complex64"):
        yield Sample(dtype, resize_operands(random_values(rng, (3, 4), dtype), (2, 2)))
