"""Names: of nodes by the module they belong to, of constants by the state dict, of results."""

import re
from collections.abc import Sequence
from typing import Any

_LEAF = "torch.nn.modules."
_NOT_LEAVES = ("container", "transformer", "MultiheadAttention")


class Names:
    """Names that are taken; values of a graph share one set of names."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def unused(self, name: str) -> str:
        """Return the name, with a number after it if it is taken, and take it.

        Examples
        --------
        >>> names = Names()
        >>> names.unused("add"), names.unused("add"), names.unused("add")
        ('add', 'add_2', 'add_3')
        """
        found = name
        while found in self._taken:
            self._counts[name] = self._counts.get(name, 1) + 1
            found = f"{name}_{self._counts[name]}"
        self._taken.add(found)
        return found


def module_path(node: Any) -> str:
    """Return the path of the module in whose ``forward`` an operator stands; "" at the top."""
    return _module(node)[0]


def _module(node: Any) -> tuple[str, str]:
    """Return path and class of an operator's module, both empty where torch does not tell."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack or "_empty_nn_module_stack" in str(stack[-1][0]):
        return "", ""
    path, kind = stack[-1][:2]
    # A module that is called again has its count after its path: "layer@1".
    return re.sub(r"@\d+", "", str(path)), str(kind)


def operator_name(node: Any) -> str:
    """Return an operator's full name: ``"aten.add.Tensor"``, ``"operator.mul"``."""
    target = node.target
    if hasattr(target, "_schema"):
        return str(target)
    module = getattr(target, "__module__", "") or ""
    name = getattr(target, "__name__", str(target))
    return f"{module.lstrip('_')}.{name}" if module else str(name)


def node_name(node: Any) -> str:
    """Return what an operator's nodes are called: its module, and itself where that has more.

    A layer of ``torch.nn``, such as a convolution, gives its one node its own path
    (``"layer1.0.conv1"``); what a ``forward`` of one's own computes has the operator's name after
    it (``"layer1.0.add"``).
    """
    path, kind = _module(node)
    simple = operator_name(node).split(".")[-2 if "aten." in operator_name(node) else -1]
    simple = simple.strip("_")
    if path and kind.startswith(_LEAF) and not any(word in kind for word in _NOT_LEAVES):
        return path
    return f"{path}.{simple}" if path else simple


def derived_name(operator: str, given: Sequence[str], otherwise: str) -> str:
    """Return the name of a constant that was computed from named ones.

    Parameters
    ----------
    operator : str
        What computed it.
    given : sequence of str
        The names of what it was computed from.
    otherwise : str
        Its name where nothing can be told.

    Examples
    --------
    >>> derived_name("aten.mul.Tensor", ["fc.weight_orig", "fc.weight_mask"], "mul")
    'fc.weight'
    >>> derived_name("aten.t.default", ["fc.weight"], "t")
    'fc.weight:t'
    """
    bases = {base_name(name) for name in given}
    if len(bases) != 1:
        return otherwise
    (base,) = bases
    if any(name != base for name in given):
        return base
    return f"{base}:{operator.split('.')[-2].strip('_')}" if "." in operator else otherwise


def base_name(name: str) -> str:
    """Return the parameter's own name for those parts of which torch's tools make it.

    Examples
    --------
    >>> base_name("fc.weight_orig"), base_name("fc.parametrizations.weight.original0")
    ('fc.weight', 'fc.weight')
    """
    found = re.fullmatch(r"(.*?)parametrizations\.([^.]+)\..*", name)
    if found:
        return found[1] + found[2]
    return re.sub(r"_(orig|mask)$", "", name)


def result_names(torch: Any, spec: Any) -> list[str]:
    """Return a name for each result of a module, from how it returned them.

    A dict and a dataclass name their results, those inside of others are joined by dots; the
    results of a tuple are numbered.

    Parameters
    ----------
    torch : module
        PyTorch.
    spec : torch.utils._pytree.TreeSpec
        What ``forward`` returned, its tensors taken out.
    """
    pytree = torch.utils._pytree
    tree = pytree.tree_unflatten(list(range(spec.num_leaves)), spec)
    paths = [_joined(path) for path, _ in pytree.tree_flatten_with_path(tree)[0]]
    if paths == [""]:
        return ["output"]
    return [f"output_{path}" if path[:1].isdigit() else path for path in paths]


def _joined(path: Sequence[Any]) -> str:
    keys = (
        getattr(part, "key", getattr(part, "idx", getattr(part, "name", part))) for part in path
    )
    return ".".join(map(str, keys))
