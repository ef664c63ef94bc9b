"""A stand-in for nvmath's bindings of cuSPARSELt; see ``pretend_nvmath.py``."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.kernels.pretend_nvmath import DTYPES, RECORD, Library, PretendError, at, scalar


class PretendCusparseLt(Library):
    """nvmath.bindings.cusparseLt; what it calls compressed is a copy of the whole."""

    functions = RECORD["cusparseLt"]
    cuSPARSELtError = PretendError  # noqa: N815
    Sparsity = SimpleNamespace(SPARSITY_50_PERCENT=0)
    ComputeType = SimpleNamespace(COMPUTE_32F=2)
    MatmulAlg = SimpleNamespace(DEFAULT=0)

    def init(self) -> int:
        return self.make(kind="handle")

    def dense_descriptor_init(self, handle: int, m: int, n: int, *rest: Any) -> int:
        ld, alignment, kind, order = rest
        self.check(handle, DTYPES[kind])
        assert (ld, order, alignment) == (n, 2, 16)
        assert n % 8 == 0
        return self.make(kind="dense", shape=(m, n), dtype=DTYPES[kind])

    def structured_descriptor_init(self, handle: int, m: int, n: int, *rest: Any) -> int:
        assert m % 16 == n % 16 == rest[-1] == 0
        number = self.dense_descriptor_init(handle, m, n, *rest[:-1])
        self.alive[number].kind = "structured"
        return number

    def mat_descriptor_destroy(self, number: int) -> None:
        self.destroy(number)

    matmul_descriptor_destroy = matmul_alg_selection_destroy = mat_descriptor_destroy
    matmul_plan_destroy = mat_descriptor_destroy

    def sp_mma_compressed_size2(self, handle: int, descriptor: int) -> tuple[int, int]:
        d = self.alive[descriptor]
        assert d.kind == "structured"
        return int(np.prod(d.shape)) * np.dtype(d.dtype).itemsize, 0

    def sp_mma_compress2(
        self, handle: int, descriptor: int, is_a: int, op: int, *rest: Any
    ) -> None:
        dense, compressed, _, _ = rest
        d = self.alive[descriptor]
        assert (is_a, op) == (1, 0)
        given = at(dense, d.shape, d.dtype)
        assert (np.count_nonzero(given.reshape(-1, 4), axis=1) <= 2).all()
        at(compressed, d.shape, d.dtype)[...] = given

    def matmul_descriptor_init(self, handle: int, *given: Any) -> int:
        op_a, op_b, a, b, c, d, compute = given
        assert (op_a, op_b, c, compute) == (0, 0, d, self.ComputeType.COMPUTE_32F)
        return self.make(kind="matmul", a=a, b=b, c=c)

    def matmul_alg_selection_init(self, handle: int, product: int, way: int) -> int:
        return self.make(kind="selection", product=product)

    def matmul_plan_init(self, handle: int, product: int, selection: int) -> int:
        assert self.alive[selection].product == product
        return self.make(kind="plan", product=product, searched=False)

    def matmul_get_workspace(self, handle: int, plan: int) -> int:
        return 16 if self.alive[plan].searched else 0

    def matmul_search(self, handle: int, plan: int, *given: Any) -> None:
        self.calls["search"] += 1
        self.matmul(handle, plan, *given)
        self.alive[plan].searched = True

    def matmul(self, handle: int, plan: int, *given: Any) -> None:
        self.calls["matmul"] += 1
        self.check(handle)
        alpha, a, b, beta, c, d, workspace, streams, count = given
        if self.alive[plan].searched:
            self.write(workspace, 16)
        assert (c, count, at(streams, (1,), np.uintp)[0]) == (d, 1, 7)
        product = self.alive[self.alive[plan].product]
        left, right, result = (self.alive[x] for x in (product.a, product.b, product.c))
        assert scalar(beta, 0) == 0
        wide = at(a, left.shape, left.dtype).astype("f") @ at(b, right.shape, right.dtype).astype(
            "f"
        )
        at(c, result.shape, result.dtype)[...] = scalar(alpha, 0) * wide
