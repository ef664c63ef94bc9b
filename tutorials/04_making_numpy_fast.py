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
# # 4. Making NumPy fast
#
# A loop over the stored entries of a matrix is the whole algorithm of a sparse product, and in
# Python it takes seconds. This tutorial rewrites it step by step until it takes milliseconds, with
# NumPy and nothing else. No step is a trick to be believed: each is checked against the exact
# answer, timed beside the dense product that it wants to beat, and explained by two things that
# can be counted, **calls** and **bytes**. Read from top to bottom and run each cell; where a
# question is asked, replace `None` by your answer and run the cell again. Every figure is measured
# while the page runs; yours will differ, and so may which of two steps is the faster one.

# %%
import inspect
from itertools import pairwise

import numpy as np

import minisparse as ms
from minisparse.core.extras import is_installed, require
from minisparse.kernels.blas import one_thread, thread_count
from minisparse.kernels.scratch import scratch
from minisparse.kernels.spmm import csr
from minisparse.kernels.threads import share, usable_threads
from minisparse.kernels.wide import aligned_empty
from minisparse.runtime import measure
from minisparse.show import human_bytes, human_seconds
from minisparse.show.question import Question

plt = require("matplotlib.pyplot", "viz", "drawing this page's figures")
rng = np.random.default_rng(0)
HAS_SCIPY = is_installed("scipy")
if not HAS_SCIPY:
    print("SciPy is not installed: its lines are left out; pip install scipy brings them")

# %% [markdown]
# ## The task
#
# A layer `W [M, K]` of which a tenth is left, at random positions, times a batch `B [K, N]`.
# Later, change the density here, and run the page again.

# %%
M, K, N = 1024, 1024, 256
DENSITY = 0.1


def at_random(density):
    """Return weights of which a random selection is not zero."""
    kept = rng.random((M, K)) < density
    return np.where(kept, rng.standard_normal((M, K)), 0).astype("float32")


W = at_random(DENSITY)
A = ms.from_dense(W, "csr")
B = rng.standard_normal((K, N)).astype("float32")
print(f"stored entries: {A.nnz}; multiply-adds: {A.nnz * N / 1e6:.1f} million")
print(f"the dense product does {M * K * N / 1e6:.1f} million, {M * K / A.nnz:.1f} times as many")

# %% [markdown]
# That last figure is all that there is to win. A sparse product that does its multiply-adds at a
# slower **rate** than the dense one, by more than this factor, has lost. And the dense one has the
# best rate of all: it is a BLAS, tuned for each processor.
#
# Steps are judged by the cell below. A result passes if each element is as near to the exact one
# as any right order of float32 additions comes (tutorial 8 says why that is `n u S`). Times are
# taken in turns with the dense product, each on **one core**; threads come near the end. Bytes are
# those that NumPy's calls read and write, wherever they find them, in a cache or in memory. A step
# that is too slow to wait for is timed on its first rows only, and multiplied up.

# %%
exact = W.astype("float64") @ B
terms = np.diff(A.indptr)[:, None]
allowed = (terms + 1) * 2.0**-24 * (np.abs(W).astype("float64") @ np.abs(B))
flops = 2 * A.nnz * N
table, runs = {}, {}


def attempt(name, run, moved, rows=M, before=None):
    """Check the first ``rows`` rows of C, time them beside dense and the step before, and print."""
    assert np.all(np.abs(run() - exact[:rows]) <= allowed[:rows]), f"{name} is wrong"
    runs[name] = run, rows
    contenders = {name: run, "dense": lambda: W @ B}
    if before:
        contenders[before] = runs[before][0]
    with one_thread():
        found = measure(contenders, budget=0.3)
    seconds, dense = found[name].median * M / rows, found["dense"].median
    table[name] = seconds, dense, moved
    print(f"step {name}: right; {human_seconds(seconds)}, dense {human_seconds(dense)}; ", end="")
    print(f"{flops / seconds / 1e9:.2f} GFLOP/s, {moved / seconds / 1e9:.1f} GB/s")
    if before:
        gain = found[before].median * M / runs[before][1] / seconds
        faster = f"{gain:.3g} times as fast as step {before}"
        print(faster if gain > 1 else f"it takes {1 / gain:.3g} times as long as step {before}")


def first_rows(A, rows):
    """Return the first rows of a CSR matrix."""
    stop = A.indptr[rows]
    return ms.CSR(A.data[:stop], A.indices[:stop], A.indptr[: rows + 1], (rows, A.shape[1]))


# %% [markdown]
# ## Step 1: the loops

# %%
print(inspect.getsource(csr.loops))
few = first_rows(A, 8)
attempt("1 loops", lambda: csr.loops(few, B), A.nnz * N * 4 * 4, 8)

# %% [markdown]
# Each multiply-add reads three numbers and writes one: 16 bytes. A processor could do that
# hundreds of millions of times a second with what is in its cache. The time goes elsewhere:

# %%
print(f"{table['1 loops'][0] / (A.nnz * N) * 1e9:.0f} ns for each multiply-add")

# %% [markdown]
# That is the interpreter: it looks up names, makes an object of every number, checks types. It
# does so for each call and each index, and never mind how much the call then computes. So the
# first rule: **let each call do more.**
#
# ## Step 2: a row of B at a time
#
# The innermost loop goes along a row of B and a row of C, whole rows. NumPy can do that.


