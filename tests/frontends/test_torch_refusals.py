"""What from_torch refuses: in one line, all of a kind at once, and with what to do instead."""

import sys
import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs pip install "minisparse[torch]"')

import torch

import minisparse as ms
from minisparse.core.errors import (
    DTypeError,
    MinisparseError,
    MissingExtraError,
    UnsupportedOpError,
    UsageError,
)


class Module(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """A module whose ``forward`` is given."""

    def __init__(self, function: Any, **parts: Any) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: Any) -> Any:
        return self.function(self, *inputs)


X = torch.ones(4, 6)


def _refused(error: type[MinisparseError], *args: Any, **keywords: Any) -> str:
    with pytest.raises(error) as caught:
        ms.from_torch(*args, **keywords)
    message = str(caught.value)
    assert message.startswith("from_torch")
    assert "\n" not in message
    return message


def _grid(module: Any, x: Any) -> Any:
    images = x.view(1, 1, 4, 6)
    grid = torch.zeros(1, 2, 2, 2)
    twice = torch.nn.functional.grid_sample(images, grid, align_corners=False)
    return module.inner(x), torch.atan(x), torch.atan(2 * x), twice


def test_all_unsupported_operators_are_named_at_once_with_their_modules() -> None:
    inner = Module(lambda self, x: torch.fft.fft(x).real + torch.asin(x))
    text = _refused(UnsupportedOpError, Module(_grid, inner=inner), X, dynamic=False)
    assert "4 unsupported operators" in text or "5 unsupported operators" in text
    assert "aten.atan.default (2 times) in forward" in text
    assert "aten.asin.default in 'inner'" in text
    assert "aten.grid_sampler_2d.default" in text
    assert "fft" in text


def test_arguments_without_a_meaning_here_are_named_with_the_reason() -> None:
    rounded = Module(lambda self, x: torch.scatter_reduce(x, 0, x.long(), x, "mean"))
    assert "scatter_reduce by mean" in _refused(UnsupportedOpError, rounded, X)
    pooled = torch.nn.Conv2d(3, 2, 3)
    images = torch.ones(2, 3, 8, 8)
    text = _refused(UnsupportedOpError, pooled, images, dynamic={"input": {2: "height"}})
    assert "bind" in text or "fixed" in text


def test_an_example_of_another_dtype_than_the_weights_is_refused() -> None:
    text = _refused(UnsupportedOpError, torch.nn.Linear(6, 2), X.double())
    assert "float64" in text
    assert "float32" in text
    conv = torch.nn.Conv1d(4, 2, 3, bias=False)
    assert "float64" in _refused(UnsupportedOpError, conv, X.double().view(1, 4, 6))


def test_random_numbers_are_refused() -> None:
    noisy = Module(lambda self, x: x + torch.rand(6))
    assert "random" in _refused(UnsupportedOpError, noisy, X)
    drops = Module(lambda self, x: torch.nn.functional.dropout(x, 0.5, training=True))
    assert "random" in _refused(UnsupportedOpError, drops, X)


def test_control_flow_on_values_says_what_to_write() -> None:
    module = Module(lambda self, x: x if x.sum() > 0 else -x)
    assert "torch.where" in _refused(UnsupportedOpError, module, X)


def test_state_that_forward_writes_is_refused() -> None:
    def count(module: Any, x: Any) -> Any:
        module.calls.add_(1)
        return x * module.calls

    class Counting(Module):
        def __init__(self) -> None:
            super().__init__(count)
            self.register_buffer("calls", torch.zeros(()))

    assert "forward writes to calls" in _refused(UnsupportedOpError, Counting(), X)
    norm = torch.nn.BatchNorm1d(6, track_running_stats=False)
    assert "track_running_stats" in _refused(UnsupportedOpError, norm, X)


