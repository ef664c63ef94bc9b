"""The shipped models: compiled with what is known of their zeros, beside their dense twins.

PyTorch and onnxruntime run the same network, written node by node from the same graph, with all
its zeros. Only what the shipped models use is written out here.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minisparse import examples
from minisparse.bench.products import TORCH
from minisparse.bench.suite import Answer, Cell, Contender, Need, Operands, Ready, Suite, read_array
from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.extras import require
from minisparse.graph import Graph, load

BATCHES = (1, 32, 360)
_TOLERANCE = 1e-4
ONNX = Need("onnx", "minisparse[onnx]")
ONNXRUNTIME = Need("onnxruntime", "minisparse[peers]")


def _graph(cell: Cell) -> Graph:
    return load(examples.model_path(cell.pattern))


def _cells() -> list[Cell]:
    found = []
    for name in examples.names():
        constants = load(examples.model_path(name)).constants.values()
        weights = [w for w in map(np.asarray, constants) if w.ndim > 1]
        stored = sum(int(np.count_nonzero(w)) for w in weights)
        density = round(stored / sum(w.size for w in weights), 3)
        found += [Cell(name, density, (), batch, "float32") for batch in BATCHES]
    return found


def _problem(cell: Cell, rng: np.random.Generator) -> dict[str, Array]:
    """Return a batch of the images that no model was trained on; a cell's columns are its size."""
    pixels = examples.test_set()[0][: cell.columns]
    inputs = next(iter(_graph(cell).inputs.values()))
    return {"x": pixels.reshape(len(pixels), *(int(n) for n in inputs.shape[1:]))}


def _answer(cell: Cell, operands: Operands) -> Answer:
    """Return what plain NumPy in float64 finds: logits, so many above the least of them."""
    from minisparse.examples import digits_graphs

    graph, x = _graph(cell), operands["x"].astype(np.float64)
    weights: dict[str, Any] = {n: np.asarray(w, np.float64) for n, w in graph.constants.items()}
    forward: Callable[[Any, Any], Array] = (
        digits_graphs.cnn_logits if x.ndim == 4 else digits_graphs.mlp_logits
    )
    return Answer(_shares(forward(weights, x)), _TOLERANCE)


def _shares(logits: Array) -> Array:
    """Return logits as shares of their row: positive, as answers are."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _read(result: Any, operands: Operands) -> Array:
    return _shares(read_array(result, operands).astype(np.float64))


def _compiled(dense: bool) -> Callable[[Cell, Operands], Ready]:
    def make(cell: Cell, operands: Operands) -> Ready:
        from minisparse.api import compile, compile_dense

        sizes, x = {"batch": cell.columns}, operands["x"]
        make_plan = compile_dense if dense else compile
        plan = make_plan(_graph(cell), sizes=sizes)
        formats = [step.chosen.layout for step in plan.steps if step.chosen.weight_bytes]
        return Ready(lambda: plan(x), ", ".join(map(str, formats)))

    return make


def _torch(cell: Cell, operands: Operands) -> Ready:
    torch = require("torch", "torch", "comparing with PyTorch")
    graph, functional = _graph(cell), torch.nn.functional
    values = {n: torch.from_numpy(np.array(w)) for n, w in graph.constants.items()}

    def normalize(x: Any, scale: Any, shift: Any, mean: Any, var: Any, attrs: Any) -> Any:
        return functional.batch_norm(x, mean, var, scale, shift, eps=attrs["epsilon"])

    ways: Mapping[str, Callable[..., Any]] = {
        "gemm": lambda x, w, b, attrs: functional.linear(x, w if attrs["transB"] else w.T, b),
        "conv": lambda x, w, attrs: functional.conv2d(x, w, padding=attrs["pads"][0]),
        "batch_normalization": normalize,
        "relu": lambda x, attrs: torch.relu(x),
        "max_pool": lambda x, attrs: functional.max_pool2d(x, attrs["kernel_shape"]),
        "flatten": lambda x, attrs: x.flatten(attrs["axis"]),
    }
    _check_ops(graph, ways)
    x, (name,) = torch.from_numpy(operands["x"]), graph.inputs
    (last,) = graph.outputs.values()

    def call() -> Any:
        found = {**values, name: x}
        with torch.inference_mode():
            for node in graph.nodes:
                given = (found[operand] for operand in node.inputs)
                found[node.output] = ways[node.op.name](*given, attrs=node.attrs)
        return found[last]

    return Ready(call)


_ONNX_ATTRS: Mapping[str, tuple[str, ...]] = {
    "gemm": ("transB",),
    "conv": ("pads", "strides"),
    "batch_normalization": ("epsilon",),
    "relu": (),
    "max_pool": ("kernel_shape", "strides"),
    "flatten": ("axis",),
}


def _onnxruntime(cell: Cell, operands: Operands) -> Ready:
    onnx = require("onnx", "onnx", "comparing with onnxruntime")
    runtime = require("onnxruntime", "peers", "comparing with onnxruntime")
    graph, helper = _graph(cell), onnx.helper
    _check_ops(graph, _ONNX_ATTRS)
    nodes = [
        helper.make_node(
            node.op.name.title().replace("_", ""), list(node.inputs), [node.output],
            **{name: node.attrs[name] for name in _ONNX_ATTRS[node.op.name]},
        )
        for node in graph.nodes
    ]  # fmt: skip
    (name,), (last,) = graph.inputs, graph.outputs.values()
    kind = onnx.TensorProto.FLOAT
    told = helper.make_graph(
        nodes, graph.name,
        [helper.make_tensor_value_info(name, kind, operands["x"].shape)],
        [helper.make_tensor_value_info(last, kind, graph.types[last].shape)],
        [onnx.numpy_helper.from_array(np.array(w), n) for n, w in graph.constants.items()],
    )  # fmt: skip
    model = helper.make_model(told, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = runtime.InferenceSession(model.SerializeToString(), runtime_options(runtime))
    feeds = {name: operands["x"]}
    return Ready(lambda: session.run(None, feeds)[0])


def runtime_options(runtime: Any) -> Any:
    """Return options with as many threads as the others have: it reads no OMP_NUM_THREADS."""
    import os

    options = runtime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", 0))
    return options


def _check_ops(graph: Graph, known: Mapping[str, Any]) -> None:
    unknown = sorted({node.op.name for node in graph.nodes} - set(known))
    if unknown:
        raise UnsupportedOpError(f"bench models: nothing says how {', '.join(unknown)} is written")


MODELS = Suite(
    "models",
    "model",
    "the shipped models; columns are the batch",
    _cells,
    lambda cell: {"ours": 2e-5 * cell.columns, "dense": 2e-5 * cell.columns},
    lambda cell: 0.5,
    _problem,
    _answer,
    _read,
    (
        Contender("ours", _compiled(dense=False), weighed=True),
        Contender("dense", _compiled(dense=True), weighed=True),
        Contender("torch", _torch, (TORCH,)),
        Contender("onnxruntime", _onnxruntime, (ONNX, ONNXRUNTIME)),
    ),
    ("dense",),
    row=("pattern", "columns"),
    axis="batch",
)
