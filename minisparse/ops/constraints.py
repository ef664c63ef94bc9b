"""Constraints that many ops share."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisparse.core.dtypes import DType, is_plain, is_supported
from minisparse.core.errors import DTypeError
from minisparse.ops.op import Attrs, Constraint, Types


def dtypes_mix(number: str) -> Constraint:
    """Every dtype is one that minisparse has, and NumPy has a common one for all."""
    return Constraint(number, "dtypes must be supported and mix", _dtypes_mix, DTypeError)


def plain_mix(number: str) -> Constraint:
    """:func:`dtypes_mix` of an op on plain arrays, which have more dtypes than matrices."""
    return Constraint(number, "dtypes must be supported and mix", plain_dtypes_mix, DTypeError)


def _dtypes_mix(types: Types, attrs: Attrs) -> bool:
    return all(is_supported(t.dtype) for t in types) and plain_dtypes_mix(types, attrs)


def plain_dtypes_mix(types: Types, attrs: Attrs) -> bool:
    """Tell whether plain arrays may have these dtypes, and NumPy has a common one for all."""
    if not all(is_plain(t.dtype) for t in types):
        return False
    try:
        np.result_type(*(t.dtype for t in types))
    except TypeError:  # float16 with bfloat16: neither holds the other
        return False
    return True


def has_kind(number: str, kinds: str, text: str) -> Constraint:
    """Every dtype's kind is among ``kinds`` (NumPy's letters; bfloat16 counts as ``f``)."""

    def holds(types: Types, attrs: Attrs) -> bool:
        return all(is_supported(t.dtype) and kind_of(t.dtype) in kinds for t in types)

    return Constraint(number, text, holds, DTypeError)


def plain_kind(number: str, kinds: str, text: str) -> Constraint:
    """:func:`has_kind` of an op on plain arrays, which have more dtypes than matrices."""

    def holds(types: Types, attrs: Attrs) -> bool:
        return all(is_plain(t.dtype) and kind_of(t.dtype) in kinds for t in types)

    return Constraint(number, text, holds, DTypeError)


def kind_of(dtype: DType) -> str:
    """Return NumPy's letter for the kind of a dtype, ``f`` for bfloat16 too."""
    return "f" if dtype.name == "bfloat16" else dtype.kind


def has_ndim(number: str, text: str, wanted: Mapping[int, int]) -> Constraint:
    """Operands have given numbers of dimensions; positions of absent optional ones are skipped."""

    def holds(types: Types, attrs: Attrs) -> bool:
        return all(types[i].ndim == ndim for i, ndim in wanted.items() if i < len(types))

    return Constraint(number, text, holds)


def are_ints(value: Any, count: int, least: int) -> bool:
    """Tell whether an attribute is a sequence of ``count`` whole numbers of at least ``least``."""
    return (
        isinstance(value, tuple | list)
        and len(value) == count
        and all(isinstance(v, int | np.integer) and v >= least for v in value)
    )
