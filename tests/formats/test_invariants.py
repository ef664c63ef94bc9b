"""Each broken rule of each format has its own message, with position and value."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minisparse.core.errors import DTypeError, FormatError
from minisparse.formats import BSR, COO, CSC, CSR, NM, Matrix

# A valid matrix of each format. A case replaces some of its arguments.
VALID: dict[type[Matrix], dict[str, Any]] = {
    COO: {"data": [1.0, 2.0, 3.0], "row": [0, 1, 1], "col": [2, 0, 1], "shape": (2, 3)},
    CSR: {"data": [1.0, 2.0, 3.0], "indices": [2, 0, 1], "indptr": [0, 1, 3], "shape": (2, 3)},
    CSC: {"data": [1.0, 2.0, 3.0], "indices": [2, 0, 1], "indptr": [0, 1, 3], "shape": (3, 2)},
    BSR: {
        "data": np.arange(1.0, 9.0).reshape(2, 2, 2) * [[[1, 1], [1, 1]], [[1, 0], [1, 0]]],
        "indices": [0, 1],
        "indptr": [0, 1, 2],
        "shape": (4, 3),
    },
    NM: {
        "data": [[1.0, 2.0, 3.0, 0.0]],
        "positions": [[0, 3, 0, 1]],
        "shape": (1, 5),
        "m": 4,
    },
}
Case = tuple[type[Matrix], dict[str, Any], str]

SHARED: list[Case] = []
for cls in VALID:
    name = cls.__name__
    for array in () if cls is NM else list(cls.roles)[1:]:
        SHARED += [
            (cls, {array: [0.0, 1.0, 2.0]}, f"{name} (F3): {array} has dtype float64: it must"),
            (cls, {array: np.array([], "float64")}, f"{name} (F3): {array} has dtype float64"),
            (cls, {array: [True, False, True]}, f"{name} (F3): {array} has dtype bool"),
            (cls, {array: np.array([0, 1, 2], object)}, f"{name} (F3): {array} has dtype object"),
            (cls, {array: [[0, 1, 2]]}, f"{name} (F3): {array} has shape (1, 3): it must have 1"),
            (cls, {array: 1}, f"{name} (F3): {array} has shape (): it must have 1 dim"),
            (cls, {array: [[0], [1, 2]]}, f"{name} (F3): {array} is not a rectangular array"),
        ]  # fmt: skip
for cls in VALID:
    for shape in ((2,), (2, 3, 4), (-1, 3), (2.0, 3), "ab", 5, None, (2, 2**63), ("2", "3")):
        SHARED.append((cls, {"shape": shape}, f"{cls.__name__} (F1): shape is {shape!r}"))
    rule = "F3" if cls is NM else "F2"
    SHARED += [
        (cls, {"data": 5.0}, f"{cls.__name__} ({rule}): data has shape ()"),
        (cls, {"data": np.ma.masked_array([1.0])}, f"{cls.__name__} ({rule}): data is a masked"),
        (cls, {"data": [[1], [1, 2]]}, f"{cls.__name__} ({rule}): data is not a rectangular"),
    ]

COORDINATES: list[Case] = [
    (COO, {"row": [0, 1]}, "COO (F4): row has 2 elements but data has 3"),
    (COO, {"col": [0, 1, 1, 1]}, "COO (F4): col has 4 elements but data has 3"),
    (COO, {"row": [0, -1, 2]}, "COO (F5): row[1] is -1: it must be at least 0 and less than 2, "
     "the number of rows"),
    (COO, {"row": [0, 1, 2]}, "COO (F5): row[2] is 2: it must be at least 0 and less than 2"),
    (COO, {"col": [0, 3, 0]}, "COO (F6): col[1] is 3: it must be at least 0 and less than 3, "
     "the number of columns"),
    (COO, {"col": np.array([0, 2**63, 0], "uint64")}, f"COO (F6): col[1] is {2**63}"),
    (COO, {"shape": (0, 3)}, "COO (F5): row[0] is 0: it must be at least 0 and less than 0"),
]  # fmt: skip

COMPRESSED: list[Case] = []
for cls, majors, minors in (
    (CSR, "rows", "columns"),
    (CSC, "columns", "rows"),
):
    name = cls.__name__
    COMPRESSED += [
        (cls, {"indptr": [0, 3]}, f"{name} (F4): indptr has 2 elements: it must have 3, one more "
         f"than there are {majors}"),
        (cls, {"indptr": []}, f"{name} (F4): indptr has 0 elements"),
        (cls, {"indptr": [0, 1, 2, 3]}, f"{name} (F4): indptr has 4 elements"),
        (cls, {"indices": [0, 1]}, f"{name} (F5): indices has 2 elements but data has 3"),
        (cls, {"indptr": [1, 1, 3]}, f"{name} (F6): indptr[0] is 1: it must be 0"),
        (cls, {"indptr": [-1, 1, 3]}, f"{name} (F6): indptr[0] is -1"),
        (cls, {"indptr": [0, 4, 3]}, f"{name} (F7): indptr[2] is 3 but indptr[1] is 4: pointers "
         f"must not decrease"),
        (cls, {"indptr": np.array([0, 4, 3], "uint8")}, f"{name} (F7): indptr[2] is 3"),
        (cls, {"indptr": [0, -1, 3]}, f"{name} (F7): indptr[1] is -1 but indptr[0] is 0"),
        (cls, {"indptr": [0, 1, 2]}, f"{name} (F8): indptr[2] is 2 but data has 3 elements"),
        (cls, {"indptr": [0, 1, 2**32 + 3]}, f"{name} (F8): indptr[2] is {2**32 + 3}"),
        (cls, {"indices": [2, 3, 1]}, f"{name} (F9): indices[1] is 3: it must be at least 0 and "
         f"less than 3, the number of {minors}"),
        (cls, {"indices": [2, 0, -1]}, f"{name} (F9): indices[2] is -1"),
        (cls, {"indices": [2, 2**32, 1]}, f"{name} (F9): indices[1] is {2**32}"),
    ]  # fmt: skip
    for data in ([[1.0, 2.0, 3.0]], np.ones((3, 1, 1))):
        COMPRESSED.append((cls, {"data": data}, f"{name} (F2): data has shape {np.shape(data)}"))

BLOCKED: list[Case] = [
    (BSR, {"data": np.ones((2, 2))}, "BSR (F2): data has shape (2, 2): it must have 3 dimension"),
    (BSR, {"data": np.ones((2, 0, 2))}, "BSR (F2): data has shape (2, 0, 2): blocks must be at"),
    (BSR, {"indptr": [0, 2]}, "BSR (F4): indptr has 2 elements: it must have 3, one more than "
     "there are block rows"),
    (BSR, {"indices": [0]}, "BSR (F5): indices has 1 elements but data has 2"),
    (BSR, {"indptr": [1, 1, 2]}, "BSR (F6): indptr[0] is 1"),
    (BSR, {"indptr": [0, 3, 2]}, "BSR (F7): indptr[2] is 2 but indptr[1] is 3"),
    (BSR, {"indptr": [0, 1, 1]}, "BSR (F8): indptr[2] is 1 but data has 2"),
    (BSR, {"indices": [0, 2]}, "BSR (F9): indices[1] is 2: it must be at least 0 and less than 2, "
     "the number of block columns"),
    (BSR, {"shape": (4, 2), "indices": [0, 1]}, "BSR (F9): indices[1] is 1"),
    (BSR, {"data": np.arange(1.0, 9.0).reshape(2, 2, 2)}, "BSR (F10): data[1, 0, 1] is 6.0 but "
     "stands for A[2, 3], outside the shape 4x3: padding must be zero"),
    (BSR, {"shape": (3, 4)}, "BSR (F10): data[1, 1, 0] is 7.0 but stands for A[3, 2]"),
]  # fmt: skip

GROUPED: list[Case] = [
    (NM, {"m": 0}, "NM (F2): m is 0: it must be an integer from 1 to 256"),
    (NM, {"m": 257}, "NM (F2): m is 257"),
    (NM, {"m": 4.0}, "NM (F2): m is 4.0"),
    (NM, {"n": 1}, "NM (F2): n is 1, but data of shape (1, 4) makes it 2"),
    (NM, {"data": np.ones((1, 0)), "positions": np.ones((1, 0), int)}, "NM (F2): n is 0"),
    (NM, {"data": np.ones((1, 10)), "positions": np.ones((1, 10), int)}, "NM (F2): n is 5"),
    (NM, {"data": np.ones((0, 0)), "positions": np.ones((0, 0), int), "shape": (0, 0), "n": 5},
     "NM (F2): n is 5: it must be an integer from 1 to m, which is 4"),
    (NM, {"data": [1.0, 2.0]}, "NM (F3): data has shape (2,): it must have 2 dimension"),
    (NM, {"data": [[1.0, 2.0, 3.0]]}, "NM (F3): data has shape (1, 3): it must be 1 x a multiple "
     "of 2, the number of groups of 4 in a row of 5"),
    (NM, {"data": np.ones((2, 4))}, "NM (F3): data has shape (2, 4): it must be 1 x"),
    (NM, {"shape": (1, 0)}, "NM (F3): data has shape (1, 4)"),
    (NM, {"positions": [0, 3, 0, 1]}, "NM (F4): positions has shape (4,): it must have 2 dim"),
    (NM, {"positions": [[0, 3]]}, "NM (F4): positions has shape (1, 2) but data has (1, 4)"),
    (NM, {"positions": [[0.0, 3.0, 0.0, 1.0]]}, "NM (F4): positions has dtype float64"),
    (NM, {"positions": [[0, 4, 0, 1]]}, "NM (F5): positions[0, 1] is 4: it must be at least 0 and "
     "less than 4, the number of columns in a group"),
    (NM, {"positions": [[0, 259, 0, 1]]}, "NM (F5): positions[0, 1] is 259"),
    (NM, {"positions": [[-1, 3, 0, 1]]}, "NM (F5): positions[0, 0] is -1"),
    (NM, {"positions": [[0, 3, 1, 1]]}, "NM (F6): in row 0, group 1, positions[0, 3] is 1 after 1: "
     "positions must increase"),
    (NM, {"positions": [[3, 0, 0, 1]]}, "NM (F6): in row 0, group 0, positions[0, 1] is 0 after 3"),
    (NM, {"data": [[1.0, 2.0, 3.0, 4.0]]}, "NM (F7): data[0, 3] is 4.0 but stands for A[0, 5], "
     "outside the shape 1x5: padding must be zero"),
]  # fmt: skip

CASES = SHARED + COORDINATES + COMPRESSED + BLOCKED + GROUPED


@pytest.mark.parametrize("cls", VALID)
def test_valid_ones_are_valid(cls: Callable[..., Matrix]) -> None:
    cls(**VALID[cls]).check()  # type: ignore[index]


@pytest.mark.parametrize(("cls", "change", "message"), CASES, ids=[c[2][:60] for c in CASES])
def test_broken_rule(cls: Callable[..., Matrix], change: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(message)):
        cls(**{**VALID[cls], **change})  # type: ignore[index]


@pytest.mark.parametrize("cls", VALID)
@pytest.mark.parametrize("dtype", ["object", "U3", "M8[s]", "V4", "uint64", "longdouble"])
def test_values_without_arithmetic(cls: Callable[..., Matrix], dtype: str) -> None:
    valid = VALID[cls]  # type: ignore[index]
    data = np.zeros(np.shape(valid["data"]), dtype)
    with pytest.raises(DTypeError, match=r"data: dtype .* is not supported; use one of bool, int8"):
        cls(**{**valid, "data": data})


def test_every_rule_that_a_docstring_names_has_a_case() -> None:
    for cls in VALID:
        named = set(re.findall(r"\bF\d+\b", (cls.__doc__ or "").split("Notes")[0]))
        tested = {
            m[1] for c, _, text in CASES if c is cls and (m := re.search(r"\((F\d+)\)", text))
        }
        assert named == tested, cls


@pytest.mark.parametrize("width", ["int8", "uint8", "int16", "uint32", "int64", "uint64", ">i4"])
@pytest.mark.parametrize("cls", [COO, CSR, CSC, BSR])
def test_other_integers_are_converted(cls: Callable[..., Matrix], width: str) -> None:
    valid = VALID[cls]  # type: ignore[index]
    A = cls(
        **{k: np.array(v, width) if k not in ("data", "shape") else v for k, v in valid.items()}
    )
    for name, role in A.roles.items():
        if role != "values":
            assert A.arrays[name].dtype == np.dtype("int32")
            assert A.arrays[name].dtype.isnative
    assert (A.to_dense() == cls(**valid).to_dense()).all()


@pytest.mark.parametrize("cls", VALID)
def test_big_endian_and_strided_values(cls: Callable[..., Matrix]) -> None:
    valid = VALID[cls]  # type: ignore[index]
    data = np.asarray(valid["data"])
    strided = np.repeat(data, 2, axis=-1)[..., ::2].astype(">f8")
    A = cls(**{**valid, "data": strided})
    assert A.dtype.isnative
    assert A.data.flags.c_contiguous
    assert (A.data == data).all()


def test_empty_lists_are_indices() -> None:
    assert CSR([], [], [0, 0], (1, 3)).nnz == 0
    assert COO([], [], [], (1, 3)).nnz == 0


def test_arrays_that_fit_are_not_copied() -> None:
    data, indices, indptr = np.ones(2), np.array([0, 1], "int32"), np.array([0, 1, 2], "int32")
    A = CSR(data, indices, indptr, (2, 2))
    assert np.shares_memory(A.data, data)
    assert np.shares_memory(A.indices, indices)
    assert np.shares_memory(A.T.indptr, indptr)
    assert data.flags.writeable


def test_with_data_keeps_padding_zero() -> None:
    for A in (BSR(**VALID[BSR]), NM(**VALID[NM])):
        data = np.ones(A.data.shape)
        with pytest.raises(FormatError, match=r"padding must be zero"):
            A.with_data(data)


def test_check_finds_what_was_broken_behind_its_back() -> None:
    indices = np.array([0, 1], "int32")
    A = CSR(np.ones(2), indices, [0, 2], (1, 2))
    assert A.has_canonical_format
    indices[:] = 1
    A.check()  # still valid …
    assert not A.has_canonical_format  # … but with a duplicate, which the check makes it see
    indices[1] = 7
    with pytest.raises(FormatError, match=re.escape("CSR (F9): indices[1] is 7")):
        A.check()


@pytest.mark.parametrize("cls", VALID)
def test_check_verifies_trusted_arrays(cls: type[Matrix]) -> None:
    valid = dict(VALID[cls])
    A = cls(**valid)
    arrays = {name: np.array(array) for name, array in A.arrays.items()}
    arrays["data"] = arrays["data"][:-1]
    with pytest.raises(FormatError):
        A._trusted(A.shape, **arrays, **A._extras).check()


@pytest.mark.parametrize(
    ("cls", "arrays", "is_sorted", "canonical"),
    [
        (CSR, ([0, 2, 0, 1], [0, 2, 2, 4]), True, True),
        (CSR, ([0, 0, 0, 1], [0, 2, 2, 4]), True, False),
        (CSR, ([2, 0, 0, 1], [0, 2, 2, 4]), False, False),
        (CSR, ([0, 1, 2, 0], [0, 3, 3, 4]), True, True),
        (CSR, ([0, 1, 2, 0], [0, 0, 4, 4]), False, False),
        (CSR, ([2, 1, 0, 0], [0, 1, 2, 4]), True, False),
        (CSC, ([0, 2, 0, 1], [0, 2, 2, 4]), True, True),
        (CSC, ([0, 0, 0, 1], [0, 2, 2, 4]), True, False),
        (CSC, ([2, 0, 0, 1], [0, 2, 2, 4]), False, False),
        (COO, ([0, 0, 1, 2], [0, 2, 0, 0]), True, True),
        (COO, ([0, 0, 1, 2], [2, 2, 0, 0]), True, False),
        (COO, ([0, 0, 1, 2], [2, 0, 0, 0]), False, False),
        (COO, ([1, 0, 1, 2], [0, 0, 1, 0]), False, False),
        (BSR, ([0, 2, 0, 1], [0, 2, 2, 4]), True, True),
        (BSR, ([0, 0, 0, 1], [0, 2, 2, 4]), True, False),
        (BSR, ([2, 0, 0, 1], [0, 2, 2, 4]), False, False),
    ],
)
def test_facts(
    cls: Callable[..., Matrix],
    arrays: tuple[list[int], list[int]],
    is_sorted: bool,
    canonical: bool,
) -> None:
    data = np.ones((4, 1, 1)) if cls is BSR else np.ones(4)
    A = cls(data, *arrays, (3, 3))
    assert A.has_sorted_indices == is_sorted
    assert A.has_canonical_format == canonical
    B = A.canonical()
    assert B.has_canonical_format
    assert B.type.layout == A.type.layout
    assert (B.to_dense() == A.to_dense()).all()
