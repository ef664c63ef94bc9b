"""Read a PyTorch module: export it, then write its operators into a graph, one after the other."""

from collections.abc import Mapping
from typing import Any

from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.core.extras import require
from minisparse.formats import Matrix
from minisparse.frontends.torch.dynamic import make_example
from minisparse.frontends.torch.exporting import decompose, export
from minisparse.frontends.torch.folding import Known
from minisparse.frontends.torch.lowering import Lowering
from minisparse.frontends.torch.naming import Names, result_names
from minisparse.frontends.torch.sizes import Sym, dim_of, symbol_of
from minisparse.frontends.torch.stand_in import stand_in
from minisparse.frontends.torch.tensors import dtype_of, is_sparse
from minisparse.frontends.torch.walk import Walk, unsupported
from minisparse.graph import Graph, GraphBuilder


def from_torch(
    module: Any,
    example_inputs: Any = (),
    *,
    keywords: Mapping[str, Any] | None = None,
    dynamic: Any = True,
    name: str | None = None,
) -> Graph:
    """Return a PyTorch module as a graph.

    The module is traced by ``torch.export`` in eval mode, whatever mode it is in, so that dropout
    does nothing and normalizations use their running statistics; the module itself is not touched.
    Constants have the names of the state dict, nodes those of the modules. A weight that
    ``torch.nn.utils.prune`` masks is the masked weight, and a sparse one stays the matrix it is.
    See docs/torch.md.

    Parameters
    ----------
    module : torch.nn.Module or torch.export.ExportedProgram
        The model; of a program that is exported already, the other parameters are not looked at.
    example_inputs : tensor, ndarray, sequence of these, or mapping
        What to call it with: the values do not matter, but shapes and dtypes do. A mapping gives
        keyword arguments.
    keywords : mapping, optional
        Keyword arguments besides.
    dynamic : bool, str, sequence of str, or mapping
        Which sizes may differ from the example's. True: the first dimension of the first input,
        named ``"batch"``, and of all inputs where it is as long, as far as the module allows.
        False: none. Names, as ``("batch", "seq")``: the leading dimensions likewise, and an error
        where the module fixes one. A mapping from arguments to ``{axis: name}`` or to names axis by
        axis tells each by itself; a ``torch.export.Dim`` may stand for a name.
    name : str, optional
        The graph's name; by default the module's class.

    Returns
    -------
    Graph

    Raises
    ------
    UsageError
        If it is no module, the example does not fit it, or it cannot be exported.
    UnsupportedOpError
        If it has operators without a meaning here; all of them are named, with their modules.
    DTypeError
        If a parameter or an input has a dtype that minisparse has not.
    MissingExtraError
        If PyTorch is not installed, or too old.

    Examples
    --------
    A layer whose batch may have any size::

        print(ms.from_torch(torch.nn.Linear(3, 2), torch.zeros(4, 3)))

        graph Linear(input: float32[batch, 3]) -> output
          const weight  float32[2, 3]
          const bias    float32[2]
          linear        = gemm(input, weight, bias, transB=1)  float32[batch, 2]
          return output = linear
    """
    torch = require("torch", "torch", "reading PyTorch modules")
    require("torch.export", "torch", "reading PyTorch modules")
    if not hasattr(torch.export, "default_decompositions"):
        raise UsageError(
            f"from_torch: PyTorch {torch.__version__} is too old: its torch.export lacks Dim.AUTO: "
            f'pip install "torch>=2.6"'
        )
    if isinstance(module, torch.export.ExportedProgram):
        return _to_graph(torch, decompose(torch, module), [], {}, name or "program")
    if not isinstance(module, torch.nn.Module):
        raise UsageError(
            f"from_torch: {type(module).__name__} is no torch.nn.Module; a function can be the "
            f"forward of one"
        )
    args, named = _example(torch, example_inputs, keywords)
    copied, matrices = stand_in(torch, module)
    example = make_example(torch, copied, args, named, dynamic)
    program = export(torch, copied, example.args, example.keywords, example.shapes)
    return _to_graph(torch, program, example.names, matrices, name or type(module).__name__)