# %%
def row_by_row(A, B):
    """Add a multiple of a row of B for each stored entry."""
    C = np.zeros((A.shape[0], B.shape[1]), "float32")
    for m in range(A.shape[0]):
        for p in range(A.indptr[m], A.indptr[m + 1]):
            C[m] += A.data[p] * B[A.indices[p]]
    return C


some = first_rows(A, 64)
attempt("2 rows of B", lambda: row_by_row(some, B), A.nnz * N * 4 * 5, 64, "1 loops")
print(f"{table['2 rows of B'][0] / A.nnz * 1e6:.2f} microseconds for each stored entry")

# %% [markdown]
# For each entry a row of B is read and a product written, then the product and a row of C are read
# and C is written: five rows of N numbers, most of them still in the nearest cache when they are
# wanted again.
#
# **Question 1.** How many times does the line with `+=` run? (Write an expression; `A.nnz` and `N`
# are known to Python.)

# %%
my_answer = None

question = Question(A.nnz, "once for each stored entry: the loop over n is gone", number=1)
print(question.check(my_answer))

# %% [markdown]
# ## Step 3: no loop at all
#
# The usual advice is to get rid of every loop. It can be done with three calls: gather all the
# rows of B that are wanted, multiply them all, and sum runs of neighbors with `np.add.reduceat`.


# %%
def in_three_calls(A, B):
    """Gather, multiply, and sum the products of each row that has any."""
    C = np.zeros((A.shape[0], B.shape[1]), "float32")
    rows = np.flatnonzero(np.diff(A.indptr))
    products = A.data[:, None] * B[A.indices]
    C[rows] = np.add.reduceat(products, A.indptr[rows], axis=0)
    return C


many = first_rows(A, 256)
moved = A.nnz * N * 4 * 5 + M * N * 4
attempt("3 reduceat", lambda: in_three_calls(many, B), moved, 256, "2 rows of B")

# %% [markdown]
# The bytes are the same as in step 2, five rows for each entry, and the calls are three instead of
# some hundred thousand. Whether that was worth it stands above. What became of the bytes:

# %%
large = human_bytes(A.nnz * N * 4)
print(f"the gathered rows of B take {large}, and the products as much again;")
print(f"B itself takes {human_bytes(B.nbytes)}")

# %% [markdown]
# What is gathered is as much larger than B as each row of B is used again and again, and no cache
# of a core holds it. It is written to memory, read, written anew, and read once more. And it is
# fresh memory each time, which the operating system has to hand out, page by page. Here are the
# three calls apart, first on 50 000 entries, then on so few that everything stays in cache:


# %%
def say_rates(calls, size):
    """Time several calls in turns; print what they take and how many elements a second they do."""
    for name, t in measure(calls, rounds=5).items():
        print(f"{name:9} {human_seconds(t.median):>8}, {size / t.median / 1e9:5.2f} G elements/s")


def three_calls_apart(rows):
    """Time the three calls on so many gathered rows, at most."""
    rows = min(rows, A.nnz)
    indices, values = A.indices[:rows].astype(np.intp), A.data[:rows, None]
    starts = np.arange(0, rows, 64)
    gathered = B[indices]
    products = values * gathered
    print(f"{human_bytes(gathered.nbytes)} gathered")
    calls = {
        "gather": lambda: B[indices],
        "multiply": lambda: values * gathered,
        "reduceat": lambda: np.add.reduceat(products, starts, axis=0),
    }
    say_rates(calls, gathered.size)


three_calls_apart(50_000)
three_calls_apart(256)

# %% [markdown]
# So the second rule: **let each call do more, but no more than stays in cache.** `reduceat`
# suffers most, because of the order in which it works: it takes one column of the whole array,
# adds up all its runs from top to bottom, and then turns to the next column. Of each cache line
# that it fetches it uses one number, and by the time it wants the next one, the line may be gone.
#
# **Question 2.** A layer of 4096 x 4096 at density 0.1 is multiplied with 1024 columns, float32.
# How many gigabytes (1e9 bytes) does the gathered array take?

# %%
my_answer = None

answer = 0.1 * 4096**2 * 1024 * 4 / 1e9
question = Question(answer, "a row of 1024 numbers of 4 bytes for each entry", 0.02, number=2)
print(question.check(my_answer))

# %% [markdown]
# ## Step 4: a small product for each row
#
# Here is a piece of the right size: one row of A. Its rows of B are gathered, and then multiply
# and sum are **one** call, a vector times a matrix, which is BLAS again.


# %%
def row_products(A, B):
    """Multiply the entries of each row with their rows of B, gathered."""
    C = np.empty((A.shape[0], B.shape[1]), "float32")
    for m in range(A.shape[0]):
        row = slice(A.indptr[m], A.indptr[m + 1])
        C[m] = A.data[row] @ B[A.indices[row]]
    return C


moved = A.nnz * N * 4 * 3 + M * N * 4
attempt("4 row products", lambda: row_products(A, B), moved, M, "3 reduceat")

# %% [markdown]
# Three rows of N numbers for each entry instead of five: the products are never written down, they
# stay in the processor's registers. And there is a loop again, over rows, in Python. With many
# entries in a row it costs little; with few, it is most of the time, as the last picture will
# show.
#
# ## Step 5: slots
#
# To be rid of that loop without gathering everything at once, one may cut the other way. Sort the
# rows by length. Take the first entry of every row: that is **slot** 0, then the second of every
# row that has two, and so on. This is how vector machines did it (the format is called sliced
# ELL): as many calls as the longest row has entries, each of them over many rows.