@pytest.mark.parametrize(
    ("module", "example", "said"),
    [
        (lambda x: x, X, "no torch.nn.Module"),
        (torch.nn.Linear(6, 2), "x", "must be a tensor, a tuple"),
        (torch.nn.Linear(6, 2), None, "must be a tensor, a tuple"),
        (torch.nn.Linear(6, 2), (X, X, X), "positional"),
        (torch.nn.Linear(6, 2), {"wrong": X}, "positional"),
        (torch.nn.Linear(5, 2), X, "could not be exported with this example"),
        (Module(lambda self, x: object()), X, "must return tensors"),
        (Module(lambda self, x: {"other": x}["key"]), X, "KeyError"),
    ],
)
def test_what_is_no_module_or_does_not_fit(module: Any, example: Any, said: str) -> None:
    assert said in _refused(UsageError, module, example)


def test_scripted_modules_are_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(torch.nn.Linear(6, 2))
    assert "signature" in _refused(UsageError, scripted, X)


def test_sizes_that_cannot_be_free() -> None:
    layer = torch.nn.Linear(6, 2)
    fixed = Module(lambda self, x: x.view(2, 12))
    assert "dynamic" in _refused(UsageError, fixed, X, dynamic=("rows",))
    assert str(ms.from_torch(fixed, X).inputs["inputs_0"]) == "float32[4, 6]"
    for wrong in (3, ("batch", 2), {"input": {5: "n"}}, {"other": {0: "n"}}, ("a", "b", "c")):
        assert "dynamic" in _refused(UsageError, layer, X, dynamic=wrong)


@pytest.mark.parametrize(
    ("dynamic", "expected"),
    [
        (True, ("batch", 6)),
        (False, (4, 6)),
        ("n", ("n", 6)),
        ({"input": {0: "rows"}}, ("rows", 6)),
        ({"input": ("rows", None)}, ("rows", 6)),
        ({"input": {0: torch.export.Dim("rows", min=2)}}, ("rows", 6)),
        ({}, (4, 6)),
    ],
    ids=str,
)
def test_free_sizes_have_the_names_that_are_asked_for(dynamic: Any, expected: Any) -> None:
    graph = ms.from_torch(torch.nn.Linear(6, 2), X, dynamic=dynamic)
    assert graph.inputs["input"].shape == expected


def test_an_example_of_length_one_leaves_its_batch_free() -> None:
    graph = ms.from_torch(Module(lambda self, x, y: x + y), (X[:1], X[:1]))
    assert [t.shape for t in graph.inputs.values()] == [("batch", 6)] * 2
    plan = ms.compile(graph)
    for rows in (1, 3):
        feeds = dict.fromkeys(graph.inputs, np.ones((rows, 6), np.float32))
        assert plan.run(feeds)["output"].shape == (rows, 6)


def test_dtypes_and_devices_that_cannot_be() -> None:
    assert "meta" in _refused(MinisparseError, torch.nn.Linear(6, 2, device="meta"), X)
    scaled = Module(lambda self, x: x * torch.ones(6, dtype=torch.float8_e5m2).float())
    assert ms.from_torch(scaled, X).constants  # computed when it is read
    narrow = Module(lambda self, x: x.to(torch.float8_e5m2).float())
    with pytest.raises((DTypeError, UnsupportedOpError), match="float8_e5m2"):
        ms.from_torch(narrow, X)


def test_sparse_inputs_and_stacks_of_sparse_matrices_are_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sparse, stack = X.to_sparse_csr(), torch.ones(2, 4, 6).to_sparse_csr()
    assert "inputs of a graph are plain" in _refused(UsageError, torch.nn.Linear(6, 2), sparse)
    module = Module(lambda self, x: x)
    module.register_buffer("stack", stack)
    assert "parameter 'stack'" in _refused(UsageError, module, X)


def test_modules_that_cannot_be_copied_say_so() -> None:
    import threading

    module = Module(lambda self, x: x, lock=threading.Lock())
    assert "cannot be copied" in _refused(UsageError, module, X)


def test_a_missing_torch_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r'pip install "minisparse\[torch\]"'):
        ms.from_torch(object())
