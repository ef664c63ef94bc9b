"""The pipeline, told once: load a model, compile it, run it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minisparse.core.errors import MinisparseError, UsageError
from minisparse.cost import POLICIES, USUAL_CALLS, Target, find_machine
from minisparse.dispatch import make_plan
from minisparse.dispatch.memory_plan import PLAN_MEMORY
from minisparse.graph import Graph
from minisparse.graph import load as load_graph
from minisparse.kernels import GENERATED, usable_levels
from minisparse.ops.constraints import are_ints
from minisparse.passes import ON_REQUEST, PASSES, run_passes
from minisparse.runtime import Executable, check_feeds
from minisparse.runtime.equivalence import Agreement, compare, random_feeds, recast

if TYPE_CHECKING:
    from minisparse.passes.shrinking import ShrinkReport


def load(model: Any, *, fallback: bool = True, sizes: Mapping[str, int] | None = None) -> Graph:
    """Read a model.

    Parameters
    ----------
    model : str, Path, bytes or onnx.ModelProto
        A ``.npz`` that ``graph.save`` wrote, an ``.onnx`` file, or what is in such a file.
    fallback : bool
        Whether ops of ONNX that minisparse does not have may be computed by onnx's own reference
        implementation; they are called ``onnx.<Name>`` then. See docs/onnx.md.
    sizes : mapping, optional
        Numbers for named dimensions, for ops that cannot do with names: ``{"height": 224}``.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, or of a kind that minisparse does not read.
    UnsupportedOpError
        If the model uses ops that minisparse does not have; all of them are named.
    MissingExtraError
        If it is an ONNX model and onnx is not installed.
    """
    if isinstance(model, str | Path) and Path(model).suffix != ".onnx":
        graph = load_graph(model)
        return graph.bind(**sizes) if sizes else graph
    from minisparse.frontends.onnx.load import load as load_onnx  # which most runs do without

    return load_onnx(model, fallback=fallback, sizes=sizes)


def compile(
    graph: Graph,
    target: str = "cpu",
    *,
    sizes: Mapping[str, int] | None = None,
    level: str = "vectorized",
    libraries: str | Collection[str] = "none",
    skip: Collection[str] = (),
    also: Collection[str] = (),
    choose: Mapping[str, Any] | None = None,
    policy: str = "predicted",
    calls: int = USUAL_CALLS,
    dynamic: bool = True,
    memory_limit: int | str | None = None,
) -> Executable:
    """Turn a graph into a plan: run the passes, price every candidate, choose, prepare weights.

    Parameters
    ----------
    graph : Graph
        The model.
    target : str
        The machine that prices are for: ``"cpu"`` or a shipped machine's name; it runs in main
        memory then. ``"gpu"`` is for running on the current card: weights are moved there once,
        now, and packed there; runs take arrays of CuPy and give them. See docs/targets.md.
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
        Passes to leave out; ``"plan_memory"`` for having each value in an array of its own.
    also : collection of str
        Passes to run besides, of those that run on request only: ``("shrink_structures",)``.
    choose : mapping, optional
        From names of nodes, as the plan has them, to how they have to be computed, whatever that
        costs: a candidate of ``plan.explain()``, its name such as ``"csr vectorized"``, or only
        its layout such as ``"bsr 8x8"``.
    policy : {"predicted", "measured"}
        Whether what is predicted to be cheapest is chosen, which is the same wherever the plan is
        made; or the three that are predicted to be fastest are timed here, and the fastest taken.
    calls : int
        In how many runs the plan is expected to be used: converting and packing a weight is paid
        once, and has to be earned in so many.
    dynamic : bool
        Whether each run looks at activations that may hold many zeros, as after ReLU, and skips
        the rows of a large dense weight that meet none but zeros, where that is predicted to be
        faster.
    memory_limit : int or str, optional
        Bytes, or a text such as ``"64 MB"``, that weights and a run may take together, inputs not
        counted: see docs/memory.md.

    Raises
    ------
    UsageError
        If target, level, a size, a library, a pass, a policy, or a node or candidate of ``choose``
        does not exist.
    MemoryLimitError
        If a run with the sizes to expect would need more than ``memory_limit``. A run with larger
        sizes raises it too, before its first step.
    MissingExtraError
        If a library that is named is not installed, or CuPy for target ``"gpu"``.
    UnsupportedOpError
        If target is ``"gpu"`` and ops have no way there; all of them are named.
    """
    if not isinstance(graph, Graph):
        raise UsageError(f"ms.compile takes a Graph, such as ms.load returns, not {graph!r:.60}")
    for name, given in (("skip", skip), ("also", also)):
        if isinstance(given, str) or not all(isinstance(one, str) for one in given or ()):
            raise UsageError(f"{name} is {given!r:.60}: it must be a collection of names of passes")
    if policy not in POLICIES:
        raise UsageError(f"there is no policy '{policy}'; policies: {', '.join(POLICIES)}")
    if not are_ints((calls,), 1, 1):
        raise UsageError(f"calls is {calls!r}: it must be an integer of at least 1")
    device = "gpu" if target == "gpu" else "cpu"
    if device == "gpu" and policy == "measured":
        raise UsageError("target 'gpu': policy is 'measured', but only 'predicted' is for a GPU")
    goal = Target(
        find_machine(target),
        _checked_sizes(graph, sizes or {}),
        _levels(level, libraries, device),
        int(calls),
        {node: str(getattr(way, "name", way)) for node, way in (choose or {}).items()},
        policy,
        dynamic,
        device,
    )
    return compile_for(graph, goal, skip, also, memory_limit)


def _levels(level: str, libraries: str | Collection[str], device: str) -> tuple[str, ...]:
    """Return the levels among which to choose; on a GPU thread programs beside array code.

    Raises
    ------
    UsageError
        If the level is for main memory, and the target is not.
    """
    found = usable_levels(level, libraries, device)
    if device == "cpu":
        return found
    if level in ("loops", GENERATED):
        raise UsageError(
            f"target 'gpu': level is '{level}', which is for main memory; take 'vectorized' "
            f"(thread programs too), 'gpu' (where there are any), or target 'cpu'"
        )
    ours = ("vectorized", "gpu") if level == "vectorized" else ()
    return tuple(dict.fromkeys((*ours, *(name for name in found if name != GENERATED))))


def _checked_sizes(graph: Graph, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the sizes to expect; UsageError if one is of no dimension, or negative."""
    unknown = sorted(set(sizes) - set(graph.symbols))
    if unknown:
        raise UsageError(
            f"graph '{graph.name}' has no dimension {', '.join(unknown)}; "
            f"named dimensions: {', '.join(graph.symbols) or 'none'}"
        )
    odd = [f"{name}={size!r:.40}" for name, size in sizes.items() if not are_ints((size,), 1, 0)]
    if odd:
        raise UsageError(f"sizes must be whole numbers from 0 on, not {', '.join(odd)}")
    return dict(sizes)


