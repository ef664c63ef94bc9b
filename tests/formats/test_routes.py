"""A route names the functions that a conversion calls, and its figures are what they say."""

import cProfile
import itertools
import pstats
import sys
from pathlib import Path

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError, UsageError
from minisparse.core.tensor_type import Layout
from minisparse.core.triplets import Triplets
from minisparse.formats import COO, FORMATS, convert, from_dense, from_triplets, route
from minisparse.formats.routes import _layout
from minisparse.show import human_bytes

PAIRS = list(itertools.permutations(FORMATS, 2))


ASKED = {
    "resolve", "block", "has_canonical_format", "has_sorted_indices", "_block_grid", "_rows",
    "_columns", "nnz", "is_roomy",
}  # fmt: skip
"""Called on the way, but not a step: they look something up, or return None."""


def called_on_the_way(profile: cProfile.Profile) -> set[str]:
    """Return the functions of the formats that ``convert`` and ``_from_matrix`` called."""
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    lead = {"convert", "_from_matrix"}
    called = set()
    for (file, _, name), (*_, callers) in stats.items():
        if "formats" in Path(file).parts and lead & {caller for _, _, caller in callers}:
            called.add(name)
    return called - lead


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_route_is_what_convert_does(source: str, target: str) -> None:
    x = np.zeros((9, 12), np.float32)
    x[::2, ::4] = 1
    A, goal = from_dense(x, _layout(source)), _layout(target)
    found = route(A, goal)
    assert (found.source, found.target) == (str(_layout(source)), str(goal))
    assert (found.steps[0].source, found.steps[-1].target) == (found.source, found.target)
    profile = cProfile.Profile()
    B = profile.runcall(convert, A, goal)
    called, steps = called_on_the_way(profile), {s.function.split(".")[-1] for s in found.steps}
    assert steps <= called
    assert called - steps <= ASKED
    assert found.written >= sum(
        b.nbytes
        for b in B.arrays.values()
        if not any(np.may_share_memory(a, b) for a in A.arrays.values())
    )


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_formats_alone(source: str, target: str) -> None:
    found = route(source, target)
    assert (found.source, found.target) == (str(_layout(source)), str(_layout(target)))
    assert found.per == 256 * 256 // 8
    text = str(found)
    assert text.startswith(f"{found.source} -> {found.target}\n")
    assert max(map(len, text.splitlines())) <= 80
    assert "for each nonzero" in text
    shown = [step for step in found.steps if step.passes or step.read or step.written]
    assert ("together" in text) == (len(shown) > 1)
    for step in shown:
        assert f"{step.read / found.per:.1f} B" in text
        assert f"{step.written / found.per:.1f} B" in text
        assert step.function in text
        assert step.function in found._repr_html_()


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_only_what_is_not_handed_on_is_counted(source: str, target: str) -> None:
    x = np.zeros((9, 12), np.float32)
    x[::2, ::4] = 1
    A = from_dense(x, _layout(source))
    B, found = A.to(_layout(target)), route(A, _layout(target))
    a, b = list(A.arrays.values()), list(B.arrays.values())
    if len(found.steps) == 1:
        assert (found.read, found.written) == (_bytes_apart(a, b), _bytes_apart(b, a))
    assert found.read == sum(step.read for step in found.steps)
    assert found.written == sum(step.written for step in found.steps)
    assert found.passes == sum(step.passes for step in found.steps) >= 1


def _bytes_apart(arrays: list[Array], others: list[Array]) -> int:
    """Return the bytes of the arrays that share no memory with the others."""
    return sum(a.nbytes for a in arrays if not any(np.may_share_memory(a, b) for b in others))


def test_bytes_of_a_matrix_are_told_as_they_are() -> None:
    found = route(from_dense(np.ones((50, 50)), "csr"), "coo")
    assert "Measured on CSR(50x50" in str(found)
    assert human_bytes(found.written) in str(found)
    assert found.steps[0].function.startswith("CSR.")


def test_what_coo_takes_over_from_csr_has_no_price() -> None:
    A = from_dense(np.eye(50, 7), "csr")
    found, B = route(A, "coo"), A.to("coo")
    assert np.shares_memory(A.data, B.data)
    assert (found.read, found.written) == (A.arrays["indptr"].nbytes, B.arrays["row"].nbytes)


def test_nothing_to_do() -> None:
    found = route("csr", "csr")
    assert (found.steps, found.passes, found.read, found.written) == ((), 0, 0, 0)
    assert "stored so already" in str(found)
    assert "stored so already" in found._repr_html_()


def test_disorder_has_its_price() -> None:
    rng = np.random.default_rng(0)
    flat = rng.choice(10_000, 1000, replace=False)
    shuffled = Triplets(flat // 100, flat % 100, np.ones(1000), (100, 100))
    A = from_triplets(shuffled, "coo", canonical=False)
    assert sum(s.sorted for s in route(A, "csr").steps) >= 1000
    assert sum(s.sorted for s in route(A.canonical(), "csr").steps) == 0
    assert route(A, "csr").passes > route(A.canonical(), "csr").passes


def test_layouts_and_blocks() -> None:
    assert route("csr", "bsr", block=(2, 3)).target == "bsr 2x3"
    assert route(Layout("nm", (6, 8)), Layout("nm", (1, 16))).target == "nm 1:16"
    assert route("coo", "nm", n=1, m=100).target == "nm 1:100"


def test_bad_input() -> None:
    with pytest.raises(UsageError, match="route: unknown format 'csd'"):
        route("csd", "csr")
    with pytest.raises(UsageError, match="route: unknown format 'csd'"):
        route("csr", "csd")
    with pytest.raises(UsageError, match="wants nothing more, but block= was given"):
        route("coo", "csr", block=(2, 2))
    full = COO(np.ones(4), [0, 0, 0, 0], [0, 1, 2, 3], (1, 4))
    with pytest.raises(FormatError, match="2:4 allows 2"):
        route(full, "nm")


def test_who_profiled_before_goes_on() -> None:
    def mine(*_: object) -> None:
        """Do nothing."""

    before = sys.getprofile()
    sys.setprofile(mine)
    try:
        route("coo", "csr")
        assert sys.getprofile() is mine
        with pytest.raises(FormatError):
            route(COO(np.ones(4), [0] * 4, [0, 1, 2, 3], (1, 4)), "nm")
        assert sys.getprofile() is mine
    finally:
        sys.setprofile(before)
