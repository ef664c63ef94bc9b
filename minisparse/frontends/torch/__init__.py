"""From a PyTorch module to a Graph: exported by torch, then written operator by operator.

Read :mod:`reading` first, which tells the way; then a file of ``rules``.
"""

from minisparse.frontends.torch.reading import from_torch

__all__ = ["from_torch"]
