"""ONNX Runtime on the CPU: its operator ``com.microsoft.SparseToDenseMatMul``, for CSR and COO."""

import functools
from typing import Any

import numpy as np

from minisparse.core.extras import require
from minisparse.oracle.outcomes import Unsupported
from minisparse.oracle.peers.peer import Peer, alike, only

_DTYPES = "float32 float64 int32 int64"


def _runtime() -> Any:
    return require("onnxruntime", "peers", "judging ONNX Runtime")


@functools.cache
def _session(dtype: str) -> Any:
    """Return a session of one node, ``c = A @ b``, for operands of any shape."""
    onnx = require("onnx", "onnx", "judging ONNX Runtime")
    make = onnx.helper
    kind = make.np_dtype_to_tensor_dtype(np.dtype(dtype))
    node = make.make_node("SparseToDenseMatMul", ["A", "b"], ["c"], domain="com.microsoft")
    graph = make.make_graph(
        [node],
        "product",
        [
            make.make_sparse_tensor_value_info("A", kind, [None, None]),
            make.make_tensor_value_info("b", kind, [None, None]),
        ],
        [make.make_tensor_value_info("c", kind, [None, None])],
    )
    sets = [make.make_opsetid("", 17), make.make_opsetid("com.microsoft", 1)]
    model = make.make_model(graph, opset_imports=sets, ir_version=8)
    quiet = _runtime().SessionOptions()
    quiet.log_severity_level = 4
    return _runtime().InferenceSession(
        model.SerializeToString(), quiet, providers=["CPUExecutionProvider"]
    )


def _run(a: Any, b: Any) -> Any:
    values = _runtime().OrtValue
    feeds = {
        "A": values.ort_value_from_sparse_tensor(a),
        "b": values.ortvalue_from_numpy(np.ascontiguousarray(b)),
    }
    try:
        (found,) = _session(b.dtype.name).run_with_ort_values(["c"], feeds)
    except _runtime().capi.onnxruntime_pybind11_state.NotImplemented as error:
        raise Unsupported(str(error).splitlines()[0][:90]) from error
    return found.numpy()


def _device() -> Any:
    return _runtime().OrtDevice.make("cpu", 0)


def _checked(data: Any, b: Any) -> None:
    only(_DTYPES, data, b)
    alike(data, b)


def spmm_csr(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """Multiply a sparse tensor in CSR."""
    _checked(data, b)
    inner, outer = (np.ascontiguousarray(x, np.int64) for x in (indices, indptr))
    size = np.array(shape, np.int64)
    make = _runtime().SparseTensor.sparse_csr_from_numpy
    return _run(make(size, np.ascontiguousarray(data), inner, outer, _device()), b)


def spmm_coo(row: Any, col: Any, data: Any, shape: Any, b: Any) -> Any:
    """Multiply a sparse tensor in COO, of pairs of indices."""
    _checked(data, b)
    where = np.ascontiguousarray(np.stack([row, col], axis=1), np.int64)
    size = np.array(shape, np.int64)
    make = _runtime().SparseTensor.sparse_coo_from_numpy
    return _run(make(size, np.ascontiguousarray(data), where.reshape(-1), _device()), b)


ONNXRUNTIME = Peer(
    "onnxruntime",
    "onnxruntime",
    ("onnxruntime", "onnx"),
    'pip install "minisparse[peers,onnx]"',
    "onnx",
    {"spmm_csr": spmm_csr, "spmm_coo": spmm_coo},
)
