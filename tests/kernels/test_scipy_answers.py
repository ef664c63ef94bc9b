"""Every kernel at every level beside SciPy, which knows nothing of our oracle."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.formats import Matrix
from minisparse.kernels import KERNELS, PROVIDERS
from minisparse.ops import OPS, Sample
from tests.kernels.reference import hold
from tests.kernels.test_every_kernel import EVERY, held, run, types_of

sparse = pytest.importorskip("scipy.sparse", reason='pip install "minisparse[peers]"')
special = pytest.importorskip("scipy.special", reason='pip install "minisparse[peers]"')
signal = pytest.importorskip("scipy.signal", reason='pip install "minisparse[peers]"')

RNG = np.random.default_rng(11)


def random_matrix(m: int, k: int, density: float = 0.3) -> Triplets:
    row, col = np.nonzero(RNG.random((m, k)) < density)
    return Triplets(row, col, RNG.standard_normal(len(row)).astype("float32"), (m, k))


def normal(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype("float32")


A, B = random_matrix(14, 12), random_matrix(14, 12)
CONV = {"kernel_shape": (2, 3), "pads": (1, 0, 1, 2)}
SAMPLES: dict[str, Sample] = {
    "spmm": Sample("", (A, normal(12, 5))),
    "spmv": Sample("", (A, normal(12))),
    "spmm_t": Sample("", (A, normal(14, 5))),
    "dsmm": Sample("", (normal(5, 14), A)),
    "spgemm": Sample("", (A, random_matrix(12, 9))),
    "sddmm": Sample("", (A, normal(14, 6), normal(6, 12))),
    "softmax": Sample("", (A,)),
    "attention": Sample("", (A, normal(14, 4), normal(12, 4), normal(12, 7))),
    "add": Sample("", (A, B)),
    "multiply": Sample("", (A, B)),
    "relu": Sample("", (A,)),
    "gelu": Sample("", (A,)),
    "silu": Sample("", (A,)),
    "clip": Sample("", (A,), {"min": -0.5, "max": 0.5}),
    "reduce_sum": Sample("", (A,), {"axes": (1,), "keepdims": 0}),
    "reduce_mean": Sample("", (A,), {"axes": (0,), "keepdims": 0}),
    "reduce_max": Sample("", (A,), {"axes": (1,), "keepdims": 0}),
    "reduce_min": Sample("", (A,), {"axes": (0,), "keepdims": 0}),
    "conv": Sample("", (normal(2, 3, 6, 5), random_matrix(4, 18), normal(4)), CONV),
    "gemm": Sample("", (normal(5, 4), normal(4, 3), normal(3)), {"alpha": 0.5}),
}


def rows(mask: Any) -> Any:
    """Yield each row's number, columns and values."""
    mask = mask.tocsr()
    for m in range(mask.shape[0]):
        of_row = slice(mask.indptr[m], mask.indptr[m + 1])
        yield m, mask.indices[of_row], mask.data[of_row]


def softmax(a: Any, attrs: Mapping[str, Any]) -> Array:
    found = np.zeros(a.shape)
    for m, columns, values in rows(a):
        if len(columns):
            found[m, columns] = special.softmax(values)
    return found


def attention(operands: Sequence[Any], attrs: Mapping[str, Any]) -> Array:
    mask, q, k, v = operands
    scores = mask.multiply((q @ k.T) / np.sqrt(q.shape[1])).tocsr()
    return np.asarray(softmax(scores, {}) @ v)


def conv(operands: Sequence[Any], attrs: Mapping[str, Any]) -> Array:
    x, w, bias = operands
    top, left, bottom, right = attrs["pads"]
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    w = w.toarray().reshape(w.shape[0], x.shape[1], *attrs["kernel_shape"])
    images = [[signal.correlate(image, f, "valid")[0] for f in w] for image in x]
    return np.asarray(np.array(images) + bias[:, None, None])


