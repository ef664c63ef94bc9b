# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5. Memory access made visible
#
# A product with a sparse matrix does two operations for each stored value, and has to fetch
# something for each of them. Often the fetching takes longer than the arithmetic, and how long
# depends on **the order in which memory is asked**. This tutorial writes that order down, replays
# it in a small simulated cache, draws what was found there and what was not, and changes the order:
# of the rows, of the columns, of the loops. At the end it measures which of all that can be felt on
# your machine, and which cannot. Read from top to bottom and run each cell; where a question is
# asked, replace `None` by your answer and run the cell again.

# %%
import numpy as np

import minisparse as ms
from minisparse.core.extras import require
from minisparse.cost.cache import Cache
from minisparse.formats import CSR, by_length, by_similarity, reverse_cuthill_mckee
from minisparse.kernels import KERNELS, Kernel
from minisparse.kernels.recording import Stream, record
from minisparse.ops import SPMM
from minisparse.runtime import measure
from minisparse.show import display, human_bytes, human_seconds
from minisparse.show.question import Question

plt = require("matplotlib.pyplot", "viz", "drawing this page's figures")
rng = np.random.default_rng(0)

# %% [markdown]
# ## What a product asks of memory
#
# `record` runs the very loops of a kernel, those of `minisparse/kernels/spmv/csr.py`, on arrays
# that note every access. Here is `A @ x` for a matrix with five entries:

# %%
small = ms.from_dense(
    np.array([[5, 0, 0, 1], [0, 0, 0, 0], [0, 2, 3, 0], [0, 0, 0, 4]], "float32"), "csr"
)
x = np.ones(4, "float32")
stream = record(KERNELS["spmv_csr"], (small, x))
print(f"{len(stream)} accesses; the first of them:\n")
print(f"{'address':>7}")
first = zip(stream.addresses(), stream.array, stream.element, stream.write, strict=True)
for address, array, element, write in list(first)[:12]:
    print(f"{address:7}  {'write' if write else 'read '}  {stream.names[array]}[{element}]")

# %% [markdown]
# First the two pointers of row 0. Then for each entry: its column from `indices`, the sum so far,
# the value, the element of `x` that the column points to, and the sum is written. All arrays but
# one are read from their beginning to their end. `x` is read where the indices say: it is
# **gathered**. The recorder lets each array begin at a multiple of 4096 bytes, as if each had pages
# of its own.
#
# ## A cache
#
# Memory is far away, and a cache is a small part of it that is near. It fetches whole **lines** of
# neighboring bytes, 64 on most machines, and keeps those that were used last. When it is full, the
# line that has not been used for the longest time makes room (LRU, least recently used). An access
# whose line is there is a hit, any other a **miss**. `Cache` simulates that:


# %%
def reads(element, length):
    """Return the stream that reads these elements of one array of float32, called x."""
    element = np.asarray(element)
    nothing = np.zeros(len(element), "uint16")
    return Stream(nothing, element, nothing.astype(bool), ("x",), itemsizes=(4,), lengths=(length,))


tiny = Cache(128, line=64, ways=2)  # it holds two lines
print(tiny.replay(reads(np.arange(64), 64)))  # four lines

# %% [markdown]
# Read in order, 16 numbers of four bytes share a line, so that one access in 16 misses. That is as
# good as it gets without knowing beforehand what comes. In the column at the right, time goes from
# left to right; a dot is a while without a miss, and `@` is one in which everything missed.
#
# **Question 1.** The same cache, empty again, holds two lines, wherever they come from. Now these
# elements of `x` are read, in this order: 0, 1, 20, 2, 40, 21, 3. How many of the seven reads miss?
# Do it with pencil and paper: element `e` is in line `e // 16`; keep a list of the two lines that
# are there, the one used last at its end.

# %%
my_answer = None

answer = tiny.replay(reads([0, 1, 20, 2, 40, 21, 3], 64)).misses
hint = "the lines asked for are 0 0 1 0 2 1 0; when line 2 comes, line 1 has to go"
print(Question(answer, hint, number=1).check(my_answer))

# %% [markdown]
# ## Three matrices
#
# All three have 1024 rows and about seven entries a row. In the first, a **band**, they stand
# around the diagonal, as when each thing has to do with its neighbors. The second is the same
# matrix, but its things were numbered anew, at random: rows and columns are shuffled alike. The
# third is random through and through. (Of the shuffled band the diagonal stays: each thing keeps to
# itself, whatever its number.)

