"""Sphinx settings; also writes the API pages and brings the tutorials in.

Build with ``sphinx-build -W --keep-going -b html docs docs/_build/html``.
"""

import inspect
import re
import sys
import textwrap
import tomllib
from pathlib import Path

import jupytext
from sphinx.application import Sphinx

DOCS = Path(__file__).parent
ROOT = DOCS.parent
# What is documented is the tree in front of you, however minisparse is installed.
sys.path.insert(0, str(ROOT))

import minisparse

project = "minisparse"
author = "The minisparse contributors"
copyright = author
release = minisparse.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"minisparse {release}"

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "show-inheritance": True,
    # A package's page documents what its own files define, not what it passes on.
    "ignore-module-all": True,
    "no-value": True,
}
autodoc_typehints_format = "short"
# Some short names, such as Step, are a class in several rooms; annotations that only a type checker
# evaluates have no module in front, and link to the first of them.
suppress_warnings = ["ref.python"]
napoleon_google_docstring = False
# Types are prose ("ndarray of int, shape (nnz,)"), so they are not searched for names to link.
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]

# The tutorials were executed before (`.ci/tutorials.py`), once, where a failing cell fails the
# build; their pages show what came out. Executing them again here would only take time.
nb_execution_mode = "off"


def floors() -> list[str]:
    """Return the rooms that exist, top down, from the import contract in pyproject.toml."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "floors")
    rooms = [room.strip("() ") for layer in layers for room in layer.split("|")]
    return [room for room in rooms if modules(room)]


def modules(room: str) -> list[str]:
    """Return the dotted names of a room's modules, the room's own first.

    Left out are the scripts that train the shipped models: they import what no extra installs.
    """
    paths = [*(ROOT / "minisparse").glob(f"{room}.py"), *(ROOT / "minisparse" / room).rglob("*.py")]
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in paths
        if not path.name.startswith("train_")
    ]
    return sorted(names)


def heading(text: str, underline: str) -> str:
    """Return a reStructuredText heading."""
    return f"{text}\n{underline * len(text)}\n\n"


def public_names() -> str:
    """Return a list of the public names: each with its summary, linked to where it is defined."""
    lines = []
    for name in sorted(minisparse.__all__, key=str.lower):
        value = getattr(minisparse, name)
        module = getattr(value, "__module__", "")
        target = f"{module}.{value.__qualname__}" if module else value.__name__
        summary = inspect.getdoc(value).partition("\n\n")[0].replace("\n", " ")
        lines.append(f":py:obj:`ms.{name} <{target}>`\n    {summary}\n")
    return "\n".join(lines)


def write_api_pages(folder: Path) -> None:
    """Write one page for each room, and one for the public names."""
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("*.rst"):
        stale.unlink()
    public = heading("Public names", "=") + public_names()
    (folder / "minisparse.rst").write_text(public, encoding="utf-8")
    for room in floors():
        page = heading(f"minisparse.{room}", "=")
        for name in modules(room):
            page += heading(name, "-") if name != f"minisparse.{room}" else ""
            page += f".. automodule:: {name}\n\n"
        (folder / f"{room}.rst").write_text(page, encoding="utf-8")
    contents = ".. toctree::\n   :maxdepth: 1\n\n" + "".join(
        f"   {page}\n" for page in ["minisparse", *floors()]
    )
    (folder / "index.rst").write_text(heading("API", "=") + contents, encoding="utf-8")


def bring_tutorials(folder: Path) -> None:
    """Write a page for each tutorial that was not executed since it last changed."""
    folder.mkdir(exist_ok=True)
    for source in sorted((ROOT / "tutorials").glob("*.py")):
        page = folder / f"{source.stem}.ipynb"
        if not page.exists() or page.stat().st_mtime < source.stat().st_mtime:
            jupytext.write(jupytext.read(source), page)


def keep_columns(
    app: Sphinx, what: str, name: str, documented: object, options: object, lines: list[str]
) -> None:
    """Show labeled paragraphs, ``Why       It pays.``, as they stand: their columns tell."""
    paragraphs = "\n".join(lines).split("\n\n")
    for i, paragraph in enumerate(paragraphs):
        if re.match(r"[A-Z][a-z]+ {2,}\S", paragraph):
            paragraphs[i] = "::\n\n" + textwrap.indent(paragraph, "    ")
    lines[:] = "\n\n".join(paragraphs).split("\n")


def setup(app: Sphinx) -> None:
    """Have docstrings go through :func:`keep_columns`."""
    app.connect("autodoc-process-docstring", keep_columns)


write_api_pages(DOCS / "api")
bring_tutorials(DOCS / "tutorials")
