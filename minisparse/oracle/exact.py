"""The exact answer of any op that is known here, fused ones derived from their parts.

Only stored entries are computed with (rule S1), whatever the format; dense operands are computed
with in full. Nothing is taken from :mod:`minisparse.kernels`, nor from the ops' ``dense`` meanings.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.tensor_type import dense_type
from minisparse.core.triplets import Triplets
from minisparse.formats import Matrix
from minisparse.ops import CONV, Op
from minisparse.oracle import (
    activations,
    arithmetic,
    elementwise,
    reductions,
    sampled_ops,
    sparse_product,
)
from minisparse.oracle.choices import meant, products, result_dtype
from minisparse.oracle.families import FAMILIES, Answer
from minisparse.oracle.families.windows import seen_columns, seen_elements
from minisparse.oracle.products import add_implicit_zeros
from minisparse.oracle.profile import DEFAULT, Profile
from minisparse.oracle.sums import Sums, addend, exact_products, stacked
from minisparse.oracle.truth import Truth, from_array

Operand = Array | Matrix | Triplets


def exact(
    op: Op,
    operands: Sequence[Operand],
    attrs: Mapping[str, Any] | None = None,
    profile: Profile = DEFAULT,
) -> Truth:
    """Return the exact answer and how far a right implementation may be from it.

    Parameters
    ----------
    op : Op
        What is computed; see :data:`KNOWN` for the names.
    operands : sequence of ndarray, Matrix or Triplets
        In the op's order, valid by its constraints.
    attrs : mapping, optional
        The op's attributes; those left out take their defaults.
    profile : Profile
        What is left to an implementation: what zeros and duplicates mean, and what may be lost.

    Raises
    ------
    UnsupportedOpError
        If the oracle has no answer for the op or a part of it.

    Examples
    --------
    >>> from minisparse.ops import SPMM
    >>> a = Triplets(np.array([0, 0]), np.array([0, 1]), np.array([1e16, 1.0]), (1, 2))
    >>> truth = exact(SPMM, (a, np.array([[1.0], [1.0]])))
    >>> truth.hi[0, 0], truth.lo[0, 0]
    (np.float64(1e+16), np.float64(1.0))
    """
    return exact_results(op, operands, attrs, profile)[0]


def exact_results(
    op: Op,
    operands: Sequence[Operand],
    attrs: Mapping[str, Any] | None = None,
    profile: Profile = DEFAULT,
) -> tuple[Truth, ...]:
    """Return the exact answers of an op, one for each of its results; see :func:`exact`."""
    attrs = op.complete(attrs or {})
    base, *rest = op.split(operands)
    answer = _base(op.base, base, op.attrs_of(op.base, attrs), profile)
    if isinstance(answer, tuple):
        return tuple(map(_settled, answer))
    for part, more in zip(op.epilogue, rest, strict=True):
        if part.name not in EPILOGUES:
            raise _unknown(part, EPILOGUES)
        answer = EPILOGUES[part.name](answer, [_as_array(x) for x in more], attrs)
    return (_settled(answer),)


def _base(
    op: Op, operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile
) -> Answer | tuple[Answer, ...]:
    if op.name in PRODUCTS:
        return PRODUCTS[op.name](operands, attrs, profile)
    if op.name in OTHERS:
        return OTHERS[op.name]([_as_array(x) for x in operands], attrs)
    if op.name in FAMILIES:
        return FAMILIES[op.name]([_as_array(x) for x in operands], attrs)
    raise _unknown(op, KNOWN)


def _unknown(op: Op, known: Sequence[str] | Mapping[str, Any]) -> UnsupportedOpError:
    return UnsupportedOpError(
        f"the oracle has no exact answer for '{op.name}'; it has: {', '.join(sorted(known))}"
        if op.name.isidentifier()
        else f"the oracle has no exact answer for '{op.name}', which another library computes"
    )


def _settled(answer: Answer) -> Truth:
    return answer.truth() if isinstance(answer, Sums) else answer


def _as_array(x: Operand) -> Array:
    return x.to_dense() if isinstance(x, Matrix | Triplets) else np.asarray(x)


def _as_triplets(a: Operand, b: Array, profile: Profile) -> Triplets:
    """Return the entries of ``a`` that are computed with, beside ``b [K, N]``.

    Zeros of a dense operand all count, but only those beside NaN and infinities make a difference.
    """
    if isinstance(a, np.ndarray):
        row, col = np.nonzero(a)
        return add_implicit_zeros(Triplets(row, col, a[row, col], a.shape), b)
    entries = meant(a.triplets() if isinstance(a, Matrix) else a, profile)
    return add_implicit_zeros(entries, b) if profile.implicit_zeros == "compute" else entries


def _dtype_of(x: Operand) -> np.dtype[Any]:
    return x.data.dtype if isinstance(x, Triplets) else x.dtype


def _spmm(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Sums:
    a, b = operands[0], _as_array(operands[1])
    dtype = result_dtype(profile, _dtype_of(a), b.dtype)
    return products(_as_triplets(a, b, profile), b, dtype, profile)


def _spmv(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Sums:
    a, x = operands[0], _as_array(operands[1])
    return _spmm((a, x[:, None]), attrs, profile).map(lambda y: y[:, 0])


def _spmm_t(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Sums:
    a, b = operands
    return _spmm((_turned(a), b), attrs, profile)


def _dsmm(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Sums:
    b, a = operands
    return _spmm((_turned(a), _as_array(b).T), attrs, profile).map(np.transpose)


def _turned(a: Operand) -> Operand:
    """Return the transpose, entries in the order in which they were."""
    if isinstance(a, np.ndarray):
        return a.T
    row, col, data, shape = a.triplets() if isinstance(a, Matrix) else a
    return Triplets(col, row, data, shape[::-1])


def _gemm(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Answer:
    """``alpha * A' @ B' + beta * C``, by the sparser of the two: its zeros are cheap."""
    a, b, *c = (_as_array(x) for x in operands)
    a = a.T if attrs["transA"] else a
    b = b.T if attrs["transB"] else b
    dtype = np.result_type(a, b)
    if np.count_nonzero(a) * b.size <= np.count_nonzero(b) * a.size:
        sums = products(_as_triplets(a, b, profile), b, dtype, profile)
    else:
        sums = products(_as_triplets(b.T, a.T, profile), a.T, dtype, profile).map(np.transpose)
    dtype = np.result_type(dtype, *c)
    sums = sums.as_dtype(dtype).scaled(_scale(attrs["alpha"], dtype))
    if not c:
        return sums
    return _plus(sums, _scaled(c[0], attrs["beta"], dtype))


def _scale(factor: float, dtype: np.dtype[Any]) -> float:
    """Return alpha or beta as the op's dtype holds it."""
    return float(np.float64(factor).astype(dtype).real)


