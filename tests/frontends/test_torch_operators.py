"""What PyTorch code writes means the same as a graph: operator by operator."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs pip install "minisparse[torch]"')

import torch

import minisparse as ms
from minisparse.frontends.torch.table import all_rules
from tests.frontends.torch_networks import Bert, settled
from tests.frontends.torch_operators import FAMILIES, Functions


class Several(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """A module that computes several functions of its inputs."""

    def __init__(self, functions: Functions) -> None:
        super().__init__()
        self.functions = functions

    def forward(self, *inputs: Any) -> dict[str, Any]:
        return {name: function(*inputs) for name, function in self.functions.items()}


def _agree(functions: Functions, inputs: tuple[Any, ...], dynamic: Any) -> None:
    module = Several(functions)
    graph = ms.from_torch(module, inputs, dynamic=dynamic)
    feeds = dict(zip(graph.inputs, (x.numpy() for x in inputs), strict=True))
    found = ms.compile(graph).run(feeds)
    with torch.no_grad():
        wanted = torch.utils._pytree.tree_leaves(module(*inputs))
    for (name, ours), theirs in zip(found.items(), wanted, strict=True):
        exact = theirs.numpy()
        assert (ours.shape, ours.dtype) == (exact.shape, exact.dtype), name
        if exact.dtype.kind == "f":
            largest = float(np.abs(exact[np.isfinite(exact)]).max(initial=1.0))
            np.testing.assert_allclose(ours, exact, rtol=2e-5, atol=2e-6 * largest, err_msg=name)
        else:
            np.testing.assert_array_equal(ours, exact, err_msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_operators_mean_what_torch_computes_at_any_batch(family: str) -> None:
    inputs, functions = FAMILIES[family]
    fixed = ("two", "write_at")  # indices of as many rows as the example has
    _agree({n: f for n, f in functions.items() if n not in fixed}, inputs, True)


@pytest.mark.parametrize("family", ["indexing", "attention"])
def test_operators_mean_what_torch_computes_at_fixed_sizes(family: str) -> None:
    inputs, functions = FAMILIES[family]
    _agree(functions, inputs, False)


@pytest.mark.parametrize("name", ["write", "write_row", "write_mask"])
def test_what_is_written_in_place_is_read_afterwards(name: str) -> None:
    inputs, functions = FAMILIES["indexing"]
    _agree({name: functions[name]}, inputs, True)


IMAGES = torch.nn.Sequential(
    torch.nn.Conv2d(3, 4, 3, 2, 1),
    torch.nn.BatchNorm2d(4),
    torch.nn.GroupNorm(2, 4),
    torch.nn.MaxPool2d(2),
    torch.nn.AdaptiveAvgPool2d(1),
    torch.nn.Flatten(),
    torch.nn.Linear(4, 2),
    torch.nn.LogSoftmax(-1),
)


@pytest.mark.parametrize("module", [IMAGES, Bert(layers=1)], ids=["images", "words"])
def test_programs_of_torch_core_operators_mean_the_same(module: Any) -> None:
    module = settled(module)
    x = torch.arange(10).view(2, 5)
    if module is IMAGES:
        x = torch.arange(2 * 3 * 8 * 8.0).view(2, 3, 8, 8).sin()
    with warnings.catch_warnings():  # torch's own, about its own
        warnings.simplefilter("ignore")
        program = torch.export.export(module, (x,)).run_decompositions()
    graph = ms.from_torch(program)
    found = ms.compile(graph).run({next(iter(graph.inputs)): x.numpy()})
    with torch.no_grad():
        wanted = torch.utils._pytree.tree_leaves(module(x))
    for ours, theirs in zip(found.values(), wanted, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)


def test_the_page_names_every_operator_with_a_rule() -> None:
    page = Path(__file__).parents[2] / "docs" / "torch.md"
    table = page.read_text(encoding="utf-8").split("| --- | --- |")[-1]
    rows = [line.split("|")[2] for line in table.strip().splitlines()]
    told = sorted(name for row in rows for name in re.findall(r"`(\w+)`", row))
    assert told == sorted({name.split(".")[1] for name in all_rules()})


def test_every_rule_is_for_an_operator_that_torch_has() -> None:
    unknown = []
    for name in all_rules():
        namespace, operator, overload = name.split(".")
        packet = getattr(getattr(torch.ops, namespace), operator, None)
        if overload not in (packet.overloads() if packet is not None else ()):
            unknown.append(name)
    assert not unknown
