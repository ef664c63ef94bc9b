"""Go through an exported program, operator by operator, and write each into a graph by its rule."""

import operator
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minisparse.core.errors import InternalError, MinisparseError, UnsupportedOpError
from minisparse.core.symbolic import UNKNOWN
from minisparse.formats import Matrix
from minisparse.frontends.torch.folding import Known, fold, is_random
from minisparse.frontends.torch.integers import lower_integer
from minisparse.frontends.torch.lowering import Lowering
from minisparse.frontends.torch.naming import module_path, node_name, operator_name
from minisparse.frontends.torch.sizes import Sym, dim_of
from minisparse.frontends.torch.table import Rule, all_rules
from minisparse.frontends.torch.tensors import dtype_of, from_tensor

_FAILED = object()  # the result of an operator that has no meaning here, and of all that reads it

# Checks of what was already checked when the module was traced, and asks nothing of the values.
_CHECKS = ("_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range")

# Operators that hold other operators and change only how torch runs them.
_WRAPPERS = ("wrap_with_set_grad_enabled", "wrap_with_autocast")


@dataclass(frozen=True)
class Refusal:
    """An operator that could not be written."""

    operator: str
    where: str
    reason: str = ""


class Walk:
    """One way through a program: what each of its nodes became."""

    def __init__(self, g: Lowering, matrices: dict[str, Matrix]) -> None:
        self.g = g
        self.matrices = matrices
        self.values: dict[Any, Any] = {}
        self.problems: list[Refusal] = []
        self._constants: dict[int, str] = {}

    def run(self, graph: Any) -> Any:
        """Write the operators of a ``torch.fx.Graph`` and return what it returns."""
        needed = _needed(graph)
        for node in graph.nodes:
            if node.op == "call_function" and node in needed:
                self.values[node] = self._written(node)
            elif node.op == "get_attr":
                self.values[node] = self._attribute(graph.owning_module, str(node.target))
            elif node.op == "output":
                return self.argument(node.args[0])
        raise InternalError("from_torch: a program without an output")

    def argument(self, given: Any) -> Any:
        """Return an argument of an operator with every node replaced by what it became."""
        if isinstance(given, list | tuple):
            return type(given)(self.argument(part) for part in given)
        if isinstance(given, slice):
            return slice(*map(self.argument, (given.start, given.stop, given.step)))
        if given in self.values if isinstance(given, self.g.torch.fx.Node) else False:
            return self.values[given]
        return given

    def value(self, given: Any) -> Any:
        """Return an argument with tensors that are known as constants of the graph."""
        if isinstance(given, list | tuple):
            return type(given)(self.value(part) for part in given)
        return self.constant(given) if isinstance(given, Known) else given

    def constant(self, known: Known) -> str:
        """Return the name of a tensor's constant, which is made when it is first read."""
        if id(known) not in self._constants:
            matrix = self.matrices.get(known.name)
            value = from_tensor(known.tensor) if matrix is None else matrix
            self._constants[id(known)] = self.g.constant(known.name, value)
        return self._constants[id(known)]

    # -- one operator -----------------------------------------------------------------------

    def _written(self, node: Any) -> Any:
        args, keywords = self.argument(list(node.args)), self.argument(list(node.kwargs.values()))
        if any(part is _FAILED for part in _flat([args, keywords])):
            return _FAILED
        name = operator_name(node)
        self.g.node, self.g.base = node, node_name(node)
        try:
            return self._result(node, name, args, dict(zip(node.kwargs, keywords, strict=True)))
        except MinisparseError as error:
            self.problems.append(Refusal(name, module_path(node), str(error)))
            return _FAILED

    def _result(self, node: Any, name: str, args: list[Any], keywords: dict[str, Any]) -> Any:
        """Return what an operator gives: values, integers, or tensors known now."""
        g = self.g
        if node.target is operator.getitem:
            return args[0][args[1]]
        if name.rsplit(".", 1)[-1] in _WRAPPERS or name in _WRAPPERS:
            return self._inside(args)
        known = fold(g.torch, (node, args, keywords), g.base, name, self.matrices)
        if known is not None:
            return known
        traced = node.meta.get("val")
        if isinstance(traced, g.torch.SymInt | g.torch.SymFloat | g.torch.SymBool):
            return self._integer(traced, name, self.value(args))
        rule = all_rules().get(name)
        if rule is None:
            random = is_random(g.torch, node)
            raise UnsupportedOpError("its result is random: draw it outside" if random else "")
        return self._typed(
            traced, rule.lower(g, *self._given(rule, args), **self._named(rule, keywords))
        )

    def _given(self, rule: Rule, given: Any) -> Any:
        """Return arguments as a rule takes them: names of plain values, unless it wants more."""
        if isinstance(given, list | tuple):
            return type(given)(self._given(rule, part) for part in given)
        value = self.value(given)
        is_name = isinstance(given, Known) or (isinstance(given, str) and given in self.g.constants)
        return self.g.dense(value) if is_name and not rule.takes_sparse else value

    def _named(self, rule: Rule, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keywords that can matter: where tensors lie in memory does not."""
        skipped = ("device", "layout", "pin_memory", "memory_format", "non_blocking")
        return {name: self._given(rule, v) for name, v in keywords.items() if name not in skipped}

    def _integer(self, traced: Any, name: str, args: list[Any]) -> Any:
        """Return an integer that an operator gives, to be written where it is first needed."""
        g, base = self.g, self.g.base
        dim = dim_of(traced, g.symbols) if isinstance(traced, g.torch.SymInt) else UNKNOWN
        if isinstance(dim, int):
            return dim
        found: list[str] = []

        def make() -> str:
            if not found:
                outside, g.base = g.base, base
                found.append(lower_integer(g, name, args))
                g.base = outside
            return found[0]

        return Sym(dim, make)

    def _typed(self, traced: Any, result: Any) -> Any:
        """Return a result in the dtype that torch gives it."""
        if isinstance(result, tuple):
            pairs = zip(traced, result, strict=False)
            return tuple(None if r is None else self._typed(t, r) for t, r in pairs)
        if self.g.ndim(result) != traced.ndim:
            raise InternalError(
                f"from_torch: {self.g.base} has {self.g.ndim(result)} dimensions, in torch "
                f"{traced.ndim}"
            )
        result = self.g.cast(result, dtype_of(traced.dtype))
        self.g.told.setdefault(result, self.g.dims(traced))
        return result

    def _inside(self, args: list[Any]) -> Any:
        """Write the operators that a wrapper holds in its place."""
        at = next(i for i, arg in enumerate(args) if isinstance(arg, self.g.torch.fx.GraphModule))
        inner = Walk(self.g, self.matrices)
        inner.problems, inner._constants = self.problems, self._constants
        placeholders = [n for n in args[at].graph.nodes if n.op == "placeholder"]
        inner.values.update(zip(placeholders, args[at + 1 :], strict=True))
        return inner.run(args[at].graph)

    def _attribute(self, module: Any, path: str) -> Any:
        found = module
        for part in path.split("."):
            found = getattr(found, part)
        return Known(found, path) if isinstance(found, self.g.torch.Tensor) else found


def _flat(given: Any) -> list[Any]:
    if isinstance(given, list | tuple):
        return [part for each in given for part in _flat(each)]
    return [given]


def _needed(graph: Any) -> set[Any]:
    """Return the nodes on which the outputs depend; what torch only asserts is not needed."""
    needed: set[Any] = set()
    for node in reversed(graph.nodes):
        if node.op == "output" or node in needed:
            needed.add(node)
            needed.update(node.all_input_nodes)
    return needed


def unsupported(problems: list[Refusal]) -> UnsupportedOpError:
    """Return one error that names everything which could not be written."""
    counts = Counter((problem.operator, problem.reason) for problem in problems)
    lines = []
    for (name, reason), count in counts.most_common():
        where = [p.where for p in problems if (p.operator, p.reason) == (name, reason)]
        places = ", ".join(dict.fromkeys(f"'{w}'" if w else "forward" for w in where[:3]))
        more = f" and {count - 3} more" if count > 3 else ""
        times = f" ({count} times)" if count > 1 else ""
        lines.append(f"{name}{times} in {places}{more}" + (f": {reason}" if reason else ""))
    return UnsupportedOpError(
        f"from_torch: {len(lines)} unsupported operator{'s' if len(lines) > 1 else ''}: "
        + "; ".join(lines)
    )
