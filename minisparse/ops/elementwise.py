"""Functions of one element, as in ONNX: ``neg``, ``exp``, ``sigmoid``, ``floor`` and many more.

Each is computed in the accumulator's dtype, float32 at least, and rounded once to X's dtype.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array, accumulator, as_dtype, bfloat16
from minisparse.core.symbolic import multiply
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.ops.constraints import plain_kind
from minisparse.ops.hard_matrices import random_values
from minisparse.ops.known import OnNames, of_dims, with_known
from minisparse.ops.op import Attrs, Constraint, Op, Sample, Types

FLOATING = plain_kind("C1", "f", "the dtype must be real floating-point")
REAL = plain_kind("C1", "iuf", "the dtype must be real, and not bool")


def rounded_once(function: Callable[[Array], Array]) -> Callable[[Sequence[Array], Attrs], Array]:
    """Return the meaning that computes in the accumulator's dtype and rounds to x's."""

    def dense(operands: Sequence[Array], attrs: Attrs) -> Array:
        (x,) = operands
        found = asarray(function(x.astype(accumulator(x.dtype), copy=False)))
        return found.astype(x.dtype, copy=False)

    return dense


def float_dtypes() -> tuple[str, ...]:
    """Return the names of real floating-point dtypes but float32, which samples mostly have."""
    return ("float64", "float16", *(["bfloat16"] if bfloat16() is not None else []))


def float_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    """Yield arrays of every floating dtype, special values and odd memory among them."""
    x = random_values(rng, (5, 7), "float32")
    yield Sample("plain", (x,))
    yield Sample("no elements", (x[:0],))
    yield Sample("no dimensions", (np.array(x[0, 0]),))
    yield Sample("in Fortran order", (np.asfortranarray(x),))
    yield Sample("strided", (np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],))
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -1.0, 0.5, -2.5], "float32")
    yield Sample("NaN and inf", (special,))
    yield Sample("float64 NaN and inf", (special.astype("float64"),))
    extreme = np.array([1e-30, -1e-30, 1e-41, -1e-41, 3e38, -3e38, 1e-5, -1e-5], "float32")
    yield Sample("tiny and huge", (extreme,))
    for dtype in float_dtypes():
        yield Sample(dtype, (random_values(rng, (3, 4), dtype),))
        values = np.linspace(-30, 30, 41) ** 3 / 900
        yield Sample(f"{dtype} small and large", (values.astype(as_dtype(dtype, "samples")),))


def _samples_above_zero(rng: "np.random.Generator") -> Iterator[Sample]:
    """Yield what :func:`float_samples` does, of bfloat16 nothing that has no root."""
    for sample in float_samples(rng):
        (x,) = sample.operands
        if isinstance(x, np.ndarray) and x.dtype.name == "bfloat16":
            x = np.abs(x)
        yield Sample(sample.label, (x,))


def real_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    """Yield what :func:`float_samples` does, and integers up to the ends of their range."""
    yield from float_samples(rng)
    for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        limits = np.iinfo(dtype)
        ends = [limits.min, limits.min + 1, 0, 1, 2, limits.max - 1, limits.max]
        yield Sample(dtype, (np.array(ends, dtype),))


def function_op(
    name: str,
    domain: Constraint,
    dense: Callable[[Sequence[Array], Attrs], Array],
    flops: int = 1,
    *more: Constraint,
    attrs: Attrs | None = None,
    samples: Callable[["np.random.Generator"], Iterator[Sample]] | None = None,
    on_names: OnNames | None = None,
) -> Op:
    """Return the op that applies a function to each element, keeping shape and dtype.

    Parameters
    ----------
    name : str
        The op's name.
    domain : Constraint
        C1: which dtypes it takes.
    dense : callable
        Its meaning.
    flops : int
        Operations for each element.
    *more : Constraint
        C2 and further ones.
    attrs : mapping, optional
        Defaults of its attributes.
    samples : callable, optional
        Valid operands; those of the domain unless given.
    on_names : callable, optional
        What it gives of the name of a size; see :func:`~minisparse.ops.known.with_known`.
    """

    def result(types: Types, given: Attrs) -> TensorType:
        same = replace(types[0], known=None)
        return with_known(same, types, lambda operands: dense(operands, given), on_names)

    return Op(
        name,
        ("x",),
        (domain, *more),
        result,
        dense,
        lambda types, given: flops * types[0].size,
        samples or (float_samples if domain is FLOATING else real_samples),
        attrs=attrs or {},
        elementwise=True,
    )


def _plain_neg(operands: Sequence[Array], attrs: Attrs) -> Array:
    return asarray(np.negative(operands[0]))


def _sign(x: Array) -> Array:
    """Return -1, 0 or 1, and NaN for NaN."""
    return asarray(np.sign(x))


def _erf(operands: Sequence[Array], attrs: Attrs) -> Array:
    (x,) = operands
    values = [math.erf(float(v)) for v in x.reshape(-1)]
    return np.array(values, np.float64).reshape(x.shape).astype(x.dtype)


def _sigmoid(x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))``; where exp overflows, the result is 0."""
    result: Array = 1 / (1 + np.exp(-x))
    return result


def _softplus(x: Array) -> Array:
    """Return ``log(1 + exp(x))``, in a form in which nothing overflows."""
    result: Array = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return result


NEG = function_op(
    "neg",
    plain_kind("C1", "iufc", "the dtype must be that of numbers, not bool"),
    _plain_neg,
    samples=real_samples,
    on_names=of_dims(lambda dims: multiply([-1, *dims])),
)
ABS = function_op("abs", REAL, rounded_once(np.abs))
SIGN = function_op("sign", REAL, rounded_once(_sign))
FLOOR = function_op("floor", FLOATING, rounded_once(np.floor))
CEIL = function_op("ceil", FLOATING, rounded_once(np.ceil))
ROUND = function_op("round", FLOATING, rounded_once(np.rint))
SQRT = function_op("sqrt", FLOATING, rounded_once(np.sqrt), samples=_samples_above_zero)
RECIPROCAL = function_op("reciprocal", FLOATING, rounded_once(np.reciprocal))
EXP = function_op("exp", FLOATING, rounded_once(np.exp))
LOG = function_op("log", FLOATING, rounded_once(np.log), samples=_samples_above_zero)
SIN = function_op("sin", FLOATING, rounded_once(np.sin))
COS = function_op("cos", FLOATING, rounded_once(np.cos))
TANH = function_op("tanh", FLOATING, rounded_once(np.tanh))
ERF = function_op("erf", FLOATING, _erf)
SIGMOID = function_op("sigmoid", FLOATING, rounded_once(_sigmoid), 4)
SOFTPLUS = function_op("softplus", FLOATING, rounded_once(_softplus), 5)
