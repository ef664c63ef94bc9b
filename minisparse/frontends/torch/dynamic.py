"""Which sizes of the example stay free: from what the caller says to torch.export's own terms."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minisparse.core.errors import UsageError

Axes = dict[int, Any]  # from axes of a tensor to names, or to torch.export's own Dim


@dataclass(frozen=True)
class Example:
    """The inputs to export with.

    Attributes
    ----------
    args, keywords : tuple, dict
        The example; a free dimension of length 1 is made longer, because torch.export takes lengths
        of 1 for facts about the model.
    shapes : Any
        ``dynamic_shapes`` for torch.export.
    names : list of dict
        For each tensor of the example, in order, from free axes to names.
    """

    args: tuple[Any, ...]
    keywords: dict[str, Any]
    shapes: Any
    names: list[dict[int, str]]


def make_example(
    torch: Any, module: Any, args: tuple[Any, ...], keywords: Mapping[str, Any], dynamic: Any
) -> Example:
    """Return the example with its free sizes.

    Parameters
    ----------
    torch, module
        PyTorch, and the module to be called.
    args, keywords : tuple, mapping
        What to call it with.
    dynamic : bool, str, sequence of str, or mapping
        As :func:`minisparse.from_torch` takes it.

    Raises
    ------
    UsageError
        If the example does not fit ``forward``, or ``dynamic`` does not fit the example.
    """
    try:
        bound = inspect.signature(module.forward).bind(*args, **keywords)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"from_torch: {type(module).__name__}.forward: {error}: example_inputs must be what "
            f"it is called with, a tuple of positional ones, and keywords= the others"
        ) from error
    given = dict(bound.arguments)
    wanted, hint = _wanted(torch, given, dynamic)
    pytree = torch.utils._pytree
    shapes: dict[str, Any] = {}
    names: list[dict[int, str]] = []
    for key, value in given.items():
        leaves, tree = pytree.tree_flatten(value)
        axes = [wanted.get(id(leaf), {}) if _is_tensor(torch, leaf) else {} for leaf in leaves]
        names += [_only_names(a) for a, t in zip(axes, leaves, strict=True) if _is_tensor(torch, t)]
        marks = [{i: hint if isinstance(n, str) else n for i, n in a.items()} for a in axes]
        shapes[key] = pytree.tree_unflatten([mark or None for mark in marks], tree)
        longer = [_longer(torch, leaf, a) for leaf, a in zip(leaves, axes, strict=True)]
        bound.arguments[key] = pytree.tree_unflatten(longer, tree)
    return Example(bound.args, bound.kwargs, shapes if any(names) or wanted else None, names)


def _is_tensor(torch: Any, leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor)


def _only_names(axes: Axes) -> dict[int, str]:
    """Return names of free axes; torch's own dimensions have names too, but for derived ones."""
    named = {i: n if isinstance(n, str) else getattr(n, "__name__", None) for i, n in axes.items()}
    return {i: str(n) for i, n in named.items() if n is not None and str(n).isidentifier()}


def _longer(torch: Any, leaf: Any, axes: Axes) -> Any:
    """Return a tensor whose free axes are not of length 1."""
    for axis in axes:
        if leaf.shape[axis] == 1:
            leaf = torch.cat([leaf, leaf], axis)
    return leaf


def _wanted(torch: Any, given: Mapping[str, Any], dynamic: Any) -> tuple[dict[int, Axes], Any]:
    """Return the free axes of each tensor by its id, and how torch is to take them."""
    dim = torch.export.Dim
    if isinstance(dynamic, str):
        dynamic = (dynamic,)
    if dynamic is True:
        return _leading(torch, given, ("batch",)), dim.AUTO
    if isinstance(dynamic, Mapping):
        return _from_mapping(torch, given, dynamic), dim.DYNAMIC
    if not dynamic:
        return {}, None
    if isinstance(dynamic, Sequence) and all(isinstance(name, str) for name in dynamic):
        found = _leading(torch, given, tuple(dynamic))
        if not found:
            raise UsageError(f"from_torch: dynamic={dynamic!r}: no input has such dimensions")
        return found, dim.DYNAMIC
    raise UsageError(
        f"from_torch: dynamic is {dynamic!r}: it must be True, False, names of leading dimensions "
        f'such as ("batch", "seq"), or a mapping from arguments to {{axis: name}}'
    )


def _tensors(torch: Any, value: Any) -> list[Any]:
    return [t for t in torch.utils._pytree.tree_leaves(value) if isinstance(t, torch.Tensor)]


def _leading(torch: Any, given: Mapping[str, Any], names: tuple[str, ...]) -> dict[int, Axes]:
    """Name the first input's leading dimensions, and those of others with the same lengths."""
    tensors = _tensors(torch, list(given.values()))
    first = next((t for t in tensors if t.ndim >= len(names)), None)
    if first is None:
        return {}
    lengths = tuple(first.shape[: len(names)])
    found: dict[int, Axes] = {}
    for tensor in tensors:
        same = zip(names, lengths, tensor.shape, strict=False)
        axes = {i: name for i, (name, length, own) in enumerate(same) if length == own}
        if axes:
            found[id(tensor)] = axes
    return found


def _from_mapping(
    torch: Any, given: Mapping[str, Any], dynamic: Mapping[str, Any]
) -> dict[int, Axes]:
    """Read ``{"ids": {0: "batch"}}``, or ``{"ids": ("batch", None)}``, argument by argument."""
    unknown = [key for key in dynamic if key not in given]
    if unknown:
        raise UsageError(
            f"from_torch: dynamic names {', '.join(map(str, unknown))}, but the example gives "
            f"{', '.join(given) or 'nothing'}"
        )
    found: dict[int, Axes] = {}
    for key, told in dynamic.items():
        if isinstance(told, Sequence):
            told = dict(enumerate([told] if isinstance(told, str) else told))
        axes = {axis: name for axis, name in (told or {}).items() if name is not None}
        for tensor in _tensors(torch, given[key]):
            wrong = [a for a in axes if not isinstance(a, int) or not 0 <= a < tensor.ndim]
            if wrong:
                raise UsageError(
                    f"from_torch: dynamic of '{key}' names the axes {wrong}, but it is a tensor of "
                    f"shape {tuple(tensor.shape)}: write {{axis: name}} with axes from 0"
                )
            found[id(tensor)] = axes
    return found
