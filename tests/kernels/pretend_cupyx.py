"""A stand-in for cupyx's sparse matrices and its cuSPARSE; see ``pretend_nvmath.py``."""

from collections import Counter
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array


class CsrMatrix:
    """cupyx.scipy.sparse.csr_matrix: around arrays of the device, and what is known of them."""

    def __init__(self, arrays: tuple[Any, Any, Any], shape: tuple[int, int], copy: bool) -> None:
        assert not copy
        self.data, self.indices, self.indptr = arrays
        self.shape = shape
        self.has_canonical_format: bool | None = None

    def dense(self) -> Array:
        full = np.zeros(self.shape, self.data.dtype)
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.indptr.get()))
        full[rows, self.indices.get()] = self.data.get()
        return full


class PretendCupyx:
    """cupyx.cusparse, as strict as it is about order and dtypes."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self.calls: Counter[str] = Counter()

    def _checked(self, a: CsrMatrix, *others: Any) -> None:
        assert a.has_canonical_format is True
        assert {a.data.dtype.char, *(x.dtype.char for x in others)} in ({"f"}, {"d"}, {"F"}, {"D"})

    def spmm(self, a: CsrMatrix, b: Any, c: Any = None, transb: bool = False) -> Any:
        self.calls["spmm"] += 1
        self._checked(a, b)
        assert b.flags.f_contiguous
        assert c is None
        host = b.get()
        return self._cupy.asarray(np.asfortranarray(a.dense() @ (host.T if transb else host)))

    def spmv(self, a: CsrMatrix, x: Any) -> Any:
        self._checked(a, x)
        return self._cupy.asarray(a.dense() @ x.get())

    def spgemm(self, a: CsrMatrix, b: CsrMatrix) -> CsrMatrix:
        self._checked(a, b.data)
        product = a.dense() @ b.dense()
        structure = ((a.dense() != 0).astype(int) @ (b.dense() != 0).astype(int)) > 0
        rows, columns = np.nonzero(structure)
        starts = np.searchsorted(rows, np.arange(len(product) + 1)).astype("int32")
        parts = (product[rows, columns], columns.astype("int32"), starts)
        data, indices, indptr = map(self._cupy.asarray, parts)
        made = CsrMatrix((data, indices, indptr), product.shape, copy=False)
        made.has_canonical_format = True
        return made
