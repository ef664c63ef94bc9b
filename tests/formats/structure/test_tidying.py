"""The same matrix stored more neatly is a new matrix; copies and pickles are checked ones."""

import copy
import copyreg
import io
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.errors import FormatError, UnsupportedOpError
from minisparse.formats import BSR, COO, CSR, FORMATS, Matrix, from_dense
from tests.formats.structure.matrices import dense, is_same, layout_of, matrices

every_format = pytest.mark.parametrize("format", FORMATS)


def arrays_of(A: Matrix) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in A.arrays.items()}


@every_format
@given(data=st.data())
def test_neater_and_the_same(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format, special=True))
    x, before = A.to_dense(), arrays_of(A)
    tidy = [A.canonical(), A.sum_duplicates(), A.sort_indices(), A.copy()]
    if format != "nm":
        tidy.append(A.eliminate_zeros())
    for B in tidy:
        assert is_same(dense(B), x)
        assert (type(B), B.block) == (type(A), A.block)
    assert tidy[1].has_canonical_format
    assert tidy[2].has_sorted_indices
    assert tidy[2].nnz == A.nnz
    assert arrays_of(A) == before
    if format not in ("nm", "bsr"):
        assert (tidy[-1].data != 0).all()
        assert tidy[-1].nnz == (A.data != 0).sum()


@every_format
@given(data=st.data())
def test_pickled_whole(format: str, data: st.DataObject) -> None:
    A = data.draw(matrices(format, special=True))
    B = pickle.loads(pickle.dumps(A))
    assert B.type == A.type
    assert arrays_of(B) == arrays_of(A)
    dense(B)


def dumps_as(A: Matrix, reduced: tuple[Any, ...]) -> bytes:
    """Return the pickle that somebody else would have made of A."""
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream)
    table = copyreg.dispatch_table.copy()
    table[type(A)] = lambda _: reduced
    pickler.dispatch_table = table
    pickler.dump(A)
    return stream.getvalue()


@every_format
def test_a_tampered_pickle_is_found_out(format: str) -> None:
    A = from_dense(np.arange(30.0).reshape(5, 6), format, **layout_of(format))
    function, (arrays, shape, block) = A.__reduce__()
    assert arrays_of(pickle.loads(dumps_as(A, A.__reduce__()))) == arrays_of(A)
    tampered: list[tuple[Any, Any, Any]] = [(arrays, (5,), block), (arrays, (2, 2), block),
                (arrays, shape, (7, 7)), (arrays, shape, 5), (None, shape, block),
                ({}, shape, block)]  # fmt: skip
    for name, array in arrays.items():
        changed: list[Any] = [array[:-1], None, 5, array.astype("U8"), array.astype(object)]
        if A.roles[name] != "values":
            changed += [array + 50, array.astype("float64"), -1 - array.astype("int64")]
        if A.roles[name] == "pointers":
            changed.append(np.array([0, array[-1], *array[2:-1] * 0, array[-1]]))
        tampered += [({**arrays, name: other}, shape, block) for other in changed]
    for state in tampered:
        with pytest.raises((FormatError, TypeError), match=type(A).__name__):
            pickle.loads(dumps_as(A, (function, state)))


@every_format
def test_copies_are_checked_too(format: str) -> None:
    index = next(n for n, role in FORMATS[format].roles.items() if role == "indices")
    for copied in (copy.copy, copy.deepcopy):
        A = from_dense(np.ones((5, 6)), format, **layout_of(format)).copy()
        writeable: Any = A.arrays[index].base
        writeable.reshape(-1)[0] = 99
        with pytest.raises(FormatError, match=f"{index}.* is 99"):
            copied(A)


@every_format
def test_a_copy_has_arrays_of_its_own(format: str) -> None:
    A = from_dense(np.eye(6), format, **layout_of(format))
    B = A.copy()
    for name, array in B.arrays.items():
        assert not np.shares_memory(array, A.arrays[name])
        assert not array.flags.writeable
    mine = np.ones(2)
    C = COO(mine, [0, 1], [0, 1], (2, 2))
    D = C.copy()
    mine[:] = 7
    assert D.data.tolist() == [1, 1]


def test_sorting_keeps_duplicates_in_stored_order() -> None:
    data, col = np.arange(6.0), [2, 0, 2, 1, 0, 0]
    coo = COO(data, [1, 1, 1, 0, 0, 1], col, (2, 3)).sort_indices()
    assert coo.data.tolist() == [4, 3, 1, 5, 0, 2]
    csr = CSR(data, col, [0, 3, 6], (2, 3)).sort_indices()
    assert (csr.data.tolist(), csr.triplets().col.tolist()) == (
        [1, 0, 2, 4, 5, 3],
        [0, 2, 2, 0, 0, 1],
    )
    assert csr.T.sort_indices().data.tolist() == [1, 0, 2, 4, 5, 3]
    assert csr.sort_indices() is csr
    blocks = np.arange(12.0).reshape(3, 1, 4)
    bsr = BSR(blocks, [1, 0, 1], [0, 3], (1, 8)).sort_indices()
    assert bsr.data[:, 0, 0].tolist() == [4, 0, 8]


def test_zeros_are_eliminated_as_they_are_stored() -> None:
    A = COO([0.0, 1.0, -1.0, -0.0, np.nan], [0, 0, 0, 1, 1], [0, 1, 1, 0, 1], (2, 2))
    assert A.eliminate_zeros().nnz == 3
    assert A.canonical().eliminate_zeros().nnz == 1
    assert A.eliminate_zeros().eliminate_zeros().nnz == 3
    B = from_dense([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]], "bsr", block=(1, 2))
    assert (B * 0).nnz == 2
    assert (B * 0).eliminate_zeros().nnz == 0
    assert (B + from_dense([[0.0, 0.0, 0.0, 3.0]] * 2, "bsr", block=(1, 2))).nnz == 6


@every_format
def test_what_is_neat_is_not_copied(format: str) -> None:
    A = from_dense(np.ones((4, 6)), format, **layout_of(format))
    assert A.sort_indices() is A
    assert A.canonical() is A
    assert format == "nm" or A.eliminate_zeros() is A


def test_groups_keep_their_zeros() -> None:
    A = from_dense(np.eye(4), "nm", n=2, m=4)
    with pytest.raises(UnsupportedOpError, match=r"write A\.to\('csr'\)\.eliminate_zeros\(\)"):
        A.eliminate_zeros()
    assert A.sort_indices() is A
    assert A.sum_duplicates() is A
