"""Exact answers of the ops of whole networks, a file for each family of ops.

Each file ends by declaring ``ANSWERS``: from the names of ops to functions from operand arrays and
attributes, complete, to the exact answer, or to a tuple where the op has several results.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from minisparse.core.dtypes import Array
from minisparse.oracle.sums import Sums
from minisparse.oracle.truth import Truth

Answer = Sums | Truth
Answering = Callable[[Sequence[Array], Mapping[str, Any]], Answer | tuple[Answer, ...]]

FAMILIES: dict[str, Answering] = {}
"""From the name of an op to what gives its exact answer."""

for _info in iter_modules(__path__):
    FAMILIES.update(import_module(f"{__name__}.{_info.name}").ANSWERS)