# %%
M = 1024


def stored_at(row, col, size):
    """Return a square CSR matrix of ones at these positions."""
    return ms.COO(np.ones(len(row), "float32"), row, col, (size, size)).to("csr")


def band(size, half):
    """Return a matrix with ``half`` entries at each side of the diagonal."""
    row = np.repeat(np.arange(size), 2 * half + 1)
    col = row + np.tile(np.arange(-half, half + 1), size)
    inside = (col >= 0) & (col < size)
    return stored_at(row[inside], col[inside], size)


def renumbered(A, order):
    """Return a matrix with the same order of rows and of columns."""
    return A.permute_rows(order).permute_columns(order)


neighbors = band(M, 3)
shuffled = renumbered(neighbors, rng.permutation(M))
scattered = stored_at(np.repeat(np.arange(M), 7), rng.integers(0, M, 7 * M), M)
matrices = {"band": neighbors, "shuffled band": shuffled, "random": scattered}


def spy(panel, A, title):
    """Draw where the entries of a matrix are."""
    row, col, _, shape = A.triplets()
    panel.plot(col, row, ",", color="black")
    panel.set(title=title, xlim=(0, shape[1]), ylim=(shape[0], 0), xticks=[], yticks=[])
    panel.set_aspect("equal")


figure, axes = plt.subplots(1, 3, figsize=(10, 3.5))
for panel, (name, A) in zip(axes, matrices.items(), strict=True):
    spy(panel, A, name)
plt.show()

# %% [markdown]
# Each of them is multiplied with a vector, and the accesses are replayed in a cache of 1024 bytes.
# That is tiny, but `x` is small as well: it takes four times as much. (A matrix a thousand times as
# large in a cache a thousand times as large would look the same, and take a thousand times as long
# to simulate.)

# %%
x = np.ones(M, "float32")
cache = Cache(1024, line=64, ways=8)
streams = {name: record(KERNELS["spmv_csr"], (A, x)) for name, A in matrices.items()}
replays = {name: cache.replay(s) for name, s in streams.items()}

COLORS = {"a.data": "tab:blue", "a.indices": "tab:green", "a.indptr": "tab:purple"}
COLORS |= {"x": "tab:red", "b": "tab:red", "result": "tab:orange"}


def draw_stream(panel, stream, replay, title="", begin=0, end=None):
    """Draw which element of each array is touched when: gray if found, colored if fetched."""
    shown = slice(begin, end)
    time = np.arange(len(stream))[shown]
    array, missed = stream.array[shown], replay.missed[shown]
    place = array + 0.05 + 0.9 * stream.element[shown] / np.array(stream.lengths)[array]
    panel.plot(time[~missed], place[~missed], ",", color="darkgray")
    for number, name in enumerate(stream.names):
        here = (array == number) & missed
        panel.plot(time[here], place[here], ".", color=COLORS[name], markersize=2)
    places = range(len(stream.names))
    panel.set(title=title, xlabel="accesses", ylim=(0, len(places)))
    panel.set_yticks([n + 0.5 for n in places], stream.names)
    panel.hlines(places, time[0], time[-1], color="black", linewidth=0.5)


figure, axes = plt.subplots(2, 3, figsize=(12, 8), sharey=True)
for (whole, part), name in zip(axes.T, streams, strict=True):
    draw_stream(whole, streams[name], replays[name], name)
    draw_stream(part, streams[name], replays[name], "a part of it", 15_000, 18_000)
figure.tight_layout()
plt.show()

# %% [markdown]
# Time goes to the right. Each array has a storey of its own, with its first element below and its
# last above. Gray is what was in the cache, and in color is what had to be fetched. `a.data`,
# `a.indices`, `a.indptr` and `result` go from corner to corner in all three pictures: they are
# walked through once, and at every first number of a line there is a miss. Only `x` differs: the
# band walks through it as well, while the others jump about in all of it, all of the time. What
# they fetch pushes other lines out, now and then one of `a.indptr`.
#
# The card of a replay says the same in numbers; the redder a moment is, the more missed:

# %%
display(replays["shuffled band"])


