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
# # 2. One matrix, five formats
#
# A sparse matrix is stored without its zeros, and there is more than one way to write down what is
# left. This tutorial stores the same matrix in every format of minisparse, reads the arrays with
# you, weighs them, and finds out which one is the smallest: that depends on **where** the zeros
# are. Read from top to bottom and run each cell; where a question is asked, replace `None` by your
# answer and run the cell again. Every figure below is computed or measured while the page runs.

# %%
import numpy as np

import minisparse as ms
from minisparse.core.extras import require
from minisparse.core.tensor_type import Layout
from minisparse.formats import bytes_by_format, route, stored_bytes
from minisparse.runtime import measure
from minisparse.show import display, human_bytes, human_seconds
from minisparse.show.question import Question

plt = require("matplotlib.pyplot", "viz", "drawing this page's figures")
rng = np.random.default_rng(0)

# %% [markdown]
# ## A small matrix
#
# Change a number in it, and run the page again: all that follows goes along.

# %%
x = np.array(
    [
        [5, 0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 2, 0, 7, 0, 0, 3, 0],
        [0, 0, 6, 0, 0, 0, 0, 4],
    ],
    "float32",
)
A = ms.from_dense(x, "coo")
display(A)

# %% [markdown]
# ## COO: coordinates
#
# The plainest way is a list: of each entry its row, its column, and its value. Slot `p` of the
# three arrays is entry `p`.

# %%
display(A.show())

# %% [markdown]
# To find row 2 in it, one has to look at every entry. The entries may stand in any order, after
# all:

# %%
display(A.show("row", row=2))

# %% [markdown]
# ## CSR: how pointers spell rows
#
# Sort the entries by row, and each row number is written down many times in a row. It is enough to
# know where each row **starts**. That is `indptr`, and the format is called CSR, compressed sparse
# rows: row `m` is in the slots from `indptr[m]` up to, but without, `indptr[m + 1]`.

# %%
A = A.to("csr")
display(A.show("indptr", row=2))

# %% [markdown]
# A row without entries starts where the next one starts:

# %%
display(A.show("indptr", row=1))

# %% [markdown]
# **Question 1.** A matrix has `indptr = [0, 4, 4, 9, 15, 15]`. How many entries are stored in
# row 3? (Rows are counted from 0.)

# %%
my_answer = None

print(Question(6, "row 3 goes from slot indptr[3] to indptr[4]", number=1).check(my_answer))

# %% [markdown]
# ## CSC: the same by columns
#
# Compress the columns instead, and columns are what one finds at once. CSC of a matrix is CSR of
# its transpose: `A.T` hands the same arrays on under the other name, and copies nothing.

# %%
print(np.shares_memory(A.data, A.T.data), "->", A.T)
display(A.to("csc").show("indptr", col=3))

# %% [markdown]
# ## BSR: blocks
#
# Where nonzeros stand together, one index can serve many of them. BSR is CSR whose entries are
# small dense blocks, here of 2x2. The zeros inside a block are stored.

# %%
display(A.to("bsr", block=(2, 2)).show("indptr", row=2))

# %% [markdown]
# ## n:m: so many of every group
#
# Of every `m` neighbors in a row, `n` are stored, at most `n` being nonzero. All rows are then
# equally long: no pointers are needed, and the position within a group is a small number, one byte
# here and two bits in a GPU's sparse tensor cores (2:4). A group with fewer nonzeros stores a zero.

# %%
display(A.to("nm", n=2, m=4).show("positions", row=2))

# %% [markdown]
# ## What they weigh
#
# Now a layer as networks have it: 1024 x 1024 weights of four bytes, nine of ten removed at random.
# Each format is made, and its arrays weighed.

# %%
M, K = 1024, 1024
W = np.where(rng.random((M, K)) < 0.1, rng.standard_normal((M, K)), 0).astype("float32")
layer = ms.from_dense(W, "csr")
print(f"dense    {human_bytes(W.nbytes):>8}")
for format, layout in {"coo": {}, "csr": {}, "csc": {}, "bsr": {"block": (4, 4)}}.items():
    B = layer.to(format, **layout)
    sizes = ", ".join(f"{name} {human_bytes(a.nbytes)}" for name, a in B.arrays.items())
    print(f"{B.type.layout!s:8} {human_bytes(B.nbytes):>8}   {sizes}")

# %% [markdown]
# Half of what CSR takes is indices. BSR has far fewer of them, but stores whole blocks, and most of
# the 4x4 blocks have a nonzero somewhere:

# %%
pattern = ms.find_pattern(W)
print(f"{pattern.block_occupancy(4):.0%} of the 4x4 blocks are stored, {pattern.block_fill(4):.0%}")
print("of what they hold is not zero")

# %% [markdown]
#
# **Question 2.** A CSR matrix has 1000 rows and 50 000 entries, float32 values and int32 indices.
# How many bytes do its three arrays take?

