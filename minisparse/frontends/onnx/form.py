"""Whether a graph is well formed, before any of it is understood: names, order, cycles."""

from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any

from minisparse.core.errors import GraphError, ModelFileError
from minisparse.frontends.onnx.problems import refuse

DEEPEST = 8
"""Bodies may be nested so deep: the time to import them can double with each level."""


def check_form(graph: Any, where: str) -> None:
    """Check a model's graph and the bodies in it.

    Parameters
    ----------
    graph : onnx.GraphProto
        The graph of a model.
    where : str
        How errors call the model.

    Raises
    ------
    ModelFileError
        If a name is no text.
    GraphError
        If names are defined twice, or read where nothing defines them, or nodes wait for each
        other; all such are named.
    """
    refuse(where, ModelFileError, "names that are no text (UTF-8)", _no_texts(graph))
    if _depth(graph) > DEEPEST:
        raise GraphError(f"{where}: bodies are nested more than {DEEPEST} deep")
    bodies = [(graph, frozenset[str]()), *_bodies(graph, frozenset())]
    refuse(where, GraphError, "names defined twice", [t for g, _ in bodies for t in _twice(g)])
    undefined = [t for g, outer in bodies for t in _undefined(g, outer)]
    refuse(where, GraphError, "names that nothing defines", undefined)
    cyclic = [label(node) for g, _ in bodies for node in in_order(g.node)[1]]
    refuse(where, GraphError, "nodes that wait for each other, a cycle", cyclic)


def in_order(nodes: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return nodes so that each comes after those that it reads from, and those in a cycle.

    Of those that could come next the first does, so nodes that are in order stay as they are
    (Kahn, CACM 5(11), 1962).
    """
    maker = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    sources = [{maker[name] for name in reads(node) if name in maker} for node in nodes]
    readers: dict[int, list[int]] = {}
    for i, before in enumerate(sources):
        for source in before:
            readers.setdefault(source, []).append(i)
    done = _drained([len(before) for before in sources], readers)
    left = set(range(len(nodes))) - set(done)
    feeding = {i: [s for s in sources[i] if s in left] for i in left}
    waited_for = [sum(r in left for r in readers.get(i, ())) for i in range(len(nodes))]
    idle = set(_drained([waited_for[i] if i in left else -1 for i in range(len(nodes))], feeding))
    return [nodes[i] for i in done], [nodes[i] for i in sorted(left - idle)]


def _drained(counts: list[int], following: Mapping[int, Sequence[int]]) -> list[int]:
    """Return in order what has a count of 0, or gets one as those before it are taken away."""
    ready = [i for i, count in enumerate(counts) if count == 0]
    found = []
    while ready:
        i = heappop(ready)
        found.append(i)
        for j in following.get(i, ()):
            counts[j] -= 1
            if counts[j] == 0:
                heappush(ready, j)
    return found


def reads(node: Any) -> set[str]:
    """Return the names that a node reads, those of its bodies included."""
    found = {name for name in node.input if name}
    for body in bodies_of(node):
        found |= free_names(body)
    return found


def free_names(graph: Any) -> set[str]:
    """Return the names that a body reads from around it."""
    own = _defined(graph)
    found = {name for node in graph.node for name in reads(node)}
    found |= {value.name for value in graph.output}
    return found - own


def bodies_of(node: Any) -> Iterator[Any]:
    """Yield the graphs among a node's attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def label(node: Any) -> str:
    """Return how errors call a node: its name and op, or what it defines."""
    if node.name:
        return f"node '{node.name}' = {node.op_type}"
    return f"{node.op_type} that defines '{next(iter(node.output), '')}'"


def _defined(graph: Any) -> set[str]:
    found = {value.name for value in graph.input}
    found |= {tensor.name for tensor in graph.initializer}
    found |= {tensor.values.name for tensor in graph.sparse_initializer}
    return found | {name for node in graph.node for name in node.output if name}


def _depth(graph: Any) -> int:
    """Return how deep bodies are nested in a graph."""
    inner = (_depth(body) for node in graph.node for body in bodies_of(node))
    return max((1 + depth for depth in inner), default=0)


def _bodies(graph: Any, outer: frozenset[str]) -> Iterator[tuple[Any, frozenset[str]]]:
    """Yield the bodies in a graph, each with the names that it can see around it."""
    around = outer | _defined(graph)
    for node in graph.node:
        for body in bodies_of(node):
            yield body, around
            yield from _bodies(body, around)


def _no_texts(graph: Any) -> list[str]:
    """Return names that protobuf could not decode, which it hands back as bytes."""
    return [repr(name) for name in _names(graph) if isinstance(name, bytes)]


def _names(graph: Any) -> Iterator[Any]:
    """Yield every name in a graph and its bodies: of nodes, ops, values, attributes, sizes."""
    yield graph.name
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (tensor.values.name for tensor in graph.sparse_initializer)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
        for body in bodies_of(node):
            yield from _names(body)


def _twice(graph: Any) -> list[str]:
    """Return names defined twice; an input may have an initializer, which is its default."""
    defined = [value.name for value in graph.input]
    stored = [tensor.name for tensor in graph.initializer]
    stored += [tensor.values.name for tensor in graph.sparse_initializer]
    made = [name for node in graph.node for name in node.output if name]
    found = {name for group in (defined, stored) for name in _repeated(group)}
    found |= set(_repeated(made)) | (set(made) & {*defined, *stored})
    return [f"'{name}'" for name in sorted(found)]


def _repeated(names: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


def _undefined(graph: Any, outer: frozenset[str]) -> list[str]:
    """Return what nodes read and outputs name without anything defining it."""
    there = outer | _defined(graph)
    found = [
        f"{label(node)} reads '{name}'"
        for node in graph.node
        for name in node.input
        if name and name not in there
    ]
    return found + [f"output '{v.name}'" for v in graph.output if v.name not in there]
