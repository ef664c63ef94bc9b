"""Every ordered pair of formats, on awkward matrices, keeps the dense meaning bit for bit."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core import index
from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.core.tensor_type import Layout
from minisparse.core.triplets import Triplets
from minisparse.formats import (
    COO,
    CSC,
    CSR,
    FORMATS,
    NM,
    Matrix,
    convert,
    from_triplets,
)
from minisparse.formats.ordering import lexical_order, stable_order

DTYPES = "bool int8 uint8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
LAYOUTS: dict[str, Any] = {"block": (2, 3), "n": 4, "m": 4}
PAIRS = list(itertools.product(FORMATS, FORMATS))


def layout_of(format: str) -> dict[str, Any]:
    return {name: LAYOUTS[name] for name in FORMATS[format].layout_names}


def triplets(kind: str, dtype: str = "float64") -> Triplets:
    """Return stored entries as awkward as their name."""
    rng = np.random.default_rng(7)
    shape = {"one row": (1, 11), "one column": (11, 1), "no rows": (0, 6), "no columns": (6, 0),
             "nothing": (0, 0), "many digits": (3, 70_000)}.get(kind, (9, 11))  # fmt: skip
    size = shape[0] * shape[1]
    count = {"empty": 0, "full": size, "one entry": 1, "duplicates": 150}.get(kind, min(size, 25))
    if kind == "duplicates":
        flat = rng.integers(0, 20, count) * 3
    else:
        flat = rng.choice(size, count, replace=False) if size else np.zeros(0, int)
    if kind in ("sorted", "full", "explicit zeros"):
        flat = np.sort(flat)
    if kind == "empty rows":
        flat = flat[(flat // shape[1]) % 3 == 1]
    data = rng.integers(1, 99, len(flat)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        data *= np.asarray(1 / 7, dtype)  # so that the order of summation can be seen
    if kind == "explicit zeros":
        data[::2] = 0
    width = shape[1] or 1
    return Triplets(flat // width, flat % width, data, shape)


KINDS = (
    "unsorted", "sorted", "duplicates", "explicit zeros", "empty rows", "empty", "full",
    "one entry", "one row", "one column", "no rows", "no columns", "nothing", "many digits",
)  # fmt: skip


def sources(t: Triplets, format: str) -> Iterator[Matrix]:
    """Yield the matrix canonical, and as awkward as the format can hold it."""
    for canonical in (True, False):
        yield from_triplets(t, format, canonical=canonical, **layout_of(format))


def same_bits(A: Matrix, x: Array) -> bool:
    dense = A.to_dense()
    return dense.shape == x.shape and dense.dtype == x.dtype and dense.tobytes() == x.tobytes()


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("kind", KINDS)
def test_pair(source: str, target: str, kind: str) -> None:
    t = triplets(kind)
    for A in sources(t, source):
        assert same_bits(A, t.to_dense())
        B = A.to(target, **layout_of(target))
        assert type(B) is FORMATS[target]
        B.check()
        assert same_bits(B, t.to_dense())
        if source == target:
            assert B is A
        else:
            assert B.has_canonical_format


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_pair_keeps_the_dtype(source: str, target: str, dtype: str) -> None:
    t = triplets("duplicates", dtype)
    for A in sources(t, source):
        B = A.to(target, **layout_of(target))
        assert B.dtype == np.dtype(dtype)
        assert same_bits(B, t.to_dense())


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_pair_in_bfloat16(source: str, target: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason='pip install "minisparse[io]"')
    t = triplets("duplicates")
    t = t._replace(data=t.data.astype(ml_dtypes.bfloat16))
    for A in sources(t, source):
        assert same_bits(A.to(target, **layout_of(target)), t.to_dense())


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_pair_with_int64_indices(source: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "INT32_LIMIT", 10)
    t = triplets("duplicates")
    for A in sources(t, source):
        B = A.to(target, **layout_of(target))
        assert same_bits(B, t.to_dense())
        widths = {a.dtype.name for n, a in B.arrays.items() if B.roles[n] != "values"}
        assert widths == ({"uint8"} if target == "nm" else {"int64"})


@pytest.mark.parametrize("source", ["coo", "csr", "csc"])
@pytest.mark.parametrize("target", ["coo", "csr", "csc"])
def test_explicit_zeros_stay_stored(source: str, target: str) -> None:
    t = triplets("explicit zeros")
    B = from_triplets(t, source).to(target)
    row, col, _, _ = B.triplets()
    assert set(zip(row, col, strict=True)) == set(zip(t.row, t.col, strict=True))


def test_a_stored_negative_zero_is_zero_in_the_dense_array() -> None:
    for cells in ([0, 1], [1, 1]):  # with and without duplicates elsewhere
        t = Triplets(np.array([0, 0, 0]), np.array([2, *cells]), np.array([-0.0, 1, 2]), (1, 3))
        for format in ("coo", "csr", "csc"):
            for A in sources(t, format):
                assert not np.signbit(A.to_dense()).any()


def test_duplicates_that_cancel_keep_their_slot() -> None:
    A = COO([1.0, -1.0], [0, 0], [1, 1], (1, 2)).to("csr")
    assert (A.data.tolist(), A.nnz) == ([0.0], 1)


def test_entries_keep_their_order_unless_canonical() -> None:
    t = Triplets(np.array([2, 0, 2, 2, 0]), np.array([1, 3, 0, 1, 3]), np.arange(5.0), (3, 4))
    coo = from_triplets(t, "coo", canonical=False)
    assert isinstance(coo, COO)
    assert (coo.row.tolist(), coo.data.tolist()) == ([2, 0, 2, 2, 0], [0, 1, 2, 3, 4])
    csr = from_triplets(t, "csr", canonical=False)
    assert isinstance(csr, CSR)
    assert (csr.data.tolist(), csr.indices.tolist()) == ([1, 4, 0, 2, 3], [3, 3, 1, 0, 1])
    csc = from_triplets(t, "csc", canonical=False)
    assert isinstance(csc, CSC)
    assert (csc.data.tolist(), csc.indices.tolist()) == ([2, 0, 3, 1, 4], [2, 2, 2, 0, 0])
    assert not csr.has_sorted_indices


def test_a_layout_brings_its_block() -> None:
    A = CSR([1.0], [0], [0, 1, 1], (2, 4))
    assert A.to(Layout("bsr", (2, 2))).block == (2, 2)
    assert A.to(Layout("nm", (1, 4))).block == (1, 4)
    assert isinstance(A.to(Layout("nm", (1, 4))), NM)
    assert A.to(A.type.layout) is A
    B = A.to("bsr", block=(2, 2))
    assert convert(B, "bsr", block=(2, 2)) is B
    assert convert(B, "bsr", block=(1, 2)).block == (1, 2)


def test_names_that_do_not_exist() -> None:
    A = CSR([1.0], [0], [0, 1, 1], (2, 4))
    with pytest.raises(UsageError, match=r"unknown format 'csd'; formats: bsr, coo, csc, csr, nm"):
        A.to("csd")
    with pytest.raises(UsageError, match=r"write A\.to_dense\(\)"):
        A.to("dense")
    with pytest.raises(UsageError, match="format 'csr' wants nothing more, but block= was given"):
        A.to("csr", block=(2, 2))
    with pytest.raises(UsageError, match="format 'csr' wants nothing more"):
        A.to(Layout("csr", (2, 2)))
    with pytest.raises(UsageError, match="format 'bsr' wants block=, but nothing was given"):
        A.to("bsr")
    with pytest.raises(UsageError, match="format 'nm' wants n=, m=, but n= was given"):
        A.to("nm", n=2)


def test_sort_by_several_digits() -> None:
    rng = np.random.default_rng(0)
    for bound in (1, 2**16, 2**16 + 1, 2**33, 2**63 - 1):
        keys = rng.integers(0, bound, 300)
        keys[::3] = keys[0]
        assert (stable_order(keys, bound) == np.argsort(keys, kind="stable")).all()
        minor = rng.integers(0, bound, 300)
        order = lexical_order(keys, minor, (bound, bound))
        expected = np.lexsort((minor, keys))
        assert ((np.arange(300) if order is None else order) == expected).all()


def test_huge_shapes_do_not_overflow() -> None:
    huge = 2**40
    A = COO([1.0, 2.0, 4.0], [huge - 1, 5, huge - 1], [huge - 1, 7, huge - 1], (huge, huge))
    B = A.canonical()
    assert isinstance(B, COO)
    assert B.row.dtype == np.int64
    assert (B.row.tolist(), B.data.tolist()) == ([5, huge - 1], [2.0, 5.0])
    assert A.density < 1e-20


@st.composite
def chains(draw: st.DrawFn) -> tuple[Triplets, list[tuple[str, dict[str, Any]]]]:
    shape = draw(st.tuples(st.integers(0, 9), st.integers(0, 9)))
    size = shape[0] * shape[1]
    cells = draw(st.lists(st.integers(0, size - 1), max_size=30)) if size else []
    values = st.sampled_from([0.0, 1.0, -1.0, 0.1, 1e16, -1e16, 3.0])
    data = draw(st.lists(values, min_size=len(cells), max_size=len(cells)))
    flat = np.array(cells, np.int64)
    width = shape[1] or 1
    m = draw(st.integers(1, 6))
    options = {
        "block": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "n": st.just(m),
        "m": st.just(m),
    }
    names = draw(st.lists(st.sampled_from(list(FORMATS)), min_size=1, max_size=5))
    steps = [(f, {k: draw(options[k]) for k in FORMATS[f].layout_names}) for f in names]
    return Triplets(flat // width, flat % width, np.array(data), shape), steps


@given(chain=chains(), canonical=st.booleans())
def test_chains_keep_the_meaning(
    chain: tuple[Triplets, list[tuple[str, dict[str, Any]]]], canonical: bool
) -> None:
    t, steps = chain
    A = from_triplets(t, "coo", canonical=canonical)
    for name, layout in steps:
        A = A.to(name, **layout)
        A.check()
        assert same_bits(A, t.to_dense())
