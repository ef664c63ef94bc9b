"""Kernels that are written on demand: from an index expression and levels of storage to source.

Read :mod:`.expression` (what is summed), :mod:`.storage` (how each dimension is stored),
:mod:`.nest` (the description of both), :mod:`.walk` (the loops they give), and then one of the
three forms: :mod:`.loops`, :mod:`.vectorized`, :mod:`.gpu`.
"""

from minisparse.kernels.generate.expression import EXPRESSIONS, expression_of, parse
from minisparse.kernels.generate.generated import Generated, generate
from minisparse.kernels.generate.nest import Nest, describe
from minisparse.kernels.generate.specialized import (
    Specialized,
    can_generate,
    generated_kernels,
)
from minisparse.kernels.generate.storage import STORAGE, find_format, storage_text
from minisparse.kernels.generate.written import source_of

__all__ = [
    "EXPRESSIONS",
    "STORAGE",
    "Generated",
    "Nest",
    "Specialized",
    "can_generate",
    "describe",
    "expression_of",
    "find_format",
    "generate",
    "generated_kernels",
    "parse",
    "source_of",
    "storage_text",
]
