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
# # 14. A GPU, thread by thread
#
# A loop says: do this for every row, one after another. A **thread program** says: here is what to
# do with one row; ten thousand of you, go. What remains to be thought about is who does what, in
# which order threads may come, and what they ask of memory at the same time. This page writes the
# product of a sparse matrix and a vector three times for a GPU and steps through it on a CPU:
# minisparse *simulates* thread programs, one thread after another, and can tell what a card would
# have done with 32 of them at once. Where there is a card, the same functions run on it. Read from
# top to bottom and run each cell; where a question is asked, replace `None` by your answer and run
# the cell again.

# %%
import numpy as np

import minisparse as ms
from minisparse.core.extras import is_installed, require
from minisparse.core.xp import to_device
from minisparse.gpu import SimulationError, jit, thread_program
from minisparse.gpu.device import device_count
from minisparse.show import table_text
from minisparse.show.question import Question

plt = require("matplotlib.pyplot", "viz", "drawing this page's figures")
rng = np.random.default_rng(0)
place = "gpu" if is_installed("cupy") and device_count() else "cpu"
print("programs of this page run on the", place)

# %% [markdown]
# ## A thread for each row
#
# The matrix has 96 rows, most of them short and a few long: what pruning by magnitude leaves.

# %%
M, K = 96, 512
lengths = np.minimum(rng.lognormal(2.0, 1.0, M).astype(int) + 1, K)
dense = np.zeros((M, K), np.float32)
for row, length in enumerate(lengths):
    dense[row, rng.permutation(K)[:length]] = rng.standard_normal(length)
A = ms.from_dense(dense, "csr")
x = rng.standard_normal(K).astype("float32")
print(A)


# %%
@thread_program
def row_per_thread(indptr, indices, data, x, y):
    m = np.int32(jit.blockIdx.x * jit.blockDim.x + jit.threadIdx.x)
    if m < len(y):
        total = np.float32(0)
        for p in range(indptr[m], indptr[m + 1]):
            total += data[p] * x[indices[p]]
        y[m] = total


# %% [markdown]
# There is no loop over m. A **grid** of threads is launched, cut into **blocks**; each thread knows
# the number of its block and its own number in it, and so which row is its. Rows need not be a
# multiple of a block: hence the `if`.

# %%
THREADS = 64


def launch(program, grid, block):
    """Return y, as the threads of a grid wrote it."""
    y = to_device(np.zeros(M, np.float32), place)
    arrays = [to_device(v, place) for v in (A.indptr, A.indices, A.data, x)]
    program(grid, block, (*arrays, y))
    return to_device(y, "cpu")


