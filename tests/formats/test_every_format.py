"""What holds for each format: a new one is tested here without an edit."""

from typing import Any

import numpy as np
import pytest

from minisparse.core import index
from minisparse.core.dtypes import Array, bfloat16
from minisparse.core.errors import (
    DTypeError,
    FormatError,
    ShapeError,
    UnsupportedOpError,
    UsageError,
)
from minisparse.core.tensor_type import Layout
from minisparse.core.triplets import Triplets
from minisparse.formats import (
    FORMATS,
    Matrix,
    find_pattern,
    from_dense,
    from_triplets,
    stored_bytes,
)

DTYPES = "bool int8 uint8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
SHAPES = [(5, 7), (6, 12), (1, 1), (1, 9), (9, 1), (0, 5), (5, 0), (0, 0), (40, 33)]
# What a format may want to know. 4:4 holds every matrix.
LAYOUTS: dict[str, Any] = {"block": (2, 3), "n": 4, "m": 4}

every_format = pytest.mark.parametrize("format", FORMATS)


def layout_of(format: str) -> dict[str, Any]:
    return {name: LAYOUTS[name] for name in FORMATS[format].layout_names}


def sample(shape: tuple[int, int], dtype: Any = "float64", density: float = 0.3) -> Array:
    rng = np.random.default_rng(sum(shape))
    values = rng.integers(1, 100, shape) * (rng.random(shape) < density)
    return values.astype(dtype)


def make(format: str, x: Array) -> Matrix:
    return from_dense(x, format, **layout_of(format))


@every_format
@pytest.mark.parametrize("shape", SHAPES)
def test_dense_there_and_back(format: str, shape: tuple[int, int]) -> None:
    x = sample(shape)
    A = make(format, x)
    assert A.shape == shape
    assert A.to_dense().tobytes() == x.tobytes()
    A.check()
    assert A.has_canonical_format
    assert A.has_sorted_indices


@every_format
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(format: str, dtype: str) -> None:
    x = sample((6, 8), dtype)
    A = make(format, x)
    assert A.dtype == x.dtype
    assert A.to_dense().tobytes() == x.tobytes()


@every_format
def test_bfloat16(format: str) -> None:
    pytest.importorskip("ml_dtypes", reason='bfloat16 needs pip install "minisparse[io]"')
    x = sample((6, 8)).astype(bfloat16())
    A = make(format, x)
    assert A.dtype == bfloat16()
    assert A.to_dense().tobytes() == x.tobytes()


@every_format
def test_special_values(format: str) -> None:
    x = np.zeros((2, 8), "float32")
    x[0] = [np.nan, -0.0, np.inf, 0, 0, 0, -0.0, 0]
    A = make(format, x)
    assert np.isnan(A.to_dense()[0, 0])
    assert A.to_dense()[0, 2] == np.inf
    # NaN is not zero, -0.0 is.
    row, col, data, _ = A.triplets()
    assert {(r, c) for r, c, v in zip(row, col, data, strict=True) if v != 0} == {(0, 0), (0, 2)}


@every_format
@pytest.mark.parametrize("order", ["C", "F", "strided", "big-endian", "list"])
def test_memory_of_the_dense_array_does_not_matter(format: str, order: str) -> None:
    x = sample((6, 8))
    given: Any = {
        "C": x,
        "F": np.asfortranarray(x),
        "strided": np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
        "big-endian": x.astype(">f8"),
        "list": x.tolist(),
    }[order]
    A = make(format, given)
    assert A.dtype == np.dtype("float64")
    assert A.dtype.isnative
    assert (A.to_dense() == x).all()


@every_format
def test_accounts_for_its_bytes(format: str) -> None:
    A = make(format, sample((6, 8), "float32"))
    assert A.nnz == A.data.size
    assert A.nbytes == sum(array.nbytes for array in A.arrays.values())
    assert A.storage.values == A.data.nbytes
    assert A.storage.dense == 6 * 8 * 4
    assert A.storage.ratio == A.nbytes / (6 * 8 * 4)
    assert A.density == A.nnz / 48
    t = A.type
    assert (t.shape, t.dtype, t.format, t.nnz, t.block) == (
        A.shape, A.dtype, format, A.nnz, A.block,
    )  # fmt: skip
    assert t.layout == Layout(format, A.block)


@every_format
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("density", [0.0, 0.1, 1.0])
def test_bytes_are_predicted(format: str, shape: tuple[int, int], density: float) -> None:
    x = sample(shape, "float32", density)
    A = make(format, x)
    p = find_pattern(x, rectangles=[(2, 3)])
    assert stored_bytes(p, A.type.layout, 4) == A.nbytes
    assert stored_bytes(p, Layout("dense"), 4) == x.nbytes


@every_format
def test_bytes_are_predicted_for_int64_indices(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "INT32_LIMIT", 7)
    x = sample((6, 8), "float32")
    A = make(format, x)
    p = find_pattern(x, rectangles=[(2, 3)])
    assert stored_bytes(p, A.type.layout, 4) == A.nbytes


