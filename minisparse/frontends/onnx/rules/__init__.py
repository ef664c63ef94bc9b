"""What ONNX's ops are in ops of ours: one file a family, each ending in a table of rules."""

from collections.abc import Mapping
from functools import cache

from minisparse.core.discover import declared
from minisparse.frontends.onnx.rule import Rule, Rules


@cache
def find_rules() -> Mapping[str, Rule]:
    """Return every rule by its ONNX name, ``"Gemm"``; those of other domains with their domain.

    Examples
    --------
    >>> "Gemm" in find_rules()
    True
    """
    tables = declared(__name__, __path__, Rules).values()
    return {name: rule for table in tables for name, rule in table.of.items()}
