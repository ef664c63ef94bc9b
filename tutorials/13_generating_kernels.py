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
# # 13. Generating kernels
#
# A sparse product is a handful of loops, and which loops they are follows from two things: what is
# summed, and how each dimension is stored. So the loops need not be written by hand. This tutorial
# has them written by a small compiler, for one format after another, and looks at what comes out:
# source that one can read, step through and measure. Then more is told beforehand (sizes, what
# comes after the product, in the end the very pattern) and the source changes with it. Read from
# top to bottom and run each cell; where a question is asked, replace `None` by your answer and run
# the cell again. Every figure is measured while the page runs.

# %%

import numpy as np

import minisparse as ms
from minisparse.core.tensor_type import Layout
from minisparse.debugger.into import KernelSession
from minisparse.kernels import KERNELS, bind, pack
from minisparse.kernels.blas import one_thread
from minisparse.kernels.generate import (
    EXPRESSIONS,
    expression_of,
    find_format,
    generated_kernels,
    storage_text,
)
from minisparse.kernels.generate.launch import grid_of
from minisparse.ops import OPS
from minisparse.runtime import measure
from minisparse.show import bars_text, human_seconds, table_text
from minisparse.show.question import Question

rng = np.random.default_rng(0)

# %% [markdown]
# ## What is summed
#
# An op is written down as an **index expression**: each letter is a loop, and a letter that the
# result does not have is summed over. This is all that the compiler is told about an op.

# %%
for op in EXPRESSIONS:
    found = expression_of(op)
    print(f"{op:7} {found!s:46} a is stored; summed over: {', '.join(found.summed)}")

# %% [markdown]
# If every array were dense, the loops could be read off: one for each letter, in any order. `a` is
# not dense. To visit what it stores, one has to follow its arrays, and how, depends on the format.
#
# ## How each dimension is stored
#
# Here is a matrix, small enough to be looked at, and the levels of each format. A **level** says
# how one letter is found: *dense*, by counting; *compressed*, through two pointers; *grouped*, n of
# every m neighbors; *inside*, by counting within a block. (The idea, and most of the names, are
# those of the taco compiler; docs/generated_kernels.md has the papers.)

# %%
dense = np.where(rng.random((8, 12)) < 0.35, rng.integers(1, 10, (8, 12)), 0).astype("float32")
dense[3] = 0
A = ms.from_dense(dense, "csr")
print(A.spy())
print()
for layout in (Layout("csr"), Layout("csc"), Layout("coo"), Layout("bsr", (2, 3))):
    print(f"{layout!s:8} {storage_text(layout, 'mk')}")
print(f"{Layout('nm', (2, 4))!s:8} {storage_text(Layout('nm', (2, 4)), 'mk')}")

# %% [markdown]
# And here is SpMM for rows that are dense and columns that are compressed. Nobody wrote this
# function; each comment names the level that a line comes from.

# %%
made = ms.generate("spmm", A)
print(made.source)

# %% [markdown]
# **Question 1.** B has 5 columns. How many times does the line with `+=` run? (`A.nnz` is known to
# Python.)

# %%
my_answer = None

hint = "once for each stored entry and each column of B"
print(Question(A.nnz * 5, hint, number=1).check(my_answer))

# %% [markdown]
# ## Change a level, and see the code change
#
# We may choose the levels instead of a format's name. The same two, but by columns:

# %%
format = find_format("dense", "compressed", by="columns")
print(format, "\n")
print(ms.generate("spmm", A.to(format)).source)

# %% [markdown]
# The loops over `m` and `k` have changed places, and something else with them: the row of `c` that
# is added to now comes out of an index. In CSR no two turns of the outermost loop write to the same
# row; here all of them may. On one processor it does not matter. On many it decides everything, as
# the last part will show.
#
# Blocks are two levels more, which are dense. Change the block here, and run the cell again:

# %%
BLOCK = (2, 5)
blocks = ms.generate("spmm", A.to("bsr", block=BLOCK))
print(blocks.source)

# %% [markdown]
# Of two things that look alike, one has an `if` and the other has not. There are 8 rows, and blocks
# of 2 fit; there are 12 columns, and blocks of 5 do not, so the last one reaches beyond the matrix.
# The compiler knows both numbers, and writes the test only where it can fail.
#
# **Question 2.** Now for n:m, with groups of 4. Of all widths K from 8 to 24, for how many does the
# loop need no `if`?

# %%
my_answer = None


def has_guard(width):
    """Tell whether the loop over 2:4 groups has to look where a row ends."""
    x = np.zeros((1, width), "float32")
    return "if k <" in ms.generate("spmm", ms.from_dense(x, "nm", n=2, m=4)).source


answer = sum(not has_guard(width) for width in range(8, 25))
print(Question(answer, "those that 4 divides: 8, 12 and so on", number=2).check(my_answer))

# %% [markdown]
# What does the choice cost? The loops can be counted without running them, as tutorial 3 does it.
# Blocks store zeros, multiply them, and save indices:

