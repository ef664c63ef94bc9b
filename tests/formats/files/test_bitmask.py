"""Bitmask-packed tensors: each part that contradicts another is refused, with what it is."""

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError
from minisparse.formats import CSR, NM
from minisparse.formats.files.bitmask import unpack_bitmasks


def parts(mask: Array, values: Array | None = None, **more: Array) -> dict[str, Array]:
    """Return the tensors of a packed matrix, some of them replaced."""
    shape = np.array(mask.shape)
    packed = {
        "compressed": np.arange(1.0, mask.sum() + 1) if values is None else values,
        "bitmask": np.packbits(mask, axis=1, bitorder="little"),
        "shape": shape,
    } | more
    return {f"w.{name}": x for name, x in packed.items()}


TWO_FOUR = np.tile([True, False, True, False], (2, 2))
ANY = np.array([[True, True, True, False], [False, False, True, False]])


def test_two_of_four() -> None:
    A = unpack_bitmasks(parts(TWO_FOUR), "x")["w"]
    assert isinstance(A, NM)
    assert A.block == (2, 4)
    assert A.to_dense()[1].tolist() == [5, 0, 6, 0, 7, 0, 8, 0]
    empty = unpack_bitmasks(parts(np.zeros((3, 0), bool)), "x")["w"]
    assert isinstance(empty, NM)
    assert (empty.shape, empty.block) == ((3, 0), (2, 4))


def test_any_pattern_with_row_offsets() -> None:
    A = unpack_bitmasks(parts(ANY, row_offsets=np.array([0, 3])), "x")["w"]
    assert isinstance(A, CSR)
    assert A.to_dense().tolist() == [[1, 2, 3, 0], [0, 0, 4, 0]]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (parts(TWO_FOUR, np.ones(7)), "8 bits set for 7 values"),
        (parts(TWO_FOUR, np.ones(9)), "8 bits set for 9 values"),
        (parts(ANY, row_offsets=np.array([0, 2])), "row_offsets are not those of the bitmask"),
        (parts(ANY, row_offsets=np.array([0])), "row_offsets has 1 elements for 2 rows"),
        (parts(ANY), "has 3 of columns|bitmask has 3 of columns 0 to 3 of row 0 set"),
        (parts(TWO_FOUR, shape=np.array([-2, 8])), "shape"),
        (parts(TWO_FOUR, bitmask=np.ones((2, 1), np.int8)), "bitmask is int8 .* must be uint8"),
        (parts(TWO_FOUR) | {"w": np.ones(3)}, "there both packed and plain"),
    ],
)
def test_contradictions(tensors: dict[str, Array], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        unpack_bitmasks(tensors, "x")
