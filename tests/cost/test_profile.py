"""Machines in files: what is written is read again, and nothing else is believed."""

import copy
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minisparse.core.errors import UsageError
from minisparse.cost import MACHINES
from minisparse.cost.profile import (
    LARGEST,
    ProfileError,
    as_data,
    from_data,
    read_profile,
    write_profile,
)

SERVER, PI = MACHINES["server-2core"], MACHINES["raspberry-pi-4"]


@pytest.mark.parametrize("name", MACHINES)
def test_what_is_written_is_read_again(name: str, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "machine.json"
    write_profile(MACHINES[name], path)
    again = read_profile(path, MACHINES)
    assert as_data(again) == as_data(MACHINES[name])
    assert [p.name for p in path.parent.iterdir()] == ["machine.json"]


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "machine.json"
    write_profile(PI, path)

    def broken(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(UsageError, match=r"machine.json: .* No space left on device"):
        write_profile(SERVER, path)
    assert read_profile(path, MACHINES).name == "raspberry-pi-4"
    assert [p.name for p in tmp_path.iterdir()] == ["machine.json"]


def test_a_folder_that_cannot_be_made_is_a_mistake_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_profile(PI, tmp_path / "file" / "machine.json")


def set_to(*path: Any) -> Callable[[Any], None]:
    """Return what sets the place that all but the last of a path name to the last."""
    *places, last, value = path

    def change(data: Any) -> None:
        for place in places:
            data = data[place]
        data[last] = value

    return change


PANELS = ("coefficients", "spmm panels/vectorized")
LIES: dict[str, tuple[Callable[[Any], None], str]] = {
    "another kind": (set_to("format", "recipe"), "its 'format' is not 'minisparse machine'"),
    "no version": (set_to("version", "1"), "has no version: '1'"),
    "a version that is true": (set_to("version", True), "has no version: True"),
    "a version of later": (set_to("version", 2), "is of version 2, and this minisparse reads"),
    "a figure missing": (lambda d: d.pop("call"), "lacks or has besides: call"),
    "a figure too many": (set_to("speed", 1), "lacks or has besides: speed"),
    "negative": (set_to("matmul", "float32", -1e9), "says of 'matmul float32' -1000000000.0"),
    "zero": (set_to("elementwise", 0), "says of 'elementwise' 0: it must be from 1 to"),
    "not a number": (set_to("call", math.nan), "says of 'call' nan"),
    "infinite": (set_to("other_matmul", math.inf), "says of 'other_matmul' inf"),
    "a text": (set_to("step", "fast"), "says of 'step' 'fast'"),
    "true": (set_to("step", True), "says of 'step' True"),
    "huge": (set_to("call", 10**400), "says of 'call' 1000"),
    "no name": (set_to("name", ""), "must have a text as 'name'"),
    "a name with line breaks": (set_to("name", "a\nb"), "must have a text as 'name'"),
    "half a core": (set_to("cores", 0.5), "says of 'cores' 0.5"),
    "no memory": (set_to("memory", []), "must list 1 to 8 levels of memory"),
    "memory without end": (set_to("memory", [{}] * 9), "must list 1 to 8 levels of memory"),
    "an odd level": (set_to("memory", 0, {"name": "L1"}), "has a level of memory that lacks"),
    "levels out of order": (
        lambda d: d["memory"].reverse(),
        "must list levels of memory by size",
    ),
    "no level that ends": (set_to("memory", -1, "size", 1e12), "the last without one"),
    "a mapping that is a list": (set_to("matmul", [1]), "must have a mapping"),
    "instructions that are none": (set_to("instructions", "all"), "must have a list of words"),
    "an unknown model": (set_to("like", "abacus"), "refers to a machine that there is not"),
    "a name of a library": (set_to("libraries", "mkl", {}), "has a name that is none: 'mkl'"),
    "figures of a library": (
        set_to("libraries", "mkl spmm csr", {"call": 1}),
        "has no such figures of the library 'mkl spmm csr'",
    ),
    "time that is gained": (set_to(*PANELS, "row", -1e-9), "says of 'row of spmm panels/"),
    "a coefficient missing": (
        lambda d: d[PANELS[0]][PANELS[1]].pop("flop"),
        "has no such coefficients of 'spmm panels/vectorized'",
    ),
    "too few levels": (set_to(*PANELS, "byte", [0.0]), "figures of 'byte' for 'spmm panels"),
    "an error below 1": (set_to(*PANELS, "fit", "error", 0.5), "says of 'error of spmm panels"),
    "an odd fit": (set_to(*PANELS, "fit", {}), "does not tell how well 'spmm panels"),
    "hidden more than all": (set_to(*PANELS, "overlap", 2), "says of 'overlap of spmm panels"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_refused_by_name_and_with_a_remedy(lie: str, tmp_path: Path) -> None:
    change, told = LIES[lie]
    data = copy.deepcopy(as_data(SERVER))
    change(data)
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ProfileError) as found:
        read_profile(path, MACHINES)
    text = str(found.value)
    assert str(path) in text
    assert told in text
    assert text.endswith("Write it anew with 'minisparse calibrate', or delete it")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is no JSON"),
        (b"{", "is no JSON"),
        (b"[]", "is no profile"),
        (b"null", "is no profile"),
        (b"\xff\xfe\x00", "is no text"),
        (b"[" * 100_000, "is no JSON"),
        (b" " * (LARGEST + 1), "is larger than 1 MiB"),
        (b"1" * 10_000, "is no JSON"),
    ],
)
def test_a_damaged_file_is_refused(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match=told):
        read_profile(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.json"):
        with pytest.raises(ProfileError, match="cannot be read"):
            read_profile(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def _put(here: Any, value: Any, seed: Any) -> None:
    """Put a value to some place anywhere inside."""
    name = seed.choice(list(here) if isinstance(here, dict) else list(range(len(here))))
    inside = here[name]
    if isinstance(inside, dict | list) and inside and seed.random() > 0.2:
        _put(inside, value, seed)
    else:
        here[name] = value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, seed=st.randoms(use_true_random=False))
def test_whatever_stands_anywhere_is_read_or_refused(value: Any, seed: Any) -> None:
    data = as_data(SERVER)
    _put(data, value, seed)
    try:
        machine = from_data(data, Path("machine.json"), MACHINES)
    except ProfileError:
        return
    assert machine.call > 0
    assert all(level.bandwidth > 0 for level in machine.memory)
