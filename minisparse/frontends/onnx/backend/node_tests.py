"""onnx's own node tests, run against minisparse; each by itself, whatever the others do."""

import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.extras import require
from minisparse.frontends.onnx.backend.backend import MinisparseBackend

PROMISED = frozenset(
    """
    MatMul Gemm Conv ConvTranspose BatchNormalization LayerNormalization InstanceNormalization
    GroupNormalization Relu LeakyRelu Gelu Erf Sigmoid Tanh HardSwish HardSigmoid Clip Softmax
    LogSoftmax MaxPool AveragePool GlobalMaxPool GlobalAveragePool Add Sub Mul Div Pow Sqrt Exp Log
    Neg Abs Min Max Where Equal Less Greater And Or Not ReduceMean ReduceSum ReduceMax ReduceMin
    ReduceL2 Reshape Flatten Transpose Squeeze Unsqueeze Concat Split Slice Gather GatherElements
    GatherND ScatterElements ScatterND Expand Tile Pad Resize Shape Size Range Cast Constant
    ConstantOfShape Identity Dropout ArgMax TopK CumSum Trilu Einsum QuantizeLinear DequantizeLinear
    If Loop
    """.split()
)
"""ONNX's ops of which every test is to pass."""

SEVERAL = "(several nodes)"
"""Stands for the op of a test whose model has more than one node."""


@dataclass(frozen=True)
class Outcome:
    """What became of one test.

    Attributes
    ----------
    name, op : str
        The test, and the ONNX op of its one node.
    passed : bool
        Whether all outputs are within the test's tolerance.
    fallbacks : tuple of str
        Ops that onnx's reference implementation computed.
    message : str
        What went wrong, in a line.
    """

    name: str
    op: str
    passed: bool
    fallbacks: tuple[str, ...] = ()
    message: str = ""

    @property
    def kind(self) -> str:
        """``"native"``, ``"fallback"`` or ``"failed"``."""
        return "failed" if not self.passed else "fallback" if self.fallbacks else "native"


@dataclass(frozen=True)
class NodeTest:
    """One of onnx's tests: a model, and what it should give.

    Attributes
    ----------
    name : str
        Such as ``"test_relu"``.
    model : onnx.ModelProto
        Of one node, mostly.
    data_sets : callable
        Returns pairs of inputs and outputs, arrays or lists of arrays.
    rtol, atol : float
        How far outputs may be off.
    """

    name: str
    model: Any
    data_sets: Callable[[], Iterable[tuple[Sequence[Any], Sequence[Any]]]]
    rtol: float
    atol: float

    @property
    def op(self) -> str:
        """The ONNX op of its one node, or :data:`SEVERAL`."""
        nodes = self.model.graph.node
        return str(nodes[0].op_type) if len(nodes) == 1 else SEVERAL


def load_tests(ops: Collection[str] = ()) -> list[NodeTest]:
    """Return onnx's node tests, sorted by name.

    Parameters
    ----------
    ops : collection of str
        Only those of models with one node of such an op; without, all.
    """
    loader = require("onnx.backend.test.loader", "onnx", "onnx's node tests")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # tests are made when they are loaded, with warnings
        found = [_test(case) for case in loader.load_model_tests(kind="node")]
    return sorted((t for t in found if not ops or t.op in ops), key=lambda test: test.name)


def _test(case: Any) -> NodeTest:
    """Return a test of onnx's, whether it is made on the spot or, in older versions, in files."""
    if case.model is not None:
        return NodeTest(case.name, case.model, lambda: case.data_sets, case.rtol, case.atol)
    onnx = require("onnx", "onnx", "onnx's node tests")
    folder = Path(case.model_dir)
    model = onnx.load(folder / "model.onnx")

    def data_sets() -> Iterable[tuple[Sequence[Any], Sequence[Any]]]:
        for part in sorted(folder.glob("test_data_set*")):
            graph = model.graph
            yield _from_files(part, "input", graph.input), _from_files(part, "output", graph.output)

    return NodeTest(case.name, model, data_sets, case.rtol, case.atol)


def _from_files(folder: Path, what: str, values: Sequence[Any]) -> list[Any]:
    """Return the inputs or outputs that lie in a folder, each in the form of its type."""
    onnx = require("onnx", "onnx", "onnx's node tests")
    forms = {
        "tensor_type": (onnx.TensorProto, onnx.numpy_helper.to_array),
        "sequence_type": (onnx.SequenceProto, onnx.numpy_helper.to_list),
        "optional_type": (onnx.OptionalProto, onnx.numpy_helper.to_optional),
    }
    found = []
    for i, value in enumerate(values):
        path = folder / f"{what}_{i}.pb"
        if path.exists():
            kind, read = forms[value.type.WhichOneof("value")]
            proto = kind()
            proto.ParseFromString(path.read_bytes())
            found.append(read(proto))
    return found


def run_tests(
    tests: Iterable[NodeTest], progress: Callable[[Outcome], None] = lambda outcome: None
) -> list[Outcome]:
    """Run tests one after another.

    Parameters
    ----------
    tests : iterable of NodeTest
        What :func:`load_tests` returns.
    progress : callable
        Called with each outcome.
    """
    found = []
    for test in tests:
        found.append(_run(test))
        progress(found[-1])
    return found


def _run(test: NodeTest) -> Outcome:
    """Run one test; an error of whatever kind is its outcome."""
    fallbacks: tuple[str, ...] = ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of onnx's reference implementation
            prepared = MinisparseBackend.prepare(test.model)
            fallbacks = prepared.fallbacks
            for inputs, wanted in test.data_sets():
                _compare(prepared.run([_value(x) for x in inputs]), wanted, test)
    except Exception as error:  # noqa: BLE001 - a crash in one test must not hide the others
        text = " ".join(str(error).split()) or type(error).__name__
        return Outcome(test.name, test.op, False, fallbacks, f"{type(error).__name__}: {text}")
    return Outcome(test.name, test.op, True, fallbacks)


def _compare(outputs: Any, wanted: Any, test: NodeTest) -> None:
    """Raise AssertionError where outputs are not what onnx's own runner accepts.

    That runner itself cannot compare sequences in which a tensor has no dimensions.
    """
    if len(outputs) != len(wanted):
        raise AssertionError(f"{len(outputs)} outputs, not {len(wanted)}")
    for got, right in zip(outputs, map(_value, wanted), strict=True):
        if isinstance(right, list | tuple):
            if not isinstance(got, list | tuple):
                raise AssertionError(f"{type(got).__name__} instead of a sequence")
            _compare(got, right, test)
        elif right is None:
            assert got is None
        else:
            _compare_arrays(np.asarray(got), np.asarray(right), test)


def _compare_arrays(got: Array, right: Array, test: NodeTest) -> None:
    """Compare shapes, dtypes and elements, these with the tolerance of onnx's own runner."""
    np.testing.assert_array_equal(got.shape, right.shape, err_msg="shape")
    if right.dtype.kind in "OUS":
        np.testing.assert_array_equal(got, right.astype(got.dtype))
        return
    np.testing.assert_equal(got.dtype, right.dtype)
    rtol = test.rtol
    if got.dtype.name == "bfloat16":
        rtol = max(rtol, 2**-6)
        got, right = got.astype(np.float32), right.astype(np.float32)
    np.testing.assert_allclose(got, right, rtol=rtol, atol=test.atol)


def _value(value: Any) -> Any:
    """Return an input or output as arrays and lists."""
    onnx = require("onnx", "onnx", "onnx's node tests")
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    return value
