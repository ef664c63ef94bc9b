"""Every kernel of an op at every level on operands that hypothesis draws, against exact answers.

What the samples of the ops list on purpose is met here by chance, and in combinations: entries
unsorted and stored twice, explicit zeros, infinities and NaN, dimensions of 0, mixed dtypes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.core.triplets import Triplets
from minisparse.kernels import PROVIDERS, Kernel, kernels_for
from minisparse.ops import OPS, Sample
from minisparse.oracle import exact, judge
from tests.kernels.test_every_kernel import dense, held, levels, run, types_of

Draw = Callable[[st.SearchStrategy[Any]], Any]
Operands = tuple[tuple[Any, ...], dict[str, Any]]

FLOATS = ("float32", "float64", "float16")
REAL = (*FLOATS, "int8", "int32")
EVERY = (*REAL, "uint8", "bool", "complex64")
SIDES = st.integers(0, 7)
NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, 3e38, 65504.0, 0.1]),
    st.floats(-8, 8, width=16),
)


def values(draw: Draw, count: int, dtype: str) -> Array:
    kind = np.dtype(dtype).kind
    if kind in "biu":
        return np.array(draw(st.lists(st.integers(0, 100), min_size=count, max_size=count)), dtype)
    found = np.array(draw(st.lists(NUMBERS, min_size=count, max_size=count)))
    with np.errstate(all="ignore"):
        if kind == "c":
            found = found + 1j * np.roll(found, 1)
        return found.astype(dtype)


def array(draw: Draw, shape: tuple[int, ...], dtype: str) -> Array:
    return values(draw, int(np.prod(shape)), dtype).reshape(shape)


def matrix(draw: Draw, m: int, k: int, dtype: str, once: bool = False) -> Triplets:
    """Draw a matrix; ``once``: each cell at most once, and in order."""
    most = 20 if m * k else 0
    cells = draw(st.lists(st.integers(0, max(m * k - 1, 0)), max_size=most, unique=once))
    cell = np.array(sorted(cells) if once else cells, np.int64)
    row, col = np.divmod(cell, max(k, 1))
    return Triplets(row, col, values(draw, len(cell), dtype), (m, k))


def sides(draw: Draw, count: int) -> list[int]:
    return [draw(SIDES) for _ in range(count)]


def of(draw: Draw, dtypes: tuple[str, ...] = EVERY) -> str:
    return str(draw(st.sampled_from(dtypes)))


def _spmm(draw: Draw) -> Operands:
    m, k, n = sides(draw, 3)
    return (matrix(draw, m, k, of(draw)), array(draw, (k, n), of(draw))), {}


def _spmv(draw: Draw) -> Operands:
    m, k = sides(draw, 2)
    return (matrix(draw, m, k, of(draw)), array(draw, (k,), of(draw))), {}


def _spmm_t(draw: Draw) -> Operands:
    m, k, n = sides(draw, 3)
    return (matrix(draw, m, k, of(draw)), array(draw, (m, n), of(draw))), {}


def _dsmm(draw: Draw) -> Operands:
    m, k, n = sides(draw, 3)
    return (array(draw, (n, m), of(draw)), matrix(draw, m, k, of(draw))), {}


def _spgemm(draw: Draw) -> Operands:
    m, k, n = sides(draw, 3)
    return (matrix(draw, m, k, of(draw)), matrix(draw, k, n, of(draw))), {}


def _sddmm(draw: Draw) -> Operands:
    m, n, d = sides(draw, 3)
    return (
        matrix(draw, m, n, of(draw)),
        array(draw, (m, d), of(draw)),
        array(draw, (d, n), of(draw)),
    ), {}


def _softmax(draw: Draw) -> Operands:
    m, k = sides(draw, 2)
    return (matrix(draw, m, k, of(draw, FLOATS)),), {}


def _attention(draw: Draw) -> Operands:
    m, n, d, e = sides(draw, 4)
    dtype = of(draw, FLOATS)
    mask, scale = matrix(draw, m, n, dtype), draw(st.sampled_from([None, 0.5, 1.0]))
    q, k, v = (array(draw, shape, dtype) for shape in ((m, max(d, 1)), (n, max(d, 1)), (n, e)))
    return (mask, q, k, v), {"scale": scale}


def _two(draw: Draw, once: bool = False) -> Operands:
    m, k = sides(draw, 2)
    return (matrix(draw, m, k, of(draw), once), matrix(draw, m, k, of(draw), once)), {}


def _one(draw: Draw, dtypes: tuple[str, ...], **attrs: Any) -> Operands:
    m, k = sides(draw, 2)
    return (matrix(draw, m, k, of(draw, dtypes), once=True),), attrs


def _reduce(draw: Draw, dtypes: tuple[str, ...]) -> Operands:
    m, k = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    axes = draw(st.sampled_from([None, (0,), (1,), (0, 1), (-1,)]))
    attrs = {"axes": axes, "keepdims": draw(st.integers(0, 1))}
    return (matrix(draw, m, k, of(draw, dtypes), once=True),), attrs


def _conv(draw: Draw) -> Operands:
    dtype = of(draw, ("float32", "float64", "int32"))
    n, m = draw(st.integers(0, 2)), draw(st.integers(1, 4))
    c, kh, kw = (draw(st.integers(1, 3)) for _ in range(3))
    two = st.tuples(st.integers(1, 2), st.integers(1, 2))
    attrs = {
        "kernel_shape": (kh, kw),
        "pads": tuple(draw(st.integers(0, 2)) for _ in range(4)),
        "strides": draw(two),
        "dilations": draw(two),
    }
    x = array(draw, (n, c, draw(st.integers(1, 6)), draw(st.integers(1, 6))), dtype)
    bias = (array(draw, (m,), dtype),) if draw(st.booleans()) else ()
    return (x, matrix(draw, m, c * kh * kw, dtype), *bias), attrs


OPERANDS: dict[str, Callable[[Draw], Operands]] = {
    "spmm": _spmm,
    "spmv": _spmv,
    "spmm_t": _spmm_t,
    "dsmm": _dsmm,
    "spgemm": _spgemm,
    "sddmm": _sddmm,
    "softmax": _softmax,
    "attention": _attention,
    "add": _two,
    "multiply": lambda draw: _two(draw, once=True),
    "relu": lambda draw: _one(draw, REAL),
    "gelu": lambda draw: _one(draw, FLOATS, approximate=draw(st.sampled_from(["none", "tanh"]))),
    "silu": lambda draw: _one(draw, FLOATS),
    "clip": lambda draw: _one(draw, REAL, min=draw(st.sampled_from([None, -1.0])), max=2.0),
    "reduce_sum": lambda draw: _reduce(draw, EVERY),
    "reduce_mean": lambda draw: _reduce(draw, FLOATS),
    "reduce_max": lambda draw: _reduce(draw, REAL),
    "reduce_min": lambda draw: _reduce(draw, REAL),
    "conv": _conv,
    "convert": lambda draw: _one(draw, EVERY),
}


def takes(op: Any, operands: tuple[Any, ...], attrs: dict[str, Any]) -> bool:
    types = [
        TensorType(x.shape, x.data.dtype) if isinstance(x, Triplets) else dense_type(x)
        for x in operands
    ]
    return all(c.holds(types, op.complete(attrs)) for c in op.constraints)


@settings(max_examples=max(10, settings().max_examples // 2))
@pytest.mark.parametrize("name", OPERANDS)
@given(data=st.data())
def test_random_operands(name: str, data: st.DataObject) -> None:
    op = OPS[name]
    operands, attrs = OPERANDS[name](data.draw)
    assume(takes(op, operands, attrs))
    sample = Sample("random", operands, attrs)
    for kernel in kernels_for(op):
        given_ = held(kernel, sample)
        if given_ is None:
            continue
        with np.errstate(all="ignore"):
            truth = exact(op, given_, attrs)
        for level in levels(kernel):
            if not is_taken(kernel, level, given_):
                continue
            found = judge(dense(run(kernel, level, given_, sample)), truth)
            assert found.passed, f"{kernel.name} {level}: {found.message}"


def is_taken(kernel: Kernel, level: str, operands: list[Any]) -> bool:
    """Tell whether a level takes the operands: a library may refuse them."""
    if level not in PROVIDERS:
        return True
    types = types_of(operands)
    return not PROVIDERS[level].why_not(kernel.op.name, kernel.format_name, types)


def test_every_op_on_matrices_is_drawn_for() -> None:
    assert set(OPERANDS) == {op.name for op in OPS.values() if op.sparse and not op.parts}
