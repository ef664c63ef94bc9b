"""What NVIDIA's tensor cores compute: sums of blocks of exact products, cut off, not rounded.

``D = A B + C`` with narrow A and B, and C and D of float32. K is taken block after block. In each:

1. The products are exact. Each has the exponent ``e(a) + e(b)``, its significand lying between 1
   and 4: it is not normalized. C (later the block before's result) is one addend more. Subnormal
   numbers count, with the smallest exponent of their format.
2. All are shifted to the largest of these exponents, and what falls below ``23 + extra`` bits
   behind the point is cut off.
3. They are summed exactly. The sum is normalized once, and cut off to float32.

Found by experiment, since NVIDIA publishes none of it: Fasi, Higham, Mikaitis and Pranesh,
Numerical behavior of NVIDIA tensor cores, PeerJ Computer Science 7:e330, 2021 (V100, T4, A100);
Xie, Wang, Yang and Yang, MMA-Sim: Bit-accurate reference model of tensor cores and matrix cores,
arXiv:2511.10909, 2025; Khattak and Mikaitis, Accurate models of NVIDIA tensor cores,
arXiv:2512.07004, 2025. The last two compared their models with the hardware bit for bit, on random
inputs.

Assumed here, and not in these papers: that a zero result is positive, and that ``mma.sp`` sums its
compressed operand as ``mma`` sums a dense one.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.kernels.instructions.narrow import exponents, find_format

_TILE = 2**18
"""Products that are held at a time, so that their parts stay in a cache."""
_LOWEST = -126
"""The least exponent to which addends are shifted: float32's C is always among them."""


@dataclass(frozen=True)
class TensorCore:
    """The arithmetic of one generation.

    Attributes
    ----------
    name : str
        As given to ``emulate``.
    block_bytes : int
        Bytes of a row of A that are summed at a time.
    extra : int
        Bits kept below float32's last one, relative to the largest addend.
    formats : tuple of str
        What it multiplies.
    source : str
        Which papers found this, on which devices.
    """

    name: str
    block_bytes: int
    extra: int
    formats: tuple[str, ...]
    source: str

    def terms(self, format: str) -> int:
        """Return how many products are summed at a time.

        Examples
        --------
        >>> [core.terms("float16") for core in CORES.values()]
        [4, 8, 8, 8, 16]

        Raises
        ------
        UsageError
            If this generation does not multiply the format.
        """
        if format not in self.formats:
            raise UsageError(
                f"{self.name} tensor cores do not multiply {format}, but {', '.join(self.formats)}"
            )
        return self.block_bytes // find_format(format).nbytes


_SINCE_AMPERE = ("float16", "bfloat16", "tf32")
CORES: dict[str, TensorCore] = {
    core.name: core
    for core in (
        TensorCore("volta", 8, 0, ("float16",), "Fasi et al. 2021; both of 2025 (V100)"),
        TensorCore("turing", 16, 1, ("float16",), "Xie et al. 2025, m16n8k8"),
        TensorCore("ampere", 16, 1, _SINCE_AMPERE, "Fasi et al. 2021; both of 2025 (A100)"),
        TensorCore("ada", 16, 1, _SINCE_AMPERE, "Xie et al. 2025"),
        TensorCore("hopper", 32, 2, _SINCE_AMPERE, "both of 2025 (H100)"),
    )
}
"""By name."""


def find_core(name: str) -> TensorCore:
    """Return a generation by its name; UsageError names those that there are."""
    if name not in CORES:
        raise UsageError(f"there is no tensor core '{name}'; generations: {', '.join(CORES)}")
    return CORES[name]


