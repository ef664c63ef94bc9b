"""Arithmetic on dimensions that may still be names: sums of products, ``2*batch*seq + 1``.

A dimension is a number or a text. A text is a name (``"batch"``), or what arithmetic made of
names, written in one way only, so that equal texts mean equal sizes. ``"?"`` is a size that nothing
tells before the run; where a graph has several, it numbers them: ``"?1"``, ``"?2"``.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache

Dim = int | str
"""One dimension: a number, or a text for one that is known only at run time."""

UNKNOWN = "?"
"""A size that only the run will tell."""

_Terms = dict[tuple[str, ...], int]  # from the names that are multiplied, sorted, to their factor


def is_unknown(dim: Dim) -> bool:
    """Tell whether nothing is known of a dimension: it is no number, and has no name of its own."""
    return isinstance(dim, str) and UNKNOWN in dim


def names_in(dim: Dim) -> tuple[str, ...]:
    """Return the names of which a dimension is made, each once.

    Examples
    --------
    >>> names_in("2*batch*seq + 1"), names_in(3)
    (('batch', 'seq'), ())
    """
    if isinstance(dim, int):
        return ()
    return tuple(dict.fromkeys(name for product in _terms(dim) for name in product))


def add(dims: Iterable[Dim]) -> Dim:
    """Return the sum of dimensions.

    Examples
    --------
    >>> add(["past", 1, 2]), add([2, 3])
    ('past + 3', 5)
    """
    total: _Terms = {}
    for dim in dims:
        for product, factor in _terms(dim).items():
            total[product] = total.get(product, 0) + factor
    return _text(total)


def multiply(dims: Iterable[Dim]) -> Dim:
    """Return the product of dimensions; 1 of none.

    Examples
    --------
    >>> multiply(["batch", 2, "seq"]), multiply(["batch", 0])
    ('2*batch*seq', 0)
    """
    total: _Terms = {(): 1}
    for dim in dims:
        more = _terms(dim)
        found: _Terms = {}
        for a, x in total.items():
            for b, y in more.items():
                product = tuple(sorted(a + b))
                found[product] = found.get(product, 0) + x * y
        total = found
    return _text(total)


def divide(dim: Dim, by: Dim) -> Dim:
    """Return an exact quotient, :data:`UNKNOWN` where there is none for all sizes.

    Examples
    --------
    >>> divide("12*batch*seq", "4*seq"), divide(7, 2), divide("batch + 1", "batch + 1")
    ('3*batch', '?', 1)
    """
    if dim == by and dim != 0 and not is_unknown(dim):
        return 1
    below = _terms(by)
    if len(below) != 1 or is_unknown(dim) or is_unknown(by):
        return UNKNOWN
    ((names, divisor),) = below.items()
    found: _Terms = {}
    for product, factor in _terms(dim).items():
        rest = list(product)
        for name in names:
            if name not in rest:
                return UNKNOWN
            rest.remove(name)
        if factor % divisor:
            return UNKNOWN
        found[tuple(rest)] = factor // divisor
    return _text(found)


def replace_names(dim: Dim, sizes: Mapping[str, Dim]) -> Dim:
    """Return a dimension in which some names have become numbers, or other names.

    Examples
    --------
    >>> replace_names("2*batch*seq + 1", {"batch": 8}), replace_names("seq", {"seq": 3})
    ('16*seq + 1', 3)
    """
    if isinstance(dim, int) or not any(name in sizes for name in names_in(dim)):
        return dim
    return add(
        multiply([factor, *(sizes.get(name, name) for name in product)])
        for product, factor in _terms(dim).items()
    )


@cache
def _parsed(text: str) -> tuple[tuple[tuple[str, ...], int], ...]:
    """Return the terms of a text as :func:`_text` writes it; any other text is a name."""
    terms: _Terms = {}
    sign = 1
    for part in re.split(r"( [+-] )", text):
        if part in (" + ", " - "):
            sign = 1 if part == " + " else -1
            continue
        factor, names = sign, []
        for piece in part.split("*"):
            if re.fullmatch(r"-?\d+", piece):
                factor *= int(piece)
            else:
                names.append(piece)
        product = tuple(sorted(names))
        terms[product] = terms.get(product, 0) + factor
    return tuple(terms.items())


def _terms(dim: Dim) -> _Terms:
    if isinstance(dim, str):
        return dict(_parsed(dim))
    return {(): int(dim)} if dim else {}


def _text(terms: _Terms) -> Dim:
    """Write terms in the one order there is: longer products first, then by name."""
    kept = {product: factor for product, factor in terms.items() if factor}
    if not kept:
        return 0
    if set(kept) == {()}:
        return kept[()]
    text = ""
    for product in sorted(kept, key=lambda p: (-len(p), p)):
        factor = kept[product]
        if text:
            text += " + " if factor > 0 else " - "
            factor = abs(factor)
        text += "*".join([*([str(factor)] if factor != 1 or not product else []), *product])
    return text