def _example(
    torch: Any, given: Any, keywords: Mapping[str, Any] | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return positional and keyword arguments, with tensors in place of arrays."""
    if isinstance(given, torch.Tensor) or hasattr(given, "__array_interface__"):
        given = (given,)
    if isinstance(given, Mapping):
        given, keywords = (), {**given, **(keywords or {})}
    if not isinstance(given, list | tuple):
        raise UsageError(
            f"from_torch: example_inputs is {given!r:.60}: it must be a tensor, a tuple of what "
            f"module(*example_inputs) takes, or a mapping of keyword arguments"
        )
    args, named = torch.utils._pytree.tree_map(
        lambda leaf: torch.from_numpy(leaf) if hasattr(leaf, "__array_interface__") else leaf,
        (tuple(given), dict(keywords or {})),
    )
    for leaf in torch.utils._pytree.tree_leaves((args, named)):
        if isinstance(leaf, torch.Tensor) and is_sparse(leaf):
            raise UsageError(
                "from_torch: a sparse tensor among the example's inputs: inputs of a graph are "
                "plain; hold it in the module, or give it as .to_dense()"
            )
    return args, named


def _to_graph(
    torch: Any, program: Any, names: list[dict[int, str]], matrices: dict[str, Matrix], name: str
) -> Graph:
    """Write an exported program into a graph."""
    builder = GraphBuilder(name)
    taken = Names()
    symbols: dict[str, str] = {}
    origins: dict[str, tuple[str, int]] = {}
    g = Lowering(torch, builder, taken, symbols, origins)
    walk = Walk(g, matrices)
    inputs = _placeholders(torch, program, walk)
    _name_symbols(inputs, names, symbols)
    for node in inputs:
        traced = node.meta["val"]
        dims = tuple(dim_of(size, symbols) for size in traced.shape)
        builder.input(taken.unused(node.name), dims, dtype_of(traced.dtype))
        walk.values[node] = node.name
        for axis, dim in enumerate(dims):
            if isinstance(dim, str):
                origins.setdefault(dim, (node.name, axis))
    returned = walk.run(program.graph)
    if walk.problems:
        raise unsupported(walk.problems)
    outputs = _outputs(torch, program, walk, returned)
    metadata = {"source": f"torch {torch.__version__}", "mode": "eval"}
    return builder.build(outputs, metadata).drop_unused()


def _placeholders(torch: Any, program: Any, walk: Walk) -> list[Any]:
    """Note parameters, buffers and fixed arguments; return the nodes of those that are inputs.

    Parameters that share their memory, as tied weights do, are one constant under the first name.
    """
    held = {**program.constants, **program.state_dict}
    nodes = [node for node in program.graph.nodes if node.op == "placeholder"]
    inputs: list[Any] = []
    tied: dict[Any, Known] = {}
    for node, spec in zip(nodes, program.graph_signature.input_specs, strict=True):
        tensor = held.get(spec.target)
        if spec.kind.name == "USER_INPUT" and isinstance(node.meta.get("val"), torch.Tensor):
            inputs.append(node)
        elif isinstance(tensor, torch.Tensor):
            key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
            known = Known(tensor, str(spec.target))
            walk.values[node] = tied.setdefault(key, known) if tensor.numel() else known
        else:
            walk.values[node] = node.meta.get("val", getattr(spec.arg, "value", None))
    return inputs


def _name_symbols(inputs: list[Any], names: list[dict[int, str]], symbols: dict[str, str]) -> None:
    """Give each of torch's symbols the caller's name, or one of the input and axis it stands at."""
    sizes = [
        (symbol_of(size), i, axis)
        for i, node in enumerate(inputs)
        for axis, size in enumerate(node.meta["val"].shape)
    ]
    for symbol, i, axis in sizes:
        if symbol is not None and i < len(names) and axis in names[i]:
            symbols.setdefault(symbol, names[i][axis])
    for symbol, i, axis in sizes:
        if symbol is not None:
            symbols.setdefault(symbol, f"{inputs[i].name}_{axis}")


def _outputs(torch: Any, program: Any, walk: Walk, returned: Any) -> dict[str, str]:
    """Return from names of results to values."""
    specs = program.graph_signature.output_specs
    written = [s.target for s in specs if s.kind.name == "BUFFER_MUTATION"]
    if written:
        raise UnsupportedOpError(
            f"from_torch: forward writes to {', '.join(map(str, written))}, but a graph remembers "
            f"nothing from run to run: take it as an input and return its new value"
        )
    values = [v for v, s in zip(returned, specs, strict=True) if s.kind.name == "USER_OUTPUT"]
    named = zip(result_names(torch, program.call_spec.out_spec), values, strict=True)
    return {name: _output(walk, value) for name, value in named if value is not None}


def _output(walk: Walk, value: Any) -> str:
    """Return a result as a value of the graph."""
    if isinstance(value, Known):
        return walk.constant(value)
    if isinstance(value, Sym):
        return walk.g.op("squeeze", value.make(), walk.g.ints(0))
    return value if isinstance(value, str) else walk.g.number(value, type(value))
