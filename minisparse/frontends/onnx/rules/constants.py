"""ONNX's Constant, in all its forms; a sparse one stays a matrix."""

from typing import Any

import numpy as np

from minisparse.frontends.onnx.rule import Call, Rules
from minisparse.frontends.onnx.tensors import to_array
from minisparse.frontends.onnx.types import OBJECT
from minisparse.frontends.onnx.weights import define_sparse

_DTYPES: dict[str, Any] = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
    "value_string": OBJECT,
    "value_strings": OBJECT,
}


def _constant(call: Call) -> str:
    """Add the constant under the name that the model has for it."""
    file = call.importer.model.file
    name = call.draft.own(call.importer.prefixed(call.node.output[0]))
    sparse = call.attr("sparse_value")
    if sparse is not None:
        return define_sparse(sparse, name, file, call.draft)
    tensor = call.attr("value")
    if tensor is not None:
        return call.draft.define(name, to_array(tensor, file))
    form = next((form for form in _DTYPES if call.attr(form) is not None), None)
    if form is None:
        call.decline("it has no value")
    return call.draft.define(name, np.asarray(call.attr(form), _DTYPES[form]))


CONSTANTS = Rules({"Constant": _constant})
