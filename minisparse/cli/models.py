"""Find the model and the inputs that a command line names."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from minisparse import examples
from minisparse.api import load
from minisparse.core.dtypes import Array
from minisparse.core.errors import MinisparseError, ModelFileError
from minisparse.core.npz import read_npy, read_npz
from minisparse.core.tensor_type import TensorType
from minisparse.cost import USUAL_SIZE
from minisparse.graph import Graph
from minisparse.runtime import check_feeds


@dataclass(frozen=True)
class Inputs:
    """What a model is run on.

    Attributes
    ----------
    feeds : dict
        From input names to arrays that fit.
    labels : ndarray or None
        The right class of each item, where known.
    source : str
        Where they come from, in a few words.
    """

    feeds: dict[str, Array]
    labels: Array | None
    source: str

    @property
    def items(self) -> int:
        """Length of the batch: the first dimension of the first input."""
        shapes = [x.shape for x in self.feeds.values()]
        return shapes[0][0] if shapes and shapes[0] else 0

    def sizes(self, graph: Graph) -> dict[str, int]:
        """Return the size that each named dimension of a graph has in these inputs."""
        return {
            symbol: size
            for name, type in graph.inputs.items()
            for symbol, size in zip(type.shape, self.feeds[name].shape, strict=True)
            if isinstance(symbol, str)
        }

    def first(self, count: int) -> "Inputs":
        """Return the first items of the batch."""
        feeds = {name: x[:count] for name, x in self.feeds.items()}
        return replace(
            self, feeds=feeds, labels=None if self.labels is None else self.labels[:count]
        )


def find_model(model: str) -> Graph:
    """Return the shipped model of that name, or the one in that file."""
    if model in examples.names():
        return load(examples.model_path(model))
    if not Path(model).exists():
        raise ModelFileError(
            f"{model}: no such file, nor a shipped model ({', '.join(examples.names())})"
        )
    return load(model)


def find_inputs(graph: Graph, model: str, file: str | None) -> Inputs:
    """Return the inputs from a file, or the shipped test images, or random ones.

    Raises
    ------
    ModelFileError
        If the file is missing or damaged.
    UsageError, ShapeError, DTypeError
        If its arrays do not fit the model.
    """
    if file is not None:
        return _from_file(graph, Path(file))
    if model in examples.names():
        images, labels = examples.test_set()
        ((name, type),) = graph.inputs.items()
        shape = (len(images), *(d for d in type.shape[1:] if isinstance(d, int)))
        return Inputs({name: images.reshape(shape)}, labels, f"{len(images)} test images")
    rng = np.random.default_rng(0)
    sizes = dict.fromkeys(graph.symbols, USUAL_SIZE)
    feeds = {name: _random(rng, type.bind(sizes)) for name, type in graph.inputs.items()}
    return Inputs(feeds, None, "random inputs, seed 0; give yours with --input")


def _random(rng: np.random.Generator, type: TensorType) -> Array:
    """Return values that any dtype can hold: normal, or small integers."""
    if type.dtype.kind in "fcV":
        return rng.standard_normal(type.dims).astype(type.dtype)
    return rng.integers(0, 2, type.dims).astype(type.dtype)


def _from_file(graph: Graph, path: Path) -> Inputs:
    if path.suffix == ".npy":
        if len(graph.inputs) != 1:
            raise ModelFileError(
                f"{path}: a .npy holds one array, but the model takes "
                f"{', '.join(graph.inputs)}: use a .npz with these names"
            )
        arrays = {next(iter(graph.inputs)): read_npy(path)}
    elif path.suffix == ".npz":
        arrays = read_npz(path)
    else:
        raise ModelFileError(f"{path}: inputs come as .npz or .npy; save them with np.savez")
    known = set(graph.inputs)
    labels = arrays.pop("labels", None) if "labels" not in known else None
    try:
        feeds = check_feeds(graph, arrays)
    except MinisparseError as error:
        raise type(error)(f"{path}: {error}") from error
    count = len(next(iter(feeds.values()))) if feeds else 0
    if labels is not None and labels.shape != (count,):
        raise ModelFileError(f"{path}: 'labels' has shape {labels.shape}, not ({count},)")
    return Inputs(feeds, labels, f"{count} inputs from {path.name}")
