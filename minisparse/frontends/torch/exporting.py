"""Ask torch.export for a module's operators, and tell in one line why it could not."""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from minisparse.core.errors import MinisparseError, UnsupportedOpError, UsageError
from minisparse.frontends.torch.naming import operator_name
from minisparse.frontends.torch.table import all_rules

_LOGGERS = (
    "torch._subclasses.fake_tensor",
    "torch.fx.experimental.symbolic_shapes",
    "torch._export.non_strict_utils",
)

# What a forward may raise on inputs that do not fit it; torch's own errors are RuntimeErrors.
_FAILURES = (
    RuntimeError,
    TypeError,
    ValueError,
    AttributeError,
    LookupError,
    AssertionError,
    ArithmeticError,
)


def export(
    torch: Any, module: Any, args: tuple[Any, ...], keywords: Mapping[str, Any], dynamic: Any
) -> Any:
    """Return a module as an ``ExportedProgram`` of operators that have rules, where possible.

    Raises
    ------
    UsageError
        If the module fails on the example, or does not allow a size to be free.
    UnsupportedOpError
        If what it computes depends on the values of tensors in a way that cannot be traced.
    """
    try:
        with torch.no_grad(), _quietly():
            program = torch.export.export(
                module, args, dict(keywords), dynamic_shapes=dynamic, strict=False
            )
    except _FAILURES as error:
        raise _explained(error, type(module).__name__) from error
    return decompose(torch, program)


def _is_ready(program: Any) -> bool:
    """Tell whether every operator of a program has a rule, and none writes to its operands."""
    for node in program.graph.nodes:
        if node.op == "get_attr":
            return False  # operators that hold others
        schema = getattr(node.target, "_schema", None)
        if node.op != "call_function" or schema is None:
            continue
        if schema.is_mutable:
            return False  # also where nothing reads the result: what it writes to is read
        is_known = operator_name(node).startswith("aten.sym_") or operator_name(node) in all_rules()
        if node.users and not is_known:
            return False
    return True


def decompose(torch: Any, program: Any) -> Any:
    """Return a program without side effects in which operators without a rule are taken apart.

    Operators with a rule stay whole, so that a graph is as readable as the module: ``linear`` is
    one node, not a transposition, a product and a sum. A program of such operators alone is left
    as it is, which spares most of the time that reading a module takes.
    """
    if _is_ready(program):
        return program
    with torch.no_grad(), _quietly():
        table = torch.export.default_decompositions()
        for operator in [op for op in table if str(op) in all_rules()]:
            table.pop(operator)
        try:
            return program.run_decompositions(table)
        except _FAILURES as error:
            raise _explained(error, "the program") from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep torch's warnings about itself to itself, and its logs of what it is about to raise."""
    loud = [logger for name in _LOGGERS if not (logger := logging.getLogger(name)).disabled]
    with warnings.catch_warnings():
        for category in (FutureWarning, DeprecationWarning, UserWarning):
            warnings.simplefilter("ignore", category)
        for logger in loud:
            logger.disabled = True
        try:
            yield
        finally:
            for logger in loud:
                logger.disabled = False


def _explained(error: Exception, name: str) -> MinisparseError:
    """Return the error for the caller: what torch says in a line, and what can be done."""
    text = str(error).strip() or type(error).__name__
    kind = type(error).__name__
    first = text.split("\n")[0][:300]
    if kind == "UnsupportedOperatorException":
        return UnsupportedOpError(f"from_torch: {name}: torch cannot trace the operator {first}")
    if "not a known type" in text:
        found = first.split("If this")[0].strip()
        return UsageError(
            f"from_torch: {name}: {found} It must return tensors, and tuples, lists and dicts of "
            f"them (a model of transformers: use_cache=False)"
        )
    if "GuardOnDataDependent" in kind or "data-dependent" in text.lower():
        return UnsupportedOpError(
            f"from_torch: {name}: which operators run depends on the values of a tensor ({first}): "
            f"compute both sides and choose with torch.where"
        )
    if "Constraints violated" in text or "specialized" in text or "dynamic_shapes" in text:
        marked = [line.strip(" -") for line in text.split("\n") if line.startswith("  - ")]
        told = (marked or [first])[0].split(" If you're using")[0]
        return UsageError(
            f"from_torch: {name} does not allow every size in dynamic= ({told}): leave out those "
            f"that it fixes, or write dynamic=False"
        )
    return UsageError(
        f"from_torch: {name} could not be exported with this example: {kind}: {first}: the example "
        f"must be what module(*example_inputs) takes, and may need dynamic=False"
    )
