"""Operators that make tensors from nothing but sizes and numbers."""

from collections.abc import Callable, Sequence
from typing import Any

from minisparse.frontends.torch.lowering import Lowering
from minisparse.frontends.torch.sizes import Size
from minisparse.frontends.torch.table import Table

_BOTH = ("zeros", "ones")


def arange(g: Lowering, start: Any, end: Any, step: Any = 1, **rest: Any) -> str:
    """``aten.arange``."""
    return g.op("range", *(g.operand(part, g.dtype) for part in (start, end, step)))


def arange_to(g: Lowering, end: Any, **rest: Any) -> str:
    """``aten.arange`` from 0."""
    return arange(g, 0, end)


def full(g: Lowering, sizes: Sequence[Size], value: Any, **rest: Any) -> str:
    """``aten.full``."""
    return g.op("expand", g.operand(value, g.dtype), g.vector(sizes))


def _constant(value: int) -> Callable[..., str]:
    """Return the rule of ``zeros`` or ``ones``."""

    def lower(g: Lowering, sizes: Sequence[Size], **rest: Any) -> str:
        return full(g, sizes, value)

    return lower


def _constant_like(value: int) -> Callable[..., str]:
    """Return the rule of ``zeros_like`` or ``ones_like``."""

    def lower(g: Lowering, x: str, **rest: Any) -> str:
        return full(g, g.extents(x), value)

    return lower


def _new_constant(value: int) -> Callable[..., str]:
    """Return the rule of ``new_zeros`` or ``new_ones``; of the tensor only the dtype matters."""

    def lower(g: Lowering, x: str, sizes: Sequence[Size], **rest: Any) -> str:
        return full(g, sizes, value)

    return lower


def full_like(g: Lowering, x: str, value: Any, **rest: Any) -> str:
    """``aten.full_like``."""
    return full(g, g.extents(x), value)


def empty(g: Lowering, sizes: Sequence[Size], **rest: Any) -> str:
    """``aten.empty``, whose values nobody may rely on: zeros."""
    return full(g, sizes, 0)


def copy(g: Lowering, x: str, source: str, *rest: Any) -> str:
    """``aten.copy``: the source in the shape and dtype of x."""
    source = g.cast(source, g.dtype)
    if g.type(source).shape == g.type(x).shape:
        return source
    return g.op("expand", source, g.vector(g.extents(x)))


def scalar_tensor(g: Lowering, value: Any, **rest: Any) -> str:
    """``aten.scalar_tensor``."""
    return g.operand(value, g.dtype)


CREATION = Table(
    {
        "aten.arange.default": arange_to,
        "aten.arange.start": arange,
        "aten.arange.start_step": arange,
        **{f"aten.{name}.default": _constant(n) for n, name in enumerate(_BOTH)},
        **{f"aten.{name}_like.default": _constant_like(n) for n, name in enumerate(_BOTH)},
        **{f"aten.new_{name}.default": _new_constant(n) for n, name in enumerate(_BOTH)},
        "aten.full.default": full,
        "aten.full_like.default": full_like,
        "aten.empty.memory_format": empty,
        "aten.copy.default": copy,
        "aten.scalar_tensor.default": scalar_tensor,
    }
)
