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
# # 15. Sparse tensor cores: 32 lanes hold a matrix together
#
# A tensor core multiplies whole tiles, sixteen times as many numbers in a cycle as all other units
# of a GPU. It wants them served in its own way: no thread holds a tile, the 32 *lanes* of a warp
# hold it together, each a few elements in its registers, and every element has its place. Most of
# the work in a kernel for tensor cores is to get numbers to these places in time. This page does it
# in NumPy, lane by lane: first for dense tiles, then for tiles of which two in four are stored, and
# at last for a matrix of which most tiles are not stored at all. All of it runs on a CPU; where
# there is a card, the last part runs on that. (This page has not run on one.) Read from top to
# bottom and run each cell; where a question is asked, replace `None` by your answer and run the
# cell again.

# %%
import numpy as np

import minisparse as ms
from minisparse.core.extras import is_installed, require
from minisparse.core.xp import to_device
from minisparse.gpu.device import device_count
from minisparse.gpu.tensor_cores import (
    PIECE,
    A,
    B,
    C,
    SparseB,
    bank_conflicts,
    ldmatrix_trans,
    mma,
    mma_sp,
    pack_metadata,
    swizzled,
)
from minisparse.gpu.tensor_cores.drawing import fragment_text, word_text
from minisparse.kernels.spmm.mma_tiles import MMA_BSR, MMA_DENSE, MMA_NM, SOURCE, shape_for
from minisparse.show.question import Question

plt = require("matplotlib.pyplot", "viz", "drawing this page's figures")
rng = np.random.default_rng(0)
place = "gpu" if is_installed("cupy") and device_count() else "cpu"
print("the last part of this page runs on the", place)

# %% [markdown]
# ## Who holds what
#
# The instruction is called `mma.m16n8k16`: C, 16 by 8, plus A, 16 by 16, times B, 16 by 8. Here is
# which lane holds which place of the three, as colors, and of C as numbers: the lane, and as which
# of its elements.

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 4.2), width_ratios=(16, 8, 8))
for ax, fragment in zip(axes, (A, B, C), strict=True):
    ax.imshow(fragment.lanes, cmap="hsv")
    for (m, n), lane in np.ndenumerate(fragment.lanes):
        ax.text(n, m, str(lane), ha="center", va="center", fontsize=6)
    ax.set(title=fragment.name, xticks=[], yticks=[])
figure.tight_layout()
plt.show()
print("C:")
print(fragment_text(C))

# %% [markdown]
# Lanes go by fours. Lane 5, say, is in group `g = 5 // 4 = 1` and is number `t = 5 % 4 = 1` there.
# A group holds row g of A and of C, and row g + 8; of B it holds column g. Everything follows from
# these two numbers.
#
# **Question 1.** Which lane holds `A[13, 6]`? (Find g from the row, then t from the column.)

# %%
my_answer = None

hint = "row 13 is 8 + 5, so g is 5; columns 6 and 7 are those of t = 3: lane 4 g + t"
print(Question(int(A.lanes[13, 6]), hint, number=1).check(my_answer))

# %% [markdown]
# A fragment can be packed, `[32, elements]`, and unpacked. The model of the instruction is given
# nothing but fragments, so if a packer put an element in the wrong place, we would see it:

# %%
a = rng.integers(-4, 5, (16, 16)).astype("float16")
b = rng.integers(-4, 5, (16, 8)).astype("float16")
nothing = np.zeros((32, 4), "float32")
held = mma(nothing, A.pack(a), B.pack(b))
print("lane 5 holds of A:", A.pack(a)[5], "and ends with", held[5])
print("right:", np.array_equal(C.unpack(held), a.astype(int) @ b.astype(int)))

# %% [markdown]
# ## Getting B there
#
# A is the weight: it can be packed once, in the order of the lanes, and then each lane loads its 16
# bytes. B comes new in every call, in rows. Its rows are copied to *shared memory*, and from there
# an instruction called `ldmatrix` brings four 8 by 8 matrices at once to where B's table wants
# them. Each lane names one row of one of these matrices, 8 numbers: a *piece* of 16 bytes.

