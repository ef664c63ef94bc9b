"""Ops without a rule: computed by onnx's own reference implementation, and named so.

The node becomes one whose op, ``onnx.<Name>``, is made on the spot. Its meaning is
``onnx.reference.ReferenceEvaluator`` on a model of that node alone; what its results will be, onnx
infers. It is right, as far as onnx is, and slow; the oracle has no second answer to judge it by.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError
from minisparse.core.extras import require
from minisparse.core.symbolic import UNKNOWN, Dim, is_unknown, names_in
from minisparse.core.tensor_type import TensorType
from minisparse.frontends.onnx.form import reads
from minisparse.frontends.onnx.problems import Declined
from minisparse.frontends.onnx.types import OBJECT, from_proto, is_tensor, to_proto
from minisparse.ops import Attrs, Op, Sample, Types

if TYPE_CHECKING:
    from minisparse.frontends.onnx.rule import Call

PREFIX = "onnx."
"""How the names of such ops begin."""


def full_name(node: Any) -> str:
    """Return an ONNX op's name, with its domain unless that is ONNX's own.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> full_name(SimpleNamespace(op_type="Adam", domain="ai.onnx.preview.training"))
    'ai.onnx.preview.training:Adam'
    """
    own = node.domain in ("", "ai.onnx")
    return str(node.op_type) if own else f"{node.domain}:{node.op_type}"


@dataclass(frozen=True)
class Reference:
    """One node with all that onnx needs to compute it.

    Attributes
    ----------
    text : bytes
        A serialized ``ModelProto`` of that node: its inputs are what it reads, without types.
    kinds : tuple of bytes
        For each operand that is no tensor its serialized ``TypeProto``, else ``b""``.
    declared : tuple of bytes
        For each result the type that the model declares, serialized, or ``b""``.
    """

    text: bytes
    kinds: tuple[bytes, ...]
    declared: tuple[bytes, ...]

    def result(self, types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
        """Return the types of the results, as onnx infers them or the model declares."""
        found = []
        names = {name for t in types for d in t.shape for name in names_in(d)}
        for i, proto in enumerate(self.protos(tuple(types))):
            inferred = from_proto(proto, UNKNOWN)
            if inferred is None:
                raise ShapeError(
                    f"{self.name}: the type of result {i} cannot be told before the run: declare "
                    "its element type and rank in the model's value_info"
                )
            shape = tuple(_told(d, names) for d in inferred.shape)
            found.append(TensorType(shape, inferred.dtype))
        return tuple(found)

    def protos(self, types: tuple[TensorType, ...]) -> list[Any]:
        """Return the ``TypeProto`` of each result."""
        return _inferred(self, types, tuple(t.known for t in types))

    def dense(self, operands: Sequence[Array], attrs: Attrs) -> Any:
        """Return what onnx's reference implementation computes."""
        model = self.model
        feeds = {
            value.name: _to_onnx(array, kind)
            for value, array, kind in zip(model.graph.input, operands, self.kinds, strict=True)
        }
        try:
            results = self._evaluator.run(None, feeds)
        except (ValueError, TypeError, IndexError, KeyError, RuntimeError, AttributeError) as error:
            given = ", ".join(f"{x.dtype}{list(x.shape)}" for x in operands)
            raise ShapeError(
                f"{self.name}: onnx's reference implementation fails on {given}: {error}"
            ) from error
        found = tuple(_from_onnx(result) for result in results)
        return found if len(found) > 1 else found[0]

    @property
    def model(self) -> Any:
        """The model of the node alone."""
        return _parsed(self.text)

    @property
    def name(self) -> str:
        """The op's name: ``"onnx."`` and ONNX's."""
        return PREFIX + full_name(self.model.graph.node[0])

    @cached_property
    def _evaluator(self) -> Any:
        reference = require("onnx.reference", "onnx", f"computing {self.name}")
        return reference.ReferenceEvaluator(self.model)


def add_reference(call: "Call", expected: Sequence[TensorType] = ()) -> list[str]:
    """Add a node that onnx computes; return the names of its results.

    Parameters
    ----------
    call : Call
        The node.
    expected : sequence of TensorType
        What is known of its results where the model declares nothing.

    Raises
    ------
    Declined
        If onnx has no implementation of it either.
    ShapeError
        If what its results will be cannot be told.
    """
    names = dict.fromkeys(name for name in call.node.input if name)
    names.update(dict.fromkeys(sorted(reads(call.node))))
    operands = [call.draft.as_plain(call.importer.lookup(name)) for name in names]
    protos = [call.draft.protos.get(value) for value in operands]
    declared = [call.importer.model.declared.get(name) for name in call.node.output if name]
    for i, type in enumerate(expected[: len(declared)]):
        declared[i] = declared[i] or to_proto(type)
    reference = Reference(
        _one_node(call, list(names)),
        tuple(b"" if p is None else p.SerializeToString() for p in protos),
        tuple(b"" if p is None else p.SerializeToString() for p in declared),
    )
    _check_known(reference)
    op = Op(
        reference.name, tuple(f"x{i}" for i in range(len(names))), (),
        reference.result, reference.dense, _no_flops, _no_samples, on_host=True,
    )  # fmt: skip
    results = call.draft.add(op, operands, {}, f"{call.name}:reference")
    types = tuple(call.draft.types[value] for value in operands)
    for value, proto in zip(results, reference.protos(types), strict=True):
        if not is_tensor(proto):
            call.draft.protos[value] = proto
    named = iter(results)
    return [next(named) if name else "" for name in call.node.output]