# %%
def slots_of(A):
    """Return the order of rows by length, and the values and columns of each slot."""
    lengths = np.diff(A.indptr)
    order = np.argsort(-lengths, kind="stable")
    starts, slots = A.indptr[order], []
    for slot in range(lengths.max()):
        p = starts[: np.count_nonzero(lengths > slot)] + slot
        slots.append((A.data[p][:, None], A.indices[p].astype(np.intp)))
    return order, slots


def by_slots(order, slots, B):
    """Add up slot after slot; the rows that have it are the first ones."""
    sums = np.zeros((len(order), B.shape[1]), "float32")
    for values, columns in slots:
        sums[: len(columns)] += values * B[columns]
    C = np.empty_like(sums)
    C[order] = sums
    return C


order, slots = slots_of(A)
moved = A.nnz * N * 4 * 7 + 3 * M * N * 4
attempt("5 slots", lambda: by_slots(order, slots, B), moved, M, "4 row products")
print(f"{len(slots)} slots")

# %% [markdown]
# Seven rows of numbers for each entry: the gather reads and writes one, the product reads and
# writes one, and the sums are read, and the products, and the sums written. Fewer calls, more
# bytes. Which of the two wins depends on how long the rows are.
#
# ## Step 6: panels
#
# All steps so far gather a row of B for each entry, use it **once**, and forget it. A dense
# product is fast because it uses each number many times while it is near. Can a gathered row be
# used twice? Yes, if two rows of A both want it. So let R rows of A share a **panel**: over all
# the columns that any of them uses, U of them, the panel is a small dense matrix `[R, U]`, zeros
# included. One gather of U rows serves R rows of A, and the product is a matrix times a matrix.
#
# Here are the first entries of some panel of four rows, and of the first columns that it uses:


# %%
def panels_of(W, R):
    """Return the rows, the columns [U] and the cells [R, U] of each panel of R rows."""
    order = np.argsort(-np.count_nonzero(W, axis=1), kind="stable")
    found = []
    for rows in order.reshape(-1, R):
        columns = np.flatnonzero(W[rows].any(axis=0))
        found.append((rows, columns, W[rows][:, columns]))
    return found


def by_panels(panels, B):
    """Gather and multiply, one panel after another."""
    C = np.empty((M, B.shape[1]), "float32")
    for rows, columns, cells in panels:
        C[rows] = cells @ B[columns]
    return C


rows, columns, cells = panels_of(W, 4)[0]
print("rows   ", rows)
print("columns", columns[:12], "...")
print(np.where(cells[:, :12] != 0, "x", "."))

# %% [markdown]
# The dots are the price: zeros that are multiplied. That can pay, because of two rates. This is
# what BLAS does with `[R, U] @ [U, 64]` on one core, and it has as much to read for every R:

# %%
HEIGHTS = [1, 2, 4, 8, 16]
rates = {}
with one_thread():
    for R in HEIGHTS:
        left = rng.standard_normal((8, R, 200)).astype("float32")
        right = rng.standard_normal((8, 200, 64)).astype("float32")
        t = measure({"": lambda left=left, right=right: left @ right}, budget=0.1)[""].median
        rates[R] = 2 * 8 * R * 200 * 64 / t / 1e9
        print(f"R = {R:2}: {rates[R]:6.1f} GFLOP/s")

# %% [markdown]
# **Question 3.** Each cell of A is stored with a chance of 0.1, by itself. What share of all
# columns does a panel of R = 4 rows use, on average?

# %%
my_answer = None

hint = "a column is not used if it is missing in four rows: 0.9 * 0.9 * 0.9 * 0.9"
print(Question(1 - 0.9**4, hint, 0.01, number=3).check(my_answer))

# %% [markdown]
# **Question 4.** And how many multiply-adds does such a panel do for each that is needed?

# %%
my_answer = None

hint = "four rows of so many columns, of which a tenth of K each was needed"
print(Question((1 - 0.9**4) / 0.1, hint, 0.01, number=4).check(my_answer))

# %% [markdown]
# So a taller panel multiplies more and gathers less, and multiplies at a better rate. What comes
# out of it is to be measured:

# %%
by_height = {R: panels_of(W, R) for R in HEIGHTS}
with one_thread():
    contenders = {R: (lambda p=p: by_panels(p, B)) for R, p in by_height.items()}
    times = {R: t.median for R, t in measure(contenders, budget=0.5).items()}
print(" R  multiply-adds  gathered rows    time     with zeros   without")
multiplied, taken = {}, {}
for R, panels in by_height.items():
    multiplied[R] = sum(cells.size for _, _, cells in panels)
    taken[R] = sum(len(columns) for _, columns, _ in panels)
    print(f"{R:2} {multiplied[R] / A.nnz:10.2f} x {taken[R] / A.nnz:12.2f} x", end="")
    print(f"{human_seconds(times[R]):>12} {2 * multiplied[R] * N / times[R] / 1e9:7.1f}", end="")
    print(f" {flops / times[R] / 1e9:10.1f} GFLOP/s")

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
axes[0].plot(HEIGHTS, [multiplied[R] / A.nnz for R in HEIGHTS], "o-", label="multiply-adds")
axes[0].plot(HEIGHTS, [taken[R] / A.nnz for R in HEIGHTS], "s-", label="gathered rows of B")
axes[0].plot(HEIGHTS, [rates[R] / rates[1] for R in HEIGHTS], "^:", label="rate, over R = 1")
axes[0].set(xscale="log", yscale="log", title="times what is needed", xlabel="rows of a panel, R")
axes[0].set_yticks([0.5, 1, 2, 4, 8], [0.5, 1, 2, 4, 8])
axes[0].legend()
axes[1].plot(HEIGHTS, [1e3 * times[R] for R in HEIGHTS], "o-")
axes[1].axhline(1e3 * table["4 row products"][1], color="gray", linewidth=1)
axes[1].text(1, 1e3 * table["4 row products"][1], "dense", color="gray", va="bottom")
axes[1].set(xscale="log", ylim=(0, None), title="milliseconds", xlabel="rows of a panel, R")
for panel in axes:
    panel.set_xticks(HEIGHTS, HEIGHTS)
    panel.minorticks_off()