grid, block = (-(-M // THREADS),), (THREADS,)
y = launch(row_per_thread, grid, block)
print("grid", grid, "block", block, "right:", np.allclose(y, dense @ x, atol=1e-4))

# %% [markdown]
# **Question 1.** How many threads of this grid have no row?

# %%
my_answer = None

answer = grid[0] * block[0] - M
print(Question(answer, "blocks times threads, less the rows", number=1).check(my_answer))

# %% [markdown]
# ## 32 threads go together
#
# Threads are not as free as they look. A card runs them in **warps** of 32, all of which execute
# the same instruction at the same time; those for which it is not meant wait. `watch` has the
# simulator note what the lanes of one warp do. Each row of the picture is a lane, each column a
# statement that some of them run together.

# %%
arrays = (A.indptr, A.indices, A.data, x)
seen = row_per_thread.simulate(
    grid, block, (*arrays, np.zeros(M, np.float32)), watch=((0, 0, 0), 0)
)


def draw(steps, title):
    """Draw which lanes run each step."""
    picture = np.zeros((jit.WARP, len(steps)))
    for i, step in enumerate(steps):
        picture[list(step.lanes), i] = 1
    figure, axes = plt.subplots(figsize=(7, 2.2))
    axes.imshow(picture, aspect="auto", cmap="Greys", interpolation="nearest", vmin=-0.3)
    axes.set(xlabel="statements, in the order in which the warp runs them", ylabel="lane")
    axes.set_title(title, fontsize=10)
    figure.tight_layout()
    plt.show()
    return picture.mean()


busy = draw(seen.steps, "a row per thread")
print(f"{len(seen.steps)} statements; lanes are busy {busy:.0%} of the time")

# %% [markdown]
# A warp takes as long as its longest row, and the lanes of short ones wait for it.
#
# **Question 2.** Which fraction of the multiply-adds that this warp has time for does it do? It has
# time for as many as its longest row has entries, in each of its 32 lanes.

# %%
my_answer = None

first = lengths[: jit.WARP]
answer = first.sum() / (jit.WARP * first.max())
hint = "lengths[:32].sum() over 32 times lengths[:32].max()"
print(Question(answer, hint, tolerance=0.02, number=2).check(my_answer))

# %% [markdown]
# ## What they ask of memory
#
# Memory answers a warp, not a thread: it moves **sectors** of 32 bytes, and a request of 32 lanes
# costs as many sectors as it touches. Neighbors that read neighbors share them. A checked run
# counts that for every access in the source:


# %%
def show_memory(program, grid, block):
    """Print what each access of a program asks of memory; return the table."""
    found = program.simulate(grid, block, (*arrays, np.zeros(M, np.float32)), check=True)
    rows = [
        (
            *(a.site.line, a.kind, a.array, a.requests, f"{a.lanes / a.requests:.1f}"),
            *(a.transactions, a.ideal, f"{a.efficiency:.0%}"),
        )
        for a in found.accesses
    ]
    head = ("line", "access", "array", "requests", "lanes", "sectors", "at best", "efficiency")
    print(table_text(head, [tuple(map(str, row)) for row in rows]))
    return found.accesses


by_thread = show_memory(row_per_thread, grid, block)

# %% [markdown]
# `indptr` and `y` are read and written side by side. `data` and `indices` are not: in one turn of
# the loop each lane reads from its own row, and rows lie apart. Nearly every lane costs a sector of
# its own, of which it uses four bytes.
#
# ## A warp for each row
#
# So let the lanes of a warp share a row. They read 32 neighboring entries at once, each sums every
# 32nd product, and in the end the 32 sums are added: lanes can pass each other what they hold in a
# register, by a **shuffle**. `shfl_down_sync(…, total, 16)` gives each lane the total of the one 16
# above it; after 16, 8, 4, 2 and 1, lane 0 has the sum of all.


# %%
@thread_program
def row_per_warp(indptr, indices, data, x, y):
    m = np.int32(jit.blockIdx.x * jit.blockDim.y + jit.threadIdx.y)
    lane = np.int32(jit.threadIdx.x)
    total = np.float32(0)
    if m < len(y):
        for p in range(indptr[m] + lane, indptr[m + 1], 32):
            total += data[p] * x[indices[p]]
    for step in range(5):
        total += jit.shfl_down_sync(jit.FULL, total, np.uint32(16 >> step))
    if lane == 0 and m < len(y):
        y[m] = total


warps = 4
grid_w, block_w = (-(-M // warps),), (jit.WARP, warps)
print("right:", np.allclose(launch(row_per_warp, grid_w, block_w), dense @ x, atol=1e-4))
by_warp = show_memory(row_per_warp, grid_w, block_w)

# %% [markdown]
# The reads of `data` are as good as its short rows allow; those of `x` are no better, since where
# the entries of a row are is up to the matrix. But look at the column `lanes`, of which there could
# be 32 in each request: most rows are shorter than a warp is wide. Two, four or eight lanes would
# be enough for a row, and the others of the warp could take the next ones. That is what
# minisparse's own kernel decides, from the lengths of the rows
# (`minisparse/kernels/spmv/threads_csr.py`); rows of very different lengths are cut into equal
# pieces wherever they begin (`merge_path.py`, beside it).
#
# **Question 3.** Each request for `data` asks for four bytes in up to 32 lanes. How many sectors
# would a full one cost if the lanes' entries lay 8 floats apart, and the first begins a sector?

# %%
my_answer = None

answer = len({lane * 8 * 4 // 32 for lane in range(jit.WARP)})
print(Question(answer, "8 floats are 32 bytes", number=3).check(my_answer))

# %% [markdown]
# ## A mistake that may not show
#
# Threads of a block can share a small, fast memory; `syncthreads()` is a **barrier**: who comes to
# it waits for the others. This program adds up a block's 128 numbers: 64 threads add the upper half
# to the lower, then 32, and so on. One line is missing.


# %%
@thread_program
def block_sum(x, sums):
    i = np.int32(jit.threadIdx.x)
    parts = jit.shared_memory(np.float32, 128)
    parts[i] = x[np.int32(jit.blockIdx.x) * 128 + i]
    jit.syncthreads()
    for step in range(7):
        half = 64 >> step
        if i < half:
            parts[i] += parts[i + half]
    if i == 0:
        sums[jit.blockIdx.x] = parts[0]


numbers = np.arange(256, dtype=np.float32)
sums = np.zeros(2, np.float32)
print(block_sum.simulate((2,), (128,), (numbers, sums), seed=1))
print("sums", sums, "should be", numbers.reshape(2, 128).sum(axis=1))
try:
    block_sum.simulate((2,), (128,), (numbers, sums), check=True)
except SimulationError as error:
    print(error)

# %% [markdown]
# On a card such a **race** may give the right answer a thousand times. The simulator finds it
# whatever comes out: two threads touched the same element, one of them wrote, and nothing says who
# came first. Put a `jit.syncthreads()` where it belongs (after the `if`, not in it: all threads of
# the block must come to a barrier) and the run is clean, in any order of threads:


# %%
@thread_program
def block_sum_in_order(x, sums):
    i = np.int32(jit.threadIdx.x)
    parts = jit.shared_memory(np.float32, 128)
    parts[i] = x[np.int32(jit.blockIdx.x) * 128 + i]
    jit.syncthreads()
    for step in range(7):
        half = 64 >> step
        if i < half:
            parts[i] += parts[i + half]
        jit.syncthreads()
    if i == 0:
        sums[jit.blockIdx.x] = parts[0]


for seed in range(3):
    sums[:] = 0
    block_sum_in_order.simulate((2,), (128,), (numbers, sums), seed=seed, check=True)
    print("seed", seed, "sums", sums)

# %% [markdown]
# To stop in a thread with pdb: `block_sum_in_order.simulate((2,), (128,), (numbers, sums),
# stop=((1,), (5,)))` opens it in thread 5 of block 1; `n` stays in that thread, also across
# barriers.
#
# ## An order that nobody decides
#
# If entries are taken in any order, as in COO, many threads may add to the same element of y. An
# **atomic** addition keeps them from losing each other's sums; but who adds first is open, and
# floating-point sums depend on their order.


# %%
@thread_program
def entry_per_thread(row, col, data, x, y):
    p = np.int32(jit.blockIdx.x * jit.blockDim.x + jit.threadIdx.x)
    if p < len(data):
        jit.atomic_add(y, row[p], data[p] * x[col[p]])


coo = A.to("coo")
answers = {"a row per thread": set(), "an entry per thread, atomically": set()}
for seed in range(8):
    y = np.zeros(M, np.float32)
    row_per_thread.simulate(grid, block, (*arrays, y), seed=seed)
    answers["a row per thread"].add(y.tobytes())
    y = np.zeros(M, np.float32)
    entries = (coo.row, coo.col, coo.data, x, y)
    entry_per_thread.simulate((-(-A.nnz // 128),), (128,), entries, seed=seed)
    answers["an entry per thread, atomically"].add(y.tobytes())
for name, different in answers.items():
    print(f"{name}: {len(different)} different results in 8 orders")

# %% [markdown]
# **Question 4.** Threads that own their row always give the same bits. How many rows of A could a
# program with atomics never get wrong in this way, since fewer than three products are added there
# (to zero)?

# %%
my_answer = None

answer = int((lengths < 3).sum())
print(Question(answer, "a + b is b + a: count the rows with 1 or 2", number=4).check(my_answer))

# %% [markdown]
# ## minisparse's own
#
# Kernels have thread programs as their level `"gpu"`. Given arrays of NumPy they are simulated, and
# given arrays on a card they run there.

# %%
B = rng.standard_normal((K, 40)).astype("float32")
C = ms.spmm(A, B, level="gpu")
loops = ms.spmm(A, B, level="loops")
print("right:", np.allclose(C, dense @ B, atol=1e-4), "and as the loops, bit for bit:", end=" ")
print(np.array_equal(C, loops))

# %% [markdown]
# What the card is given is CUDA C, which CuPy writes from the very function above (it needs no card
# for that):

# %%
if is_installed("cupy"):
    from minisparse.gpu.translate import translate, type_of

    y = np.zeros(M, np.float32)
    code = translate(row_per_warp, [type_of(v) for v in (*arrays, y)]).code
    print(code[code.index('extern "C"') :])
else:
    print('CuPy is not installed: pip install "minisparse[gpu-cuda13]"')

# %% [markdown]
# ## What to take along
#
# - A thread program says what one thread does; a launch says how many there are.
# - 32 threads are a warp: they share instructions and requests to memory. Work for neighbors should
#   be alike, and what they read should lie side by side.
# - What two threads touch and one writes needs a barrier, an atomic operation, or another owner.
# - Sums whose order is fixed have the same bits every time.
#
# Try: `entry_per_thread` on entries in the order of their columns (`A.to("csc").to("coo")`), and
# `show_memory` for it. Then read `minisparse/kernels/spmm/threads_csr.py`.