def reduced(name: str) -> Callable[..., Any]:
    return lambda operands, attrs: np.asarray(getattr(operands[0], name)(axis=attrs["axes"][0]))


def dense(x: Any) -> Array:
    """Return the cells of one of our matrices, or of one of SciPy's."""
    if isinstance(x, Matrix):
        return x.to_dense()
    return np.asarray(x.toarray() if sparse.issparse(x) else x)


SCIPY: dict[str, Callable[..., Any]] = {
    "spmm": lambda operands, attrs: operands[0] @ operands[1],
    "spmv": lambda operands, attrs: operands[0] @ operands[1],
    "spmm_t": lambda operands, attrs: operands[0].T @ operands[1],
    "dsmm": lambda operands, attrs: operands[0] @ operands[1],
    "spgemm": lambda operands, attrs: operands[0] @ operands[1],
    "sddmm": lambda operands, attrs: operands[0].multiply(operands[1] @ operands[2]),
    "softmax": lambda operands, attrs: softmax(operands[0], attrs),
    "attention": attention,
    "add": lambda operands, attrs: operands[0] + operands[1],
    "multiply": lambda operands, attrs: operands[0].multiply(operands[1]),
    "relu": lambda operands, attrs: operands[0].maximum(0),
    "gelu": lambda operands, attrs: dense(operands[0]) * special.ndtr(dense(operands[0])),
    "silu": lambda operands, attrs: dense(operands[0]) * special.expit(dense(operands[0])),
    "clip": lambda operands, attrs: np.clip(dense(operands[0]), attrs["min"], attrs["max"]),
    "reduce_sum": reduced("sum"),
    "reduce_mean": reduced("mean"),
    "reduce_max": lambda operands, attrs: dense(operands[0].max(axis=attrs["axes"][0])),
    "reduce_min": lambda operands, attrs: dense(operands[0].min(axis=attrs["axes"][0])),
    "conv": conv,
    "gemm": lambda operands, attrs: attrs["alpha"] * (operands[0] @ operands[1]) + operands[2],
}

ALL_CELLS = ("softmax_dense", "attention_dense")
"""Where nothing is left out every cell takes part: another question."""
COMPARED = [
    (kernel, level)
    for kernel, level in EVERY
    if kernel.op.name in SCIPY and kernel.name not in ALL_CELLS
]


@pytest.mark.parametrize(
    ("kernel", "level"), COMPARED, ids=[f"{kernel.name} {level}" for kernel, level in COMPARED]
)
def test_scipy_says_the_same(kernel: Any, level: str) -> None:
    sample = SAMPLES[kernel.op.name]
    operands = held(kernel, sample)
    assert operands is not None
    if level in PROVIDERS:
        at = kernel.op.weight or 0
        given = sample.operands[at]
        if kernel.format_name == "bsr" and isinstance(given, Triplets):
            operands[at] = hold(given, "bsr", (2, 2))  # PyTorch's blocks are square
        assert not PROVIDERS[level].why_not(kernel.op.name, kernel.format_name, types_of(operands))
    theirs = [
        sparse.coo_array((x.data, (x.row, x.col)), x.shape).tocsr()
        if isinstance(x, Triplets)
        else x
        for x in (y.triplets() if isinstance(y, Matrix) else y for y in operands)
    ]
    theirs = [
        sparse.csr_array(x) if isinstance(y, Triplets) and isinstance(x, np.ndarray) else x
        for x, y in zip(theirs, sample.operands, strict=True)
    ]
    wanted = dense(SCIPY[kernel.op.name](theirs, kernel.op.complete(sample.attrs)))
    found = dense(run(kernel, level, operands, sample))
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


def test_nothing_is_left_out() -> None:
    """Every op that takes a sparse operand, but for that which only stores it anew."""
    left = {kernel.op.name for kernel in KERNELS.values() if kernel.op.sparse} - set(SCIPY)
    assert left == {"convert"}
    assert set(SCIPY) <= set(OPS)