figure.tight_layout()
plt.show()

# %% [markdown]
# A taller panel is a gain for as long as its rate, and the gathers that it saves, make up for the
# zeros.
#
# **Question 5.** Which height is the best by your figures? (One that is within a tenth of the
# least time will do.)

# %%
my_answer = None

R = min(times, key=times.get)
chosen = my_answer and times.get(my_answer, 0)
print(Question(times[R], "look for the least time in the table above", 0.1, number=5).check(chosen))

# %% [markdown]
# The best one goes on.

# %%
moved = (3 * taken[R] + M) * N * 4
attempt("6 panels", lambda: by_panels(by_height[R], B), moved, M, "4 row products")

# %% [markdown]
# ## Step 7: stacks of panels, and tiles of B
#
# There is a Python loop left, over panels. `np.matmul` multiplies stacks of matrices, `[P, R, U]`
# times `[P, U, N]`, in one call, if all in a stack have the same U. So sort the panels by width,
# put neighbors together, and fill up the narrower ones with zeros. But remember the second rule:
# what is gathered must stay in cache, and so must the part of B that is gathered from. So B is cut
# into **tiles** of some columns, and there are as many panels in a stack as fill a piece of cache.

# %%
ROOM = 2**17  # numbers that a stack gathers, about: half a megabyte


