"""Compute what depends on parameters alone when the module is read, with torch's own operators.

So masks times weights, reparametrized weights, tables of positions and causal masks are constants
of the graph, and none of the operators that make them needs a rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from minisparse.formats import Matrix
from minisparse.frontends.torch.naming import derived_name

LARGEST = 2**22
"""Elements: results larger than this, and than what they are made of, are left to the run."""

_TRANSPOSITIONS = ("aten.permute.default", "aten.t.default", "aten.transpose.int")


@dataclass(frozen=True, eq=False)
class Known:
    """A tensor that does not depend on the inputs, and what it is called."""

    tensor: Any
    name: str


def fold(
    torch: Any,
    call: tuple[Any, list[Any], dict[str, Any]],
    base: str,
    operator: str,
    matrices: dict[str, Matrix],
) -> Any:
    """Return an operator's result where it can be computed now, else None.

    Parameters
    ----------
    torch : module
        PyTorch.
    call : tuple
        The operator's node, its arguments and its keywords; tensors of which nothing is known
        now are names of values.
    base, operator : str
        What its nodes would be called, and its full name.
    matrices : dict
        Which of the known tensors are sparse: transposed ones are added, and nothing else is
        computed of them.

    Returns
    -------
    Known, tuple of Known, or None
    """
    node, args, keywords = call
    traced = node.meta.get("val")
    results = traced if isinstance(traced, list | tuple) else [traced]
    given = _flat([args, list(keywords.values())])
    known = [part for part in given if isinstance(part, Known)]
    if not results or not all(isinstance(t, torch.Tensor) for t in results):
        return None
    if (
        is_random(torch, node)
        or not all(_is_fixed(torch, part) for part in given)
        or not _is_small(results, known)
    ):
        return None
    name = derived_name(operator, [part.name for part in known], base)
    sparse = [matrices[part.name] for part in known if part.name in matrices]
    if sparse:
        if operator not in _TRANSPOSITIONS or len(known) > 1 or known[0].tensor.ndim != 2:
            return None
        turned = tuple(results[0].shape) == sparse[0].T.shape and _swaps(operator, args)
        matrices[name] = sparse[0].T if turned else sparse[0]
    with torch.no_grad():
        found = node.target(*_tensors(args), **{k: _tensors(v) for k, v in keywords.items()})
    if isinstance(traced, list | tuple):
        return tuple(Known(part, f"{name}.{i}") for i, part in enumerate(found))
    return Known(found, name)


def is_random(torch: Any, node: Any) -> bool:
    """Tell whether an operator may draw random numbers."""
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def _swaps(operator: str, args: list[Any]) -> bool:
    """Tell whether a transposition of a matrix exchanges its axes, rather than leave them."""
    if operator == "aten.permute.default":
        return [axis % 2 for axis in args[1]] == [1, 0]
    return operator == "aten.t.default" or args[1] % 2 != args[2] % 2


def _is_fixed(torch: Any, part: Any) -> bool:
    """Tell whether an argument is known now: a tensor, a number, or a setting such as a dtype."""
    if isinstance(part, Known | int | float | complex | None):
        return True
    return isinstance(part, torch.dtype | torch.device | torch.layout | torch.memory_format)


def _is_small(results: Sequence[Any], known: Sequence[Known]) -> bool:
    """Tell whether results are worth keeping: not much larger than what they are made of."""
    limit = max([LARGEST, *(2 * part.tensor.numel() for part in known)])
    sizes = [result.numel() for result in results]
    return all(isinstance(size, int) and size <= limit for size in sizes)


def _flat(given: Any) -> list[Any]:
    if isinstance(given, list | tuple):
        return [part for each in given for part in _flat(each)]
    return [given]


def _tensors(given: Any) -> Any:
    if isinstance(given, list | tuple):
        return type(given)(_tensors(part) for part in given)
    return given.tensor if isinstance(given, Known) else given