# %%
B = rng.standard_normal((12, 5)).astype("float32")
rows = []
for stored in (A, A.to("csc"), A.to("coo"), A.to("bsr", block=(2, 3)), A.to("bsr", block=(4, 4))):
    counted = ms.generate("spmm", stored).kernel.counts(stored, B)
    names = [str(stored.type.layout), counted.flops, counted.index_bytes, counted.gathered_bytes]
    rows.append([str(x) for x in names])
print(table_text(["format", "flops", "bytes of indices", "bytes gathered"], rows))

# %% [markdown]
# ## Step through it
#
# The source is no picture: it is what runs. Python's own tools find it, although no file has it,
# so `pdb` stops in it and a traceback shows its lines. minisparse's debugger steps through it too,
# here to the row 4 and the column 2 of C:

# %%
session = KernelSession("spmm", made.kernel.levels["loops"].run, (A, B))
moment = session.until(m=4, n=2)
print("\n".join(session.listing))
print(session.step().meaning)
print(session.step().meaning)
same = np.array_equal(session.finish(), ms.spmm(A, B, level="loops"))
print("the same as the loops written by hand, bit for bit:", same)

# %% [markdown]
# ## Tell it what comes after
#
# In a network a product is followed by a bias and an activation. Written into the loop, they are
# applied to a row of C while it is still near, and C is not read once more. `N` is baked in too:

# %%
layer = ms.generate("spmm", A, epilogue=["bias", "relu"], columns=5)
print(layer.source)

# %% [markdown]
# A kernel with constants in it is right for these sizes only, so it looks at what it is given:

# %%
try:
    layer.run(A, B[:, :4], np.zeros(8, "float32"))
except ms.UsageError as error:
    print(error)

# %% [markdown]
# ## From loops to arrays
#
# Loops in Python are for reading. For speed, the innermost ones have to become calls of NumPy
# (tutorial 4). `m` and `p` cannot, as long as rows have different numbers of entries:

# %%
lengths = np.diff(A.indptr)
print(bars_text([f"row {m}" for m in range(8)], lengths, "entries", width=40))

# %% [markdown]
# So the compiler groups rows by length: within a group the loop over entries has the same number of
# turns in every row, and a group is a gather and a batch of products. If there are many lengths,
# rows of similar length share a group, and short ones are filled up with slots that meet a row of
# zeros, added behind the last row of `b`.

# %%
fast = ms.generate("spmm", A, columns=5, level="vectorized")
print(fast.source)
print("right:", np.allclose(fast.run(A, B), dense @ B, atol=1e-4))

# %% [markdown]
# **Question 3.** How many slots were filled up? (Sum over groups: rows times slots, less the stored
# entries. If all rows of a group are equally long, it has none.)

# %%
my_answer = None

packed = pack(fast.kernel.levels["vectorized"], A)
answer = sum(run.columns.size for run in packed.runs) - A.nnz
print(Question(answer, "rows times slots of each group, less A.nnz", number=3).check(my_answer))

# %% [markdown]
# ## The pattern itself
#
# Sometimes the pattern is so regular that its indices can be left out. A matrix of three
# diagonals, as finite differences make it, is stored by CSR with an index for each entry. The
# compiler looks at the indices once and finds that they say nothing but *one to the left, here,
# one to the right*:

# %%
SIZE = 1024
band = sum(np.diag(rng.standard_normal(SIZE - abs(d)), d) for d in (-1, 0, 1)).astype("float32")
three = ms.from_dense(band, "csr")
print(ms.generate("spmm", three, columns=64, level="vectorized").source)

# %% [markdown]
# **Question 4.** How many bytes of indices and pointers does the CSR matrix hold that this kernel
# never reads?

# %%
my_answer = None

answer = three.indices.nbytes + three.indptr.nbytes
print(
    Question(answer, "an index for each entry, a pointer for each row and one", number=4).check(
        my_answer
    )
)

# %% [markdown]
# ## Is it faster?
#
# The kernels written by hand work for any matrix: they decide at run time what a generated kernel
# decided when it was written. But more thought went into them. Both are timed in turns, on one
# core, each with its matrix packed beforehand:


