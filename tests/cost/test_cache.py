"""The simulated cache against one that keeps clocks, and against what can be counted by hand."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.cost.cache import Cache


@dataclass(frozen=True)
class Plain:
    """Accesses to single bytes of one array."""

    place: Array
    write: Array
    names: tuple[str, ...] = ("x",)

    @property
    def array(self) -> Array:
        return np.zeros(len(self.place), np.intp)

    def addresses(self) -> Array:
        return self.place


def reads(*places: int) -> Plain:
    return Plain(np.array(places, np.int64), np.zeros(len(places), bool))


def by_clock(cache: Cache, stream: Plain) -> tuple[list[bool], int]:
    """Return misses and write-backs of a cache that looks for the oldest of each set."""
    used: dict[int, int] = {}
    dirty: set[int] = set()
    missed, back = [], 0
    for now, (place, write) in enumerate(zip(stream.place, stream.write, strict=True)):
        line = int(place) // cache.line
        missed.append(line not in used)
        if line not in used:
            mates = [other for other in used if other % cache.sets == line % cache.sets]
            if len(mates) == cache.ways:
                oldest = min(mates, key=lambda other: used[other])
                del used[oldest]
                back += oldest in dirty
                dirty.discard(oldest)
        used[line] = now
        if write:
            dirty.add(line)
    return missed, back + len(dirty)


@given(
    st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=120),
    st.sampled_from([(64, 8, 2), (64, 8, 8), (32, 4, 1), (16, 16, 1), (96, 4, 3)]),
)
def test_it_is_the_least_recently_used_that_goes(
    accesses: list[tuple[int, bool]], sizes: tuple[int, int, int]
) -> None:
    cache = Cache(*sizes)
    place = np.array([p for p, _ in accesses], np.int64)
    stream = Plain(place, np.array([w for _, w in accesses], bool))
    found = cache.replay(stream)
    missed, back = by_clock(cache, stream)
    assert found.missed.tolist() == missed
    assert found.written_back == back
    assert found.bytes_moved == (sum(missed) + back) * cache.line


def test_streaming_misses_once_a_line() -> None:
    found = Cache(1024, 64, 2).replay(reads(*range(0, 6400, 4)))
    assert found.misses == 100
    assert found.miss_rate == 100 / 1600


def test_what_fits_is_fetched_once_and_what_does_not_every_time() -> None:
    cache = Cache(1024, 64, 16)
    fits, exceeds = list(range(0, 1024, 64)), list(range(0, 1088, 64))
    assert cache.replay(reads(*fits * 5)).misses == 16
    assert cache.replay(reads(*exceeds * 5)).misses == 17 * 5


def test_addresses_a_set_apart_push_each_other_out() -> None:
    places = [0, 512, 1024] * 4
    assert Cache(1024, 64, 2).replay(reads(*places)).misses == 12
    assert Cache(1024, 64, 16).replay(reads(*places)).misses == 3


def test_nothing_happens_in_an_empty_stream() -> None:
    found = Cache(1024).replay(reads())
    assert (found.misses, found.written_back, found.miss_rate) == (0, 0, 0.0)
    assert "accesses" in str(found)


def test_misses_are_told_by_array() -> None:
    place = np.array([0, 4096, 0, 4096 + 64])

    @dataclass(frozen=True)
    class Two(Plain):
        names: tuple[str, ...] = ("a", "b")

        @property
        def array(self) -> Array:
            return np.array([0, 1, 0, 1])

    found = Cache(1024).replay(Two(place, np.zeros(4, bool)))
    assert found.by_array() == {"a": (2, 1), "b": (2, 2)}
    assert "a             2       1   50.0%" in str(found)


def test_the_card_and_its_twin_tell_what_missed_when() -> None:
    found = Cache(1024).replay(reads(*range(0, 512, 4), *range(0, 512, 4)))  # 8 lines, twice
    assert repr(found) == str(found)
    for line in str(found).splitlines()[-2:]:  # of x, and of all
        assert line.split()[-1] == "-." * 8 + "." * 16  # a letter is 8 accesses, and a line 16
    card = found._repr_html_()
    assert "misses of x over time" in card
    assert "misses of all over time" in card
    assert "512 B, in 8 lines fetched and 0 written back" in card


def test_a_card_of_nothing_has_nothing_in_it() -> None:
    card = Cache(1024).replay(reads())._repr_html_()
    assert "0 B, in 0 lines fetched" in card


@pytest.mark.parametrize("sizes", [(0, 64, 8), (1000, 64, 8), (1024, 64, 0), (64, -64, 1)])
def test_impossible_caches_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="must be positive"):
        Cache(*sizes)


def test_sizes_are_said_in_the_units_of_caches() -> None:
    sizes = {512: "512 B", 1536: "1536 B", 32 * 1024: "32 KiB", 3 * 2**20: "3 MiB", 2**30: "1 GiB"}
    for size, text in sizes.items():
        assert str(Cache(size)).startswith(f"cache of {text}, 64-byte lines")


def test_mistakes_are_named() -> None:
    with pytest.raises(UsageError, match=r"size is '32k': it must be an integer.* 32 \* 1024"):
        Cache("32k")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"ways is 2\.5"):
        Cache(1024, ways=2.5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"a str is no stream of accesses: .*recording\.record"):
        Cache(1024).replay("spmm_csr")  # type: ignore[arg-type]
