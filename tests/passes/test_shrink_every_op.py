"""No op makes shrinking stumble: every sample of every op, with any one operand as the input."""

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import MinisparseError
from minisparse.core.triplets import Triplets
from minisparse.formats import COO
from minisparse.graph import Graph, GraphBuilder
from minisparse.ops import OPS, Op
from minisparse.ops.op import Sample
from minisparse.passes.shrinking import shrink
from minisparse.passes.shrinking.rules import RULES
from tests.passes.random_networks import meaning

PLAIN = [op for op in OPS.values() if not op.parts]


def network(op: Op, sample: Sample, at: int) -> tuple[Graph, dict[str, Array]] | None:
    """Return a graph of one node, operand ``at`` its input; None if that would not do.

    Ops that read shapes and axes from operands need those to be constants.
    """
    b = GraphBuilder(op.name)
    names, feeds = [], {}
    for i, operand in enumerate(sample.operands):
        if isinstance(operand, Triplets):
            held = COO(operand.data, operand.row, operand.col, operand.shape).to("csr")
            names.append(b.constant(f"c{i}", held))
        elif i == at:
            feeds[f"x{i}"] = operand
            names.append(b.input(f"x{i}", operand.shape, operand.dtype))
        else:
            names.append(b.constant(f"c{i}", operand))
    try:
        y = b.op(op.name, *names, **sample.attrs)
        return b.build({"y": y}), feeds
    except MinisparseError:
        return None


@pytest.mark.parametrize("op", PLAIN, ids=lambda op: op.name)
def test_nothing_changes_where_all_that_is_given_is_seen_from_outside(op: Op) -> None:
    for sample in op.samples(np.random.default_rng(0)):
        for at in {0, len(sample.operands) - 1}:
            made = network(op, sample, at)
            if made is None:
                continue
            graph, feeds = made
            smaller, _ = shrink(graph)
            assert smaller.types[smaller.outputs["y"]] == graph.types[graph.outputs["y"]]
            if smaller is not graph and feeds:
                with np.errstate(all="ignore"):
                    found, wanted = meaning(smaller, feeds), meaning(graph, feeds)
                finite = np.isfinite(wanted["y"])
                np.testing.assert_allclose(found["y"][finite], wanted["y"][finite], rtol=1e-2)


def test_rules_are_for_ops_that_exist() -> None:
    assert set(RULES) <= set(OPS)
