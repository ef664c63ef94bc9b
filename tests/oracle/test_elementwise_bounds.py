"""The bounds of functions of one element: what is right keeps them, what is slightly wrong not."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.ops import OPS
from minisparse.oracle import exact, functions, judge

UNITS: dict[str, tuple[float, Any]] = {
    "exp": (6, np.exp),
    "log": (8, lambda x: np.log(np.abs(x))),
    "sin": (8, np.sin),
    "cos": (8, np.cos),
    "tanh": (10, np.tanh),
    "erf": (10, lambda x: np.vectorize(math.erf)(x)),
    "sigmoid": (10, lambda x: 1 / (1 + np.exp(-x))),
    "softplus": (12, lambda x: np.logaddexp(0, x)),
    "sqrt": (1, lambda x: np.sqrt(np.abs(x))),
    "reciprocal": (1, lambda x: 1 / x),
}
"""How far each may be off, in u of the value, and what gives it in float64."""
every = pytest.mark.parametrize("name", UNITS)


def points(name: str, dtype: str) -> Array:
    x = np.random.default_rng(0).standard_normal(200) * np.geomspace(1e-3, 30, 200)
    return (np.abs(x) if name in ("log", "sqrt") else x).astype(dtype)


@every
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_nearest_number_is_right_and_one_too_far_is_not(name: str, dtype: str) -> None:
    units, function = UNITS[name]
    x = points(name, dtype)
    truth = exact(OPS[name], (x,))
    nearest = function(x.astype(np.float64))
    with np.errstate(all="ignore"):
        assert judge(nearest.astype(dtype), truth).passed
        share = (2 * units + 2) if dtype == "float32" else 4
        for i in range(0, 200, 20):  # each by itself: one that is wrong hides no other
            off = nearest.copy()
            off[i] *= 1 + share * np.finfo(dtype).eps / 2
            if 8 * np.finfo(dtype).tiny < abs(off[i]) < 6e4:
                assert not judge(off.astype(dtype), truth).passed, (i, x[i])


@every
def test_torch_keeps_the_bounds(name: str) -> None:
    torch = pytest.importorskip("torch")
    x = points(name, "float32")
    function = getattr(torch, name, None) or torch.nn.functional.softplus
    assert judge(function(torch.from_numpy(x)).numpy(), exact(OPS[name], (x,))).passed


def test_the_tail_of_erf_and_tanh_is_not_lost_near_zero() -> None:
    x = np.array([1e-30, 1e-9, 1e-4], np.float32)
    for name, slope in (("erf", 2 / math.sqrt(math.pi)), ("tanh", 1.0), ("sin", 1.0)):
        truth = exact(OPS[name], (x,))
        assert judge((x * np.float32(slope)).astype(np.float32), truth).passed, name
        assert not judge(np.zeros(3, np.float32), truth).passed, name


def test_functions_agree_with_pythons_own() -> None:
    """Nearly: it is the second oracle, of fractions, that tells the last digit."""
    for v in (-700.0, -30.0, -1.5, -1e-9, 1e-300, 0.25, 2.0, 11.5, 40.0, 1e22):
        x = Decimal(v)
        for found, wanted in (
            (functions.tanh, math.tanh),
            (functions.erf, math.erf),
            (functions.sin, math.sin),
            (functions.cos, math.cos),
        ):
            assert math.isclose(float(found(x)), wanted(v), rel_tol=1e-15), (wanted, v)
    assert functions.power(-2.0, 3.0) == -8
    assert functions.power(-2.0, 0.5) is None
    assert functions.power(0.0, -1.0) == Decimal("Infinity")
    assert functions.power(-0.0, -3.0) == Decimal("-Infinity")
    assert functions.power(1e300, 1e300) == Decimal("Infinity")
    assert functions.whole_part(Decimal("2.9")) == 2
    assert functions.whole_part(Decimal("2.99999999999999999999999")) == 3


def of(values: list[float]) -> Array:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("name", "operands", "attrs"),
    [
        ("div", (of([1, 2]), of([3, 7])), {}),
        ("mod", (of([-1, -2]), of([3, 7])), {}),
        ("pow", (of([1.5, 2.5]), of([3.5, 0.7])), {}),
        ("prelu", (of([-1.5, -2.5]), of([0.3, 0.7])), {}),
        ("hard_sigmoid", (of([-0.5, 0.3]),), {}),
        ("hard_swish", (of([-0.5, 0.3]),), {}),
        ("elu", (of([-0.5, -0.3]),), {}),
        ("leaky_relu", (of([-0.5, -0.3]),), {"alpha": 0.3}),
        ("cast", (np.array([0.1, 0.7]),), {"to": "float16"}),
    ],
)
def test_what_is_far_off_is_wrong(name: str, operands: Any, attrs: dict[str, Any]) -> None:
    op = OPS[name]
    right = np.asarray(op.dense(operands, op.complete(attrs)))
    truth = exact(op, operands, attrs)
    assert judge(right, truth).passed
    wrong = (right.astype(np.float64) * (1 + 48 * np.finfo(right.dtype).eps)).astype(right.dtype)
    assert not judge(wrong, truth).passed
