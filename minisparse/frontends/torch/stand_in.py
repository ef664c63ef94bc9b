"""The module that is exported: the caller's in eval mode, with masks applied and nothing sparse.

The caller's module is not touched. Its copy shares every tensor but these:

- what ``torch.nn.utils.prune`` keeps as ``weight_orig`` and ``weight_mask`` is their product, under
  the name ``weight``;
- sparse parameters and buffers are plain ones of the same values, since torch.export cannot trace
  sparse tensors; the graph gets the matrices themselves in their place.
"""

import copy
from typing import Any

from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.core.extras import require
from minisparse.formats import Matrix
from minisparse.frontends.torch.tensors import is_sparse, to_matrix


def stand_in(torch: Any, module: Any) -> tuple[Any, dict[str, Matrix]]:
    """Return a copy of a module that can be exported, and its sparse parameters by name.

    Parameters
    ----------
    torch : module
        PyTorch.
    module : torch.nn.Module
        In whatever mode; hooks and parametrizations stay.

    Raises
    ------
    UnsupportedOpError
        If it holds no values, being on the device ``meta``.
    UsageError
        If the module cannot be copied, or a sparse parameter is no matrix.
    """
    held = {id(t): t for sub in module.modules() for t in _tensors(torch, sub)}
    unloaded = [
        name for name, tensor in module.state_dict(keep_vars=True).items() if tensor.is_meta
    ]
    if unloaded:
        raise UnsupportedOpError(
            f"from_torch: {', '.join(unloaded[:3])} and whatever else is on the device 'meta' hold "
            f"no values: load the weights first"
        )
    try:
        copied = copy.deepcopy(module, dict(held)).eval()
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise UsageError(
            f"from_torch: {type(module).__name__} cannot be copied ({error}): give what "
            f"torch.export.export returns instead"
        ) from error
    for sub in copied.modules():
        _apply_masks(torch, sub)
    matrices: dict[str, Matrix] = {}
    plain: dict[int, Any] = {}
    for path, sub in copied.named_modules():
        _replace_sparse(torch, path, sub, matrices, plain)
    return copied, matrices


def _tensors(torch: Any, module: Any) -> list[Any]:
    """Return the tensors that a module itself holds: parameters, buffers, plain attributes."""
    plain = [value for value in vars(module).values() if isinstance(value, torch.Tensor)]
    held = [*module._parameters.values(), *module._buffers.values(), *plain]
    return [tensor for tensor in held if tensor is not None]


def _apply_masks(torch: Any, module: Any) -> None:
    """Make the weights that ``torch.nn.utils.prune`` masks at each call plain parameters.

    ``prune.remove`` does the same, but writes into the tensor that the caller's module has too.
    """
    kind = require("torch.nn.utils.prune", "torch", "masks of weights").BasePruningMethod
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, kind):
            name = hook._tensor_name
            masked = hook.apply_mask(module).detach()
            del module._forward_pre_hooks[key]
            del module._parameters[f"{name}_orig"], module._buffers[f"{name}_mask"]
            vars(module).pop(name, None)
            module.register_parameter(name, torch.nn.Parameter(masked, requires_grad=False))


def _replace_sparse(
    torch: Any, path: str, module: Any, found: dict[str, Matrix], plain: dict[int, Any]
) -> None:
    """Put plain tensors in place of the sparse ones that a module holds, and note these.

    ``plain`` has what was put for which tensor, so that those which are tied stay so.
    """
    for place in (module._parameters, module._buffers, vars(module)):
        for name, value in list(place.items()):
            if isinstance(value, torch.Tensor) and is_sparse(value):
                full = f"{path}.{name}" if path else name
                found[full] = to_matrix(value, full)
                if id(value) not in plain:
                    dense = value.detach().to_dense()
                    is_parameter = isinstance(value, torch.nn.Parameter)
                    plain[id(value)] = torch.nn.Parameter(dense, False) if is_parameter else dense
                place[name] = plain[id(value)]