def stacks_of(panels, width, room=ROOM):
    """Return stacks of similar panels for tiles of ``width`` columns, and where each row is."""
    panels = sorted(panels, key=lambda panel: len(panel[1]))
    widths = np.array([max(len(columns), 1) for _, columns, _ in panels])
    stacks, first = [], 0
    while first < len(panels):
        similar = np.searchsorted(widths, 1.125 * widths[first], side="right")
        last = min(similar, first + max(1, room // (widths[first] * width)))
        cells = np.zeros((last - first, len(panels[0][0]), widths[last - 1]), "float32")
        columns = np.zeros((last - first, widths[last - 1]), np.intp)
        for i, (_, used, values) in enumerate(panels[first:last]):
            cells[i, :, : len(used)], columns[i, : len(used)] = values, used
        stacks.append((cells, columns))
        first = last
    return stacks, np.argsort(np.concatenate([rows for rows, _, _ in panels]))


def by_stacks(packed, B, width):
    """Gather and multiply stack after stack, for one tile of B after another."""
    stacks, position = packed
    C = np.empty((M, B.shape[1]), "float32")
    for n in range(0, B.shape[1], width):
        tile = B[:, n : n + width].copy()
        sums = [(cells @ tile[columns]).reshape(-1, width) for cells, columns in stacks]
        C[:, n : n + width] = np.concatenate(sums)[position]
    return C


packed = stacks_of(by_height[R], 64)
padded = sum(columns.size for _, columns in packed[0])
added = padded / taken[R] - 1
print(f"{len(by_height[R])} panels in {len(packed[0])} stacks; padding adds {added:.1%}")
moved = (3 * padded + 5 * M) * N * 4
attempt("7 stacks, tiles", lambda: by_stacks(packed, B, 64), moved, M, "6 panels")

# %% [markdown]
# ## Step 8: memory that is warm
#
# If step 7 gained little, or lost, this is why: `tile[columns]` asks for new memory every time,
# half a megabyte here, and so does each product. The operating system hands it out page by page,
# and clears each page before. Better to write to memory that was used a moment ago:
# `tile.take(columns, 0, out, "clip")`. Why `"clip"`? If an index were wrong, the default mode must
# raise, and leave `out` as it was; so it writes to a copy first. We know the indices to be right.
# And memory should begin where a cache line begins, or each row of a tile touches one line too
# many.

# %%
tile = aligned_empty((K, 64), np.dtype("float32"))
tile[...] = B[:, :64]
columns = packed[0][0][1]
out = aligned_empty((*columns.shape, 64), tile.dtype)
memory = aligned_empty((out.size + 16,), tile.dtype)
crooked = memory[4 : 4 + out.size].reshape(out.shape)  # 16 bytes behind the beginning of a line
ways = {
    "tile[columns]": lambda: tile[columns],
    "take, out=": lambda: tile.take(columns, 0, out),
    'take, out=, "clip", not aligned': lambda: tile.take(columns, 0, crooked, "clip"),
    'take, out=, "clip"': lambda: tile.take(columns, 0, out, "clip"),
}
for name, t in measure(ways, rounds=200).items():
    print(f"{name:32} {out.size / t.median / 1e9:5.1f} G elements/s")

# %% [markdown]
# With this, step 8 is step 7 with nothing made anew. `scratch` is where minisparse's kernels keep
# such memory: each thread gets the same aligned buffer back whenever it asks for the same use.
# What the calls need is put together first, so that between them there is nothing left to do.


# %%
def multiply_tile(packed, B, C, n, width):
    """Compute the columns of C from n on, ``width`` of them."""
    stacks, position = packed
    tile = scratch("tutorial tile", (len(B), width), B.dtype)
    sums = scratch("tutorial sums", (len(position), width), B.dtype)
    most = max(columns.size for _, columns in stacks)
    room = scratch("tutorial gathered", (most, width), B.dtype)
    steps, start = [], 0
    for cells, columns in stacks:
        P, R, U = cells.shape
        result = sums[start : start + P * R].reshape(P, R, width)
        steps.append((cells, columns, room[: P * U].reshape(P, U, width), result))
        start += P * R
    tile[...] = B[:, n : n + width]
    for cells, columns, gathered, result in steps:
        tile.take(columns, 0, gathered, "clip")
        np.matmul(cells, gathered, out=result)
    C[:, n : n + width] = sums.take(position, 0)


def by_warm_stacks(packed, B, width, threads=1):
    """Compute tile after tile, or several at once."""
    C = np.empty((M, B.shape[1]), B.dtype)
    tiles = range(0, B.shape[1], width)
    share(lambda n: multiply_tile(packed, B, C, n, width), tiles, threads)
    return C


attempt("8 warm scratch", lambda: by_warm_stacks(packed, B, 64), moved, M, "7 stacks, tiles")
print(f"{table['1 loops'][0] / table['8 warm scratch'][0]:.0f} times as fast as step 1,")
ratio = table["8 warm scratch"][0] / table["8 warm scratch"][1]
print(f"and {ratio:.2f} of the dense product's time" + ("" if ratio < 1 else ": not yet enough"))

# %% [markdown]
# How wide should a tile be? Narrow ones mean more calls, each for less. Wide ones may spill out of
# the cache. To see both ends, B is made wider; both ways are timed, with new memory and with warm.

# %%
WIDE = 1024
B_wide = rng.standard_normal((K, WIDE)).astype("float32")
WIDTHS = [16, 32, 64, 128, 256, 512, 1024]
packs = {width: stacks_of(by_height[R], width) for width in WIDTHS}
contenders = {("new", w): (lambda w=w: by_stacks(packs[w], B_wide, w)) for w in WIDTHS}
contenders |= {("warm", w): (lambda w=w: by_warm_stacks(packs[w], B_wide, w)) for w in WIDTHS}
with one_thread():
    found = measure(contenders, rounds=3)
figure, axes = plt.subplots(figsize=(8, 3.4))
for memory, label in {"new": "step 7, new memory", "warm": "step 8, warm memory"}.items():
    axes.plot(WIDTHS, [1e3 * found[memory, w].median for w in WIDTHS], "o-", label=label)
    low, high = zip(*(found[memory, w].quartiles for w in WIDTHS), strict=True)
    axes.fill_between(WIDTHS, 1e3 * np.array(low), 1e3 * np.array(high), alpha=0.2)
axes.set(xscale="log", ylim=(0, None), ylabel="milliseconds", xlabel="columns of a tile; its bytes")
axes.set_xticks(WIDTHS, [f"{w}\n{human_bytes(K * w * 4)}" for w in WIDTHS])
axes.minorticks_off()
axes.legend()
figure.tight_layout()
plt.show()
warm = {w: found["warm", w].median for w in WIDTHS}
for w in (WIDTHS[0], min(warm, key=warm.get), WIDTHS[-1]):
    calls = 2 * len(packs[w][0]) * WIDE // w
    print(f"{w:5} columns: {calls:5} calls in {human_seconds(warm[w])}")
good = [w for w in WIDTHS if warm[w] < 1.2 * min(warm.values())]
print(f"not a fifth more than the best: {', '.join(map(str, good))} columns")

# %% [markdown]
# At the left end a gathered row is so short that finding it takes longer than copying it. At the
# right end, a tile and what is gathered from it do not fit a core's own cache any more, if that is
# of the usual size, half a megabyte to two. The more widths there are in the last line, the
# better: then a width found on one machine is not bad on another.
#
# **Question 6.** A tile of B shall take at most a megabyte (2**20 bytes), float32. How many
# columns wide may it be if B has 4096 rows?

# %%
my_answer = None

print(Question(2**20 / (4096 * 4), "divide by the bytes of one column", number=6).check(my_answer))

# %% [markdown]
# All steps together. GFLOP/s count two operations for each multiply-add that is needed, and GB/s
# what the calls read and write. The dense product needs few bytes for what it does, so that it
# runs at the processor's own speed; everything above it in the table is held up by calls or by
# bytes.


# %%
def rate_table(table):
    """Print seconds, rates, and the time over that of the dense product."""
    print(f"{'':16} {'time':>9} {'GFLOP/s':>9} {'GB/s':>7} {'flops/byte':>11} {'of dense':>9}")
    for name, (seconds, dense, moved) in table.items():
        work = 2 * M * K * N if name == "dense" else flops
        print(f"{name:16} {human_seconds(seconds):>9} {work / seconds / 1e9:9.2f}", end="")
        print(f" {moved / seconds / 1e9:7.1f} {work / moved:11.2f} {seconds / dense:9.2f}")


dense = float(np.median([row[1] for row in table.values()]))
table["dense"] = dense, dense, (M * K + K * N + M * N) * 4
rate_table(table)

# %% [markdown]
# ## Step 9: blocks
#
# Scattered entries made us gather single rows of B and multiply zeros. If a network is pruned by
# **blocks**, a panel has no zeros: the rows of a block all use the same columns. Here is a layer
# of the same density in blocks of 16x16, in three ways. "One by one" calls BLAS for each block.
# "All at once" multiplies every block with its rows of B in one call, and sums with `reduceat`:
# step 3 again. "Side by side" puts the blocks of a block row beside each other, as one matrix
# `[16, count * 16]`.

# %%
r = c = 16
kept = np.kron(rng.random((M // r, K // c)) < DENSITY, np.ones((r, c)))
W_blocks = np.where(kept, rng.standard_normal((M, K)), 0).astype("float32")
blocks = ms.from_dense(W_blocks, "bsr", block=(r, c))
bounds = blocks.indptr.tolist()


def one_by_one(B):
    """Multiply each block with its rows of B, and add."""
    C = np.zeros((M, B.shape[1]), "float32")
    for i in range(M // r):
        for p in range(bounds[i], bounds[i + 1]):
            k = blocks.indices[p] * c
            C[i * r : (i + 1) * r] += blocks.data[p] @ B[k : k + c]
    return C


def all_at_once(B):
    """Multiply all blocks in one call; sum the products of each block row that has any."""
    products = blocks.data @ B.reshape(-1, c, B.shape[1])[blocks.indices]
    rows = np.flatnonzero(np.diff(blocks.indptr))
    C = np.zeros((M // r, r, B.shape[1]), "float32")
    C[rows] = np.add.reduceat(products, blocks.indptr[rows], axis=0)
    return C.reshape(M, -1)


def lay_side_by_side():
    """Return the blocks of each block row as one matrix, and their rows of B."""
    laid = []
    for i, j in pairwise(bounds):
        laid.append((np.hstack([*blocks.data[i:j]]), blocks.indices[i:j]) if i < j else None)
    return laid


def side_by_side(laid, B):
    """Gather the rows of B for a block row, and multiply once."""
    C = np.zeros((M, B.shape[1]), "float32")
    groups = B.reshape(-1, c, B.shape[1])
    for i, row in enumerate(laid):
        if row is not None:
            np.matmul(row[0], groups[row[1]].reshape(-1, B.shape[1]), out=C[i * r : (i + 1) * r])
    return C


laid = lay_side_by_side()
ways = {
    "one by one": lambda: one_by_one(B),
    "all at once": lambda: all_at_once(B),
    "side by side": lambda: side_by_side(laid, B),
    "dense": lambda: W_blocks @ B,
}
with one_thread():
    block_times = {name: t.median for name, t in measure(ways).items()}
for name, run in ways.items():
    assert np.allclose(run(), W_blocks @ B, atol=1e-3), name
    print(f"{name:12} {human_seconds(block_times[name]):>8}", end="")
    print(f", {block_times[name] / block_times['dense']:.2f} of dense")

# %% [markdown]
# **Question 7.** Each gathered row of B is used once in step 4. How many times is it used here, in
# a product of blocks of 16x16?

# %%
my_answer = None

print(Question(r, "by each of the rows of its block", number=7).check(my_answer))

# %% [markdown]
# ## Step 10: whole rows and columns
#
# One step further, the zeros fill whole rows and columns of W, as when neurons are pruned. Then
# there is **one** panel: all rows and columns that are left. No gather but one, and no zeros. Here
# half of the rows and half of the columns are gone, a quarter of the multiply-adds is left:

# %%
rows = np.sort(rng.permutation(M)[: M // 2])
columns = np.sort(rng.permutation(K)[: K // 2])
W_lines = np.zeros((M, K), "float32")
W_lines[np.ix_(rows, columns)] = rng.standard_normal((M // 2, K // 2))
core = W_lines[np.ix_(rows, columns)]


def one_panel(B):
    """Multiply what is left, and put the rows where they belong."""
    C = np.zeros((M, B.shape[1]), "float32")
    C[rows] = core @ B.take(columns, 0)
    return C


assert np.allclose(one_panel(B), W_lines @ B, atol=1e-3)
with one_thread():
    t = measure({"one panel": lambda: one_panel(B), "dense": lambda: W_lines @ B})
print(f"one panel takes {t['one panel'].median / t['dense'].median:.2f} of dense,", end="")
print(f" for {core.size / W_lines.size:.2f} of the multiply-adds")

# %% [markdown]
# ## Step 11: threads
#
# All this was one core. BLAS takes them all for a large product; NumPy's `take` and our small
# products use one. Python's threads can share the tiles between them: NumPy lets go of the
# interpreter while it copies and multiplies, so that two threads compute at the same time. But the
# calls themselves take turns, and a thread that has to wait for its turn is asleep, often for
# longer than a small call lasts. So threads want **much work in large calls**. Below, three sizes
# of calls, by the numbers that a stack gathers, for more and more columns. BLAS is held at one
# thread meanwhile, or two sets of threads could fight for the cores; `share`, in
# minisparse/kernels/threads.py, sees to it.

# %%
threads = usable_threads()
print(f"BLAS has {thread_count()} thread(s); we take {threads}")
COLUMNS = [128, 512, 1024]
ROOMS = {"small calls": 2**15, "as before": ROOM, "large calls": 2**19}
calls_of = {size: stacks_of(by_height[R], 64, room) for size, room in ROOMS.items()}
gains = {size: [] for size in ROOMS}
for n in COLUMNS:
    X = rng.standard_normal((K, n)).astype("float32")
    contenders = {}
    for size, p in calls_of.items():
        contenders[size, "on one thread"] = lambda p=p, X=X: by_warm_stacks(p, X, 64)
        contenders[size, "shared"] = lambda p=p, X=X: by_warm_stacks(p, X, 64, threads)
    with one_thread():
        t = {name: timing.median for name, timing in measure(contenders, budget=0.4).items()}
        for p in calls_of.values():
            alone, shared = (by_warm_stacks(p, X, 64, count) for count in (1, threads))
            assert np.array_equal(alone, shared)
    for size in ROOMS:
        gains[size].append(t[size, "on one thread"] / t[size, "shared"])
    best = min(t, key=t.get)
    print(f"{n:5} columns: fastest are {best[0]} {best[1]}, {human_seconds(t[best])}")

figure, axes = plt.subplots(figsize=(7, 3.2))
for size, found in gains.items():
    axes.plot(COLUMNS, found, "o-", label=f"{size}, {len(calls_of[size][0])} stacks")
axes.axhline(1, color="gray", linewidth=1)
axes.set(xscale="log", ylim=(0, None), xlabel="columns of B", ylabel="times as fast, shared")
axes.margins(y=0.1)
axes.set_xticks(COLUMNS, COLUMNS)
axes.minorticks_off()
axes.legend()
figure.tight_layout()
plt.show()
for size, found in gains.items():
    pays = [str(n) for n, gain in zip(COLUMNS, found, strict=True) if gain > 1.1]
    print(f"{size}: threads gain a tenth or more for N = {', '.join(pays) or 'none of these'}")

# %% [markdown]
# The results are the same to the last bit: which thread computes a tile changes nothing in it. If
# nothing was gained anywhere, there was no second core to be had: BLAS has one thread, or the
# machine does other things too. And the two rules pull apart here: calls that are large enough for
# threads may gather more than stays in cache, so that each of them is slower. A kernel has to
# decide beforehand; those of minisparse share products from some milliseconds on.
#
# ## Over the densities
#
# Each step at each density, on one core. The slow ones compute only their first rows, as before.

# %%
DENSITIES = [0.3, 0.1, 0.03, 0.01, 0.003]


def first_entries(A, entries):
    """Return as many first rows of a CSR matrix as hold about so many entries."""
    return first_rows(A, min(np.searchsorted(A.indptr, entries), M))


def best_stacks(W, B):
    """Return step 8 with the height of panels that is fastest, of four."""
    packs = [stacks_of(panels_of(W, height), 64) for height in (1, 2, 4, 8)]
    tries = {i: (lambda p=p: by_warm_stacks(p, B, 64)) for i, p in enumerate(packs)}
    found = measure(tries, rounds=3)
    return tries[min(found, key=lambda i: found[i].median)]


def steps_for(W):
    """Return from the name of each step to a function without arguments, and its share of work."""
    A = ms.from_dense(W, "csr")
    few, some, many = (first_entries(A, entries) for entries in (500, 5000, 20_000))
    slots = slots_of(A)
    steps = {
        "1 loops": (lambda: csr.loops(few, B), few.nnz / A.nnz),
        "2 rows of B": (lambda: row_by_row(some, B), some.nnz / A.nnz),
        "3 reduceat": (lambda: in_three_calls(many, B), many.nnz / A.nnz),
        "4 row products": (lambda: row_products(A, B), 1),
        "5 slots": (lambda: by_slots(*slots, B), 1),
        "8 warm scratch": (best_stacks(W, B), 1),
        "dense": (lambda: W @ B, 1),
    }
    if HAS_SCIPY:
        theirs = A.to_scipy()
        steps["SciPy"] = lambda: theirs @ B, 1
    return steps


curves = {}
with one_thread():
    for density in DENSITIES:
        steps = steps_for(at_random(density))
        for name, t in measure({n: run for n, (run, _) in steps.items()}, rounds=5).items():
            curves.setdefault(name, []).append(t.median / steps[name][1])

# %%
figure, axes = plt.subplots(figsize=(8, 5.5))
for name, seconds in curves.items():
    style = {"dense": "k-", "SciPy": "k:"}.get(name, "o-")
    axes.plot(DENSITIES, 1e3 * np.array(seconds), style, label=name, markersize=4)
axes.set(
    xscale="log", yscale="log", xlabel="density", ylabel="milliseconds, one core",
    title=f"{M} x {K} at random, times {N} columns",
)  # fmt: skip
axes.set_xticks(DENSITIES, DENSITIES)
axes.minorticks_off()
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
figure.tight_layout()
plt.show()
for i, density in enumerate(DENSITIES):
    order = sorted(curves, key=lambda name: curves[name][i])
    print(f"density {density:5}: fastest is {order[0]}, then {order[1]}, then {order[2]}")

# %% [markdown]
# A line that falls with the density at a slope of one is a step whose time is in its entries; one
# that becomes flat pays for something else. The loops and step 2 fall all the way. The row
# products become flat at the left: a thousand calls, however little each has to do.
#
# ## Where NumPy has to give up
#
# With one column there is nothing to reuse: each entry is read, together with its index, for one
# multiply-add. The fastest that NumPy has is the three calls of step 3, in one dimension and in
# pieces that stay in cache; that is what the shipped kernel does. It writes the gathered numbers,
# and the products, and reads them again. A compiled loop keeps both in registers, and needs no
# call for each.

# %%
for density, n in ((0.1, 1), (0.01, 1), (0.01, 16), (0.003, 256)):
    W_few = at_random(density)
    A_few = ms.from_dense(W_few, "csr")
    X = rng.standard_normal((K, n)).astype("float32")
    k = ms.prepare("spmm", A_few, columns=n)
    ways = {"dense": lambda W=W_few, X=X: W @ X, "NumPy": lambda k=k, X=X: k(X)}
    if HAS_SCIPY:
        theirs = A_few.to_scipy()
        ways["SciPy"] = lambda s=theirs, X=X: s @ X
    with one_thread():
        t = measure(ways, rounds=50, budget=0.2)
    best = min(t, key=lambda name: t[name].median)
    print(f"density {density}, N = {n:3}: ", end="")
    print(", ".join(f"{name} {human_seconds(t[name].median)}" for name in t), end="")
    print(f"; fastest: {best}")

# %% [markdown]
# This is why minisparse has a fourth level, `library`: SciPy, MKL or torch behind the same
# contract. `ms.compile(graph, libraries="auto")` takes them where they are predicted to be faster.
# What NumPy lacks is a way to say "multiply and add, and write nothing down" for entries that
# stand alone.
#
# **Question 8.** A product with one column reads 8 bytes for each entry, a float32 and an int32,
# and does two operations with it. Memory delivers 10 GB/s. How many GFLOP/s can any kernel reach,
# at most?

# %%
my_answer = None

print(Question(10 / 8 * 2, "how many entries arrive in a second?", 0.01, number=8).check(my_answer))

# %% [markdown]
# ## What is shipped
#
# `ms.prepare` does what you have seen: it sorts rows, looks which height will be best, stacks
# panels of similar width, or finds that one panel does. It also sees to what we left out: empty
# rows and odd sizes, cells that are stored twice, 16-bit numbers, and the zeros of a panel where B
# holds an infinity. (`0 * inf` is not a number; a zero that is not stored must not meet it.) Here
# it is for W:

# %%
k = ms.prepare("spmm", A, columns=N)
print(k)
print(csr.prepare(A, N))
assert np.all(np.abs(k(B) - exact) <= allowed)

# %% [markdown]
# The second line shows what is inside. If the height is 1024, the choice fell on **one** panel of
# all rows: the dense product by another name, taken where the estimate is that nothing else is
# faster. (The estimate counts on two cores, which the dense product uses better than anyone.) A
# height of 1, 2, 4 or 8 means panels as in step 6.
#
# Packing takes time and room, once for each matrix. In a network the weights stay, so that it is
# repaid if each call saves something. After how many calls is that? Here are the seconds and bytes
# of packing, and both products on as many cores as they take. (On a machine that does other things
# too, that can be slower than one core: threads wait for each other.)


# %%
def repaid_after(k, slow, fast):
    """Return in words after how many calls the packing has saved as much time as it took."""
    if fast >= slow:
        return "never"
    return f"after {int(np.ceil(k.seconds / (slow - fast)))} call(s)"


def say_repaid(name, matrix):
    """Pack a matrix, multiply, and print what it takes and when it is repaid."""
    k, x = ms.prepare("spmm", matrix, columns=N), matrix.to_dense()
    t = {n: t.median for n, t in measure({"dense": lambda: x @ B, "k": lambda: k(B)}).items()}
    print(f"{name:14} {human_bytes(matrix.nbytes):>8} {human_bytes(k.bytes):>8}", end="")
    print(f" {human_seconds(k.seconds):>8} {human_seconds(t['dense']):>8}", end="")
    print(f" {human_seconds(t['k']):>8}  {repaid_after(k, t['dense'], t['k'])}")
    return k, t["k"]


print(f"{'density':14} {'stored':>8} {'packed':>8} {'in':>8} {'dense':>8} {'sparse':>8}  repaid")
k, seconds = say_repaid(f"{DENSITY} (W)", A)
for density in (0.03, 0.01):
    say_repaid(str(density), ms.from_dense(at_random(density), "csr"))
say_repaid("blocks, 16x16", blocks)
after = repaid_after(k, table["4 row products"][0], seconds)
print(f"\nthe packing of W, beside step 4, which packs nothing: repaid {after}")

# %% [markdown]
# **Question 9.** Packing takes 12 ms, the dense product 5 ms, and the packed one 2 ms. After how
# many calls has the packing been repaid?

# %%
my_answer = None

print(Question(4, "each call saves 3 ms", number=9).check(my_answer))

# %% [markdown]
# ## Now you
#
# - Set `DENSITY` to 0.3 near the top, then to 0.02, and run the page again. Which height is the
#   best then, and which step?
# - Change `ROOM` in step 7 to `2**12` and to `2**22`. Say beforehand which of the two rules each
#   of them breaks.
# - In step 6, rows share a panel because they are of similar length. Rows that use the **same
#   columns** would be better company. Put `ms.formats.by_similarity(ms.from_dense(W, "csr"))` in
#   place of `order` in `panels_of`; does it help a random matrix? Make one that it does help.
#
# The code of the shipped kernel is minisparse/kernels/spmm/: `panels.py` is steps 6 to 8 and 11,
# `packing.py` makes the stacks, `choice.py` chooses the height, `bsr.py` is step 9. Tutorial 5
# shows what the caches see of all this.
