"""Sums of products written as an equation, ONNX Einsum: ``"bij,bjk->bik"``.

Each input has a term of letters, one for each of its dimensions; ``...`` stands for dimensions that
are broadcast. What is after ``->`` names the result's; without it they are those of the ellipsis,
then the letters that occur once, in alphabetical order. All products over all letters are summed
over those that the result lacks. Source: ``numpy.einsum``; ONNX operators, Einsum (version 12).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.ops.constraints import plain_mix
from minisparse.ops.dims import broadcast, may_equal, result_dtype
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

_DOTS = "..."


class Terms(NamedTuple):
    """An equation taken apart.

    Attributes
    ----------
    inputs : tuple of str
        The letters of each input, ``...`` where it has an ellipsis.
    output : str
        Those of the result.
    """

    inputs: tuple[str, ...]
    output: str


def terms_of(equation: str) -> Terms | None:
    """Return the terms of an equation, or None where it is none.

    Examples
    --------
    >>> terms_of("b i j, bjk -> bik")
    Terms(inputs=('bij', 'bjk'), output='bik')
    >>> terms_of("...ij,jk")
    Terms(inputs=('...ij', 'jk'), output='...ik')
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    inputs = tuple(left.split(","))
    if not all(map(_is_term, inputs)):
        return None
    if arrow:
        ok = _is_term(right) and len(set(letters(right))) == len(letters(right))
        known = set(left) - {","}
        return Terms(inputs, right) if ok and set(right) <= known else None
    plain = letters(left)
    once = sorted(c for c in set(plain) if plain.count(c) == 1)
    return Terms(inputs, (_DOTS if _DOTS in left else "") + "".join(once))


def _is_term(term: str) -> bool:
    return term.count(_DOTS) <= 1 and all(
        c.isascii() and c.isalpha() for c in term.replace(_DOTS, "", 1)
    )


def letters(term: str) -> str:
    """Return a term's letters without dots and commas."""
    return term.replace(".", "").replace(",", "")


def lettered(terms: Terms, ndims: Sequence[int]) -> Terms:
    """Return the terms with a capital or another unused letter for each dimension of an ellipsis.

    Examples
    --------
    >>> lettered(Terms(("...ij", "...jk"), "...ik"), [4, 3])
    Terms(inputs=('ABij', 'Bjk'), output='ABik')
    """
    used = set("".join(terms.inputs))
    free = [c for c in map(chr, [*range(65, 91), *range(97, 123)]) if c not in used]
    hidden = [
        ndim - len(letters(term)) if _DOTS in term else 0
        for term, ndim in zip(terms.inputs, ndims, strict=True)
    ]
    dots = "".join(free[: max(hidden, default=0)])
    inputs = tuple(
        term.replace(_DOTS, dots[len(dots) - count :])
        for term, count in zip(terms.inputs, hidden, strict=True)
    )
    return Terms(inputs, terms.output.replace(_DOTS, dots))


def _fit(types: Types, attrs: Attrs) -> bool:
    terms = terms_of(attrs["equation"])
    return terms is not None and len(terms.inputs) == len(types)


def _dimensions_fit(types: Types, attrs: Attrs) -> bool:
    terms = terms_of(attrs["equation"])
    return terms is not None and all(
        t.ndim >= len(letters(term)) if _DOTS in term else t.ndim == len(term)
        for term, t in zip(terms.inputs, types, strict=True)
    )


def sizes_of(terms: Terms, shapes: Sequence[tuple[Dim, ...]]) -> dict[str, Dim] | None:
    """Return the size of each letter of lettered terms; None where dimensions do not meet."""
    found: dict[str, Dim] = {}
    for term, shape in zip(terms.inputs, shapes, strict=True):
        own: dict[str, Dim] = {}
        for letter, d in zip(term, shape, strict=True):
            if not may_equal(own.setdefault(letter, d), d):  # a diagonal: nothing is broadcast
                return None
        for letter, d in own.items():
            met = broadcast([(found.get(letter, 1),), (d,)])
            if met is None:
                return None
            found[letter] = met[0]
    return found


