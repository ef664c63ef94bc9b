"""A second oracle: dense, slow, of exact fractions, sharing no code with minisparse.oracle.

A real number is a ``Fraction``, or a float where it is NaN or infinite. A number is a tuple of its
real parts: one, or two where it is complex. Integers are fractions too, wrapped at the end.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np

Real = Fraction | float
Number = tuple[Real, ...]
Entry = tuple[int, int, Number]
Cells = dict[tuple[int, int], Number]

# -- numbers -------------------------------------------------------------------------------------


def number(x: Any, dtype: Any) -> Number:
    """Return an element, converted to ``dtype`` first."""
    with np.errstate(all="ignore"):
        x = np.asarray(x).astype(dtype)[()]
    if np.dtype(dtype).kind == "c":
        return real(float(x.real)), real(float(x.imag))
    return (Fraction(int(x)) if np.dtype(dtype).kind in "biu" else real(float(x)),)


def real(x: float) -> Real:
    """Return a float as a fraction, if it is finite."""
    return Fraction(x) if math.isfinite(x) else x


def times(x: Number, y: Number) -> Number:
    """Return the product; of complex numbers by its definition."""
    if len(x) == 1:
        return (_times(x[0], y[0]),)
    (a, b), (c, d) = x, y
    return _plus([_times(a, c), _times(-b, d)]), _plus([_times(a, d), _times(b, c)])


def _times(x: Real, y: Real) -> Real:
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return x * y
    if x != x or y != y or x == 0 or y == 0:
        return math.nan
    return math.inf if (x > 0) == (y > 0) else -math.inf


def total(terms: Iterable[Number], parts: int) -> Number:
    """Return the sum; without terms 0."""
    terms = list(terms)
    return tuple(_plus([term[i] for term in terms]) for i in range(parts))


def _plus(terms: list[Real]) -> Real:
    special = {x for x in terms if isinstance(x, float)}
    if not special:
        return sum(terms, Fraction(0))
    if len(special) > 1 or any(x != x for x in special):
        return math.nan
    return special.pop()


def held(x: Number, dtype: Any) -> Number:
    """Return what an integer dtype holds of a whole number; other numbers as they are."""
    if dtype.kind == "b":
        return (Fraction(x[0] != 0),)
    if dtype.kind not in "iu":
        return x
    info = np.iinfo(dtype)
    low, count = int(info.min), int(info.max) - int(info.min) + 1
    return (Fraction((int(x[0]) - low) % count + low),)


def parts_of(dtype: Any) -> int:
    """Return how many parts a number of a dtype has."""
    return 2 if np.dtype(dtype).kind == "c" else 1


# -- matrices ------------------------------------------------------------------------------------


def entries(name: str, a: Mapping[str, Any], dtype: Any) -> list[Entry]:
    """Return the stored entries of a matrix that is written down in some format."""
    return [(i, k, number(x, dtype)) for i, k, x in DECODERS[name](a)]


def _csr(a: Mapping[str, Any]) -> Iterator[tuple[int, int, Any]]:
    for i in range(a["shape"][0]):
        for p in range(int(a["indptr"][i]), int(a["indptr"][i + 1])):
            yield i, int(a["indices"][p]), a["data"][p]


def _csc(a: Mapping[str, Any]) -> Iterator[tuple[int, int, Any]]:
    turned = {**a, "shape": a["shape"][::-1]}
    return ((i, k, x) for k, i, x in _csr(turned))


def _coo(a: Mapping[str, Any]) -> Iterator[tuple[int, int, Any]]:
    for p, x in enumerate(a["data"]):
        yield int(a["row"][p]), int(a["col"][p]), x


def _bsr(a: Mapping[str, Any]) -> Iterator[tuple[int, int, Any]]:
    r, c = a["data"].shape[1:]
    for i in range(a["shape"][0] // r):
        for p in range(int(a["indptr"][i]), int(a["indptr"][i + 1])):
            for di, dk in itertools.product(range(r), range(c)):
                yield i * r + di, int(a["indices"][p]) * c + dk, a["data"][p, di, dk]


def _nm(a: Mapping[str, Any]) -> Iterator[tuple[int, int, Any]]:
    for i, slot in np.ndindex(*a["values"].shape):
        yield i, slot // 2 * 4 + int(a["positions"][i, slot]), a["values"][i, slot]


DECODERS: dict[str, Callable[[Mapping[str, Any]], Iterator[tuple[int, int, Any]]]] = {
    "csr": _csr,
    "csc": _csc,
    "coo": _coo,
    "bsr": _bsr,
    "nm": _nm,
}


def all_zeros(a: list[Entry], shape: tuple[int, int], dtype: Any) -> list[Entry]:
    """Return entries with one of 0 for every cell that is not stored."""
    stored = {(i, k) for i, k, _ in a}
    zero = number(0, dtype)
    cells = itertools.product(range(shape[0]), range(shape[1]))
    return a + [(i, k, zero) for i, k in cells if (i, k) not in stored]


def of_dense(x: Any, dtype: Any) -> list[Entry]:
    """Return every cell of a plain matrix as an entry."""
    return [(i, k, number(x[i, k], dtype)) for i, k in np.ndindex(*x.shape)]


# -- answers -------------------------------------------------------------------------------------


def product(a: list[Entry], b: list[Entry], dtype: Any) -> Cells:
    """Return the cells of ``A @ B`` in which entries meet."""
    rows: dict[int, list[tuple[int, Number]]] = {}
    for k, j, y in b:
        rows.setdefault(k, []).append((j, y))
    terms: dict[tuple[int, int], list[Number]] = {}
    for i, k, x in a:
        for j, y in rows.get(k, []):
            terms.setdefault((i, j), []).append(times(x, y))
    return {cell: held(total(found, parts_of(dtype)), dtype) for cell, found in terms.items()}


def filled(cells: Cells, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return cells as an array of objects, 0 where there is none."""
    found = np.empty(shape, object)
    for at in np.ndindex(*shape):
        found[at] = cells.get((at[0], at[1]), number(0, dtype))
    return found


