"""The pipeline, told once: load a model, compile it, run it."""

from collections.abc import Collection, Mapping
from pathlib import Path

from minisparse.core.errors import ModelFileError, UsageError
from minisparse.cost import Target, find_machine
from minisparse.dispatch import make_plan
from minisparse.graph import Graph
from minisparse.graph import load as load_graph
from minisparse.kernels import usable_levels
from minisparse.passes import PASSES, run_passes
from minisparse.runtime import Executable


def load(model: str | Path) -> Graph:
    """Read a model file.

    Parameters
    ----------
    model : str or Path
        A ``.npz`` that ``graph.save`` wrote.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, or of a kind that minisparse does not read.
    UnsupportedOpError
        If the model uses ops that minisparse does not have; all of them are named.
    """
    path = Path(model)
    if path.suffix == ".onnx":
        raise ModelFileError(
            f"{path}: ONNX models are not read yet; build the graph with ms.GraphBuilder, save it "
            "with graph.save, and give that .npz"
        )
    return load_graph(path)


def compile(
    graph: Graph,
    target: str = "cpu",
    *,
    sizes: Mapping[str, int] | None = None,
    level: str = "vectorized",
    libraries: str | Collection[str] = "none",
    skip: Collection[str] = (),
) -> Executable:
    """Turn a graph into a plan: run the passes, price every candidate, choose, prepare weights.

    Parameters
    ----------
    graph : Graph
        The model.
    target : str
        The machine that prices are for: ``"cpu"`` or a shipped machine's name.
    sizes : mapping, optional
        From named dimensions to the size to expect, ``{"batch": 256}``; prices depend on it,
        results never do, and any size can be run.
    level : str
        The level that weights' kernels run at; ``"loops"`` makes every step of the arithmetic
        visible and slow. An op without kernels of that level runs at one that it has.
        ``"library"`` stands for every library that is installed, and a library's name for itself.
    libraries : str or collection of str
        Other libraries whose kernels may be chosen besides, where they are predicted to be faster:
        ``"none"``, so that the plan is the same wherever it is made; ``"auto"`` for all that are
        installed; or names, such as ``"scipy"`` or ``("scipy", "mkl")``. See docs/libraries.md.
    skip : collection of str
        Passes to leave out.

    Raises
    ------
    UsageError
        If target, level, a size, a library or a pass does not exist.
    MissingExtraError
        If a library that is named is not installed.
    """
    if not isinstance(graph, Graph):
        raise UsageError(f"ms.compile takes a Graph, such as ms.load returns, not {graph!r:.60}")
    unknown = sorted(set(sizes or {}) - set(graph.symbols))
    if unknown:
        raise UsageError(
            f"graph '{graph.name}' has no dimension {', '.join(unknown)}; "
            f"named dimensions: {', '.join(graph.symbols) or 'none'}"
        )
    negative = [f"{name}={size}" for name, size in (sizes or {}).items() if size < 0]
    if negative:
        raise UsageError(f"sizes cannot be negative: {', '.join(negative)}")
    goal = Target(find_machine(target), dict(sizes or {}), usable_levels(level, libraries))
    return compile_for(graph, goal, skip)


def compile_for(graph: Graph, target: Target, skip: Collection[str] = ()) -> Executable:
    """Return the plan of a graph for a target, some passes left out; see :func:`compile`."""
    compiled, reports = run_passes(graph, target, PASSES, skip)
    plan = make_plan(graph, compiled, target, reports)
    return Executable(plan.source, plan.graph, plan.target, plan.steps, plan.reports)


def compile_dense(graph: Graph, sizes: Mapping[str, int] | None = None) -> Executable:
    """Return the plan that runs a graph as it is, without any pass: the dense reference."""
    return compile(graph, sizes=sizes, skip=tuple(PASSES))
