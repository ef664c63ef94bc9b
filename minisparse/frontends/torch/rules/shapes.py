"""Operators that only move elements: views, permutations, slices, joins, padding."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minisparse.core.errors import UnsupportedOpError
from minisparse.core.symbolic import UNKNOWN, is_unknown
from minisparse.frontends.torch.lowering import EVERYTHING, Lowering
from minisparse.frontends.torch.sizes import Size, Sym, dim_of
from minisparse.frontends.torch.table import Table


def result_sizes(g: Lowering, told: Sequence[Size]) -> list[Size]:
    """Return sizes in which -1 is replaced where torch knows what it stands for."""
    dims = g.dims(g.result)
    found: list[Size] = []
    for size, dim in zip(told, dims, strict=True):
        is_open = isinstance(size, int) and size == -1
        found.append(dim if is_open and isinstance(dim, int) else size)
    return found


def view(g: Lowering, x: str, sizes: Sequence[Size]) -> str:
    """``aten.view`` and ``aten.reshape``."""
    wanted = result_sizes(g, sizes)
    if len(wanted) == 2 and g.ndim(x) > 2 and g.dims(g.result)[0] == g.shape(x)[0]:
        return g.op("flatten", x, axis=1)
    return g.reshape(x, wanted)


def flatten(g: Lowering, x: str, start: int = 0, end: int = -1) -> str:
    """``aten.flatten``; all behind the first axis is the op of that name."""
    start, end = g.axis(start, x), g.axis(end, x)
    if g.ndim(x) > 1 and start == end:
        return x
    if start == 1 and end == g.ndim(x) - 1:
        return g.op("flatten", x, axis=1)
    sizes = g.extents(x)
    joined = dim_of(g.result.shape[start], g.symbols)
    middle: Size = joined if isinstance(joined, int) else -1
    return g.reshape(x, [*sizes[:start], middle, *sizes[end + 1 :]])


def unflatten(g: Lowering, x: str, axis: int, sizes: Sequence[Size]) -> str:
    """``aten.unflatten``."""
    axis, old = g.axis(axis, x), g.extents(x)
    return g.reshape(x, result_sizes(g, [*old[:axis], *sizes, *old[axis + 1 :]]))


def squeeze(g: Lowering, x: str, axes: int | Sequence[int] | None = None) -> str:
    """``aten.squeeze``: those of the axes that have length 1 go, the others stay."""
    given = range(g.ndim(x)) if axes is None else [axes] if isinstance(axes, int) else axes
    gone = [g.axis(a, x) for a in given if g.ndim(x) and g.extent(x, a) == 1]
    return g.op("squeeze", x, g.ints(*sorted(gone))) if gone else x


def unsqueeze(g: Lowering, x: str, axis: int) -> str:
    """``aten.unsqueeze``."""
    return g.op("unsqueeze", x, g.ints(axis % (g.ndim(x) + 1)))


def permute(g: Lowering, x: str, axes: Sequence[int]) -> str:
    """``aten.permute``."""
    perm = tuple(g.axis(a, x) for a in axes)
    return x if perm == tuple(range(len(perm))) else g.op("transpose", x, perm=perm)


def transpose(g: Lowering, x: str, a: int, b: int) -> str:
    """``aten.transpose``."""
    perm = list(range(g.ndim(x)))
    if perm:
        a, b = g.axis(a, x), g.axis(b, x)
        perm[a], perm[b] = perm[b], perm[a]
    return permute(g, x, perm)


def turn(g: Lowering, x: str) -> str:
    """``aten.t``."""
    return permute(g, x, list(range(g.ndim(x)))[::-1])


def expand(g: Lowering, x: str, sizes: Sequence[Size], implicit: bool = False) -> str:
    """``aten.expand``; -1 leaves a length as it is, which is what 1 does here."""
    if g.shape(x) == g.dims(g.result) and UNKNOWN not in g.shape(x):
        return x
    return g.op("expand", x, g.vector([1 if size == -1 else size for size in sizes]))


def repeat(g: Lowering, x: str, repeats: Sequence[Size]) -> str:
    """``aten.repeat``, which may add axes in front."""
    more = len(repeats) - g.ndim(x)
    if more:
        x = g.op("unsqueeze", x, g.ints(*range(more)), part="axes")
    return g.op("tile", x, g.vector(repeats))


def slice_(
    g: Lowering,
    x: str,
    axis: int = 0,
    start: Size | None = None,
    end: Size | None = None,
    step: int = 1,
) -> str:
    """``aten.slice``."""
    start, end = 0 if start is None else start, EVERYTHING if end is None else end
    length = g.extent(x, axis)
    if isinstance(length, Sym) and isinstance(end, Sym):
        whole = end.dim == length.dim and not is_unknown(end.dim)
    else:
        whole = end in (EVERYTHING, length)
    if start == 0 and step == 1 and whole:
        return x
    bounds = g.vector([start]), g.vector([end])
    return g.op("slice", x, *bounds, g.ints(g.axis(axis, x)), g.ints(step))


def narrow(g: Lowering, x: str, axis: int, start: int, length: int) -> str:
    """``aten.narrow`` by numbers."""
    if isinstance(start, Sym) or isinstance(length, Sym):
        raise UnsupportedOpError("narrow by sizes that only the run tells: write x[start:end]")
    start = start % int(g.type(x).shape[axis]) if start < 0 else start
    return slice_(g, x, axis, start, start + length)


def select(g: Lowering, x: str, axis: int, index: Size) -> str:
    """``aten.select``: one place of an axis, which goes."""
    if isinstance(index, int):
        place = g.number(index, np.int64)
    else:
        place = g.op("squeeze", index.make(), g.ints(0), part="index")
    return g.op("gather", x, place, axis=g.axis(axis, x))


def split_with_sizes(g: Lowering, x: str, sizes: Sequence[Size], axis: int = 0) -> tuple[str, ...]:
    """``aten.split_with_sizes``."""
    return g.several(len(sizes), "split", x, g.vector(sizes), axis=g.axis(axis, x))


def split(g: Lowering, x: str, size: Any, axis: int = 0) -> tuple[str, ...]:
    """``aten.split`` and ``aten.chunk``: torch has told how long each part is."""
    axis = g.axis(axis, x)
    sizes = [dim_of(part.shape[axis], g.symbols) for part in g.result]
    if len(sizes) == 1:
        return (x,)
    if any(not isinstance(n, int) for n in sizes):
        raise UnsupportedOpError("parts of a length that only the run tells")
    return split_with_sizes(g, x, [n for n in sizes if isinstance(n, int)], axis)


def unbind(g: Lowering, x: str, axis: int = 0) -> tuple[str, ...]:
    """``aten.unbind``."""
    return tuple(select(g, x, axis, i) for i in range(len(g.result)))


def cat(g: Lowering, parts: Sequence[str], axis: int = 0) -> str:
    """``aten.cat``; torch leaves out vectors without elements."""
    ndim = g.result.ndim
    kept = [p for p in parts if not (g.type(p).shape == (0,) and ndim != 1)]
    same = [g.cast(part, g.dtype) for part in kept]
    return same[0] if len(same) == 1 else g.op("concat", *same, axis=g.axis(axis, same[0]))


def stack(g: Lowering, parts: Sequence[str], axis: int = 0) -> str:
    """``aten.stack``."""
    axis = axis % (g.ndim(parts[0]) + 1)
    apart = [g.op("unsqueeze", g.cast(p, g.dtype), g.ints(axis), part="part") for p in parts]
    return g.op("concat", *apart, axis=axis)


def _padding(mode: str) -> Callable[..., str]:
    """Return the rule of a padding, whose widths come in pairs from the last axis on."""

    def lower(g: Lowering, x: str, widths: Sequence[int], value: Any = 0) -> str:
        if any(isinstance(width, Sym) for width in widths):
            raise UnsupportedOpError("padding by widths that only the run tells")
        pairs = [(widths[i], widths[i + 1]) for i in range(0, len(widths), 2)]
        pairs += [(0, 0)] * (g.ndim(x) - len(pairs))
        ends = [pair[0] for pair in pairs[::-1]] + [pair[1] for pair in pairs[::-1]]
        filler = [g.operand(value, g.type(x).dtype)] if mode == "constant" else []
        return g.op("pad", x, g.ints(*ends), *filler, mode=mode)

    return lower


def flip(g: Lowering, x: str, axes: Sequence[int]) -> str:
    """``aten.flip``."""
    if not axes:
        return x
    count = len(axes)
    last, beyond = g.ints(*[-1] * count), g.ints(*[-EVERYTHING] * count)
    return g.op("slice", x, last, beyond, g.ints(*(g.axis(a, x) for a in axes)), last)


def _triangle(upper: int) -> Callable[..., str]:
    def lower(g: Lowering, x: str, diagonal: int = 0) -> str:
        return g.op("trilu", x, g.number(diagonal, np.int64), upper=upper)

    return lower


VIEWS = Table(
    {
        "aten.view.default": view,
        "aten._unsafe_view.default": view,
        "aten.reshape.default": view,
        "aten.flatten.using_ints": flatten,
        "aten.unflatten.int": unflatten,
        "aten.squeeze.default": squeeze,
        "aten.squeeze.dim": squeeze,
        "aten.squeeze.dims": squeeze,
        "aten.unsqueeze.default": unsqueeze,
        "aten.permute.default": permute,
        "aten.transpose.int": transpose,
        "aten.t.default": turn,
        "aten.expand.default": expand,
    }
)

PARTS = Table(
    {
        "aten.repeat.default": repeat,
        "aten.slice.Tensor": slice_,
        "aten.narrow.default": narrow,
        "aten.select.int": select,
        "aten.split.Tensor": split,
        "aten.chunk.default": split,
        "aten.split_with_sizes.default": split_with_sizes,
        "aten.unbind.int": unbind,
        "aten.cat.default": cat,
        "aten.stack.default": stack,
        "aten.constant_pad_nd.default": _padding("constant"),
        **{f"aten.reflection_pad{n}d.default": _padding("reflect") for n in (1, 2, 3)},
        **{f"aten.replication_pad{n}d.default": _padding("edge") for n in (1, 2, 3)},
        "aten.flip.default": flip,
        "aten.tril.default": _triangle(0),
        "aten.triu.default": _triangle(1),
    }
)