# %%
def print_rates(replays):
    """Print the miss rate of each array, and the bytes moved."""
    arrays = next(iter(replays.values())).names
    print(f"{'':14}" + "".join(f"{name:>11}" for name in arrays) + f"{'moved':>11}")
    for name, replay in replays.items():
        rates = [misses / accesses for accesses, misses in replay.by_array().values()]
        print(
            f"{name:14}" + "".join(f"{rate:11.1%}" for rate in rates)
            + f"{human_bytes(replay.bytes_moved):>11}"
        )  # fmt: skip


print_rates(replays)

# %% [markdown]
# The arithmetic is the same, the bytes of the matrix are the same, and yet several times as many
# bytes go between cache and memory.
#
# **Question 2.** `a.data` misses equally often in all three. How many misses are that for the band,
# whose number of entries the next cell prints? (The array begins at the beginning of a line.)

# %%
print(neighbors.nnz, "entries of four bytes, lines of", cache.line, "bytes")
my_answer = None

answer = replays["band"].by_array()["a.data"][1]
print(Question(answer, "once a line; the last line may be partly used", number=2).check(my_answer))

# %% [markdown]
# ## Other orders of the rows
#
# Nothing says in which order the rows must be computed. If two rows use the same elements of `x`,
# it is good to have them one after the other. Three ways to find an order:
#
# - `by_length`: rows with many entries first. It does not look at columns at all; it is there to
#   fill panels and warps evenly.
# - `by_similarity`: rows that use the same columns stand together. Columns stay where they are.
# - `reverse_cuthill_mckee`: rows **and columns** are numbered anew, neighbors close together, so
#   that the entries come near to the diagonal. Then `x` has to be in the new order too, and the
#   result comes out in it.


# %%
def orders_of(A):
    """Return the matrix in each of the orders."""
    return {
        "as it came": A,
        "by length": A.permute_rows(by_length(A)),
        "by similarity": A.permute_rows(by_similarity(A)),
        "Cuthill-McKee": renumbered(A, reverse_cuthill_mckee(A)[0]),
    }


ordered = {"shuffled band": orders_of(shuffled), "random": orders_of(scattered)}
figure, axes = plt.subplots(2, 4, figsize=(12, 6))
for line, (name, versions) in zip(axes, ordered.items(), strict=True):
    for panel, (order, A) in zip(line, versions.items(), strict=True):
        spy(panel, A, f"{name}\n{order}")
figure.tight_layout()
plt.show()

# %%
touched = {
    name: {order: record(KERNELS["spmv_csr"], (A, x)) for order, A in versions.items()}
    for name, versions in ordered.items()
}
after = {
    name: {order: cache.replay(stream) for order, stream in by_order.items()}
    for name, by_order in touched.items()
}
for name, by_order in after.items():
    print(f"\n{name}")
    print_rates(by_order)

# %% [markdown]
# Of the shuffled band, Cuthill and McKee find the band again: its misses are those of the matrix
# that we began with. Similar rows next to each other are most of the way, but not all of it: their
# columns are still scattered, so that a line of `x` is fetched for one number of its sixteen. The
# order by length changes next to nothing, all rows being about equally long.
#
# The random matrix is another matter. The best order of a matrix without structure is hardly better
# than any other. **Weights that were pruned one by one look like this**: no order will help them.

# %%
figure, axes = plt.subplots(1, 4, figsize=(12, 4), sharey=True)
for panel, (order, stream) in zip(axes, touched["shuffled band"].items(), strict=True):
    draw_stream(panel, stream, after["shuffled band"][order], order, 15_000, 18_000)
figure.tight_layout()
plt.show()

# %% [markdown]
# An order made for one end can do harm to another. Here is a band, not shuffled, whose rows have
# different lengths. By length, `x` is walked through once for each length; by similarity, rows
# stand beside those that they share columns with, and no longer beside those a little further on.

# %%
row, col, _, _ = neighbors.triplets()
kept = np.abs(col - row) <= rng.integers(0, 4, M)[row]
uneven = stored_at(row[kept], col[kept], M)
print_rates(
    {
        order: cache.replay(record(KERNELS["spmv_csr"], (A, x)))
        for order, A in orders_of(uneven).items()
    }
)

# %% [markdown]
# **Question 3.** The matrix below has hidden teams: each row belongs to one of 128 teams, and all
# rows of a team use the same six columns, chosen at random. Which order misses least? Answer with
# its number: 0 as it came, 1 by length, 2 by similarity, 3 Cuthill-McKee. Choose before you look.

