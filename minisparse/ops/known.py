"""Elements of a result that are known before the run, because the operands' are.

Models compute shapes with the same ops as values. Where elements are numbers, an op's own meaning
says what they give; where some are names of sizes, arithmetic on names does, as far as it goes.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.symbolic import Dim, add, is_unknown, multiply
from minisparse.core.tensor_type import Known, TensorType
from minisparse.ops.op import Types

Element = Dim | float
OnNames = Callable[..., Element | None]
"""From one element of each operand, names among them, to that of the result; None: not known."""


def with_known(
    result: TensorType,
    types: Types,
    dense: Callable[[Sequence[Array]], Array],
    on_names: OnNames | None = None,
) -> TensorType:
    """Return the type of an elementwise result, its elements noted where they can be told.

    Parameters
    ----------
    result : TensorType
        The result's type, without known elements.
    types : sequence of TensorType
        The operands' types.
    dense : callable
        What the op means, from arrays.
    on_names : callable, optional
        What it means where an element is a name; of whole numbers only.

    Examples
    --------
    >>> shape = TensorType((2,), np.dtype("int64"), known=("batch", 3))
    >>> two = TensorType((), np.dtype("int64"), known=(2,))
    >>> times = lambda a, b: multiply([a, b])
    >>> with_known(replace(shape, known=None), (shape, two), lambda x: x[0] * x[1], times).known
    ('2*batch', 6)
    """
    found = [t.known for t in types if t.known is not None]
    if result.ndim > 1 or len(found) < len(types) or result.dtype.kind not in "biuf":
        return result
    if all(_are_numbers(elements) for elements in found):
        return replace(result, known=_of_numbers(found, types, dense))
    if on_names is None or any(t.dtype.kind not in "biu" for t in (result, *types)):
        return result
    lengths = {len(elements) for elements in found} - {1}
    rows = zip(*(e * max(lengths, default=1) if len(e) == 1 else e for e in found), strict=True)
    told: list[Element] = []
    for row in rows:
        one = _of_numbers([(x,) for x in row], types, dense)[0] if _are_numbers(row) else None
        one = on_names(*row) if one is None else one
        if one is None:
            return result
        told.append(one)
    return replace(result, known=tuple(told))


def _are_numbers(elements: Known) -> bool:
    return not any(isinstance(x, str) for x in elements)


def _of_numbers(
    found: Sequence[Known], types: Types, dense: Callable[[Sequence[Array]], Array]
) -> Known:
    """Return what the op gives of numbers, computed in the operands' own dtypes."""
    pairs = zip(found, types, strict=True)
    arrays = [np.array(x, t.dtype).reshape(-1 if t.ndim else ()) for x, t in pairs]
    with np.errstate(all="ignore"):
        return tuple(dense(arrays).reshape(-1).tolist())


def as_dim(x: Element) -> Dim | None:
    """Return an element as a dimension, None if it is no whole number."""
    return int(x) if isinstance(x, int | np.integer) else x if isinstance(x, str) else None


def of_dims(function: Callable[[Sequence[Dim]], Dim]) -> OnNames:
    """Return arithmetic on names, for where every element is a whole number or a name."""

    def on_names(*elements: Element) -> Element | None:
        dims = [dim for dim in map(as_dim, elements) if dim is not None]
        return function(dims) if len(dims) == len(elements) else None

    return on_names


def order(a: Element, b: Element) -> int | None:
    """Return -1, 0 or 1 as a is less, equal or greater for all sizes; None where that depends.

    Sizes are never negative, so neither is a sum of products of names without a minus.

    Examples
    --------
    >>> order("batch + 1", "batch"), order("batch", -1), order("batch", "seq")
    (1, 1, None)
    """
    first, second = as_dim(a), as_dim(b)
    if first is None or second is None or is_unknown(first) or is_unknown(second):
        return None
    rest = add([first, multiply([-1, second])])
    if isinstance(rest, int):
        return (rest > 0) - (rest < 0)
    if isinstance(first, str) and isinstance(second, int) and second < 0 and "-" not in first:
        return 1
    if isinstance(second, str) and isinstance(first, int) and first < 0 and "-" not in second:
        return -1
    return None
