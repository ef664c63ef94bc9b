"""Each format's arrays: never written to, pickled whole, exchanged for fitting ones."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, FormatError
from minisparse.formats import FORMATS, Matrix, from_dense

SHAPES = [(6, 7), (1, 9), (0, 5), (5, 0), (0, 0)]
LAYOUTS: dict[str, Any] = {"block": (2, 3), "n": 4, "m": 4}

every_format = pytest.mark.parametrize("format", FORMATS)


def sample(shape: tuple[int, int]) -> Array:
    rng = np.random.default_rng(sum(shape))
    return (rng.integers(1, 100, shape) * (rng.random(shape) < 0.3)).astype("float64")


def make(format: str, x: Array) -> Matrix:
    return from_dense(x, format, **{name: LAYOUTS[name] for name in FORMATS[format].layout_names})


@every_format
def test_cannot_be_changed(format: str) -> None:
    x = sample((6, 8))
    A = make(format, x)
    for name, array in A.arrays.items():
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
        with pytest.raises(AttributeError, match=f"immutable; '{name}' cannot be set"):
            setattr(A, name, array)
        with pytest.raises(AttributeError, match="cannot be deleted"):
            delattr(A, name)
    with pytest.raises(AttributeError, match="immutable"):
        A.shape = (8, 6)
    with pytest.raises(AttributeError, match="immutable"):
        A.anything = 1


@every_format
@pytest.mark.parametrize("shape", SHAPES)
def test_copies_of_all_kinds(format: str, shape: tuple[int, int]) -> None:
    A = make(format, sample(shape))
    for B in (
        pickle.loads(pickle.dumps(A)),
        copy.deepcopy(A),
        type(A).from_arrays(A.arrays, A.shape, A.block),
    ):
        assert type(B) is type(A)
        assert B.type == A.type
        assert B.to_dense().tobytes() == A.to_dense().tobytes()
        assert not B.data.flags.writeable


@every_format
def test_from_arrays_wants_the_right_names_and_block(format: str) -> None:
    A = make(format, sample((6, 8)))
    with pytest.raises(FormatError, match="arrays are data: they must be data, "):
        type(A).from_arrays({"data": A.data}, A.shape, A.block)
    with pytest.raises(FormatError, match=r"block is|n is|m is"):
        type(A).from_arrays(A.arrays, A.shape, (1, 5))
    with pytest.raises(FormatError, match="block is"):
        type(A).from_arrays(A.arrays, A.shape, (1,))  # type: ignore[arg-type]


@every_format
def test_unpickling_checks(format: str) -> None:
    A = make(format, sample((6, 8)))
    function, (arrays, shape, block) = A.__reduce__()
    broken = {**arrays, "data": arrays["data"][:-1]}
    with pytest.raises(FormatError):
        function(broken, shape, block)


@every_format
def test_with_data(format: str) -> None:
    x = sample((6, 9))
    A = make(format, x)
    assert A.has_canonical_format
    B = A.with_data(A.data.astype("float16") * 2)
    assert B.dtype == np.float16
    assert (B.to_dense() == 2 * x).all()
    assert B.has_canonical_format
    assert (A.to_dense() == x).all()
    with pytest.raises(FormatError, match="stored positions want"):
        A.with_data(A.data[:-1])
    with pytest.raises(DTypeError, match="object"):
        A.with_data(A.data.astype(object))
