"""Networks of well-known shapes, pruned and not, beside onnxruntime and ONNX's reference.

Weights are random, so nothing is said of what pruning costs in accuracy: only of time.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from minisparse.bench.networks import bert_mini, resnet18
from minisparse.bench.suite import (
    Answer,
    Cell,
    Contender,
    Need,
    Operands,
    Promise,
    Ready,
    Suite,
    read_array,
)
from minisparse.bench.suites.models import ONNX, ONNXRUNTIME, runtime_options
from minisparse.core.dtypes import Array
from minisparse.core.extras import require
from minisparse.graph import Graph
from minisparse.pruning import prune

BATCHES = (1, 16)
_TOLERANCE = 2e-3
_RESNET, _BERT = "resnet18", "bert_mini"
_CHANNELS, _HEADS = "half the channels", "half the heads and features"
_BLOCKS = "80 % of 16x16 blocks"

NETWORKS_BY_NAME: Mapping[str, Callable[[], Graph]] = {
    _RESNET: resnet18,
    _BERT: bert_mini,
    f"{_RESNET}, {_CHANNELS}": lambda: prune(resnet18(), "channel", sparsity=0.5),
    f"{_RESNET}, {_BLOCKS}": lambda: prune(
        resnet18(), "block", sparsity=0.8, block=(16, 16), skip=("stem",)
    ),
    f"{_BERT}, {_HEADS}": lambda: prune(
        prune(bert_mini(), "head", sparsity=0.5), "channel", sparsity=0.5, only=("*.up",)
    ),
    f"{_BERT}, {_BLOCKS}": lambda: prune(bert_mini(), "block", sparsity=0.8, block=(16, 16)),
}
"""What is timed: names, and how they are made."""

_DENSE = (_RESNET, _BERT)
_PRUNED = tuple(name for name in NETWORKS_BY_NAME if name not in _DENSE)
_FLOPS = {_RESNET: 3.6e9, _BERT: 0.9e9}
"""Of one item, about."""


@cache
def _graph(name: str) -> Graph:
    return NETWORKS_BY_NAME[name]()


def _density(name: str) -> float:
    """Return about which part of the weights is not zero, without making the network."""
    return {_CHANNELS: 0.5, _HEADS: 0.8, _BLOCKS: 0.2}.get(name.partition(", ")[2], 1.0)


def _cells() -> list[Cell]:
    return [
        Cell(name, _density(name), (), batch, "float32")
        for name in NETWORKS_BY_NAME
        for batch in BATCHES
    ]


def _cost(cell: Cell) -> dict[str, float]:
    seconds = _FLOPS[cell.pattern.partition(",")[0]] * cell.columns / 1e11
    return {"ours": 2 * seconds, "dense": 4 * seconds, "onnxruntime": seconds,
            "reference": 100 * seconds}  # fmt: skip


def _problem(cell: Cell, rng: np.random.Generator) -> dict[str, Array]:
    (inputs,) = _graph(cell.pattern).inputs.values()
    shape = inputs.bind({"batch": cell.columns}).dims
    return {"x": rng.standard_normal(shape).astype("float32")}


def _answer(cell: Cell, operands: Operands) -> Answer:
    """Run the network in float64, as it is."""
    from minisparse.api import compile_dense

    graph = _graph(cell.pattern)
    double = np.dtype(np.float64)
    inputs = {name: replace(type, dtype=double) for name, type in graph.inputs.items()}
    weights = {n: np.asarray(w) for n, w in graph.constants.items()}
    constants = {n: w.astype(double) if w.dtype.kind == "f" else w for n, w in weights.items()}
    plan = compile_dense(replace(graph, inputs=inputs, constants=constants))
    return Answer(_shares(plan(operands["x"].astype(double))), _TOLERANCE)


def _shares(outputs: Array) -> Array:
    """Return outputs as shares of their last axis: positive, as answers are."""
    powers = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _read(result: Any, operands: Operands) -> Array:
    return _shares(read_array(result, operands).astype(np.float64))


def _ours(cell: Cell, operands: Operands) -> Ready:
    from minisparse.api import compile

    plan = compile(_graph(cell.pattern), sizes={"batch": cell.columns}, also=("shrink_structures",))
    x = operands["x"]
    formats = [step.chosen.layout for step in plan.steps if step.chosen.weight_bytes]
    return Ready(lambda: plan(x), ", ".join(dict.fromkeys(map(str, formats))))


def _dense(cell: Cell, operands: Operands) -> Ready:
    from minisparse.api import compile_dense

    plan, x = compile_dense(_graph(cell.pattern), {"batch": cell.columns}), operands["x"]
    return Ready(lambda: plan(x))


def _as_onnx(cell: Cell) -> Any:
    from minisparse.frontends.onnx.export import to_onnx

    return to_onnx(_graph(cell.pattern))


def _onnxruntime(cell: Cell, operands: Operands) -> Ready:
    runtime = require("onnxruntime", "peers", "comparing with onnxruntime")
    model = _as_onnx(cell).SerializeToString()
    session = runtime.InferenceSession(model, runtime_options(runtime))
    feeds = {"x": operands["x"]}
    return Ready(lambda: session.run(None, feeds)[0])


def _reference(cell: Cell, operands: Operands) -> Ready:
    evaluator = require("onnx.reference", "onnx", "comparing with ONNX's reference")
    session, feeds = evaluator.ReferenceEvaluator(_as_onnx(cell)), {"x": operands["x"]}
    return Ready(lambda: session.run(None, feeds)[0])


REFERENCE = Need("onnx", "minisparse[onnx]")

NETWORKS = Suite(
    "networks",
    "network",
    "ResNet-18 and BERT-mini with random weights; columns are the batch",
    _cells,
    _cost,
    lambda cell: 3 + 5 * _cost(cell)["dense"],
    _problem,
    _answer,
    _read,
    (
        Contender("ours", _ours, weighed=True),
        Contender("dense", _dense, weighed=True),
        Contender("onnxruntime", _onnxruntime, (ONNX, ONNXRUNTIME)),
        Contender("reference", _reference, (REFERENCE,)),
    ),
    ("onnxruntime",),
    promises=(
        Promise(_PRUNED, None, ("onnxruntime",), 1.0),
        Promise((_RESNET,), None, ("onnxruntime",), 3.0),
        Promise((_BERT,), None, ("onnxruntime",), 1.3),
        Promise(_DENSE, None, ("reference",), 0.1),
    ),
    counts=lambda cell: cell.columns == 16,
    counted="a batch of 16",
    row=("pattern", "columns"),
    axis="batch",
    largest_part=1.0,
)
