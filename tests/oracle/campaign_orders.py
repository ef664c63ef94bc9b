"""Legitimate ways to compute each op: what differs is the order of sums, and so the rounding.

Each takes plain arrays and returns the op's result in their dtype, or None where it is not offered
for that dtype or its library is not installed. ``a`` is ``[M, K]`` without zeros, ``b [K, N]``.
"""

import functools
import importlib.util
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator

Order = Callable[..., Any]
HAS_SCIPY, HAS_TORCH = (importlib.util.find_spec(name) is not None for name in ("scipy", "torch"))
TORCH = "float16 bfloat16 float32 float64 complex64 complex128".split()


def summing(order: Callable[[Array, Array], Array]) -> Order:
    """Return matrix multiplication by a way to sum ``terms [K, N]``, given as factors."""

    @functools.wraps(order)
    def product(a: Array, b: Array) -> Array:
        wide = accumulator(a.dtype)
        rows = [order(row, b.astype(wide)) for row in a.astype(wide)]
        return np.array(rows, wide).reshape(len(a), b.shape[1]).astype(a.dtype)

    return product


def sequential(a: Array, b: Array) -> Array:
    """Sum from the first term to the last."""
    c = np.zeros(b.shape[1], b.dtype)
    for k in range(len(a)):
        c = c + a[k] * b[k]
    return c


def pairwise(a: Array, b: Array) -> Array:
    """Sum neighbors, then sums of neighbors."""
    terms = a[:, None] * b
    while len(terms) > 1:
        half = len(terms) // 2
        first, second = terms[0 : 2 * half : 2], terms[1 : 2 * half : 2]
        terms = np.concatenate([first + second, terms[2 * half :]])
    return np.asarray(terms[0])


def blocked(a: Array, b: Array) -> Array:
    """Sum in eight lanes, as vector units do, and then the lanes."""
    lanes = np.zeros((8, b.shape[1]), b.dtype)
    for k in range(len(a)):
        lanes[k % 8] += a[k] * b[k]
    return sequential(np.ones(8, b.dtype), lanes)


def kahan(a: Array, b: Array) -> Array:
    """Sum with what is lost carried along; products are rounded."""
    c, lost = np.zeros(b.shape[1], b.dtype), np.zeros(b.shape[1], b.dtype)
    for k in range(len(a)):
        term = a[k] * b[k] - lost
        total = c + term
        c, lost = total, (total - c) - term
    return c


def fused(a: Array, b: Array) -> Array:
    """Round each ``c + a * b`` once: by float64 for float32, else by fractions."""
    c = np.zeros(b.shape[1], b.dtype)
    if b.dtype.kind == "c":
        real = fused(_interleaved(a.real, -a.imag), _interleaved(b.real, b.imag))
        imag = fused(_interleaved(a.real, a.imag), _interleaved(b.imag, b.real))
        return np.asarray(real + 1j * imag, b.dtype)
    if b.dtype.itemsize == 4:
        for k in range(len(a)):
            c = (c.astype(np.float64) + float(a[k]) * b[k].astype(np.float64)).astype(b.dtype)
        return c
    for n in range(b.shape[1]):
        total = 0.0
        for x, y in zip(a.tolist(), b[:, n].tolist(), strict=True):
            total = float(Fraction(total) + Fraction(x) * Fraction(y))
        c[n] = total
    return c


def _interleaved(x: Array, y: Array) -> Array:
    return np.stack([x, y], 1).reshape(-1, *x.shape[1:])


def blas(a: Array, b: Array) -> Array:
    """Multiply by NumPy's ``@``: BLAS, but for the narrow dtypes."""
    wide = accumulator(a.dtype)
    return np.asarray(a.astype(wide) @ b.astype(wide)).astype(a.dtype)


def scipy_csr(a: Array, b: Array) -> Any:
    """Multiply by SciPy's CSR, which has no float16."""
    if not HAS_SCIPY or a.dtype.name not in ("float32", "float64", "complex64", "complex128"):
        return None
    from scipy.sparse import csr_array

    return csr_array(a) @ b


def _tensor(x: Array) -> Any:
    import torch

    if x.dtype.name == "bfloat16":
        return torch.from_numpy(x.astype(np.float32)).to(torch.bfloat16)
    return torch.from_numpy(np.ascontiguousarray(x))


def _array(x: Any, dtype: Any) -> Array:
    return np.asarray((x.float() if dtype.name == "bfloat16" else x).numpy()).astype(dtype)


def torch_matmul(a: Array, b: Array) -> Any:
    """Multiply by PyTorch on the CPU; narrow dtypes in float32, as rule S8 wants it."""
    if not HAS_TORCH:
        return None
    wide = accumulator(a.dtype)
    return _array(_tensor(a.astype(wide)) @ _tensor(b.astype(wide)), wide).astype(a.dtype)


SPMM: dict[str, Order] = {
    "sequential": summing(sequential),
    "reversed": summing(lambda a, b: sequential(a[::-1], b[::-1])),
    "pairwise": summing(pairwise),
    "blocked": summing(blocked),
    "Kahan": summing(kahan),
    "FMA-like": summing(fused),
    "BLAS (NumPy @)": blas,
    "SciPy CSR": scipy_csr,
    "torch": torch_matmul,
}


def outer_products(a: Array, b: Array) -> Array:
    """Sum one column of A times one row of B after the other."""
    wide = accumulator(a.dtype)
    c = np.zeros((len(a), b.shape[1]), wide)
    for k in range(a.shape[1]):
        c += a[:, k : k + 1].astype(wide) * b[k].astype(wide)
    return c.astype(a.dtype)