def _sizes(types: Types, attrs: Attrs) -> tuple[Terms, dict[str, Dim] | None]:
    terms = terms_of(attrs["equation"])
    full = lettered(terms or Terms((), ""), [t.ndim for t in types])
    return full, sizes_of(full, [t.shape for t in types])


def _result(types: Types, attrs: Attrs) -> TensorType:
    terms, sizes = _sizes(types, attrs)
    return TensorType(tuple((sizes or {})[c] for c in terms.output), result_dtype(types))


def _dense(operands: Sequence[Array], attrs: Attrs) -> Array:
    dtype = np.result_type(*operands)
    wide = [x.astype(accumulator(dtype)) for x in operands]
    result = np.einsum(attrs["equation"].replace(" ", ""), *wide, optimize=len(wide) > 2)
    return asarray(result).astype(dtype)


def _flops(types: Types, attrs: Attrs) -> int:
    """Count a multiplication for each input but the first, and an addition, for all letters."""
    _, sizes = _sizes(types, attrs)
    every = TensorType(tuple((sizes or {}).values()), types[0].dtype)
    return len(types) * every.size


def _samples(rng: "np.random.Generator") -> Iterator[Sample]:
    def given(equation: str, *shapes: tuple[int, ...], dtype: str = "f4") -> Sample:
        small = dtype if dtype[0] in "fc" else "i1"
        operands = tuple(
            np.asarray(random_values(rng, shape, small)).astype(dtype) for shape in shapes
        )
        label = f"{equation} {', '.join('x'.join(map(str, s)) for s in shapes)} {dtype}"
        return Sample(label, operands, {"equation": equation})

    yield given("ij,jk->ik", (4, 5), (5, 3))
    yield given("bij, bjk -> bik", (2, 4, 5), (2, 5, 3))
    yield given("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4))
    yield given("ij,jk", (4, 5), (5, 3))
    yield given("...ij,...jk->...ik", (2, 3, 4, 5), (3, 5, 2))
    yield given("...ij,kj", (2, 3, 4), (5, 4))
    yield given("ij->i", (4, 5))
    yield given("ij->ji", (4, 5))
    yield given("...ii->...i", (2, 4, 4))
    yield given("ii", (5, 5))
    yield given("i,i", (5,), (5,))
    yield given("i,j->ij", (4,), (3,))
    yield given(",ij->ij", (), (4, 3))
    yield given("ij,kl->il", (2, 3), (4, 3))
    yield given("ij,jk->ik", (4, 1), (5, 3))
    yield given("ij,jk->ik", (4, 5), (1, 3))
    yield given("iij,jk->ik", (3, 3, 4), (4, 2))
    yield given("ij,jk,kl->il", (2, 3), (3, 4), (4, 3))
    yield given("ij,jk->ik", (4, 0), (0, 3))
    yield given("ij,jk->ik", (0, 4), (4, 3))
    for dtype in ("f8", "f2", "i1", "u2", "?", "c8"):
        yield given("ij,jk->ik", (4, 5), (5, 3), dtype=dtype)
    special = random_values(rng, (4, 5), "f4")
    special[0, 0], special[1, 1] = np.nan, np.inf
    zeros = np.zeros((5, 3), "f4")
    yield Sample("NaN and inf", (special, zeros), {"equation": "ij,jk->ik"})


EINSUM = Op(
    "einsum",
    ("inputs*",),
    (
        Constraint(
            "C1",
            "equation must be terms of letters with commas between, one for each input, and an "
            "ellipsis at most once in each; after -> letters that occur before, each once",
            _fit,
        ),
        Constraint("C2", "each term must have a letter for each dimension", _dimensions_fit),
        Constraint(
            "C3",
            "dimensions with the same letter must be equal, or 1 in one of the inputs",
            lambda types, attrs: _sizes(types, attrs)[1] is not None,
        ),
        plain_mix("C4"),
    ),
    _result,
    _dense,
    _flops,
    _samples,
    attrs={"equation": ""},
    sums_products=True,
)
