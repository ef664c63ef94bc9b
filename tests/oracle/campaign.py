"""How near to the bounds do right implementations come? A table, and the inputs that make it.

``python -m tests.oracle.campaign`` prints the worst error over bound that each legitimate order of
each op has on random inputs, on sums of positive terms, and on terms that are chosen so that every
rounding goes the same way. ``--large`` tries more and longer sums. Above 1 a bound would be wrong;
far below 1 it would be weak.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.triplets import Triplets
from minisparse.ops import CONV as CONV_OP
from minisparse.ops import GEMM, SPMM
from minisparse.oracle import DEFAULT, bounds, exact
from minisparse.oracle.errorfree import two_product
from minisparse.oracle.sampled import exact_sddmm
from minisparse.oracle.softmax import exact_softmax
from minisparse.oracle.spgemm import exact_spgemm
from minisparse.oracle.truth import Truth
from minisparse.oracle.values import DTYPES
from tests.oracle import campaign_orders as orders

FLOATS = [d for d in DTYPES if d.kind in "fc" or d.name == "bfloat16"]
Case = tuple[tuple[Array, ...], Truth]
Table = dict[tuple[str, str], dict[str, float]]

FEW = (1, 2, 3, 4)
SMALL = (5, 17, 60)
LARGE = (5, 7, 8, 17, 32, 100, 333, 1000, 3000)
"""Numbers of terms. A few of them come near any bound in any order: they have tables apart."""
_ROWS = 3


def values(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, positive: bool) -> Array:
    """Return normally distributed numbers, or ones between 1/4 and 1."""

    def draw() -> Array:
        return 0.25 + 0.75 * rng.random(shape) if positive else rng.standard_normal(shape)

    x = draw() + 1j * draw() if np.dtype(dtype).kind == "c" else draw()
    return x.astype(dtype)


def one_sided(terms: int, dtype: Any, columns: int) -> tuple[Array, Array]:
    """Return factors ``a [K]`` and ``b [K, N]`` such that sums in order lose u at every step.

    The first product is just above 1 and rounds down by nearly u; every further one is just below
    half a unit of the sum, and lost. So the error is nearly ``K u`` and S nearly 1. For narrow
    dtypes the one rounding at the end is what counts: two terms, whose sum is nearly a tie. Complex
    products are real in every second column, with parts that are lost singly in the others.
    """
    part = np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype
    p, u = bounds.precision(part), bounds.unit_roundoff(part)
    if accumulator(part) != part:
        return np.array([1, u * (1 - 2 * u)]).astype(dtype), np.ones((2, columns), dtype)
    i = 2.0 ** ((p - 1) // 2)
    j = np.floor(0.25 / u / i) - 1
    lost = 1 - 1j if dtype.kind == "c" else 1
    a, b = np.full(terms, u * (1 - u) * lost), np.ones((terms, columns), dtype)
    a[0], b[0] = 1 + 2 * u * i, 1 + 2 * u * j
    if dtype.kind == "c":
        b[1:, 1::2] = 1 + 1j
    return a.astype(dtype), b


def factors(
    rng: np.random.Generator, terms: int, dtype: Any, kind: str, columns: int
) -> tuple[Array, Array]:
    """Return ``a [M, K]`` and ``b [K, N]``, of some kind."""
    if kind == "one-sided":
        a, b = one_sided(terms, dtype, columns)
        return np.tile(a, (_ROWS, 1)), b
    positive = kind == "positive"
    a = values(rng, (_ROWS, terms), dtype, positive)
    return a, values(rng, (terms, columns), dtype, positive)


def entries(a: Array) -> Triplets:
    """Return every cell as an entry."""
    row, col = np.indices(a.shape).reshape(2, -1)
    return Triplets(row, col, a.reshape(-1), (a.shape[0], a.shape[1]))


def spmm_case(rng: np.random.Generator, a: Array, b: Array) -> Case:
    return (a, b), exact(SPMM, (entries(a), b))


def _spgemm(rng: np.random.Generator, a: Array, b: Array) -> Case:
    found = exact_spgemm(entries(a), entries(b), DEFAULT).values
    return (a, b), found.map(lambda x: x.reshape(len(a), b.shape[1]))


def _sddmm(rng: np.random.Generator, a: Array, b: Array) -> Case:
    shape = (len(a), b.shape[1])
    s = _rounding_down(rng, shape, a, b)
    truth = exact_sddmm(entries(s), a, b)
    return (s, a, b), truth.map(lambda x: x.reshape(shape))


def _rounding_down(rng: np.random.Generator, shape: tuple[int, ...], a: Array, b: Array) -> Array:
    """Return stored values just above 1 whose product with the first dot loses most of a unit."""
    if a.dtype.kind == "c" or a.dtype.itemsize < 4:
        return values(rng, shape, a.dtype, True)
    dot = orders.sequential(a[0], b[:, :1])[0]
    some = (1 + rng.random(4000) / 16).astype(a.dtype)
    product, error = two_product(some.astype(np.float64), np.asarray(dot, np.float64))
    lost = (product - (some * dot).astype(np.float64) + error) / product
    return np.full(shape, some[int(lost.argmax())])


def _conv(rng: np.random.Generator, a: Array, b: Array) -> Case:
    """Use a kernel of 1x1, or of 3x3 where the terms allow it, on an image of some columns."""
    if len(b) % 9 == 0:
        x = values(rng, (1, len(b) // 9, 5, 6), a.dtype, bool((a.real > 0).all()))
        w = a.reshape(_ROWS, len(b) // 9, 3, 3)
    else:
        x, w = b.reshape(1, len(b), 1, -1), a[:, :, None, None]
    return (x, w), exact(CONV_OP, (x, w))


def _gemm(rng: np.random.Generator, a: Array, b: Array) -> Case:
    c = values(rng, (len(a), b.shape[1]), a.dtype, True)
    return (a, b, c), exact(GEMM, (a, b, c), _SCALES)


_SCALES = {"alpha": 0.7, "beta": 0.3}


def _by_definition(a: Array, b: Array, c: Array) -> Any:
    return GEMM.dense((a, b, c), GEMM.complete(_SCALES))


def _tf32(rng: np.random.Generator, a: Array, b: Array) -> Case | None:
    """Return float32 factors and the bound of sums whose factors lose 13 bits first."""
    if a.dtype != np.float32:
        return None
    a, b = a.copy(), b.copy()
    a[0], b[:, 0] = 1 + 2.0**-11, 1 + 2.0**-11  # ties: as far from 11 bits as can be
    truth = exact(SPMM, (entries(a), b))
    size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    bound = bounds.rounded_factors(np.array(len(b)), size, 11, a.dtype)
    return (a, b), replace(truth, bound=bound)


def _with_tf32(product: orders.Order) -> orders.Order:
    return lambda a, b: product(_to_tf32(a), _to_tf32(b))


def _to_tf32(x: Array) -> Array:
    """Round to 11 bits, ties away from zero."""
    bits = x.view(np.uint32) + np.uint32(1 << 12)
    return (bits & np.uint32(0xFFFFE000)).view(np.float32)


Make = Callable[[np.random.Generator, Array, Array], Case | None]
OPS: dict[str, tuple[Make, dict[str, orders.Order]]] = {
    "SpMM": (spmm_case, orders.SPMM),
    "SpGEMM": (_spgemm, orders.SPGEMM),
    "SDDMM": (_sddmm, orders.SDDMM),
    "conv": (_conv, orders.CONV),
    "gemm, alpha and beta": (_gemm, {"NumPy": _by_definition}),
    "SpMM, TF32 factors": (
        _tf32,
        {name: _with_tf32(orders.SPMM[name]) for name in ("sequential", "BLAS (NumPy @)")},
    ),
}


def cases(dtype: Any, sizes: tuple[int, ...], seeds: int, columns: int) -> Iterator[Any]:
    """Yield factors of every kind and size."""
    for kind in ("normal", "positive", "one-sided"):
        for terms in sizes:
            for seed in range(1 if kind == "one-sided" else seeds):
                rng = np.random.default_rng([terms, seed, len(kind)])
                yield rng, factors(rng, terms, dtype, kind, columns)


def measure(sizes: tuple[int, ...] = SMALL, seeds: int = 1, columns: int = 12) -> Table:
    """Return the worst error over bound of every order of every op, by dtype."""
    table: Table = {}
    for dtype in FLOATS:
        for rng, (a, b) in cases(dtype, sizes, seeds, columns):
            for op, (make, ways) in OPS.items():
                case = make(rng, a, b)
                if case is not None:
                    _add(table, op, ways, case)
        if dtype.kind != "c":
            for x in rows_of_softmax(dtype, sizes, seeds):
                _add(table, "softmax", orders.SOFTMAX, ((x,), _softmax(x)))
    return table


def _softmax(x: Array) -> Truth:
    return exact_softmax(entries(x)).map(lambda y: y.reshape(x.shape))


def rows_of_softmax(dtype: Any, sizes: tuple[int, ...], seeds: int) -> Iterator[Array]:
    """Yield rows near each other and far apart, in random order and rising."""
    for terms in sizes:
        for seed in range(seeds):
            rng = np.random.default_rng([terms, seed])
            for spread in (0.01, 1, 8):
                x = spread * rng.standard_normal((10, min(terms, 300)))
                x[::2].sort(axis=1)
                yield x.astype(dtype)


def _add(table: Table, op: str, ways: dict[str, orders.Order], case: Case) -> None:
    operands, truth = case
    for name, way in ways.items():
        with np.errstate(all="ignore"):
            got = way(*operands)
        if got is not None:
            row = table.setdefault((op, name), {})
            dtype = truth.dtype.name
            row[dtype] = max(row.get(dtype, 0.0), truth.judge(np.asarray(got)).error_over_bound)


def drawn(table: Table) -> str:
    """Return the table in Markdown."""
    names = [d.name for d in FLOATS]
    lines = [f"| op | how | {' | '.join(names)} |", "| --- | --- |" + " ---: |" * len(names)]
    for (op, how), row in table.items():
        cells = " | ".join(f"{row[n]:.3f}" if n in row else "" for n in names)
        lines.append(f"| {op} | {how} | {cells} |")
    return "\n".join(lines)


def nearness(sizes: tuple[int, ...] = (2, 10, 100, 1000, 10000)) -> dict[int, list[float]]:
    """Return, by K, how near sums in order come to the bound for float32 and float64."""
    near: dict[int, list[float]] = {}
    for terms in sizes:
        near[terms] = []
        for dtype in map(np.dtype, ("float32", "float64")):
            a, b = one_sided(terms, dtype, 1)
            truth = exact(SPMM, (entries(a[None]), b))
            got = orders.SPMM["sequential"](a[None], b)
            near[terms].append(truth.judge(got).error_over_bound)
    return near


if __name__ == "__main__":
    found = measure(LARGE, 2, 20) if "--large" in sys.argv[1:] else measure()
    sys.stdout.write(drawn(found) + "\n\n| K | float32 | float64 |\n| ---: | ---: | ---: |\n")
    for terms, (single, double) in nearness().items():
        sys.stdout.write(f"| {terms} | {single:.5f} | {double:.5f} |\n")
    tables = [found, measure(FEW, 3, 40)]
    worst = max(ratio for table in tables for row in table.values() for ratio in row.values())
    sys.stdout.write(f"\nworst: {worst:.4f}\n")
    sys.exit(worst > 1)
