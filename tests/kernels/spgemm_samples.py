"""Operands for the tests of spgemm, and what is compared of its results."""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.formats import CSR, Matrix
from minisparse.ops import SPGEMM, Sample
from minisparse.ops.hard_matrices import random_values
from tests.kernels.reference import hold

FORMATS = ("csr", "csc", "coo", "bsr")


def samples() -> list[Sample]:
    return list(SPGEMM.samples(np.random.default_rng(11)))


def pair(sample: Sample, format: str) -> tuple[Matrix, Matrix]:
    """Return A and B in a format; blocks of A are 2 x 3, those of B 3 x 2."""
    a, b = sample.operands
    assert isinstance(a, Triplets)
    assert isinstance(b, Triplets)
    return hold(a, format, (2, 3)), hold(b, format, (3, 2))


def stored(a: Matrix) -> Array:
    """Return which cells are stored, and how often; the padding of blocks left out."""
    row, col, _, shape = a.triplets()
    found = np.zeros(shape, int)
    np.add.at(found, (row, col), 1)
    return found


def bits(c: Matrix) -> list[bytes]:
    """Return the bytes of every array, a zero's sign aside."""
    arrays = {**c.arrays, "data": c.data + c.dtype.type(0)}
    return [array.tobytes() for array in arrays.values()]


def large(seed: int, shape: tuple[int, int], density: float, dtype: Any = "float32") -> CSR:
    """Return a matrix whose rows have lengths by a power law: the first few are nearly full."""
    rng = np.random.default_rng(seed)
    weights = np.arange(1, shape[0] + 1) ** -0.7
    mean = weights / weights.mean() * density * shape[1]
    counts = np.minimum(rng.poisson(mean), shape[1])
    col = np.concatenate([rng.choice(shape[1], count, replace=False) for count in counts])
    indptr = np.append(0, np.cumsum(counts))
    return CSR(random_values(rng, (len(col),), dtype), col, indptr, shape)