@every_format
def test_index_width_follows_the_limit(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.zeros((6, 8))
    x[0, 0] = 1
    wide = {"int32"}, {"int64"}
    if format == "nm":  # positions count within a group
        wide = {"uint8"}, {"uint8"}
    for limit, expected in zip((10**6, 5), wide, strict=True):
        monkeypatch.setattr(index, "INT32_LIMIT", limit)
        A = make(format, x)
        widths = {a.dtype.name for n, a in A.arrays.items() if A.roles[n] != "values"}
        assert widths == expected
        assert type(A).from_arrays(A.arrays, A.shape, A.block).type == A.type
        assert (A.to_dense() == x).all()


@every_format
def test_transpose(format: str) -> None:
    x = sample((5, 7))
    A = make(format, x)
    if format == "nm":
        with pytest.raises(UnsupportedOpError, match=r"A\.to\('csr'\)\.T"):
            _ = A.T
        return
    assert A.T.shape == (7, 5)
    assert A.T.to_dense().tobytes() == x.T.tobytes()
    A.T.check()
    assert (A.T.T.to_dense() == x).all()
    assert not A.T.data.flags.writeable


@every_format
def test_describes_itself(format: str) -> None:
    A = make(format, sample((6, 8), "float32"))
    assert repr(A).startswith(f"{type(A).__name__}(6x8 ")
    assert f"float32, {A.nnz} stored, density" in repr(A)
    assert "<img" in A._repr_html_()
    assert f"{A.nnz} values" in A._repr_html_()
    picture = A.spy().splitlines()
    row, col, _, _ = A.triplets()
    marks = {(r, c) for r in range(6) for c in range(8) if picture[1 + r][1 + 2 * c] == "#"}
    assert marks == set(zip(row.tolist(), col.tolist(), strict=True))


@every_format
@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (300, 200)])
def test_describes_itself_at_any_size(format: str, shape: tuple[int, int]) -> None:
    A = make(format, sample(shape))
    assert f"{shape[0]}x{shape[1]}" in repr(A)
    assert A._repr_html_()
    assert A.spy()


@every_format
def test_is_no_array(format: str) -> None:
    with pytest.raises(TypeError, match="to_dense"):
        np.asarray(make(format, sample((2, 2))))
    with pytest.raises(UnsupportedOpError, match=r"A\.to_dense\(\) \+ b"):
        _ = make(format, sample((2, 2))) + np.ones((2, 2))


@every_format
def test_facts_are_looked_up_and_check_looks_again(format: str) -> None:
    A = make(format, sample((6, 8)))
    assert A.has_canonical_format
    A.check()
    assert "has_canonical_format" not in vars(A)
    assert A.canonical() is A


@every_format
def test_from_triplets_sums_duplicates_in_stored_order(format: str) -> None:
    # Added from the right, float32 would give 1 + 2**-24 + 2**-24 = 1 + 2**-23.
    tiny = 2.0**-24
    data = np.array([1, tiny, 5, tiny, 3], "float32")
    t = Triplets(np.array([1, 1, 0, 1, 2]), np.array([2, 2, 0, 2, 1]), data, (3, 4))
    A = from_triplets(t, format, **layout_of(format))
    assert A.has_canonical_format
    assert A.to_dense().tobytes() == t.to_dense().tobytes()
    assert A.to_dense()[1, 2] == 1
    kept = from_triplets(t, format, canonical=False, **layout_of(format))
    assert kept.to_dense().tobytes() == t.to_dense().tobytes()
    kept.check()


@every_format
def test_bad_input_to_from_dense(format: str) -> None:
    layout = layout_of(format)
    with pytest.raises(ShapeError, match=r"x has shape \(3,\): it must be a matrix"):
        from_dense(np.ones(3), format, **layout)
    with pytest.raises(ShapeError, match=r"shape \(2, 2, 2\)"):
        from_dense(np.ones((2, 2, 2)), format, **layout)
    with pytest.raises(DTypeError, match="object"):
        from_dense(np.array([[object()]]), format, **layout)
    with pytest.raises(DTypeError, match="<U1"):
        from_dense([["a"]], format, **layout)
    with pytest.raises(FormatError, match="masked"):
        from_dense(np.ma.masked_array([[1]], [[True]]), format, **layout)
    with pytest.raises(FormatError, match="not a rectangular array"):
        from_dense([[1, 2], [3]], format, **layout)
    with pytest.raises(UsageError, match="sparse already"):
        from_dense(make(format, np.ones((2, 2))), format, **layout)


@every_format
def test_bad_layout(format: str) -> None:
    layout = layout_of(format)
    with pytest.raises(UsageError, match=f"format '{format}' wants"):
        from_dense(np.ones((2, 2)), format, **layout, color="red")
    if layout:
        with pytest.raises(UsageError, match=r"wants .*=, but nothing was given"):
            from_dense(np.ones((2, 2)), format)


def test_formats_are_found_and_named() -> None:
    assert set(FORMATS) >= {"coo", "csr", "csc", "bsr", "nm"}
    for name, found in FORMATS.items():
        assert found.format == name
        assert found.__name__ == name.upper()
        assert next(iter(found.roles)) == "data"
        assert set(found.roles.values()) <= {"values", "indices", "pointers"}