# %%
columns = np.stack([rng.choice(M, 6, replace=False) for _ in range(128)])
team = rng.integers(0, 128, M)
teams = stored_at(np.repeat(np.arange(M), 6), columns[team].reshape(-1), M)
my_answer = None

by_order = {
    order: cache.replay(record(KERNELS["spmv_csr"], (A, x)))
    for order, A in orders_of(teams).items()
}
answer = int(np.argmin([replay.misses for replay in by_order.values()]))
hint = "which of them computes a team together? print_rates(by_order) shows all four"
print(Question(answer, hint, number=3).check(my_answer))

# %% [markdown]
# ## Other orders of the loops: tiles
#
# With a matrix `B` in place of the vector, each entry of `A` meets a whole row of `B`. The textbook
# goes through that row from end to end before it looks at the next entry. One can as well take the
# columns of `B` a few at a time, a **tile**, and go through all of `A` for each tile: less of `B`
# has to stay near, and `A` is read once for each tile. Any loops can be recorded, so we write them
# down:


# %%
def tiled(width, columns):
    """Return loops that take so many columns of B at a time, out of the first ``columns``."""

    def loops(a, b):
        c = np.zeros((a.shape[0], columns), b.dtype)
        for first in range(0, columns, width):
            for m in range(a.shape[0]):
                for p in range(a.indptr[m], a.indptr[m + 1]):
                    k = a.indices[p]
                    for n in range(first, first + width):
                        c[m, n] += a.data[p] * b[k, n]
        return c

    return loops


def record_tiled(width, columns, a, b):
    """Return the accesses of these loops."""
    return record(Kernel(SPMM, CSR, lambda *types: 0, loops=tiled(width, columns)), (a, b))


K, N = 128, 64
every = np.repeat(np.arange(K), 6)  # six entries a row, and six a column
weights = stored_at(every, rng.permutation(every), K)
b = rng.standard_normal((K, N)).astype("float32")
tiles = {width: record_tiled(width, N, weights, b) for width in (64, 16)}
print(f"B takes {b.nbytes} bytes, a tile of 16 columns {b.nbytes // 4}")

# %%
roomy = Cache(16 * 1024, ways=256)  # one set of 256 lines
found = {width: roomy.replay(stream) for width, stream in tiles.items()}
figure, axes = plt.subplots(1, 2, figsize=(12, 5), sharey=True)
for panel, (width, stream) in zip(axes, tiles.items(), strict=True):
    draw_stream(panel, stream, found[width], f"{width} columns at a time")
figure.tight_layout()
plt.show()
print_rates({f"{width} columns": replay for width, replay in found.items()})

# %% [markdown]
# The four tiles can be seen: each of them reads the arrays of `A` again, and a quarter of each row
# of `B` and `C`. With tiles, `B` misses at the beginning of each, and hardly again until the next.
#
# Which is better depends on how much the cache holds. We replay both in caches of many sizes. These
# are *fully associative*: a line may be kept in any place. What that means comes next.

