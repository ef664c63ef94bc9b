"""Where a verb writes the model that it made: ``.npz`` or ``.onnx``."""

from pathlib import Path

from minisparse.core.errors import UsageError
from minisparse.core.extras import require
from minisparse.graph import Graph


def check_output(path: str) -> None:
    """Raise what would keep a model from being written, before the work is done."""
    target = Path(path)
    if target.suffix not in (".npz", ".onnx"):
        raise UsageError(f"{path}: a model is written to a file ending in .npz or .onnx")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no such folder")
    if target.suffix == ".onnx":
        require("onnx", "onnx", "writing ONNX models")


def write_graph(graph: Graph, path: str) -> None:
    """Write a graph, in the format that the file's name asks for."""
    if Path(path).suffix == ".npz":
        graph.save(path)
        return
    from minisparse.frontends.onnx.export import to_onnx

    to_onnx(graph, path)