def is_defined(node: Any) -> bool:
    """Tell whether ONNX defines an op of a node's name at all, in whatever version."""
    onnx = require("onnx", "onnx", "reading ONNX models")
    domain = "" if node.domain == "ai.onnx" else node.domain
    return bool(onnx.defs.has(node.op_type, domain))


def _check_known(reference: Reference) -> None:
    """Decline what onnx's reference implementation does not have."""
    try:
        _ = reference._evaluator
    except (NotImplementedError, ValueError, RuntimeError, TypeError, KeyError) as error:
        raise Declined(f"onnx's reference implementation does not have it: {error}") from error


def _one_node(call: "Call", names: Sequence[str]) -> bytes:
    """Return a serialized model of one node."""
    onnx = require("onnx", "onnx", "reading ONNX models")
    model = call.importer.model
    graph = onnx.GraphProto(name=call.node.op_type, node=[call.node])
    graph.input.extend(onnx.ValueInfoProto(name=name) for name in names)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in call.node.output if name)
    opsets = [onnx.OperatorSetIdProto(domain=d, version=v) for d, v in model.opsets.items()]
    if model.opsets.get(call.node.domain) is None and not model.opsets.get(""):
        raise Declined(f"the model has no opset for the domain '{call.node.domain}'")
    found = onnx.ModelProto(ir_version=10, graph=graph, opset_import=opsets)
    found.functions.extend(model.functions.values())
    text: bytes = found.SerializeToString()
    return text


@lru_cache(maxsize=256)
def _parsed(text: bytes) -> Any:
    onnx = require("onnx", "onnx", "reading ONNX models")
    model = onnx.ModelProto()
    model.ParseFromString(text)
    return model


@lru_cache(maxsize=1024)
def _inferred(reference: Reference, types: tuple[TensorType, ...], known: Any) -> list[Any]:
    """Return the type of each result.

    Known elements are a key of the cache by themselves, since types do not compare them.
    """
    onnx = require("onnx", "onnx", "reading ONNX models")
    model = onnx.ModelProto()
    model.CopyFrom(reference.model)
    for value, type, kind in zip(model.graph.input, types, reference.kinds, strict=True):
        if kind:
            value.type.ParseFromString(kind)
        else:
            value.type.CopyFrom(to_proto(type))
        numbers = type.known is not None and not any(isinstance(d, str) for d in type.known)
        if numbers and type.dtype.kind in "iuf" and not kind:
            array = np.array(type.known, type.dtype).reshape([int(d) for d in type.shape])
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
    try:
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError, TypeError) as error:
        raise ShapeError(f"{reference.name}: onnx says: {' '.join(str(error).split())}") from error
    return [
        value.type if value.type.WhichOneof("value") and _has_rank(value.type) else _parsed_type(d)
        for value, d in zip(model.graph.output, reference.declared, strict=True)
    ]


def _has_rank(proto: Any) -> bool:
    return not is_tensor(proto) or proto.tensor_type.HasField("shape")


def _parsed_type(text: bytes) -> Any:
    onnx = require("onnx", "onnx", "reading ONNX models")
    proto = onnx.TypeProto()
    proto.ParseFromString(text)
    return proto


def _told(dim: Dim, names: set[str]) -> Dim:
    """Return a size that onnx inferred; a name that no operand has says nothing."""
    if isinstance(dim, int) or (not is_unknown(dim) and names.issuperset(names_in(dim))):
        return dim
    return UNKNOWN


def _to_onnx(array: Array, kind: bytes) -> Any:
    """Return an operand as onnx has it: sequences as lists, optionals as what they hold."""
    if not kind:
        return array
    return list(array) if array.ndim else array.item()


def _from_onnx(result: Any) -> Array:
    """Return a result as an array: a list as a vector of objects."""
    if isinstance(result, list) and len(result) == 1 and isinstance(result[0], list):
        result = result[0]  # so onnx writes an optional that holds a sequence
    if isinstance(result, list | tuple):
        found = np.empty(len(result), OBJECT)
        for i, item in enumerate(result):
            found[i] = item
        return found
    if result is None or isinstance(result, dict):
        nothing = np.empty((), OBJECT)
        nothing[()] = result
        return nothing
    array: Array = np.asarray(result)
    return array.astype(OBJECT) if array.dtype.kind in "US" else array


def _no_flops(types: Types, attrs: Attrs) -> int:
    """Return 0: nothing is known of what onnx does."""
    return 0


def _no_samples(rng: np.random.Generator) -> Iterator[Sample]:
    return iter(())


def is_reference(op: Op) -> bool:
    """Tell whether onnx's reference implementation computes an op.

    Examples
    --------
    >>> from minisparse.ops import GEMM
    >>> is_reference(GEMM)
    False
    """
    return op.name.startswith(PREFIX)
