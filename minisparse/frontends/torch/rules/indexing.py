"""Operators that choose elements by indices, or write at them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minisparse.core.errors import UnsupportedOpError
from minisparse.frontends.torch.lowering import EVERYTHING, Lowering
from minisparse.frontends.torch.sizes import Sym
from minisparse.frontends.torch.table import Table


def index(g: Lowering, x: str, indices: Sequence[str | None]) -> str:
    """``aten.index``: ``x[i, :, j]`` by tensors, as NumPy means it."""
    given = [(axis, i) for axis, i in enumerate(indices) if i is not None]
    axes, tensors = [axis for axis, _ in given], [i for _, i in given]
    if any(g.type(i).dtype == bool for i in tensors):
        return _by_mask(g, x, axes, tensors)
    if len(given) == 1:
        return g.op("gather", x, tensors[0], axis=axes[0])
    together = _joined(g, tensors)
    front = [*axes, *(a for a in range(g.ndim(x)) if a not in axes)]
    turned = x
    if front != sorted(front):
        turned = g.op("transpose", x, part="front", perm=tuple(front))
    found = g.op("gather_nd", turned, together)
    if axes[0] == 0 or axes[-1] - axes[0] >= len(axes):
        return found
    new = g.ndim(together) - 1  # axes side by side: theirs come where they stood
    before = [new + i for i in range(axes[0])]
    after = range(new + axes[0], g.ndim(found))
    return g.op("transpose", found, part="back", perm=(*before, *range(new), *after))


def _by_mask(g: Lowering, x: str, axes: Sequence[int], tensors: Sequence[str]) -> str:
    if len(axes) != 1 or axes[0] != 0:
        raise UnsupportedOpError("a mask among other indices")
    places = g.op("transpose", g.op("non_zero", tensors[0], part="places"), part="true")
    return g.op("gather_nd", x, places)


def _joined(g: Lowering, tensors: Sequence[str]) -> str:
    """Return indices of several axes as one tensor ``[..., axes]``, broadcast to each other."""
    whole = [g.cast(t, np.dtype(np.int64)) for t in tensors]
    shapes = {g.type(t).shape for t in whole}
    if len(shapes) > 1 or any("?" in str(d) for shape in shapes for d in shape):
        total = whole[0]
        for other in whole[1:]:
            total = g.op("add", total, other, part="common")
        shape = g.op("shape", total, part="shape")
        whole = [g.op("expand", t, shape, part="spread") for t in whole]
    last = g.ndim(whole[0])
    apart = [g.op("unsqueeze", t, g.ints(last), part="apart") for t in whole]
    return g.op("concat", *apart, part="indices", axis=last)


def unfold(g: Lowering, x: str, axis: int, size: int, step: int) -> str:
    """``aten.unfold``: windows along an axis, their elements on a new last one."""
    axis = g.axis(axis, x)
    length = g.extent(x, axis)
    if isinstance(length, Sym):
        raise UnsupportedOpError("windows along a size that only the run tells")
    starts = np.arange(0, length - size + 1, step)
    windows = g.number((starts[:, None] + np.arange(size)).tolist(), np.int64)
    found = g.op("gather", x, windows, part="windows", axis=axis)
    ndim = g.ndim(found)
    rest = [a for a in range(ndim) if a != axis + 1]
    return g.op("transpose", found, perm=(*rest, axis + 1)) if axis + 1 < ndim - 1 else found


def diagonal(g: Lowering, x: str, offset: int = 0, first: int = 0, second: int = 1) -> str:
    """``aten.diagonal``, on a new last axis."""
    first, second = g.axis(first, x), g.axis(second, x)
    rows, columns = g.extent(x, first), g.extent(x, second)
    if isinstance(rows, Sym) or isinstance(columns, Sym):
        raise UnsupportedOpError("a diagonal whose length only the run tells")
    places = [[i, i + offset] for i in range(rows) if 0 <= i + offset < columns]
    rest = [a for a in range(g.ndim(x)) if a not in (first, second)]
    turned = g.op("transpose", x, part="front", perm=(first, second, *rest))
    found = g.op("gather_nd", turned, g.number(places, np.int64), part="places")
    last = g.ndim(found)
    return g.op("transpose", found, perm=(*range(1, last), 0)) if last > 1 else found


def index_select(g: Lowering, x: str, axis: int, indices: str) -> str:
    """``aten.index_select``."""
    return g.op("gather", x, indices, axis=g.axis(axis, x))


def gather(g: Lowering, x: str, axis: int, indices: str, sparse_grad: bool = False) -> str:
    """``aten.gather``; of indices fewer than X has rows only those are taken, as in ONNX."""
    return g.op("gather_elements", x, indices, axis=g.axis(axis, x))


def scatter(g: Lowering, x: str, axis: int, indices: str, source: Any, **rest: Any) -> str:
    """``aten.scatter`` of a tensor or of one number."""
    if not isinstance(source, str):
        filler = g.operand(source, g.type(x).dtype)
        source = g.op("expand", filler, g.vector(g.extents(indices)), part="source")
    return g.op("scatter_elements", x, indices, source, axis=g.axis(axis, x))


def scatter_add(g: Lowering, x: str, axis: int, indices: str, source: str) -> str:
    """``aten.scatter_add``."""
    axis = g.axis(axis, x)
    return g.op("scatter_elements", x, indices, source, axis=axis, reduction="add")


def scatter_reduce(
    g: Lowering,
    x: str,
    axis: int,
    indices: str,
    source: str,
    reduce: str,
    include_self: bool = True,
) -> str:
    """``aten.scatter_reduce`` with what is there already."""
    names = {"sum": "add", "prod": "mul", "amax": "max", "amin": "min"}
    if reduce not in names or not include_self:
        raise UnsupportedOpError(f"scatter_reduce by {reduce}, include_self={include_self}")
    attrs: dict[str, Any] = {"axis": g.axis(axis, x), "reduction": names[reduce]}
    return g.op("scatter_elements", x, indices, source, **attrs)


def index_put(
    g: Lowering, x: str, indices: Sequence[str | None], values: str, accumulate: bool = False
) -> str:
    """``aten.index_put`` at indices of the leading axes."""
    tensors = [i for i in indices if i is not None]
    if len(tensors) < len(indices) or any(g.type(i).dtype == bool for i in tensors):
        if len(indices) == 1 and g.ndim(values) == 0 and not accumulate:
            return _put_by_mask(g, x, tensors[0], values)
        raise UnsupportedOpError("writing by a mask, or with axes left out: use torch.where")
    together = _joined(g, tensors)
    sizes = [*g.extents(together)[:-1], *g.extents(x)[len(tensors) :]]
    source = g.op("expand", values, g.vector(sizes), part="source")
    return g.op("scatter_nd", x, together, source, reduction="add" if accumulate else "none")


def _put_by_mask(g: Lowering, x: str, mask: str, value: str) -> str:
    """Write one number wherever a mask of the leading axes is true."""
    more = g.ndim(x) - g.ndim(mask)
    if more:
        axes = range(g.ndim(mask), g.ndim(x))
        mask = g.op("unsqueeze", mask, g.ints(*axes), part="mask")
    return g.op("where", mask, g.cast(value, g.type(x).dtype), x)


def slice_scatter(
    g: Lowering,
    x: str,
    source: str,
    axis: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> str:
    """``aten.slice_scatter``: what ``x[start:end] = source`` leaves, put together from parts."""
    axis = g.axis(axis, x)
    length = g.extent(x, axis)
    bounds = (start or 0, EVERYTHING if end is None else end)
    if (*bounds, step) == (0, EVERYTHING, 1):
        return source
    if step != 1 or any(isinstance(b, Sym) for b in (*bounds, length)):
        raise UnsupportedOpError("writing into a slice with steps, or of bounds told by the run")
    size = int(g.type(x).shape[axis])
    first, stop, _ = slice(*bounds).indices(size)
    parts = [_part(g, x, axis, 0, first), source, _part(g, x, axis, max(first, stop), size)]
    kept = [part for part in parts if part is not None]
    return kept[0] if len(kept) == 1 else g.op("concat", *kept, axis=axis)


def _part(g: Lowering, x: str, axis: int, start: int, stop: int) -> str | None:
    if stop <= start:
        return None
    return g.op("slice", x, g.ints(start), g.ints(stop), g.ints(axis), g.ints(1), part="part")


def select_scatter(g: Lowering, x: str, source: str, axis: int, place: int) -> str:
    """``aten.select_scatter``: what ``x[place] = source`` leaves."""
    axis = g.axis(axis, x)
    row = g.op("unsqueeze", source, g.ints(axis), part="row")
    place = place % int(g.type(x).shape[axis]) if place < 0 else place
    return slice_scatter(g, x, row, axis, place, place + 1)


def non_zero(g: Lowering, x: str) -> str:
    """``aten.nonzero``: one row for each element that is not 0."""
    return g.op("transpose", g.op("non_zero", x, part="places"))


def one_hot(g: Lowering, indices: str, classes: int = -1) -> str:
    """``aten.one_hot`` of a number of classes that is told."""
    if classes < 0:
        raise UnsupportedOpError("one_hot without num_classes: its size depends on values")
    values = g.ints(0, 1)
    return g.op("one_hot", indices, g.number(classes, np.int64), values, axis=-1)


INDEXING = Table(
    {
        "aten.index.Tensor": index,
        "aten.index_select.default": index_select,
        "aten.unfold.default": unfold,
        "aten.diagonal.default": diagonal,
        "aten.gather.default": gather,
        "aten.scatter.src": scatter,
        "aten.scatter.value": scatter,
        "aten.scatter_add.default": scatter_add,
        "aten.scatter_reduce.two": scatter_reduce,
        "aten.index_put.default": index_put,
        "aten.slice_scatter.default": slice_scatter,
        "aten.select_scatter.default": select_scatter,
        "aten.nonzero.default": non_zero,
        "aten.one_hot.default": one_hot,
    }
)
