"""The interface that ONNX defines for backends, ``onnx.backend.base``."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np

from minisparse.api import compile
from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.core.extras import is_installed, require
from minisparse.frontends.onnx.fallback import is_reference
from minisparse.frontends.onnx.load import load
from minisparse.frontends.onnx.types import OBJECT

# Without onnx the classes can be imported, as every module can, but nothing be done with them.
base: Any = (
    import_module("onnx.backend.base")
    if is_installed("onnx")
    else SimpleNamespace(Backend=object, BackendRep=object)
)


class MinisparseRep(base.BackendRep):  # type: ignore[misc]
    """A model that is compiled and can be run again and again.

    Attributes
    ----------
    graph : Graph
        As it was read.
    plan : Executable
        What is run.
    """

    def __init__(self, model: Any) -> None:
        self.graph = load(model)
        self.plan = compile(self.graph)
        values = (*model.graph.input, *model.graph.output)
        self._kinds = {value.name: value.type.WhichOneof("value") for value in values}

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """The ops that onnx's reference implementation computes, each once."""
        names = (node.op.name for node in self.graph.nodes if is_reference(node.op))
        return tuple(dict.fromkeys(names))

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the outputs in the order of the model's.

        Parameters
        ----------
        inputs : sequence or mapping of array_like
            In the order of the model's inputs, or by name.
        **kwargs
            ONNX's interface has them; there are none.
        """
        _refuse_keywords(kwargs)
        names = list(self.graph.inputs)
        if len(inputs) != len(names):
            raise UsageError(f"the model takes {', '.join(names)}; given are {len(inputs)} inputs")
        given = inputs if isinstance(inputs, Mapping) else dict(zip(names, inputs, strict=True))
        feeds = {name: _array(value, self._kinds.get(name)) for name, value in given.items()}
        results = self.plan.run(feeds)
        return tuple(_plain(x, self._kinds.get(name)) for name, x in results.items())


class MinisparseBackend(base.Backend):  # type: ignore[misc]
    """minisparse, as ``onnx.backend.test.BackendTest`` and others call a backend."""

    @classmethod
    def is_compatible(cls, model: Any, device: str = "CPU", **kwargs: Any) -> bool:
        """Tell whether a model can be read."""
        try:
            load(model)
        except UnsupportedOpError:
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", **kwargs: Any) -> MinisparseRep:
        """Read and compile a model, to be run many times."""
        _refuse_keywords(kwargs)
        if not cls.supports_device(device):
            raise UsageError(f"there is no device '{device}'; there is CPU")
        return MinisparseRep(model)

    @classmethod
    def run_model(
        cls, model: Any, inputs: Any, device: str = "CPU", **kwargs: Any
    ) -> tuple[Any, ...]:
        """Compile a model and run it once."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: Any,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Run a single node on inputs in its order.

        Parameters
        ----------
        node : onnx.NodeProto
            What to compute.
        inputs : sequence of array_like
            For each of its inputs that is not left out.
        device : str
            ``"CPU"``.
        outputs_info : sequence of tuple, optional
            Dtype and shape of each result.
        **kwargs
            ``opset_version``; by default the newest.
        """
        onnx = require("onnx", "onnx", "an ONNX backend")
        helper = onnx.helper
        version = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        names = [name for name in node.input if name]
        arrays = [_array(x) for x in inputs]
        given = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for n, x in zip(names, arrays, strict=True)
        ]
        told = outputs_info or [None] * len(node.output)
        wanted = [
            onnx.ValueInfoProto(name=name)
            if info is None
            else helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(np.dtype(info[0])), info[1]
            )
            for name, info in zip(node.output, told, strict=True)
            if name
        ]
        graph = helper.make_graph([node], node.op_type, given, wanted)
        opsets = [helper.make_opsetid(node.domain, version)]
        model = helper.make_model(graph, opset_imports=opsets)
        return cls.run_model(model, dict(zip(names, arrays, strict=True)), device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Tell whether it is the CPU."""
        return device.partition(":")[0] == "CPU"


is_compatible = MinisparseBackend.is_compatible
prepare = MinisparseBackend.prepare
run_model = MinisparseBackend.run_model
run_node = MinisparseBackend.run_node
supports_device = MinisparseBackend.supports_device


def _refuse_keywords(kwargs: Mapping[str, Any]) -> None:
    if kwargs:
        raise UsageError(f"there is no option {', '.join(kwargs)}")


def _array(value: Any, kind: str | None = "tensor_type") -> Array:
    """Return an input as the runtime takes it: a sequence as a vector of objects."""
    if kind == "optional_type" or value is None:
        held = np.empty((), OBJECT)
        held[()] = value
        return held
    if isinstance(value, list | tuple):
        items = np.empty(len(value), OBJECT)
        for i, item in enumerate(value):
            items[i] = item
        return items
    array: Array = np.asarray(value)
    return array.astype(OBJECT) if array.dtype.kind in "US" else array


def _plain(result: Array, kind: str | None) -> Any:
    """Return an output as ONNX's tests expect it: a sequence as a list."""
    if kind == "sequence_type" or (kind == "optional_type" and result.dtype == OBJECT):
        return list(result) if result.ndim else result.item()
    return result
