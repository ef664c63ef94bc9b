"""Walk an ONNX graph and write ours, node by node, each by its rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from minisparse.core.errors import (
    DTypeError,
    GraphError,
    MinisparseError,
    UnsupportedOpError,
)
from minisparse.core.tensor_type import TensorType
from minisparse.frontends.onnx import fallback, functions
from minisparse.frontends.onnx.draft import Draft
from minisparse.frontends.onnx.form import free_names, in_order, label, reads
from minisparse.frontends.onnx.node_form import check_node
from minisparse.frontends.onnx.problems import Declined
from minisparse.frontends.onnx.reader import ModelFile
from minisparse.frontends.onnx.rule import Call, Results, Rule
from minisparse.frontends.onnx.weights import define_weights
from minisparse.ops.body import Body

MOST_READ = 2**17
"""So many nodes may be read, those that functions write out among them: they can double."""


@dataclass
class Found:
    """What went wrong so far, to be told all at once.

    Attributes
    ----------
    unsupported : list of tuple of str
        ONNX op and node of what neither we nor onnx can compute.
    errors : list of tuple
        Class of the error, and the message, of nodes that break a constraint.
    """

    unsupported: list[tuple[str, str]] = field(default_factory=list)
    errors: list[tuple[type[MinisparseError], str]] = field(default_factory=list)


@dataclass(frozen=True)
class Model:
    """What holds for all graphs of a model, its bodies included.

    Attributes
    ----------
    file : ModelFile
        The model.
    rules : mapping
        From ONNX names of ops to rules.
    opsets : mapping
        From domains to the versions of their operator sets.
    functions : mapping
        From domain and name to the model's own functions.
    declared : mapping
        From names of values to the types that the model declares for them.
    fallback : bool
        Whether onnx's reference implementation may compute what has no rule.
    """

    file: ModelFile
    rules: Mapping[str, Rule]
    opsets: Mapping[str, int]
    functions: Mapping[tuple[str, str], Any]
    declared: Mapping[str, Any]
    fallback: bool = True


class Importer:
    """Reads the nodes of one graph into a draft.

    Attributes
    ----------
    model : Model
        What the graph belongs to.
    draft : Draft
        What is written.
    values : dict
        From ONNX's names of values to ours; ``""`` for an operand that a caller left out.
    found : Found
        What went wrong.
    """

    def __init__(
        self, model: Model, draft: Draft, outer: "Importer | None" = None, prefix: str = ""
    ) -> None:
        self.model = model
        self.draft = draft
        self.values: dict[str, str] = {}
        self.found = Found()
        self._captured: dict[str, str] = {}
        self._outer = outer
        self._prefix = prefix
        self._broken: set[str] = set()

    def lookup(self, name: str) -> str:
        """Return our name of a value; a body takes it from around it, and notes that it did."""
        if not name or name in self.values or self._outer is None:
            return self.values.get(name, "")
        around = self._outer.draft
        source = around.as_plain(self._outer.lookup(name))
        self.values[name] = own = self.draft.own(name)
        if source in around.constants:
            self.draft.define(own, around.constants[source])
        else:
            self.draft.input(own, replace(around.types[source], known=None))
        if source in around.protos:
            self.draft.protos[own] = around.protos[source]
        self._captured[own] = source
        return own

    def import_body(
        self, graph: Any, types: Sequence[TensorType] = ()
    ) -> tuple[Body, tuple[str, ...]]:
        """Import a body of a control node.

        Parameters
        ----------
        graph : onnx.GraphProto
            The body.
        types : sequence of TensorType
            Of its formal inputs, in order.

        Returns
        -------
        body : Body
            Its inputs are the formal ones and then those captured; its outputs are in order.
        captured : tuple of str
            Our names of the values around it that it reads, in the order of the inputs for them.
            Its own constants are among them: they have become constants of the graph around it.

        Raises
        ------
        Declined
            If something in it cannot be expressed.
        """
        inner_draft = Draft(graph.name or "body", used_names(graph), self.draft.largest)
        inner = Importer(self.model, inner_draft, self)
        for value, type in zip(graph.input, types, strict=True):
            inner.values[value.name] = own = inner.draft.own(value.name)
            inner.draft.input(own, replace(type, known=None))
        formal = tuple(inner.draft.inputs)
        define_weights(graph, self.model.file, inner.draft, inner.values, used_names(graph))
        for name, own in inner.values.items():
            inner.values[name] = inner.draft.as_plain(own)
        inner.run(graph.node)
        if inner.found.errors or inner.found.unsupported:
            texts = [text for _, text in inner.found.errors]
            texts += [f"{node} = {op}" for op, node in inner.found.unsupported]
            raise Declined("; ".join(texts))
        outputs = tuple(inner.lookup(value.name) for value in graph.output)
        if any(v in inner.draft.protos for v in outputs):
            raise Declined("a result of its body is no tensor")
        read = {*outputs, *(v for node in inner.draft.nodes for v in node.inputs)} - set(formal)
        more = tuple(v for v in (*inner.draft.inputs, *inner.draft.constants) if v in read)
        captured = tuple(inner.captured_from(v) for v in more)
        return Body((*formal, *more), tuple(inner.draft.nodes), outputs), captured

    def captured_from(self, own: str) -> str:
        """Return what around a body is one of its values; a constant of its own moves there."""
        if own not in self._captured and self._outer is not None:
            self._captured[own] = self._outer.draft.constant(own, self.draft.constants[own])
        return self._captured[own]

    def prefixed(self, name: str) -> str:
        """Return a name inside of a function with the calling node's before it."""
        return f"{self._prefix}{name}" if name else ""

    def run(self, nodes: Sequence[Any]) -> None:
        """Import nodes, in an order in which they can run; what goes wrong is kept."""
        for node in in_order(nodes)[0]:
            self.draft.read += 1
            if self._prefix and self.draft.read > MOST_READ:
                text = f"functions write out more than {MOST_READ} nodes"
                self.found.errors.append((GraphError, text))
                return
            if self._broken.isdisjoint(reads(node)):
                self._import(node)
                continue
            self._broken.update(node.output)
            if not self._may_be_known(node):
                self.found.unsupported.append((fallback.full_name(node), node.name or "no name"))

    def _may_be_known(self, node: Any) -> bool:
        """Tell whether anything could compute a node, as far as its op's name tells."""
        name = fallback.full_name(node)
        own = (node.domain, node.op_type) in self.model.functions
        return own or name in self.model.rules or fallback.is_defined(node)

    def child(
        self, call: Call, function: Any, opsets: Mapping[str, int], strict: bool
    ) -> "Importer":
        """Return an importer for the inside of a function that a node calls.

        Parameters
        ----------
        call : Call
            The node.
        function : onnx.FunctionProto
            What it calls.
        opsets : mapping
            Those that the function's own nodes are written in.
        strict : bool
            Whether every node inside must have a rule.
        """
        model = replace(
            self.model, opsets=opsets, declared={}, fallback=self.model.fallback and not strict
        )
        inner = Importer(model, self.draft, prefix=f"{call.name}/")
        given = [*call.inputs, *[""] * len(function.input)]
        inner.values = dict(zip(function.input, given, strict=False))
        return inner

    def _import(self, node: Any) -> None:
        """Import one node: its results get the names that the model gives them."""
        wanted = self._prefix + (node.name or "") if node.name or self._prefix else ""
        if self._prefix and not node.name:
            wanted += node.op_type
        name = self.draft.node_name(wanted, node.op_type.lower())
        since = len(self.draft.nodes)
        try:
            results = self._results(node, name)
        except Declined:
            self.draft.drop_since(since)
            self.found.unsupported.append((fallback.full_name(node), name))
            self._broken.update(node.output)
            return
        except MinisparseError as error:
            self.draft.drop_since(since)
            self.found.errors.append((type(error), f"{label(node)}: {error}"))
            self._broken.update(node.output)
            return
        names = [self.prefixed(o) for o in node.output]
        results = self.draft.claim(since, results, names)
        if results:
            self.draft.name_nodes(since, name, results[0])
        self.values.update((o, r) for o, r in zip(node.output, results, strict=False) if o)

    def _results(self, node: Any, name: str) -> list[str]:
        """Return the values that are a node's results: by its rule, a function, or onnx itself."""
        inputs = tuple(self.lookup(i) for i in node.input)
        domain = "" if node.domain == "ai.onnx" else node.domain
        check_node(node, self.model.opsets.get(domain, 0))
        call = Call(
            node, name, inputs, self.model.opsets.get(domain, 0), self.draft, self,
            functions.attributes(node),
        )  # fmt: skip
        if (domain, node.op_type) in self.model.functions:
            return functions.call_own(call, self.model.functions[domain, node.op_type])
        since = len(self.draft.nodes)
        rule = self.model.rules.get(fallback.full_name(node))
        declined = Declined("it has no rule")
        if rule is not None:
            try:
                return _listed(rule(call))
            except (Declined, DTypeError, UnsupportedOpError) as error:
                self.draft.drop_since(since)
                declined = error if isinstance(error, Declined) else Declined(str(error))
        try:
            return functions.call_schema(call)
        except Declined:
            self.draft.drop_since(since)
        if not self.model.fallback:
            raise declined
        return fallback.add_reference(call, declined.expected)


def _listed(results: Results) -> list[str]:
    return [results] if isinstance(results, str) else list(results)


def used_names(graph: Any) -> set[str]:
    """Return the names that a graph's nodes, bodies and outputs read."""
    found = {name for node in graph.node for name in reads(node)}
    return found | {value.name for value in graph.output} | free_names(graph)