def each(function: Callable[..., Number], *arrays: Any) -> Any:
    """Return a function of numbers, applied to every element of arrays of one shape."""
    found = np.empty(arrays[0].shape, object)
    for at in np.ndindex(*found.shape):
        found[at] = function(*(x[at] for x in arrays))
    return found


def numbers(x: Any, dtype: Any) -> Any:
    """Return a plain array as one of numbers."""
    found = np.empty(np.shape(x), object)
    for at in np.ndindex(*found.shape):
        found[at] = number(x[at], dtype)
    return found


def add(x: Any, y: Any, dtype: Any) -> Any:
    """Return the sum of two arrays of numbers, broadcast."""
    x, y = np.broadcast_arrays(x, y)
    return each(lambda a, b: held(total([a, b], parts_of(dtype)), dtype), x, y)


def relu(x: Any) -> Any:
    """Return ``max(x, 0)``; NaN stays."""
    return each(lambda a: (Fraction(0),) if a[0] < 0 else a, x)


def sampled(mask: list[Entry], x: Any, y: Any, dtype: Any) -> list[Number]:
    """Return ``s * (x[i] . y[:, j])`` for each entry of the mask."""
    found = []
    for i, j, s in mask:
        pairs = zip(x[i], y[:, j], strict=True)
        dot = total((times(number(a, dtype), number(b, dtype)) for a, b in pairs), parts_of(dtype))
        found.append(held(times(s, held(dot, dtype)), dtype))
    return found


def summed(a: list[Entry], dtype: Any) -> Cells:
    """Return the stored cells, each the sum of its entries."""
    terms: dict[tuple[int, int], list[Number]] = {}
    for i, k, x in a:
        terms.setdefault((i, k), []).append(x)
    return {cell: held(total(found, parts_of(dtype)), dtype) for cell, found in terms.items()}


def in_blocks(cells: Cells, block: tuple[int, int], dtype: Any) -> Cells:
    """Return the cells of every block that holds one."""
    (r, c), found = block, {}
    for i, j in {(i // r, k // c) for i, k in cells}:
        for di, dk in itertools.product(range(r), range(c)):
            cell = i * r + di, j * c + dk
            found[cell] = cells.get(cell, number(0, dtype))
    return found


def softmax(row: list[float]) -> list[Real]:
    """Return the softmax of one row, to 60 digits."""
    if any(x != x for x in row) or max(row) in (math.inf, -math.inf):
        return [math.nan] * len(row)
    with localcontext(prec=70):
        weights = [exponential(Decimal(x) - Decimal(max(row))) for x in row]
        return [Fraction(w / sum(weights)) for w in weights]


def exponential(x: Decimal) -> Decimal:
    """Return ``e**x`` for ``x <= 0`` by its series near 0, squared again and again."""
    if x < -2000:
        return Decimal(0)
    halvings = 14
    small, term, value, n = x / 2**halvings, Decimal(1), Decimal(1), 0
    while abs(term) > Decimal(10) ** -80:
        n += 1
        term = term * small / n
        value += term
    for _ in range(halvings):
        value *= value
    return value


def normalized(x: float, scale: float, bias: float, mean: float, var: float, eps: float) -> Real:
    """Return ``(x - mean) / sqrt(var + eps) * scale + bias`` to 60 digits."""
    with localcontext(prec=70):
        root = (Decimal(var) + Decimal(eps)).sqrt()
        found = (Decimal(x) - Decimal(mean)) / root * Decimal(scale) + Decimal(bias)
        return Fraction(found)
