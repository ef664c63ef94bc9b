"""Open an ONNX model: a file, its bytes, or the message itself. Weights are not looked at yet."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minisparse.core.errors import ModelFileError, UsageError
from minisparse.core.extras import require


@dataclass(frozen=True)
class ModelFile:
    """A model as it was given.

    Attributes
    ----------
    model : onnx.ModelProto
        The parsed message.
    name : str
        How errors call it: its path, or ``"ONNX model"``.
    folder : Path or None
        Where files with external data may lie; None for a model that came without a path.
    size : int
        Bytes of the message.
    """

    model: Any
    name: str
    folder: Path | None
    size: int


def read(source: Any) -> ModelFile:
    """Open a model.

    Parameters
    ----------
    source : str, Path, bytes or onnx.ModelProto
        A path; or what is in such a file.

    Raises
    ------
    ModelFileError
        If there is no such file, or it is empty, truncated or no ONNX model.
    MissingExtraError
        If onnx is not installed.
    """
    onnx = require("onnx", "onnx", "reading ONNX models")
    if isinstance(source, onnx.ModelProto):
        return _checked(ModelFile(source, "ONNX model", None, source.ByteSize()))
    if isinstance(source, bytes | bytearray | memoryview):
        text, name, folder = bytes(source), "ONNX model", None
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        text, name, folder = _bytes_of(path), str(path), path.parent
    else:
        raise UsageError(
            f"an ONNX model is a path, bytes or an onnx.ModelProto, not {type(source).__name__}"
        )
    if not text:
        raise ModelFileError(f"{name}: it is empty")
    return _checked(ModelFile(_parsed(onnx, text, name), name, folder, len(text)))


def _bytes_of(path: Path) -> bytes:
    """Return a file's bytes; what cannot be read is named."""
    if not path.is_file():
        what = "a folder" if path.is_dir() else "a special file" if path.exists() else "missing"
        raise ModelFileError(f"{path}: it is {what}; give an .onnx file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror}") from error


def _parsed(onnx: Any, text: bytes, name: str) -> Any:
    decode_error = require("google.protobuf.message", "onnx", "reading ONNX models").DecodeError
    model = onnx.ModelProto()
    try:
        model.ParseFromString(text)
    except decode_error as error:
        raise ModelFileError(
            f"{name}: not an ONNX model, or truncated: {error} ({len(text)} bytes)"
        ) from error
    return model


def _checked(file: ModelFile) -> ModelFile:
    """Refuse a message that could be parsed, but is no model: almost any few bytes can."""
    model = file.model
    missing = [
        what
        for what, is_there in (
            ("graph", model.HasField("graph")),
            ("ir_version", model.ir_version > 0),
            ("opset_import", len(model.opset_import) > 0 or len(model.functions) > 0),
        )
        if not is_there
    ]
    if missing:
        raise ModelFileError(
            f"{file.name}: not an ONNX model, or truncated: it has no {', no '.join(missing)}"
        )
    return file