def scipy_spgemm(a: Array, b: Array) -> Any:
    """Multiply two of SciPy's CSR matrices."""
    if scipy_csr(a[:, :1], b[:1]) is None:
        return None
    from scipy.sparse import csr_array

    return (csr_array(a) @ csr_array(b)).toarray()


SPGEMM: dict[str, Order] = {
    "row by row": SPMM["sequential"],
    "outer products": outer_products,
    "pairwise": SPMM["pairwise"],
    "SciPy CSR @ CSR": scipy_spgemm,
}


def scaled_after(product: Order) -> Order:
    """Return SDDMM with the stored values multiplied in at the end."""

    def sddmm(s: Array, x: Array, y: Array) -> Any:
        wide = accumulator(s.dtype)
        dots = product(x.astype(wide), y.astype(wide))
        return None if dots is None else (s.astype(wide) * dots).astype(s.dtype)

    return sddmm


def scaled_before(s: Array, x: Array, y: Array) -> Array:
    """Multiply each stored value into a row of x, and then sum."""
    wide = accumulator(s.dtype)
    found = np.zeros(s.shape, wide)
    for m, n in np.ndindex(*s.shape):
        row = s[m, n].astype(wide) * x[m].astype(wide)
        found[m, n] = sequential(row, y[:, n : n + 1].astype(wide))[0]
    return found.astype(s.dtype)


SDDMM: dict[str, Order] = {
    "sequential, scaled last": scaled_after(SPMM["sequential"]),
    "scaled first": scaled_before,
    "pairwise, scaled last": scaled_after(SPMM["pairwise"]),
    "BLAS, scaled last": scaled_after(blas),
    "torch, scaled last": scaled_after(torch_matmul),
}


# -- softmax of rows, x [M, n] -------------------------------------------------------------------


def by_rows(row: Callable[[Array], Array]) -> Order:
    """Return softmax of every row, computed in the accumulator's dtype."""

    def softmax(x: Array) -> Array:
        wide = accumulator(x.dtype)
        return np.array([row(r) for r in x.astype(wide)], wide).astype(x.dtype)

    return softmax


def _in_turn(w: Array) -> Any:
    return sequential(np.ones_like(w), w[:, None])[0]


def _two_passes(x: Array) -> Array:
    w = np.exp(x - x.max())
    return np.asarray(w / _in_turn(w))


def _reciprocal(x: Array) -> Array:
    w = np.exp(x - x.max())
    return np.asarray(w * (w.dtype.type(1) / w.sum()))


def _of_logarithm(x: Array) -> Array:
    d = x - x.max()
    return np.asarray(np.exp(d - np.log(np.exp(d).sum())))


def _online(x: Array) -> Array:
    largest, total = x[0], x.dtype.type(1)
    for value in x[1:]:
        if value > largest:
            total, largest = total * np.exp(largest - value) + x.dtype.type(1), value
        else:
            total = total + np.exp(value - largest)
    return np.asarray(np.exp(x - largest) / total)


def _scipy_softmax(x: Array) -> Any:
    if not HAS_SCIPY or x.dtype.itemsize < 4:
        return None
    from scipy.special import softmax

    return softmax(x, axis=1)


def _torch_softmax(x: Array) -> Any:
    if not HAS_TORCH:
        return None
    return _array(_tensor(x).softmax(dim=1), x.dtype)


SOFTMAX: dict[str, Order] = {
    "two passes": by_rows(_two_passes),
    "times the reciprocal": by_rows(_reciprocal),
    "exp of the logarithm": by_rows(_of_logarithm),
    "online": by_rows(_online),
    "SciPy": _scipy_softmax,
    "torch": _torch_softmax,
}


# -- convolution, x [1, C, H, W], w [M, C, kh, kw] -----------------------------------------------


def as_product(product: Order) -> Order:
    """Return convolution as filters ``[M, C kh kw]`` times windows, by some way to multiply."""

    def conv(x: Array, w: Array) -> Any:
        windows = np.lib.stride_tricks.sliding_window_view(x[0], w.shape[2:], axis=(1, 2))
        height, width = windows.shape[1:3]
        columns = windows.transpose(0, 3, 4, 1, 2).reshape(-1, height * width)
        found = product(w.reshape(len(w), -1), columns)
        return None if found is None else found.reshape(1, len(w), height, width)

    return conv


def torch_conv(x: Array, w: Array) -> Any:
    """Convolve by PyTorch on the CPU; not of complex numbers: see below."""
    if not HAS_TORCH or x.dtype.kind == "c":
        return None
    import torch

    wide = accumulator(x.dtype)
    found = torch.nn.functional.conv2d(_tensor(x.astype(wide)), _tensor(w.astype(wide)))
    return _array(found, wide).astype(x.dtype)


CONV: dict[str, Order] = {
    "direct": as_product(SPMM["sequential"]),
    "blocked": as_product(SPMM["blocked"]),
    "im2col, BLAS": as_product(blas),
    "im2col, SciPy CSR": as_product(scipy_csr),
    "torch": torch_conv,
}


def three_multiplications(a: Array, b: Array) -> Array:
    """Multiply complex matrices by three real products: outside of the bounds."""
    real, imag = a.real @ b.real, a.imag @ b.imag
    both = (a.real + a.imag) @ (b.real + b.imag)
    return np.asarray(real - imag + 1j * (both - real - imag), a.dtype)
