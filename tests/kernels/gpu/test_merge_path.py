"""SpMV in pieces of equal size: where pieces begin, and rows that begin and end inside of them."""

import numpy as np
import pytest

from minisparse.formats import CSR
from minisparse.kernels.spmv import merge_path
from minisparse.kernels.spmv import threads_csr as spmv


@pytest.mark.parametrize("seed", range(3))
def test_where_on_the_path_rows_end(seed: int) -> None:
    counts = np.random.default_rng(seed).choice([0, 0, 1, 2, 9], 12)
    indptr = np.append(0, np.cumsum(counts))
    path = "".join("e" * n + "w" for n in counts)
    for step in range(len(path) + 1):
        ended = path[:step].count("w")
        assert merge_path.rows_ended(indptr, step, 0, 12) == ended
        assert merge_path.rows_ended(indptr, step, ended, ended) == ended


@pytest.mark.parametrize("items", [1, 2, 3, 5, 7])
def test_rows_that_end_and_begin_anywhere_in_a_piece(items: int) -> None:
    rng = np.random.default_rng(items)
    for _ in range(5):
        counts = rng.choice([0, 1, 2, 3, 8, 40], 14)
        indptr = np.append(0, np.cumsum(counts))
        a = CSR(rng.integers(1, 9, indptr[-1]), np.zeros(indptr[-1], int), indptr, (14, 1))
        wanted = np.add.reduceat(np.append(a.data, 0), indptr[:-1]) * (counts > 0)
        for threads in (1, 4, 8):
            found = spmv.equal_pieces(a, np.ones(1, int), threads=threads, items=items)
            np.testing.assert_array_equal(found, wanted)