# %%
sizes = [1024 * 2**i for i in range(7)]
misses = {
    width: [Cache(s, ways=s // 64).replay(stream).by_array()["b"][1] for s in sizes]
    for width, stream in tiles.items()
}
figure, axes = plt.subplots(figsize=(6, 4))
for width, counts in misses.items():
    axes.plot(np.array(sizes) / 1024, counts, "o-", label=f"{width} columns at a time")
axes.axhline(b.nbytes / 64, color="gray", linestyle=":", label="each line of B once")
axes.set(
    xscale="log", ylim=(0, None), xlabel="size of the cache / 1024 bytes", ylabel="misses of B"
)
axes.set_xticks(np.array(sizes) / 1024, [f"{s // 1024}" for s in sizes])
axes.minorticks_off()
axes.legend()
figure.tight_layout()
plt.show()

# %% [markdown]
# **Question 4.** Which is the smallest of these caches, in units of 1024 bytes, in which each line
# of `B` misses only once with 64 columns at a time? (`B` takes 32 of them. Is it alone in there?)

# %%
my_answer = None

answer = sizes[misses[64].index(b.nbytes // 64)] // 1024
hint = "print(misses[64]): lines of A and C pass through as well, and push some of B out"
print(Question(answer, hint, number=4).check(my_answer))

# %% [markdown]
# ## Sets: not every line may go everywhere
#
# To find a line quickly, a cache has **sets** of a few places each, the *ways*, and the address of
# a line says which set it must go to: line number modulo number of sets. So lines that are a
# multiple of the number of sets apart fight over the same few places, however empty the rest is.
# Walk down the columns of an array whose rows are 4096 bytes long:

# %%
ROWS, COLUMNS = 64, 16


def down_the_columns(width):
    """Return the stream that reads 16 columns of a float32 array [64, width], one by one."""
    element = np.arange(ROWS)[None, :] * width + np.arange(COLUMNS)[:, None]
    return reads(element.reshape(-1), ROWS * width)


l1 = Cache(32 * 1024, line=64, ways=8)
print(f"{l1}, {l1.sets} sets; what is read lies in {ROWS} lines, of {l1.size // 64} that it holds")
for width in (1024, 1024 + 16):
    stream = down_the_columns(width)
    print(
        f"rows of {4 * width} bytes: {l1.replay(stream).miss_rate:6.1%} missed, "
        f"{len(np.unique(stream.addresses() // 64 % l1.sets))} set(s) used"
    )

# %% [markdown]
# Rows of 4096 bytes: row after row falls into the same set, each pushes another one out, and when
# the next column comes, nothing is left. Sixteen numbers more a row, a **pad** that nobody ever
# reads, and every row falls into the set after the one before. How special is 1024? We try every
# width of whole lines, and a cache of the same size with fewer sets and more ways:

# %%
widths = np.arange(256, 2049, 16)
figure, axes = plt.subplots(figsize=(9, 3.5))
for ways in (8, 64):
    variant = Cache(32 * 1024, line=64, ways=ways)
    rates = [variant.replay(down_the_columns(width)).miss_rate for width in widths]
    axes.plot(widths, rates, ".-", label=f"{variant.sets} sets, {ways} ways", markersize=4)
axes.set(xlabel="numbers in a row", ylabel="miss rate", xticks=range(256, 2049, 256))
axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
figure.tight_layout()
plt.show()

# %% [markdown]
# The peaks stand at multiples of 256, and among those are the widths that people and networks like
# best. A set of 64 ways has room for all rows at once; but to look for a line in 64 places at once
# takes more circuits and more time, so that real caches have 4 to 16 ways.
#
# **Question 5.** Rows of 4096 bytes, and the cache `l1` with its 8 ways. Down one column again and
# again: of how many rows, at most, does it hold a line, so that from the second time on nothing
# misses?

# %%
my_answer = None

walks = {n: reads(np.tile(np.arange(n) * 1024, 5), 64 * 1024) for n in range(1, ROWS + 1)}
answer = max(n for n, walk in walks.items() if l1.replay(walk).misses == n)
print(Question(answer, "all of them fall into one set", number=5).check(my_answer))

# %% [markdown]
# Now back to the tiles. A tile of 16 columns is one line of each row of `B`, and the rows are four
# lines long: every fourth line. In a cache with sets, that is every fourth set, and so a quarter of
# the cache. A pad of one line mends it here as well: `B` in rows of 80, of which 64 are used.

# %%
padded = np.concatenate([b, np.zeros((K, 16), "float32")], axis=1)
tiles["16, padded"] = record_tiled(16, N, weights, padded)
of_sets = Cache(16 * 1024, ways=4)
print(f"misses of B in a {of_sets}; in one without sets")
for width, stream in tiles.items():
    kept, anywhere = (c.replay(stream).by_array()["b"][1] for c in (of_sets, roomy))
    print(f"{width!s:>10} columns: {kept:6}  {anywhere:6}")

# %% [markdown]
# ## Long lines, short lines
#
# A longer line fetches more neighbors. That is good for whoever reads in order, and a waste for
# whoever wants four bytes of it. The size of the cache stays the same, so that longer lines are
# fewer lines:

# %%
lengths = (8, 16, 32, 64, 128)
figure, axes = plt.subplots(1, 2, figsize=(10, 3.5))
for name, stream in streams.items():
    by_line = [Cache(1024, line=n, ways=1024 // n).replay(stream) for n in lengths]
    axes[0].plot(lengths, [r.misses for r in by_line], "o-", label=name)
    axes[1].plot(lengths, [r.bytes_moved / 1000 for r in by_line], "o-", label=name)
for panel, label in zip(axes, ("misses", "moved / kB"), strict=True):
    panel.set(xscale="log", yscale="log", xlabel="bytes of a line", ylabel=label)
    panel.set_xticks(lengths, map(str, lengths))
    panel.minorticks_off()
axes[0].legend()
figure.tight_layout()
plt.show()

# %% [markdown]
# The band misses half as often each time the line is twice as long, and moves the same bytes. The
# other two gain less and less and at last nothing, and pay for whole lines.
#
# ## On your machine
#
# So much for the simulation. A real machine has several caches behind one another, of many more
# bytes; it fetches in advance what seems to come next; and while one line is on its way it asks for
# the following ones. Misses that can be foreseen cost little, and several of them at a time cost
# hardly more than one. So what can be felt? First the stride, with an array that has more rows,
# because real caches are larger. NumPy copies 16 columns, one after the other:

# %%
ROWS = 1024


def copy_columns(width):
    """Return a function that copies 16 columns of a float32 array [ROWS, width]."""
    array, column = np.ones((ROWS, width), "float32"), np.empty(ROWS, "float32")

    def copy():
        for n in range(16):
            np.copyto(column, array[:, n])

    return copy


def verdict(timing, name, reference):
    """Say whether one of two that were timed in turns took longer, and which."""
    ratio = timing[name].median / timing[reference].median
    if timing[name].is_below(timing[reference]):
        return f"{ratio:.2f} of the time: faster"
    if timing[reference].is_below(timing[name]):
        return f"{ratio:.2f} of the time: slower"
    return f"{ratio:.2f} of the time: no difference beyond the noise"


timing = measure({f"{4 * w} bytes": copy_columns(w) for w in (1008, 1024, 1040)}, rounds=100)
for name, t in timing.items():
    each = human_seconds(t.median / 16 / ROWS)
    said = "" if name == "4160 bytes" else verdict(timing, name, "4160 bytes")
    print(f"rows of {name}: {each:>8} a number  {said}")

# %% [markdown]
# If rows of 4096 bytes are slower than rows of 4032 and 4160, it is the sets: the same numbers are
# copied by the same instructions.
#
# Now the orders. A mesh, each point connected with its four neighbors, is shuffled and put in order
# again, large enough that `B` does not fit into the small caches. First what the simulation
# foretells for the rows of `B`, if they are fetched in the order of the stored entries:

# %%
SIDE, N = 180, 32
points = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
right, below = (points[:, :-1], points[:, 1:]), (points[:-1], points[1:])
one, other = (np.concatenate([p[i].reshape(-1) for p in (right, below)]) for i in (0, 1))
own = points.reshape(-1)
mesh = stored_at(np.concatenate([own, one, other]), np.concatenate([own, other, one]), SIDE * SIDE)

versions = orders_of(renumbered(mesh, rng.permutation(SIDE * SIDE)))
b = rng.standard_normal((SIDE * SIDE, N)).astype("float32")
x = b[:, 0].copy()
print(f"B {human_bytes(b.nbytes)}, x {human_bytes(x.nbytes)}, {mesh.nnz} entries")

large = Cache(1 << 20, line=4 * N, ways=16)  # a row of B is a line of it
for order, A in versions.items():
    rows_of_b = reads(A.indices.astype(np.int64) * N, b.size)
    print(f"{order:14} {large.replay(rows_of_b).miss_rate:6.1%} missed in a {large}")

# %% [markdown]
# Three things are timed on each order: fetching those rows, which is nothing but memory access; and
# minisparse's vectorized products with a vector and with `B`.

# %%
ROOM = np.empty((1024, N), "float32")  # small, so that it stays near


def fetch(indices):
    """Return a function that copies the rows of B that the indices name, 1024 at a time."""
    parts = np.split(indices, range(len(ROOM), len(indices), len(ROOM)))

    def run():
        for part in parts:
            np.take(b, part, axis=0, out=ROOM[: len(part)], mode="clip")

    return run


gather = {order: fetch(A.indices.astype(np.intp)) for order, A in versions.items()}
vector = {order: ms.prepare("spmv", A) for order, A in versions.items()}
matrix = {order: ms.prepare("spmm", A, columns=N) for order, A in versions.items()}
timed = {
    "rows of B fetched": measure(gather, rounds=50, budget=1.0),
    "A @ x": measure({order: lambda k=k: k(x) for order, k in vector.items()}, rounds=200),
    "A @ B": measure({order: lambda k=k: k(b) for order, k in matrix.items()}, budget=1.5),
}
for what, timing in timed.items():
    print(f"\n{what}")
    for order, t in timing.items():
        said = verdict(timing, order, "as it came") if order != "as it came" else ""
        print(f"  {order:14} {human_seconds(t.median):>8}  {said}")

# %%
figure, axes = plt.subplots(figsize=(7, 3.5))
for place, (what, timing) in enumerate(timed.items()):
    came = timing["as it came"].median
    shares = [t.median / came for t in timing.values()]
    axes.bar(np.arange(4) + (place - 1) * 0.27, shares, 0.25, label=what)
axes.axhline(1, color="gray", linewidth=1)
axes.set_xticks(range(4), list(versions))
axes.set(ylabel="time / time as it came")
axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
figure.tight_layout()
plt.show()

# %% [markdown]
# Compare with what was foretold. Fetching rows takes the same instructions in every order, so what
# differs there is memory alone; and where misses differ by a factor, times usually differ by less,
# because several misses are under way at a time. Where your bars stand near 1, the caches of your
# machine hold all that is needed, as most of them hold a vector this short, and an order changes
# nothing. In `A @ B` something else joins in: the kernel fetches a row of `B` once for a panel of a
# few neighboring rows of `A`, so that similar neighbors have it fetch less.
#
# An order has to be found first. Whether that pays depends on how often the matrix is used:

# %%
shuffled_mesh = versions["as it came"]
finding = measure(
    {
        "by length": lambda: by_length(shuffled_mesh),
        "by similarity": lambda: by_similarity(shuffled_mesh),
    },
    rounds=5,
) | measure({"Cuthill-McKee": lambda: reverse_cuthill_mckee(shuffled_mesh)}, rounds=1)
for order, t in finding.items():
    saved = timed["A @ B"]["as it came"].median - timed["A @ B"][order].median
    if timed["A @ B"][order].is_below(timed["A @ B"]["as it came"]):
        paid = f"earned back after {int(np.ceil(t.median / saved))} products A @ B"
    else:
        paid = "never earned back"
    print(f"{order:14} takes {human_seconds(t.median):>8}: {paid}")

# %% [markdown]
# And tiles? Rows are fetched at random from a `B` of 256 columns, which was cut into tiles
# beforehand, each copied to a place of its own:

# %%
wide = rng.standard_normal((8192, 256)).astype("float32")
chosen = rng.integers(0, len(wide), 8 * len(wide))


def fetch_tiles(width):
    """Return a function that copies rows of one tile after another, 256 kB at a time."""
    tiles = [np.ascontiguousarray(wide[:, n : n + width]) for n in range(0, 256, width)]
    room = np.empty((65536 // width, width), "float32")
    parts = np.split(chosen, range(len(room), len(chosen), len(room)))

    def run():
        for tile in tiles:
            for part in parts:
                np.take(tile, part, axis=0, out=room[: len(part)], mode="clip")

    return run


timing = measure({width: fetch_tiles(width) for width in (256, 64, 16)})
for width, t in timing.items():
    said = "" if width == 256 else verdict(timing, width, 256)
    print(f"{width:3} columns at a time: {human_seconds(t.median):>8}  {said}")

# %% [markdown]
# Two things work against each other. A narrow tile stays in a nearer cache. But a row of 256
# columns is 16 lines, one after another, and a machine that sees them coming has most of them ready
# before they are asked for, while a narrow tile is fetched in many short pieces, each with some
# work of its own. The simulation, which foresees nothing and counts no instructions, knows only the
# first. The vectorized product takes tiles as well (`minisparse/kernels/spmm/panels.py`), and for
# one more reason: what it has gathered has to stay near until it has been multiplied.
#
# ## Now you
#
# Change one number and run again:
#
# - `SIDE` from 180 to 60: `B` is nine times smaller. Which bars go to 1?
# - `cache` from 1024 bytes to 8192: `x` fits. What is left of the differences between the three
#   matrices?
# - `ROWS` in the last stride experiment, from 64 to 8192: where does the difference between the
#   widths begin on your machine, and where does it end?
#
# And with a kernel of your own: write loops as `tiled` above does, record them, and look.
