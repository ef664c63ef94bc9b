"""A body as a graph of its own, so that it is planned, run and exported as every other graph."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from minisparse.core.symbolic import UNKNOWN, Dim, is_unknown, names_in, replace_names
from minisparse.core.tensor_type import TensorType
from minisparse.graph.graph import Constant, Graph
from minisparse.ops.body import Body


def as_graph(
    body: Body,
    types: Sequence[TensorType],
    constants: Mapping[str, Constant] | None = None,
    name: str = "body",
) -> Graph:
    """Return the graph of a body.

    Parameters
    ----------
    body : Body
        A branch, or what a loop repeats.
    types : sequence of TensorType
        Those of its inputs. Sizes that nothing tells get names that the graph does not give.
    constants : mapping, optional
        Inputs, by their names in the body, that are the same at every run: they are constants of
        the graph, and no inputs.
    name : str
        The graph's name.

    Returns
    -------
    Graph
        Its outputs are named by their positions: ``"0"``, ``"1"`` …

    Examples
    --------
    >>> from minisparse.core.tensor_type import known_type
    >>> from minisparse.ops import ADD
    >>> from minisparse.ops.node import Node
    >>> import numpy as np
    >>> body = Body(("x", "one"), (Node("next", ADD, ("x", "one"), ("y",)),), ("y",))
    >>> one = np.ones(2)
    >>> print(as_graph(body, (known_type(one), known_type(one)), {"one": one}))
    graph body(x: float64[2]) -> 0
      const one  float64[2]
      y          = add(x, one)  float64[2]
      return 0 = y
    """
    fixed = constants or {}
    given = zip(body.inputs, types, strict=True)
    return Graph(
        name,
        {
            name: _with_names_of_its_own(type, i)
            for i, (name, type) in enumerate(given)
            if name not in fixed
        },
        dict(fixed),
        body.nodes,
        {str(i): value for i, value in enumerate(body.outputs)},
    )


def _with_names_of_its_own(type: TensorType, number: int) -> TensorType:
    """Return a type whose unknown sizes have names that no graph numbers: ``?'1`` for ``?1``."""

    def renamed(dim: Dim, axis: int) -> Dim:
        if dim == UNKNOWN:
            return f"{UNKNOWN}'{number}.{axis}"
        unknown = [n for n in names_in(dim) if is_unknown(n)]
        return replace_names(dim, {n: n.replace(UNKNOWN, f"{UNKNOWN}'", 1) for n in unknown})

    shape = tuple(renamed(dim, axis) for axis, dim in enumerate(type.shape))
    return type if shape == type.shape else replace(type, shape=shape, known=None)
