"""Normalizations in small ops: layer and RMS normalization, softmax and its logarithm."""

from minisparse.graph import Node
from minisparse.passes.spelled.terms import Terms


def scaled(terms: Terms, node: Node) -> Node | None:
    """Tell ``d / sqrt(mean(d**2) + epsilon) * scale``, d being ``x - mean``, or x itself."""
    if node.op.name != "multiply":
        return None
    for value, scale in (node.inputs, node.inputs[::-1]):
        found = _normalized(terms, value)
        if found is None:
            continue
        centered, epsilon, axes = found
        mean_of = _centered(terms, centered, axes)
        ndim = terms.sweep.types[mean_of or centered].ndim
        if axes != tuple(range(axes[0], 0)) or -axes[0] > ndim:
            return None
        attrs = {"axis": axes[0], "epsilon": epsilon}
        op = "rms_normalization" if mean_of is None else "layer_normalization"
        return terms.node(op, node, (mean_of or centered, scale), **attrs)
    return None


def shifted(terms: Terms, node: Node) -> Node | None:
    """Tell a bias that is added to a layer normalization that has none."""
    if node.op.name != "add":
        return None
    for value, bias in (node.inputs, node.inputs[::-1]):
        layer = terms.made(value, "layer_normalization")
        if layer is not None and len(layer.inputs) == 2:
            attrs = {name: layer.attrs[name] for name in ("axis", "epsilon")}
            return terms.node("layer_normalization", node, (*layer.inputs, bias), **attrs)
    return None


def _normalized(terms: Terms, value: str) -> tuple[str, float, tuple[int, ...]] | None:
    """Return what is divided by its root mean square, epsilon, and the axes of the mean."""
    node = terms.made(value, "div", "multiply")
    if node is None:
        return None
    pairs = [node.inputs] if node.op.name == "div" else [node.inputs, node.inputs[::-1]]
    for x, by in pairs:
        total = _under_root(terms, by, inverse=node.op.name == "multiply")
        for mean, epsilon in terms.addends(total) if total else ():
            number, reduced = terms.number(epsilon), terms.made(mean, "reduce_mean")
            if number is None or reduced is None or number < 0:
                continue
            axes = _axes(terms, reduced)
            if axes and terms.power(_squared(terms, reduced.inputs[0]), x) == 2:
                return x, number, axes
    return None


def _squared(terms: Terms, value: str) -> tuple[str, ...]:
    """Return the factors of a square, which is read once."""
    node = terms.made(value, "multiply")
    return node.inputs if node is not None else (value,)


def _under_root(terms: Terms, value: str, inverse: bool) -> str | None:
    """Return what a root, or one over it, is taken of."""
    if inverse:
        over = terms.made(value, "reciprocal", "div", "pow")
        if over is None:
            return None
        if over.op.name == "pow":
            return over.inputs[0] if terms.number(over.inputs[1]) == -0.5 else None
        if over.op.name == "div" and terms.number(over.inputs[0]) != 1:
            return None
        value = over.inputs[-1]
    root = terms.made(value, "sqrt", "pow")
    if root is None or (root.op.name == "pow" and terms.number(root.inputs[1]) != 0.5):
        return None
    return root.inputs[0]


def _axes(terms: Terms, reduced: Node) -> tuple[int, ...]:
    """Return the axes of a reduction that keeps them, from the end; none if it does not."""
    ndim = terms.sweep.types[reduced.inputs[0]].ndim
    axes = reduced.attrs["axes"]
    if not axes or not reduced.attrs["keepdims"]:
        return ()
    return tuple(sorted(a % ndim - ndim for a in axes))


def _centered(terms: Terms, value: str, axes: tuple[int, ...]) -> str | None:
    """Return what the mean was taken off, None if it was not."""
    node = terms.sweep.producer(value)
    if node is None or node.op.name != "sub":
        return None
    mean = terms.made(node.inputs[1], "reduce_mean")
    same = mean is not None and mean.inputs[0] == node.inputs[0] and _axes(terms, mean) == axes
    return node.inputs[0] if same else None


def shares(terms: Terms, node: Node) -> Node | None:
    """Tell ``exp(x - max) / sum exp(x - max)``."""
    if node.op.name != "div":
        return None
    above, below = node.inputs
    total, exp = terms.made(below, "reduce_sum"), terms.sweep.producer(above)
    if total is None or exp is None or exp.op.name != "exp" or total.inputs[0] != above:
        return None
    return _within(terms, node, exp.inputs[0], total, "softmax")


def logarithms(terms: Terms, node: Node) -> Node | None:
    """Tell ``(x - max) - log(sum exp(x - max))``."""
    if node.op.name != "sub":
        return None
    less, log = node.inputs[0], terms.made(node.inputs[1], "log")
    total = terms.made(log.inputs[0], "reduce_sum") if log is not None else None
    exp = terms.made(total.inputs[0], "exp") if total is not None else None
    if total is None or exp is None or exp.inputs[0] != less:
        return None
    return _within(terms, node, less, total, "log_softmax")


def _within(terms: Terms, node: Node, less: str, total: Node, op: str) -> Node | None:
    """Return a softmax of what the maximum was taken off, along the axis of a sum."""
    off, axes = terms.sweep.producer(less), _axes(terms, total)
    if off is None or off.op.name != "sub" or len(axes) != 1:
        return None
    most = terms.made(off.inputs[1], "reduce_max")
    if most is None or most.inputs[0] != off.inputs[0] or _axes(terms, most) != axes:
        return None
    return terms.node(op, node, (off.inputs[0],), axis=axes[0])


KINDS = (scaled, shifted, shares, logarithms)
"""What to look for at a node, in this order."""
