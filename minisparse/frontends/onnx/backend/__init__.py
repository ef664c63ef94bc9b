"""minisparse as an ONNX backend, and onnx's own node tests run against it.

This is no frontend: it compiles and runs what the frontend reads, so it stands on the floor of
``api``. It is here because users of ONNX look for a backend beside the reader.
"""

from minisparse.frontends.onnx.backend.backend import (
    MinisparseBackend,
    is_compatible,
    prepare,
    run_model,
    run_node,
    supports_device,
)

__all__ = [
    "MinisparseBackend",
    "is_compatible",
    "prepare",
    "run_model",
    "run_node",
    "supports_device",
]