# %%
PIECES = 8  # pieces in a row of B's tile: try 16
lanes = np.arange(32)
tile = rng.integers(-4, 5, (16, PIECES * PIECE)).astype("float16")
plain = tile.reshape(-1, PIECE)  # as rows of pieces, one after another
where = (lanes % 16) * PIECES + lanes // 16  # of matrices 0 and 1: rows 0-15; of 2 and 3 the same
brought = ldmatrix_trans(plain, where)
print("two fragments of B:", np.array_equal(brought[:, :4], B.pack(tile[:, :8])))
print("                   ", np.array_equal(brought[:, 4:], B.pack(tile[:, 8:16])))
print("turns that should be enough: 4; taken besides:", bank_conflicts(where))

# %% [markdown]
# Shared memory has 32 *banks*, columns of 4 bytes, and gives one row of a bank at a time. Eight
# pieces fill all banks, so eight lanes could be served in one turn. But the eight rows of a matrix
# lie below each other, in the same banks, and come one by one. The way out costs nothing: in row k,
# piece p is put where `p ^ (k & 7)` says, the exclusive or.


# %%
def places_of_first_column(place):
    """Return a picture: which of the 8 places in a row the first piece of each row has."""
    picture = np.full((8, 8), ".")
    for k in range(8):
        picture[k, place(k, 0) % 8] = "#"
    return [" ".join(row) for row in picture]


