"""Initializers: every constant that a graph brings along, read into a draft."""

from collections.abc import Collection
from typing import Any

from minisparse.core.errors import DTypeError, FormatError, MinisparseError, ModelFileError
from minisparse.frontends.onnx.draft import Draft
from minisparse.frontends.onnx.problems import refuse
from minisparse.frontends.onnx.reader import ModelFile
from minisparse.frontends.onnx.sparse import to_matrix
from minisparse.frontends.onnx.tensors import to_array


def define_weights(
    graph: Any, file: ModelFile, draft: Draft, values: dict[str, str], used: Collection[str]
) -> None:
    """Add a graph's initializers to a draft.

    Parameters
    ----------
    graph : onnx.GraphProto
        With ``initializer`` and ``sparse_initializer``.
    file : ModelFile
        The model that it belongs to.
    draft : Draft
        Gets a constant for each one that is used; a sparse one stays a matrix.
    values : dict
        Gets their names.
    used : collection of str
        What anything reads; what nothing does is checked all the same.

    Raises
    ------
    ModelFileError
        If tensors are damaged, or their data missing; all of them are named.
    """
    problems: list[str] = []
    for tensor in graph.initializer:
        try:
            array = to_array(tensor, file)
        except (ModelFileError, DTypeError) as error:
            problems.append(f"tensor '{tensor.name}': {error}")
            continue
        if tensor.name in used:
            values[tensor.name] = draft.define(draft.own(tensor.name), array)
    for sparse in graph.sparse_initializer:
        try:
            values[sparse.values.name] = define_sparse(sparse, sparse.values.name, file, draft)
        except (ModelFileError, FormatError, DTypeError) as error:
            problems.append(f"sparse tensor '{sparse.values.name}': {error}")
    kind: type[MinisparseError] = ModelFileError
    refuse(file.name, kind, "weights that cannot be read", problems)


def define_sparse(proto: Any, name: str, file: ModelFile, draft: Draft) -> str:
    """Add a sparse tensor to a draft as a matrix; return our name for it."""
    matrix, dims = to_matrix(proto, file)
    own = draft.define(draft.own(name), matrix)
    draft.dims[own] = dims
    return own