def compile_for(
    graph: Graph,
    target: Target,
    skip: Collection[str] = (),
    also: Collection[str] = (),
    memory_limit: int | str | None = None,
) -> Executable:
    """Return the plan of a graph for a target, some passes left out; see :func:`compile`."""
    unknown = sorted(set(also) - set(ON_REQUEST))
    if unknown:
        raise UsageError(
            f"no pass {', '.join(unknown)} runs on request; these do: {', '.join(ON_REQUEST)}"
        )
    passes = {**PASSES, **{name: ON_REQUEST[name] for name in also}}
    left_out = set(skip) - {PLAN_MEMORY} - (set(ON_REQUEST) - set(also))
    compiled, reports = run_passes(graph, target, passes, left_out)
    limit = None
    if memory_limit is not None:
        from minisparse.dispatch.memory_limit import as_limit  # which most plans do without

        limit = as_limit(memory_limit)
    plan = make_plan(graph, compiled, target, reports)
    found = Executable(
        plan.given,
        plan.graph,
        plan.target,
        plan.steps,
        plan.reports,
        limit,
        PLAN_MEMORY not in skip,
    )
    if target.device == "gpu":
        _ = found.program  # constants are moved now, and not when it runs first
    if limit is not None:
        from minisparse.dispatch.memory_limit import check_limit
        from minisparse.dispatch.memory_plan import expected_sizes

        check_limit(found, expected_sizes(found), limit)
    return found


def compile_dense(graph: Graph, sizes: Mapping[str, int] | None = None) -> Executable:
    """Return the plan that runs a graph as it is, without any pass: the dense reference."""
    return compile(graph, sizes=sizes, skip=tuple(PASSES))


@dataclass(frozen=True)
class ShrinkResult:
    """A smaller graph, and the evidence that it computes the same.

    Attributes
    ----------
    graph : Graph
        Without dead channels, filters and heads.
    report : ShrinkReport
        Sizes of each layer before and after, and what is dead and stays, with the reason.
    equivalence : tuple of Agreement
        How far each output is from the original's, on random inputs and on those given.
    not_compared : tuple of str
        On which inputs the two could not be compared, and why.
    """

    graph: Graph
    report: "ShrinkReport"
    equivalence: tuple[Agreement, ...]
    not_compared: tuple[str, ...] = ()

    @property
    def equivalent(self) -> bool:
        """Whether outputs were compared, and none differs by more than rounding may do."""
        return bool(self.equivalence) and all(a.holds for a in self.equivalence)

    def __str__(self) -> str:
        """Return the report, and a line for each output that was compared."""
        return "\n".join([str(self.report), *map(str, self.equivalence), *self.not_compared])


def shrink(graph: Graph, inputs: Mapping[str, Any] | None = None, *, seed: int = 0) -> ShrinkResult:
    """Remove dead channels, filters and heads, and compare the result with the original.

    Parameters
    ----------
    graph : Graph
        A pruned model. Its activations are taken to be finite: see docs/shrinking.md.
    inputs : mapping, optional
        From input names to arrays on which to compare, besides random ones.
    seed : int
        Of the random inputs, in which named dimensions are small.

    Raises
    ------
    UsageError, ShapeError, DTypeError
        If ``inputs`` do not fit the graph.
    """
    if not isinstance(graph, Graph):
        raise UsageError(f"ms.shrink takes a Graph, such as ms.load returns, not {graph!r:.60}")
    from minisparse.passes.shrinking import shrink as shrink_graph  # which most runs do without

    given = {} if inputs is None else {"given": check_feeds(graph, inputs)}
    smaller, report = shrink_graph(graph)
    found: list[Agreement] = []
    problems: list[str] = []
    for kind, feeds in {"random": random_feeds(graph, seed), **given}.items():
        try:
            wide = recast(graph, "float64")
            wide_pair = wide, shrink_graph(wide)[0]
            found += compare((graph, smaller), wide_pair, feeds, kind)
        except MinisparseError as error:  # a model may take only some of the inputs of its types
            problems.append(f"not compared on {kind} inputs: {error}")
    return ShrinkResult(smaller, report, tuple(found), tuple(problems))
