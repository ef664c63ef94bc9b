"""What our ops are in ONNX: one file a family, each ending in a table of rules."""

from minisparse.core.discover import declared
from minisparse.frontends.onnx.writer import ExportRule, ExportRules


def find_export_rules() -> dict[str, ExportRule]:
    """Return every rule by the name of our op.

    Examples
    --------
    >>> "gemm" in find_export_rules()
    True
    """
    tables = declared(__name__, __path__, ExportRules).values()
    return {name: rule for table in tables for name, rule in table.of.items()}