# %%
def some_blocks(size, block, density):
    """Return a matrix of dense blocks at random positions."""
    kept = np.kron(rng.random((size // block, size // block)) < density, np.ones((block, block)))
    return (kept * rng.standard_normal((size, size))).astype("float32")


def at_random(size, density):
    """Return a matrix of entries at random positions."""
    x = np.where(rng.random((size, size)) < density, rng.standard_normal((size, size)), 0)
    return x.astype("float32")


def versus(title, op, stored, columns):
    """Time the kernel by hand and the generated one; return a row for the table."""
    whole, m = OPS[op], stored.shape[0]
    operands = [rng.standard_normal((m, columns)).astype("float32")]
    operands += [np.zeros(m, "float32")] if whole.epilogue else []
    by_hand = KERNELS[f"spmm_{stored.format}"].levels["vectorized"]
    generated = generated_kernels(whole, stored.format).levels["vectorized"]
    calls = {}
    for name, level in (("by hand", by_hand), ("generated", generated)):
        run, ready = bind(whole, level, {}), pack(level, stored, columns)
        calls[name] = lambda run=run, ready=ready: run(ready, *operands)
    np.testing.assert_allclose(calls["generated"](), calls["by hand"](), 1e-2, 1e-3)
    with one_thread():
        taken = {name: t.median for name, t in measure(calls, budget=0.2).items()}
    times = [human_seconds(t) for t in taken.values()]
    return [title, *times, f"{taken['by hand'] / taken['generated']:.2f}"]


small = ms.from_dense(some_blocks(64, 8, 0.3), "bsr", block=(8, 8))
large = ms.from_dense(some_blocks(1024, 32, 0.1), "bsr", block=(32, 32))
one = ms.from_dense(np.diag(rng.standard_normal(SIZE)).astype("float32"), "csr")
table = [
    versus("one diagonal, N = 64", "spmm", one, 64),
    versus("three diagonals, N = 8", "spmm", three, 8),
    versus("small, blocks of 8, N = 8", "spmm", small, 8),
    versus("the same, bias and ReLU", "spmm_bias_relu", small, 8),
    versus("large, blocks of 32, N = 256", "spmm", large, 256),
    versus("small, at random, N = 8", "spmm", ms.from_dense(at_random(64, 0.2), "csr"), 8),
    versus(
        "large, at random 2 %, N = 256", "spmm", ms.from_dense(at_random(1024, 0.02), "csr"), 256
    ),
    versus(
        "large, at random 10 %, N = 256", "spmm", ms.from_dense(at_random(1024, 0.1), "csr"), 256
    ),
]
print(table_text(["matrix", "by hand", "generated", "times as fast"], table))

# %% [markdown]
# Look at the last column; it is your machine's. On the server where this page was written the
# diagonals won, because **knowing the pattern** removes work, and so did the small blocks with
# their epilogue, because where there is little work, having no decision left to make is noticed.
# The large matrices lost or came out even. There, knowing the sizes is worth nothing, and the
# algorithm counts: the kernels by hand let rows share what is gathered (tutorial 4), and this
# compiler does not. That is why a generated kernel is one more candidate for dispatch, with a
# price, and not the answer.
#
# **Question 5.** For this run of the page: in how many of the eight rows is the generated kernel
# faster?

# %%
my_answer = None

answer = sum(float(row[-1]) > 1 for row in table)
print(Question(answer, "count the rows whose last column is above 1", number=5).check(my_answer))

# %% [markdown]
# ## For many threads
#
# The same description gives a third form: a thread program, in the part of Python that CuPy can
# compile for a GPU. Each thread takes an element of C.

# %%
threads = ms.generate("spmm", A, epilogue=["bias", "relu"], columns=5, level="gpu")
print(threads.source)

# %% [markdown]
# The loop over `n` is gone, and the one over `m` goes in steps as wide as the grid, once where
# there are threads enough: they have taken the place of both. Given arrays of NumPy, all threads
# run one after another on the CPU:

# %%
bias = rng.standard_normal(8).astype("float32")
C = threads.run(A, B, bias)
print("right:", np.allclose(C, np.maximum(dense @ B + bias[:, None], 0), atol=1e-4))
grid, block = grid_of(threads.nest, rows=8, across=5)
print(f"grid {grid}, block {block}")

# %% [markdown]
# **Question 6.** How many threads of this grid have nothing to do?

# %%
my_answer = None

answer = int(np.prod(grid) * np.prod(block)) - 8 * 5
print(
    Question(answer, "all threads of all blocks, less the elements of C", number=6).check(my_answer)
)

# %% [markdown]
# And by columns? Now the outermost loop is over `k`, which is summed: threads would meet in the
# same element of C. They have to add atomically, and the epilogue cannot be written into the
# kernel, since no thread knows when a sum is complete. The compiler sees that from the levels:

# %%
print(ms.generate("spmm", A.to("csc"), columns=5, level="gpu").source)
try:
    ms.generate("spmm", A.to("csc"), epilogue=["relu"], columns=5, level="gpu")
except ms.UnsupportedOpError as error:
    print(error)

# %% [markdown]
# ## What to take along
#
# - A loop nest follows from an index expression and, for each dimension, how it is stored.
# - What is known when a kernel is written need not be found out when it runs: edges that cannot be
#   crossed, lengths, dtypes, sometimes every index.
# - Which letter is outermost decides who may write where, and with it what can run at once.
# - Specialized is not the same as fast: measure it beside a good general kernel.
#
# Try: another `BLOCK` above; `ms.generate("sddmm", A)`; or `minisparse/kernels/generate/walk.py`,
# in which each level is a function of a few lines.