# %%
my_answer = None

answer = 50_000 * (4 + 4) + 1001 * 4
hint = "per entry a value and an index; per row a pointer, and one more"
print(Question(answer, hint, number=2).check(my_answer))

# %% [markdown]
# **Question 3.** COO writes a row number for each entry, CSR a pointer for each row. With how many
# entries a row, on average, do the two take the same room, if the matrix has very many rows?

# %%
my_answer = None

hint = "4 bytes an entry on one side, 4 bytes a row on the other"
print(Question(1, hint, 0.01, number=3).check(my_answer))

# %% [markdown]
# ## Which is the smallest? Ask the pattern
#
# One need not convert to know. `ms.find_pattern` counts where the nonzeros are, by row, column,
# block and group. Here are weights pruned by blocks of 4x4:

# %%
blocks = np.kron(rng.random((M // 4, K // 4)) < 0.1, np.ones((4, 4)))
display(ms.find_pattern(blocks))

# %% [markdown]
# The table of bytes in it can be had by itself, for a format or for all that can hold the matrix:

# %%
weights = bytes_by_format(ms.find_pattern(W), itemsize=4)
for layout, n in list(weights.items())[:4]:
    print(f"{layout!s:8} {human_bytes(n)}")
print(stored_bytes(ms.find_pattern(W), Layout("csr"), itemsize=4) == layer.nbytes)

# %% [markdown]
# So we can ask for many densities, with nonzeros at random, in blocks, and at most two in every
# four:

# %%
densities = np.array([0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9])
SIDE = 512


def at_random(density):
    """Return where nonzeros are that were chosen one by one."""
    return rng.random((SIDE, SIDE)) < density


def by_blocks(density):
    """Return where nonzeros are that were chosen by blocks of 4x4."""
    return np.kron(rng.random((SIDE // 4, SIDE // 4)) < density, np.ones((4, 4), bool))


def two_of_four(density):
    """Return where nonzeros are, at most two of every four in a row."""
    chance = rng.random((SIDE, SIDE // 4, 4))
    largest = chance.argsort(axis=2).argsort(axis=2) >= 2
    return (largest & (rng.random(chance.shape) < 2 * density)).reshape(SIDE, SIDE)


KINDS = {"at random": at_random, "blocks of 4x4": by_blocks, "2:4": two_of_four}
SHOWN = [Layout("coo"), Layout("csr"), Layout("bsr", (4, 4)), Layout("nm", (2, 4))]

figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), sharey=True)
for panel, (kind, make) in zip(axes, KINDS.items(), strict=True):
    possible = [d for d in densities if kind != "2:4" or d <= 0.5]
    patterns = [ms.find_pattern(make(d)) for d in possible]
    for layout in SHOWN:
        fits = [layout.format != "nm" or p.fits_nm(*layout.block) for p in patterns]
        ratios = [stored_bytes(p, layout, 4) / (4 * p.size) for p in patterns]
        panel.plot(
            np.array(possible)[fits], np.array(ratios)[fits], "o-", markersize=3, label=str(layout)
        )
    panel.axhline(1, color="gray", linewidth=1)
    panel.set(xscale="log", yscale="log", xlabel="density", title=kind, ylim=(0.004, 4))
axes[0].set_ylabel("bytes / dense bytes")
axes[0].text(0.005, 1.1, "dense", color="gray")
axes[-1].legend(loc="lower right")
figure.tight_layout()
plt.show()

# %% [markdown]
# Read it from left to right. At random positions CSR is the smallest until half of the weights are
# there, and then nothing beats the dense array. In blocks, BSR needs one index for sixteen values
# and stays below CSR everywhere. 2:4 has a fixed price, whatever is in its groups: where the groups
# are full, at density 0.5, it is far below CSR, and where they are nearly empty far above.
#
# **Question 4.** How many of the 16 cells of a 4x4 block have to be nonzero, on average, so that
# BSR takes no more room than CSR? (float32, int32; forget the pointers.)

# %%
my_answer = None

answer = (16 * 4 + 4) / (4 + 4)
print(Question(answer, "weigh one block: 16 values and one index", 0.01, number=4).check(my_answer))

# %% [markdown]
# ## Stored twice
#
# Nothing keeps a list from naming a cell twice. In minisparse such a cell counts twice: the values
# are added up. That is how matrices are assembled piece by piece, so COO, CSR, CSC and BSR all may
# hold duplicates. A matrix is called **canonical** where it is sorted and has none.

# %%
D = ms.COO([1.0, 2.0, 4.0, 8.0, 16.0], [1, 0, 1, 1, 0], [2, 1, 2, 0, 3], (2, 4))
print(D.to_dense(), D.has_canonical_format, sep="\n")
display(D.show("row", row=1))

# %% [markdown]
# Every conversion gives a canonical matrix; `canonical()` does so without a change of format.
#
# **Question 5.** How many entries does `D.canonical()` store?

# %%
my_answer = None

print(Question(D.canonical().nnz, "two of the five share a cell", number=5).check(my_answer))

# %% [markdown]
# ## Stored, and zero
#
# A stored value may be zero: a weight that became zero in training, a cell inside a block, the
# filling of an n:m group. Stored zeros are computed with, and sometimes it shows: `0 * inf` is not
# a number, while a zero that is not stored is never multiplied.

# %%
b = np.array([1, np.inf, 1, 1, 1, 1, 1, 1], "float32")
with np.errstate(invalid="ignore"):
    for format, layout in {"csr": {}, "bsr": {"block": (2, 2)}}.items():
        print(format, A.to(format, **layout) @ b)
    print("dense", x @ b)

# %% [markdown]
# CSR multiplies the infinity with the 2 in row 2, and with nothing else. BSR and the dense product
# also meet zeros. None of them is wrong; but a conversion that changed what is stored would change
# the result, and so conversions keep stored zeros.
#
# **Question 6.** How many of the four results are NaN with blocks of 1x2, one row high? Look at the
# matrix, and count which rows store a zero in column 1.

# %%
my_answer = None

with np.errstate(invalid="ignore"):
    answer = int(np.isnan(A.to("bsr", block=(1, 2)) @ b).sum())
question = Question(answer, "columns 0 and 1 of a row are stored together, or not at all", number=6)
print(question.check(my_answer))

# %% [markdown]
# ## From format to format
#
# What does a conversion cost? `route` converts a matrix while it watches, and reports each function
# on the way, how often it goes through the entries, and the bytes that it reads and writes.

# %%
display(route(layer, "coo"))

# %%
display(route(layer, "csc"))

# %% [markdown]
# To COO there is next to nothing to do: `indices` and `data` are handed on, and only the rows are
# written down. To CSC every entry has to move.
#
# **Question 7.** `layer` has as many entries as the next cell prints. How many bytes does its
# conversion to COO write?

# %%
print(layer.nnz, "entries")
my_answer = None

answer = route(layer, "coo").written
print(Question(answer, "one int32 for each entry", number=7).check(my_answer))

# %% [markdown]
# Entries that are out of order have to be sorted. Here is the same matrix as COO, in order and
# shuffled, and what it takes to make CSR of it:

# %%
row, col, data, shape = layer.triplets()
order = rng.permutation(len(data))
in_order = ms.COO(data, row, col, shape)
shuffled = ms.COO(data[order], row[order], col[order], shape)
timing = measure(
    {
        "csr -> coo": lambda: layer.to("coo"),
        "csr -> csc": lambda: layer.to("csc"),
        "coo -> csr": lambda: in_order.to("csr"),
        "shuffled": lambda: shuffled.to("csr"),
    }
)
passes = {
    "csr -> coo": route(layer, "coo").passes,
    "csr -> csc": route(layer, "csc").passes,
    "coo -> csr": route(in_order, "csr").passes,
    "shuffled": route(shuffled, "csr").passes,
}
for name, t in timing.items():
    print(
        f"{name:11} {passes[name]} passes at least, {human_seconds(t.median):>8} (+-{t.spread:.0%})"
    )

# %% [markdown]
# ## Which one, then?
#
# | format | is at its best where |
# | --- | --- |
# | COO | a matrix is being assembled, entry by entry, in any order |
# | CSR | rows are wanted, as when a matrix multiplies from the left: the usual choice |
# | CSC | columns are wanted; also CSR of the transpose, for free |
# | BSR | nonzeros stand in blocks: fewer indices, and small dense products |
# | n:m | every group holds as many: no pointers, and hardware can know the shape beforehand |
# | dense | half of the matrix or more is there |
#
# The smallest format is often the fastest, because moving bytes is most of the work, but not
# always. `minisparse run` weighs both, chooses a format for each layer of a network, and says why.
#
# ## Now you
#
# Prune whole rows instead of single weights, at the same density as `W`, and weigh the formats
# again. CSR and CSC neither lose nor gain: both store one index for each entry and one
# pointer for each line. Dense blocks are another matter.
#
# **Question 8.** Nine of ten rows are zero, and the others are full. How many times the bytes of
# the smallest BSR with square blocks of 2, 4, 8 or 16 does CSR take? (Blocks of rows that were
# pruned one by one hold zeros.)

# %%
pruned = rng.standard_normal((512, 512)).astype("float32")
pruned[rng.permutation(512)[:460]] = 0
pattern = ms.find_pattern(pruned)
for layout, weight in bytes_by_format(pattern, 4).items():
    print(f"{layout!s:10} {weight / 1000:8.1f} kB")
my_answer = None

blocks = [stored_bytes(pattern, Layout("bsr", (b, b)), 4) for b in (2, 4, 8, 16)]
answer = stored_bytes(pattern, "csr", 4) / min(blocks)
print(Question(answer, "divide two of the figures above", 0.02, number=8).check(my_answer))
