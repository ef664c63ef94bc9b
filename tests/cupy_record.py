"""What CuPy has, and what its functions take: written down for the pretend device.

``python -m tests.cupy_record`` writes ``tests/cupy_record.json`` from the CuPy that is installed,
for which no card is needed; ``tests/core/test_pretend_device.py`` compares the two.
"""

import inspect
import json
from pathlib import Path
from types import ModuleType
from typing import Any

FILE = Path(__file__).with_suffix(".json")
SUBMODULES = ("linalg", "lib.stride_tricks")


def read(cupy: ModuleType) -> dict[str, Any]:
    """Return names and parameters of functions, of methods of arrays, and of universal functions.

    Parameters
    ----------
    cupy : module
        The real one.

    Returns
    -------
    dict
        ``version``; ``functions`` and ``methods``, from name to parameters, of which ``*args`` has
        its star and one that is by name alone follows ``*``; ``ufuncs``, from name to what ``at``
        does, or nothing where there is no ``at``; ``properties`` of arrays.
    """
    found: dict[str, Any] = {"version": cupy.__version__, "ufuncs": {}, "functions": {}}
    for name, x in _public(cupy):
        if isinstance(x, cupy.ufunc):
            found["ufuncs"][name] = x._scatter_op or ""
        elif callable(x) and not isinstance(x, type):
            found["functions"][name] = _parameters(x)
    for module in SUBMODULES:
        inside: Any = cupy
        for part in module.split("."):
            inside = getattr(inside, part)
        made = {
            f"{module}.{n}": _parameters(x) for n, x in _public(inside) if inspect.isfunction(x)
        }
        found["functions"].update(made)
    members = _public(cupy.ndarray)
    found["methods"] = {n: _parameters(x, 1) for n, x in members if callable(x)}
    found["properties"] = [n for n, x in members if not callable(x)]
    return found


def _public(x: Any) -> list[tuple[str, Any]]:
    return [(n, getattr(x, n)) for n in dir(x) if not n.startswith("_") and n != "cuda"]


def _parameters(function: Any, skip: int = 0) -> str:
    """Return the names of parameters with spaces between; CuPy's compiled ones document them."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        line = (function.__doc__ or "").split("\n", 1)[0]
        inner = line[line.find("(") + 1 : line.rfind(")")].split(",")
        names = [part.split("=")[0].strip().split(" ")[-1] for part in inner]
        return " ".join(names[skip:])
    words: list[str] = []
    for name, p in list(signature.parameters.items())[skip:]:
        star = "*" if p.kind is p.VAR_POSITIONAL else "**" if p.kind is p.VAR_KEYWORD else ""
        if p.kind is p.KEYWORD_ONLY and not any(w.startswith("*") for w in words):
            words.append("*")
        words.append(star + name)
    return " ".join(words)


def main() -> None:
    """Write the record anew."""
    import cupy

    FILE.write_text(json.dumps(read(cupy), indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