def sum_blocks(
    a: Array, b: Array, c: Array, format: str, core: TensorCore, columns: Array | None = None
) -> Array:
    """Return ``A @ B + C`` as a generation's tensor cores do.

    Parameters
    ----------
    a : ndarray of float, shape (M, K)
        Values that the format has.
    b : ndarray of float, shape (L, N)
        Likewise; L is K, unless ``columns`` is given.
    c : ndarray of float32, shape (M, N)
        What the sums begin with.
    format : str
        Of A and B.
    core : TensorCore
        The generation.
    columns : ndarray of int, shape (M, K), optional
        Which row of B each value of A meets: what the metadata of ``mma.sp`` says.

    Returns
    -------
    ndarray of float32, shape (M, N)
    """
    terms = core.terms(format)
    rows = max(1, _TILE // max(1, terms * b.shape[1]))
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    special = not (np.isfinite(a).all() and np.isfinite(b).all())
    shift_a, shift_b = exponents(_finite(wide_a), format), exponents(_finite(wide_b), format)
    result = c.astype(np.float32)
    for start in range(0, len(a), rows):
        tile = slice(start, start + rows)
        for k in range(0, a.shape[1], terms):
            here = slice(k, k + terms)
            met = (None, here) if columns is None else columns[tile, here]
            products = _Products(
                wide_a[tile, here, None],
                wide_b[met],
                (shift_a[tile, here, None] + shift_b[met]).max(axis=1),
            )
            result[tile] = _one_block(products, result[tile], 23 + core.extra, special)
    return result


class _Products(NamedTuple):
    """The products of a block: factors ``[R, L, 1]`` and ``[R or 1, L, N]``, largest exponents."""

    a: Array
    b: Array
    top: Array


def _one_block(products: _Products, c: Array, bits: int, special: bool) -> Array:
    """Return what a block adds to C ``[R, N]``: aligned, cut off behind some bits, and summed."""
    if special or not np.isfinite(c).all():
        usual = _Products(_finite(products.a), _finite(products.b), products.top)
        found = _one_block(usual, _finite(c), bits, False)
        return _with_specials(products, c, found)
    top = np.maximum(products.top, np.maximum(exponents(c, "float32"), _LOWEST)).astype(np.int32)
    unit = np.ldexp(1.0, bits - top)  # how many of the last place that is kept make a one
    kept = products.a * products.b  # exact in float64, and so is its multiple by a power of two
    kept *= unit[:, None]
    np.trunc(kept, out=kept)
    return _cut_to_single((kept.sum(axis=1) + np.trunc(c * unit)) / unit)


def _cut_to_single(x: Array) -> Array:
    """Return float64 cut off to float32; infinite from ``2**128`` on."""
    step = np.maximum(np.frexp(x)[1] - 24, -149)
    cut = np.ldexp(np.trunc(np.ldexp(x, -step)), step)
    with np.errstate(over="ignore"):
        return np.asarray(cut.astype(np.float32) + np.float32(0))


def _finite(x: Array) -> Array:
    return np.where(np.isfinite(x), x, x.dtype.type(0))


def _with_specials(products: _Products, c: Array, usual: Array) -> Array:
    """Return sums in which infinities and NaNs have had their way; every NaN is 0x7fffffff."""
    a, b, _ = products
    special = ~np.isfinite(a) | ~np.isfinite(b)
    with np.errstate(invalid="ignore"):
        sums = np.where(special, a * b, 0).sum(axis=1) + np.where(np.isfinite(c), 0, c)
    nan = np.array(0x7FFFFFFF, np.int32).view(np.float32)
    found = np.where(np.isnan(sums), nan, sums.astype(np.float32))
    return np.where(special.any(axis=1) | ~np.isfinite(c), found, usual)


def error_bound(a: Array, b: Array, c: Array, format: str, core: str) -> Array:
    """Return how far ``sum_blocks`` may be from the exact ``A @ B + C``, element by element.

    A block of L products errs by at most ``(L + 1) 2**(-23 - extra)`` of its largest addend, since
    each addend loses less than one unit of the last place that is kept, and then by ``2**-23`` of
    its sum. Neither exceeds ``S = abs(A) @ abs(B) + abs(C)``, but for what earlier blocks erred,
    and but for subnormal factors: those are shifted as if they were the smallest normal number,
    and so they count here.
    Compare Blanchard, Higham, Lopez, Mary and Pranesh, Mixed precision block fused multiply-add:
    error analysis and application to GPU tensor cores, SIAM J. Sci. Comput. 42(3), 2020.

    Parameters
    ----------
    a, b, c : ndarray
        As for :func:`emulate <minisparse.kernels.instructions.emulate.emulate>`, finite; C may be
        0. No overflow.
    format : str
        Of A and B.
    core : str
        One of :data:`CORES`.

    Returns
    -------
    ndarray of float64, shape (M, N)

    Examples
    --------
    >>> a = np.ones((1, 8))
    >>> [float(error_bound(a, a.T, 0, "float16", core)[0, 0] * 2**20) for core in CORES]
    [12.0, 5.5, 5.5, 5.5, 3.25]
    """
    found = find_core(core)
    terms = found.terms(format)
    blocks = -(-a.shape[1] // terms)
    size = _magnitude(a, format) @ _magnitude(b, format) + np.abs(c)
    rate = (min(terms, a.shape[1]) + 1) * 2.0 ** (-23 - found.extra) + 2.0**-23
    grown = (1 + rate) ** blocks - 1  # each block's error is part of the next one's addends
    smallest = blocks * (terms + 2) * 2.0**-149
    return np.asarray(grown * size + smallest)


def _magnitude(x: Array, format: str) -> Array:
    wide = np.abs(np.asarray(x, np.float64))
    return np.where(wide == 0, 0, np.maximum(wide, 2.0 ** find_format(format).smallest))