def _scaled(c: Array, beta: float, dtype: np.dtype[Any]) -> Sums:
    """Return ``beta * C``."""
    return addend(c, dtype, c.shape).scaled(_scale(beta, dtype))


def _plus(answer: Answer, more: Array | Sums) -> Answer:
    """Add to sums as further terms where the dtype stays, else after a rounding."""
    dtype = np.result_type(answer.dtype, more.dtype)
    if isinstance(answer, Sums) and dtype == answer.dtype:
        if isinstance(more, Sums):
            return answer.plus(more.map(lambda y: np.broadcast_to(y, answer.hi.shape)))
        return answer.plus(addend(more, dtype, answer.hi.shape))
    return elementwise.add(
        _settled(answer), more.truth() if isinstance(more, Sums) else from_array(more)
    )


def _conv(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Answer:
    """Multiply the filters, one a row, with the windows, one a column."""
    x, w = _as_array(operands[0]), operands[1]
    dtype = np.result_type(x, _dtype_of(w))
    types = [dense_type(x), dense_type(np.broadcast_to(dtype.type(0), w.shape))]
    (result,) = CONV.infer(types, attrs)
    images, filters, *size = result.dims
    group = attrs["group"]
    table = seen_elements(x.shape[2:], attrs["kernel_shape"] or w.shape[2:], size, attrs)
    parts = []
    for g in range(group):
        channels, some = x.shape[1] // group, filters // group
        seen = seen_columns(x[:, g * channels : (g + 1) * channels], table)
        mine = w
        if isinstance(w, np.ndarray):
            mine = w[g * some : (g + 1) * some].reshape(some, -1)
        parts.append(products(_as_triplets(mine, seen, profile), seen, dtype, profile))
    sums = parts[0] if group == 1 else stacked(parts)
    bias = [_as_array(o)[:, None] for o in operands[2:]]
    answer = _plus(sums, bias[0]) if bias else sums
    shape = (filters, images, *size)
    return answer.map(lambda y: y.reshape(shape).swapaxes(0, 1))


def _convert(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Truth:
    """Keep the matrix; where cells are stored twice, sum in the matrix's own dtype."""
    (x,) = operands
    if isinstance(x, np.ndarray):
        return from_array(x.reshape(x.shape[0], int(np.prod(x.shape[1:], dtype=int))))
    entries = meant(x.triplets() if isinstance(x, Matrix) else x, profile)
    (m, k), dtype = entries.shape, entries.data.dtype
    cell = entries.row.astype(np.int64) * k + entries.col
    flat = Triplets(cell, np.zeros_like(cell), entries.data, (m * k, 1))
    sums = exact_products(flat, np.ones((1, 1), dtype), dtype)
    return sums.map(lambda y: y.reshape(m, k)).truth(accumulates_in=dtype)


PRODUCTS: dict[str, Callable[[Sequence[Operand], Mapping[str, Any], Profile], Answer]] = {
    "spmm": _spmm,
    "spmv": _spmv,
    "spmm_t": _spmm_t,
    "dsmm": _dsmm,
    "spgemm": sparse_product.spgemm,
    "gemm": _gemm,
    "conv": _conv,
    "convert": _convert,
    "add": arithmetic.add,
    "multiply": arithmetic.multiply,
    "reduce_sum": reductions.reduce_sum,
    "reduce_mean": reductions.reduce_mean,
    "sddmm": sampled_ops.sddmm,
    "softmax": sampled_ops.softmax,
    "attention": sampled_ops.attention,
}
OTHERS: dict[str, Callable[[Sequence[Array], Mapping[str, Any]], Answer]] = {
    "relu": lambda operands, attrs: elementwise.relu(from_array(operands[0])),
    "gelu": lambda operands, attrs: activations.gelu(from_array(operands[0]), attrs),
    "silu": lambda operands, attrs: activations.silu(from_array(operands[0])),
    "clip": lambda operands, attrs: activations.clip(from_array(operands[0]), attrs),
    "add_bias": lambda operands, attrs: elementwise.add_bias(from_array(operands[0]), operands[1]),
    "reduce_max": reductions.reduce_max,
    "reduce_min": reductions.reduce_min,
    "batch_normalization": elementwise.batch_normalization,
    "transpose": elementwise.transpose,
    "flatten": elementwise.flatten,
}
EPILOGUES: dict[str, Callable[[Answer, Sequence[Array], Mapping[str, Any]], Answer]] = {
    "add_bias": lambda answer, more, attrs: _plus(answer, elementwise.by_rows(more[0], answer)),
    "add": lambda answer, more, attrs: _plus(answer, more[0]),
    "relu": lambda answer, more, attrs: elementwise.relu(_settled(answer)),
    "gelu": lambda answer, more, attrs: activations.gelu(_settled(answer), attrs),
    "silu": lambda answer, more, attrs: activations.silu(_settled(answer)),
    "clip": lambda answer, more, attrs: activations.clip(_settled(answer), attrs),
}
KNOWN = (*PRODUCTS, *OTHERS, *FAMILIES)
"""Names of the ops that have an exact answer; fusions of them with ``EPILOGUES`` have one too."""
