"""Dtypes, index widths, tensor types, extras."""

import numpy as np
import pytest

from minisparse.core import index
from minisparse.core.dtypes import accumulator, as_dtype, bfloat16, is_supported
from minisparse.core.errors import DTypeError, MissingExtraError, ShapeError
from minisparse.core.extras import require
from minisparse.core.tensor_type import DENSE, Layout, TensorType, dense_type
from minisparse.core.triplets import Triplets


def test_index_width_follows_the_patchable_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert index.index_dtype((10, 10), 100) == np.int32
    monkeypatch.setattr(index, "INT32_LIMIT", 50)
    assert index.index_dtype((10, 10), 50) == np.int32
    assert index.index_dtype((10, 10), 51) == np.int64
    assert index.index_dtype((51, 10), 0) == np.int64
    assert index.index_dtype((0, 0), 0) == np.int32


@pytest.mark.parametrize("bad", ["object", "U3", "datetime64[s]", "V4", "not a dtype"])
def test_dtypes_without_arithmetic_are_refused_by_name(bad: str) -> None:
    with pytest.raises(DTypeError, match="weight 'w'"):
        as_dtype(bad, "weight 'w'")


def test_byte_order_is_made_native() -> None:
    assert as_dtype(">f4", "x") == np.dtype("float32")


def test_bfloat16_where_installed() -> None:
    pytest.importorskip("ml_dtypes", reason='bfloat16: pip install "minisparse[io]"')
    found = bfloat16()
    assert found is not None
    assert is_supported(found)
    assert as_dtype("bfloat16", "x") == found
    assert accumulator(found) == np.float32


def test_accumulators_are_wide_enough() -> None:
    expected = {"int8": "int32", "bool": "int32", "float16": "float32", "int64": "int64",
                "float32": "float32", "complex64": "complex64", "uint8": "int32"}  # fmt: skip
    assert {d: accumulator(d).name for d in expected} == expected


def test_a_type_with_names_refuses_arithmetic_until_bound() -> None:
    type = TensorType(("batch", 3, "length"), np.dtype("float32"))
    assert type.symbols == ("batch", "length")
    with pytest.raises(ShapeError, match="batch, length"):
        _ = type.size
    bound = type.bind({"batch": 2, "length": 5, "other": 7})
    assert (bound.dims, bound.size, bound.nnz, bound.density) == ((2, 3, 5), 30, 30, 1.0)


def test_layouts_spell_themselves() -> None:
    type = TensorType((8, 8), np.dtype("float32"), "bsr", 32, np.dtype("int32"), (4, 2))
    assert (str(type.layout), type.density, type.index_itemsize) == ("bsr 4x2", 0.5, 4)
    assert str(Layout("nm", (2, 4))) == "nm 2:4"
    assert dense_type(np.zeros((0, 3))).layout == DENSE
    assert dense_type(np.zeros((0, 3))).density == 0


def test_triplets_sum_duplicates() -> None:
    t = Triplets(np.array([1, 0, 1]), np.array([0, 1, 0]), np.array([1, 2, 4]), (2, 2))
    np.testing.assert_array_equal(t.to_dense(), [[0, 2], [5, 0]])


def test_a_missing_extra_names_the_command() -> None:
    with pytest.raises(MissingExtraError, match=r'pip install "minisparse\[onnx\]"'):
        require("no_such_module_anywhere", "onnx", "reading ONNX models")
