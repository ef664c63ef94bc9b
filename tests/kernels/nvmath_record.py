"""What nvmath's bindings take, as they say it themselves: written down for the stand-ins.

``python -m tests.kernels.nvmath_record`` writes ``nvmath_record.json`` from the nvmath that is
installed, for which no card is needed.
"""

import importlib
import json
import re
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")
MODULES = ("cusparse", "cusparseLt")
_NEEDED = re.compile(
    r"create|csr_set_pointers|destroy|set_stream|sp_m[mv]|sddmm|init|matmul|(structured|dense|mat)_desc|dn_(mat|vec)_set"
)


def read(module: str) -> dict[str, str]:
    """Return the parameters of the functions of a module that could be needed."""
    bindings = importlib.import_module(f"nvmath.bindings.{module}")
    found = {}
    for name in dir(bindings):
        line = (getattr(bindings, name).__doc__ or "").strip().split("\n")[0]
        if line.startswith(f"{name}(") and _NEEDED.match(name):
            inner = line[len(name) + 1 : line.rindex(")")]
            found[name] = " ".join(part.split()[-1] for part in inner.split(",") if part.strip())
    return found


def record() -> dict[str, Any]:
    """Return what is installed."""
    return {module: read(module) for module in MODULES}


def main() -> None:
    """Write the record anew."""
    FILE.write_text(json.dumps(record(), indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