straight = places_of_first_column(lambda k, p: k * PIECES + p)
turned = places_of_first_column(lambda k, p: swizzled(k, p, PIECES))
print("as rows            swizzled")
print("\n".join(f"{x}    {y}" for x, y in zip(straight, turned, strict=True)))
where = swizzled(lanes % 16, lanes // 16, PIECES)
print("turns besides the four:", bank_conflicts(where))

# %% [markdown]
# **Question 2.** Another way out is to make each row of the tile one piece longer, and leave that
# piece empty. How many turns besides the four does an `ldmatrix` take then, with 8 pieces in a row
# and 1 that is empty? And what does it cost? (Only the turns are checked.)

# %%
my_answer = None

padded = (lanes % 16) * 9 + lanes // 16
hint = (
    "row k begins at place 9 k, which is k modulo 8: all different. It costs a ninth of the memory"
)
print(Question(bank_conflicts(padded), hint, number=2).check(my_answer))

# %% [markdown]
# ## Two of four
#
# `mma.sp` takes an A of 16 by 32, of which two in every four neighbors of a row are stored: again
# 16 by 16 values, held as before. B has 32 rows now, and the instruction takes the same time. What
# it needs besides is where the values stood, two bits for each.

# %%
groups = rng.permuted(np.tile([True, True, False, False], (32, 8, 1)), axis=-1)
dense = groups.reshape(32, 32) * rng.integers(1, 9, (32, 32))
W = ms.from_dense(dense.astype("float16"), "nm", n=2, m=4)
print(W)
print("row 1 is        ", *dense[1, :16])
print("its values are  ", *W.data[1, :8])
print("their positions ", *W.positions[1, :8])
words = pack_metadata(W.positions)
print()
print(word_text(words, lane=4))

# %% [markdown]
# A lane's word speaks of two rows, 8 apart, and of 16 columns of each. An instruction needs 16
# words and a warp has 32, so a number in the instruction, the *selector*, says which half of the
# lanes to ask: one load of words is good for two tiles.

# %%
b = rng.integers(-4, 5, (32, 8)).astype("float16")
for selector in range(2):
    rows = slice(16 * selector, 16 * selector + 16)
    held = mma_sp(nothing, A.pack(W.data[rows]), SparseB.pack(b), words, selector)
    right = np.array_equal(C.unpack(held), dense[rows] @ b.astype(int))
    print(f"selector {selector}, rows {rows.start}-{rows.stop - 1}: right: {right}")

# %% [markdown]
# **Question 3.** A weight of float16, stored dense, takes 2 bytes an element. What share of these
# bytes does it take at 2:4, metadata included?

# %%
my_answer = None

answer = (W.data.nbytes + words.nbytes) / (2 * dense.size)
hint = "of four elements, 64 bits, two are stored, 32 bits, with 2 bits each: 36 of 64"
print(Question(answer, hint, tolerance=0.005, number=3).check(my_answer))

# %% [markdown]
# ## Tiles that are not stored
#
# 2:4 halves the work, and no more. Leaving out whole tiles saves as much as there are zeros, and
# needs no new instruction: BSR with blocks of 16, 32 or 64. What is hard now is memory. A tile of A
# meets as many rows of B as it has columns, and if it is alone, these are fetched for its few rows.
# So a block of threads takes a *group* of rows of tiles, and goes through the columns in which any
# of them has a tile: its *steps*.


# %%
def some_blocks(rows, columns, size, density):
    """Return float16 in dense blocks at random positions."""
    kept = np.kron(rng.random((rows // size, columns // size)) < density, np.ones((size, size)))
    return (kept * rng.integers(-4, 5, (rows, columns))).astype("float16")


DENSITY, SIZE = 0.2, 32  # change one of them, and see the figure change
stored = some_blocks(1024, 1024, SIZE, DENSITY).reshape(1024 // SIZE, SIZE, -1, SIZE).any((1, 3))
sizes = [1, 2, 4, 8, 16]
served = [stored.sum() / stored.reshape(-1, g, stored.shape[1]).any(1).sum() for g in sizes]
figure, axes = plt.subplots(figsize=(6.5, 3))
axes.plot(sizes, served, marker="o")
axes.set(xlabel="rows of tiles in a group", ylabel="tiles that a step serves", xticks=sizes)
figure.tight_layout()
plt.show()

# %% [markdown]
# **Question 4.** Tiles are stored at random with a probability of 0.2. How many tiles does a step
# of a group of 8 serve, on average? (A column in which the group has no tile is no step.)

# %%
my_answer = None

hint = "8 times 0.2 tiles a column; of the columns, 1 - 0.8**8 have at least one"
print(Question(8 * 0.2 / (1 - 0.8**8), hint, tolerance=0.02, number=4).check(my_answer))

# %% [markdown]
# So a group of 8 fetches about half as much of B as its rows would alone. Larger groups would do
# better still, but the sums of all their rows must fit into registers.
#
# ## All of it
#
# The kernel is CUDA C, because Python's language of threads (tutorial 14) has no words for tensor
# cores. It is compiled with constants; here is its innermost part:

# %%
code = SOURCE.code
start = code.index("DEVICE void multiply")
print(code[start : code.index("// Return an element of C: rounded")])
print(shape_for((32, 32), group=8, sparse=False, n=1024, groups=128))

# %% [markdown]
# Given arrays of NumPy, a model in NumPy takes the same steps with the same addresses: stages of
# shared memory, swizzle, fragments, and all. Given arrays of CuPy, the kernel runs on their card.

# %%
N = 72
B_ = rng.integers(-4, 5, (256, N)).astype("float16")
blocks = some_blocks(128, 256, 32, 0.3)
pairs = some_blocks(128, 256, 16, 1.0)
pairs[:, np.arange(256) % 4 > 1] = 0
matrices = {
    "BSR": (MMA_BSR, ms.from_dense(blocks, "bsr", block=(32, 32)), blocks),
    "2:4": (MMA_NM, ms.from_dense(pairs, "nm", n=2, m=4), pairs),
    "dense": (MMA_DENSE, blocks, blocks),
}
b_there = to_device(B_, place)
for name, (level, stored, x) in matrices.items():
    there = stored.to_device(place) if name != "dense" else to_device(stored, place)
    packed = level.prepare(there, N)
    c = to_device(level.run(packed, b_there), "cpu")
    exact = (x.astype(float) @ B_.astype(float)).astype("float16")
    print(f"{name:5} {packed.nbytes:6} bytes packed, right: {np.array_equal(c, exact)}")

# %% [markdown]
# **Question 5.** A step of the 2:4 matrix has 64 columns of A. How many `mma.sp` does that take for
# 64 rows and 64 columns of C, which is what one warp owns?

# %%
my_answer = None

hint = "each takes 16 rows, 8 columns and a depth of 32: 4 times 8 times 2"
print(Question((64 // 16) * (64 // 8) * (64 // 32), hint, number=5).check(my_answer))

# %% [markdown]
# For as many multiply-adds, a dense matrix takes twice as many `mma`. That is all that 2:4 can
# gain; what it does gain is less, since B has to be brought all the same. docs/tensor_cores.md
# reckons what limits each kernel, and says what was checked without a card, and what not.
#
# ## What to take along
#
# - A fragment is a table: which lane, which register. Packers and the model share it, so that each
#   tests the other.
# - What is known before, the weight, is packed in the order of use; what is not, is brought by
#   instructions made for it, and laid out so that banks do not get in the way.
# - Zeros must come in the shape of a tile, or two in four, or a tensor core cannot skip them.
# - The fewer rows use what is fetched, the more memory decides.
#
# Try: `DENSITY` and `SIZE` above; `PIECES`; or read `minisparse/kernels/spmm/mma_model.py` beside
# `mma_tiles.cu`.
