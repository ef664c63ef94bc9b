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
# # 3. Kernels as loops
#
# A kernel is how one operation is computed on one format. Before it is fast it is a few loops, and
# these loops already decide what memory has to deliver, and in which order. This tutorial tells one
# algorithm, a sparse matrix times a dense one, once for each format, steps through it, and counts
# what it does. Then come the other operations, most of which are the same loops with a letter
# exchanged. Four times you write or mend a line yourself, and an oracle says whether it is right.
# Read from top to bottom and run each cell; where a question is asked, replace `None` by your
# answer and run the cell again.

# %%
import inspect

import numpy as np

import minisparse as ms
from minisparse.core.dtypes import accumulator
from minisparse.core.extras import require
from minisparse.examples import test_set
from minisparse.kernels import KERNELS, Kernel
from minisparse.kernels.recording import measure_counts, record
from minisparse.ops import OPS
from minisparse.runtime import measure
from minisparse.show import display, human_bytes, human_seconds
from minisparse.show.question import Question

plt = require("matplotlib.pyplot", "viz", "drawing this page's figures")
rng = np.random.default_rng(0)


def loops_of(kernel):
    """Return the loops of a kernel of minisparse: a plain function."""
    return KERNELS[kernel].levels["loops"].run


def show_loops(kernel):
    """Print the loops of a kernel, from its file."""
    print(inspect.getsource(loops_of(kernel)))


# %% [markdown]
# ## The letters
#
# `C = A @ B`, where A is sparse. The letters mean the same on the whole page:
#
# - A has M rows and K columns, B has K rows and N columns, C has M rows and N columns;
# - `m`, `k` and `n` run over them: `C[m, n] = sum over k of A[m, k] * B[k, n]`;
# - `p` is a slot, the place of one stored entry in the arrays of A.
#
# A dense kernel runs through all m, k and n. A sparse one leaves out each k for which `A[m, k]` is
# not stored. How it finds those that are is the format's affair, and so there is one kernel for
# each format. When you have read the page, change a number in row 0 or 3 of `x`, and run it again.

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
B = np.arange(24, dtype="float32").reshape(8, 3)
A = ms.from_dense(x, "csr")
display(A.show("indptr", row=2))

# %% [markdown]
# ## CSR: row by row
#
# Row m of C is a weighted sum of rows of B, and row m of A lists which rows and which weights. This
# is Gustavson's algorithm, of 1978, and the usual one. (`accumulator` sees to it that numbers of 16
# bits are added up in 32.)

# %%
show_loops("spmm_csr")

# %% [markdown]
# **Question 1.** How many times does the innermost line run for `A` and `B`?

# %%
my_answer = None

question = Question(A.nnz * B.shape[1], "each slot p meets each column n once", number=1)
print(question.check(my_answer))

# %% [markdown]
# ## Stepping through it
#
# Loops are easier to watch than to read. Let the product be a network of one node. `ms.debug` runs
# a plan step by step, and `into` opens a node's kernel: the function above, the very same, paused
# after each statement. In a terminal `minisparse step` does the same.

# %%
g = ms.GraphBuilder("layer")
weight, batch = g.constant("A", A), g.input("B", B.shape)
plan = ms.compile(g.build({"C": g.op("spmm", weight, batch, name="product")}))
session = ms.debug(plan, {"B": B})
inside = session.into("product", format="csr")
display(inside.until(m=2, n=0))

# %% [markdown]
# Row 0 is done, row 1 had no slots to run through, and row 2 is at its first. Two more steps: a
# multiplication and an addition. In each card the line that has just run is marked; the letters
# stand below the lines.

# %%
display(inside.step())
display(inside.step())

# %% [markdown]
# All that ever happens to one element of C is a table. Each line has read another row of B, and the
# order is that of the slots:

# %%
display(inside.element(2, 0))

# %% [markdown]
# **Question 2.** The next cell goes to slot 3 at once. Call `inside.step()` in a cell of your own
# until k is known. Which row of B does slot 3 read?

# %%
inside = session.into("product", at={"p": 3}, format="csr")
display(inside)

# %%
my_answer = None

print(Question(int(A.indices[3]), "it is k, and k = a.indices[p]", number=2).check(my_answer))

# %% [markdown]
# ## COO: entry by entry
#
# A list of entries has no rows to go through. Each entry brings its own m and k:

# %%
show_loops("spmm_coo")

# %% [markdown]
# Two loops instead of three, and simpler. But C is now reached through an index too: `c[m, n]` may
# be anywhere, and the sum for an element can be interrupted and taken up again later.
#
# ## CSC: column by column
#
# By columns it is k that is known, and m that is looked up. C becomes a sum of outer products:
# column k of A times row k of B.
#
# **Exercise 1.** Here are these loops for plain arrays, as another library might have them. One
# line does nothing yet: write it. `judge` asks the oracle, which calls the function with some sixty
# matrices, easy and hard ones.


# %%
def judge(kernel, contract):
    """Print whether the oracle calls a kernel right, else the smallest input that shows it."""
    report = ms.oracle.check(kernel, contract, examples=60, seed=0)
    if report.passed:
        print("right, for each input that the oracle tried")
    else:
        print("not yet; wrong here, for instance:", report.failures[0], sep="\n")


def by_columns(indptr, indices, data, shape, b):
    """Multiply A, stored as CSC, with b [K, N]."""
    dtype = np.result_type(data, b)
    b = b.astype(accumulator(dtype))
    c = np.zeros((shape[0], b.shape[1]), b.dtype)
    for k in range(shape[1]):
        for p in range(indptr[k], indptr[k + 1]):
            m = indices[p]
            for n in range(b.shape[1]):
                c[m, n] += 0  # your line: slot p holds A[m, k]
    return c.astype(dtype)


judge(by_columns, "spmm_csc")

# %% [markdown]
# Compare with `show_loops("spmm_csc")` when it says "right".
#
# ## BSR: block by block
#
# A block is a little dense matrix. One index serves the whole block: times the width it is the
# first column. `y` and `x` count rows and columns inside, and zeros that a block stores are
# multiplied like anything else.

# %%
show_loops("spmm_bsr")

# %% [markdown]
# ## n:m: group by group
#
# As many entries in each row, so `indptr` is not needed. A position counts within a group of `a.m`
# neighbors, so k is found from the group's place, `p // a.n`, and the position in it. (The `a.m` of
# the format has nothing to do with the row m; that is the name which 2:4 goes by.)

# %%
show_loops("spmm_nm")

# %% [markdown]
# Five functions, and in each the innermost line is the same: `c[m, n] += a.data[...] * b[k, n]`.
# They differ in how they come to know m and k, and therefore in their **order**.
#
# ## The same work in five orders
#
# `record` runs the loops of a kernel on operands that write down each access. Below is one matrix
# of 16 x 16, made to fit 2:4 so that every format can hold it. Above: its entries, from those that
# the loops come to first (dark) to the last (bright). Below: which row of B each multiply-add reads
# and which row of C it adds to. COO's list is shuffled.

# %%
SIDE = 16
chance = rng.random((SIDE, SIDE // 4, 4))
two_of_four = (chance.argsort(axis=2).argsort(axis=2) >= 2).reshape(SIDE, SIDE)
pattern = two_of_four & (rng.random((SIDE, SIDE)) < 0.5)
S = ms.from_dense(np.where(pattern, 1.0, 0).astype("float32"), "csr")


def shuffled(matrix):
    """Return the entries of a matrix as COO in an order that means nothing."""
    row, col, data, shape = matrix.triplets()
    order = rng.permutation(len(data))
    return ms.COO(data[order], row[order], col[order], shape)


def in_formats(matrix):
    """Return a matrix in each format that can hold it, by the format's name."""
    found = {
        "csr": matrix.to("csr"),
        "coo": shuffled(matrix),
        "csc": matrix.to("csc"),
        "bsr": matrix.to("bsr", block=(2, 2)),
    }
    if ms.find_pattern(matrix).fits_nm(2, 4):
        found["nm"] = matrix.to("nm", n=2, m=4)
    return found


def rows_touched(format, matrix):
    """Return the row of B read, and the row of C written, by each multiply-add with one column."""
    stream = record(KERNELS[f"spmm_{format}"], (matrix, np.ones((SIDE, 1), "float32")))
    b, c = stream.names.index("b"), stream.names.index("result")
    return stream.element[stream.array == b], stream.element[(stream.array == c) & stream.write]


figure, axes = plt.subplots(2, 5, figsize=(12, 5.2))
for (above, below), (format, matrix) in zip(axes.T, in_formats(S).items(), strict=True):
    k, m = rows_touched(format, matrix)
    above.scatter(k, m, c=np.arange(len(k)), s=18, marker="s", cmap="plasma")
    above.set(title=format.replace("nm", "2:4"), xlim=(-1, SIDE), ylim=(SIDE, -1), aspect="equal")
    below.plot(k, ".", markersize=5, label="row of B read")
    below.plot(m, "_", markersize=6, label="row of C written")
    below.set(xlabel="multiply-add", yticks=(0, 5, 10, 15))
axes[0, 0].set(ylabel="row m")
axes[1, 0].set(ylabel="row")
figure.tight_layout(rect=(0, 0.06, 1, 1))
figure.legend(*axes[1, 0].get_legend_handles_labels(), loc="lower center", ncol=2)
plt.show()

# %% [markdown]
# A staircase is good: what is reached by counting stays near, and hardware can fetch ahead. CSR and
# n:m climb once through C and jump about in B. CSC climbs through B and jumps about in C, which it
# both reads and writes there. Shuffled COO jumps in both. BSR jumps too, but from block to block,
# and within one it stays on a few rows. Blocks and groups also compute with zeros that they store:
# their axis is longer.
#
# **Question 3.** Here are the rows of C in the order in which the loops add to them, for the small
# matrix `A` from above, by rows and by columns. How many times **more** does CSC turn to another
# row than CSR does?

# %%
by_row, by_col = A.to("coo").row, A.to("csc").indices
print("csr", by_row.tolist(), " csc", by_col.tolist())
my_answer = None

more = np.count_nonzero(np.diff(by_col)) - np.count_nonzero(np.diff(by_row))
question = Question(more, "in each list count neighbors that differ, then subtract", number=3)
print(question.check(my_answer))

# %% [markdown]
# ## Counting
#
# What the loops do can be counted, and stated beforehand. Each kernel states, as a formula of its
# operands, how many flops it does and how many bytes it moves, by kind:
#
# - **values**: what is reached by counting, and needs to be fetched only once;
# - **indices**: indices and pointers of A;
# - **gathered**: what is reached **through** an index, in B or in C, each time anew.

# %%
counts = KERNELS["spmm_csr"].counts(A, B)
display(counts)

# %% [markdown]
# One need not believe a formula. `measure_counts` runs the loops and counts while they run, and the
# two have to agree to the last byte:

# %%
for format, matrix in in_formats(A).items():
    kernel = KERNELS[f"spmm_{format}"]
    stated, measured = kernel.counts(matrix, B), measure_counts(kernel, (matrix, B))
    print(f"{format}  stated {stated.moved} bytes, measured {measured.moved};", stated == measured)

# %% [markdown]
# **Question 4.** How many bytes are gathered by the loops for CSR, if A has 1000 entries of float32
# and B has 64 columns of float32?

# %%
my_answer = None

hint = "a row of B, 64 numbers of 4 bytes, for each entry"
print(Question(1000 * 64 * 4, hint, number=4).check(my_answer))

# %% [markdown]
# **Question 5.** And for COO, where a row of C is reached through an index too, once to be read and
# once to be written?

# %%
my_answer = None

print(Question(3 * 1000 * 64 * 4, "one row of B, and twice a row of C", number=5).check(my_answer))

# %% [markdown]
# So we can compare the formats for a layer of a size that nobody would want to run as loops. Change
# `N`, the size of the batch, or the share of weights that is kept, and run the cell again.

# %%
M, K, N, KEPT = 512, 512, 64, 0.2
chance = rng.random((M, K // 4, 4))
two_of_four = (chance.argsort(axis=2).argsort(axis=2) >= 2).reshape(M, K)
keep = two_of_four & (rng.random((M, K)) < 2 * KEPT)
W = np.where(keep, rng.standard_normal((M, K)), 0).astype("float32")
X = rng.standard_normal((K, N)).astype("float32")
layer = ms.from_dense(W, "csr")
found = {f: KERNELS[f"spmm_{f}"].counts(a, X) for f, a in in_formats(layer).items()}

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3))
names = [name.replace("nm", "2:4") for name in found]
start = np.zeros(len(found))
for kind in ("value_bytes", "index_bytes", "gathered_bytes"):
    width = np.array([getattr(c, kind) / 1e6 for c in found.values()])
    left.barh(names, width, left=start, label=kind.removesuffix("_bytes"))
    start += width
right.barh(names, [c.flops / 1e6 for c in found.values()], color="gray")
left.set(xlabel="megabytes moved")
right.set(xlabel="million flops")
left.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncol=3, fontsize=8)
for panel in (left, right):
    panel.invert_yaxis()
figure.tight_layout()
plt.show()

# %% [markdown]
# With 64 columns nearly all of it is gathered. The indices, of which tutorial 2 made much, hardly
# show here: each is read once, and N numbers are fetched for it. CSR, COO and CSC do the same
# arithmetic; BSR and 2:4 do more, for the zeros that they store, but BSR fetches a row of B for all
# rows of a block at once.
#
# With one column it is different: SpMV, the product with a vector, is the same loops without n.

# %%
show_loops("spmv_csr")

# %% [markdown]
# Now each index serves a single multiply-add, and each stored value is used once. Bytes for each
# flop, by the number of columns:

# %%
for n in (1, 4, 16, 64, 256):
    c = KERNELS["spmm_csr"].counts(layer, np.ones((K, n), "float32"))
    share = c.index_bytes / c.moved
    print(f"N = {n:3}: {c.moved / c.flops:.2f} bytes a flop, of all bytes {share:.1%} are indices")

# %% [markdown]
# ## A transposed: gather becomes scatter
#
# Training needs `A.T @ B`. Nobody has to transpose anything: read row m of A as before, and
# exchange two letters in the innermost line.

# %%
show_loops("spmm_t_csr")

# %% [markdown]
# Where SpMM gathers rows of B, this scatters into rows of C. You have seen this order: the arrays
# that are CSR of A are CSC of its transpose. Do the two kernels touch the same elements, one by
# one?

# %%
b = np.ones((len(x), 2), "float32")
transposed, by_column = record(KERNELS["spmm_t_csr"], (A, b)), record(KERNELS["spmm_csc"], (A.T, b))
print(len(transposed), "accesses, the same:", np.array_equal(transposed.element, by_column.element))

# %% [markdown]
# ## Sparse times sparse: SpGEMM
#
# If B is sparse as well, then a row of C is a weighted sum of sparse rows, and nobody knows
# beforehand which cells it will have. So they are collected in a hash table, a dict in Python, by
# their column n. `p` is a slot of A, and `q` one of B.
#
# **Exercise 2.** Write what is missing. What is added to cell n of the row?


# %%
def sparse_times_sparse(a_indptr, a_indices, a_data, a_shape, b_indptr, b_indices, b_data, b_shape):
    """Multiply A and B, both CSR, row by row with a hash table."""
    dtype = np.result_type(a_data, b_data)
    wide = accumulator(dtype)
    a_data, b_data = a_data.astype(wide), b_data.astype(wide)
    indptr, indices, data = [0], [], []
    for m in range(a_shape[0]):
        c = {}
        for p in range(a_indptr[m], a_indptr[m + 1]):
            k = a_indices[p]
            for q in range(b_indptr[k], b_indptr[k + 1]):
                n = b_indices[q]
                c[n] = c.get(n, 0) + 0  # your line: slot p holds A[m, k], slot q holds B[k, n]
        for n in sorted(c):
            indices.append(n)
            data.append(c[n])
        indptr.append(len(indices))
    return np.array(indptr), np.array(indices, np.int64), np.array(data, wide).astype(dtype)


judge(sparse_times_sparse, "spgemm_csr")

# %% [markdown]
# **Question 6.** How many multiplications does `S @ S.T` do? Entry p of a row, in column k, meets
# each entry of row k of the other matrix. `np.diff(S.T.to("csr").indptr)` counts those in each row,
# and `S.indices` says which rows are met.

# %%
other = S.T.to("csr")
print(f"{S.nnz} entries times {other.nnz}; the result stores {ms.spgemm(S, other).nnz}")
my_answer = None

met = np.diff(other.indptr)[S.indices]
question = Question(int(met.sum()), "np.diff(...)[S.indices] has one count an entry", number=6)
print(question.check(my_answer))

# %% [markdown]
# ## Dense times dense, where A says so: SDDMM
#
# The other way round: two dense matrices, and only those cells of their product are wanted where A
# stores something. A is a mask, with weights. The result has A's pointers and indices; only `data`
# is new.

# %%
show_loops("sddmm_csr")

# %% [markdown]
# ## Softmax over stored entries
#
# Three passes over a row: its largest value, exponentials and their sum, quotients. What is not
# stored takes no part; it is not a score of zero.
#
# **Exercise 3.** This one is wrong, and passes many a test. Let the oracle find an input, find the
# line, and mend it.


# %%
def softmax_of_rows(indptr, indices, data, shape):
    """Return the softmax of each row over its stored entries."""
    x = data.astype(accumulator(data.dtype))
    c = np.zeros_like(x)
    for m in range(shape[0]):
        largest = x.dtype.type(0)
        for p in range(indptr[m], indptr[m + 1]):
            largest = np.maximum(largest, x[p])
        total = x.dtype.type(0)
        for p in range(indptr[m], indptr[m + 1]):
            c[p] = np.exp(x[p] - largest)
            total += c[p]
        for p in range(indptr[m], indptr[m + 1]):
            c[p] /= total
    return c.astype(data.dtype)


judge(softmax_of_rows, "softmax_csr")

# %% [markdown]
# Of which values is 0 the largest, though it is not among them? `-np.inf` is smaller than any
# number.
#
# ## Attention is three of them
#
# Queries `Q`, keys `K` and values `V`: scores are `Q @ K.T` where the mask allows it, weights their
# softmax, the result weights times `V`. That is SDDMM, softmax and SpMM. Below each position looks
# at its neighbors and at the first position; where nothing is drawn, nothing is stored or computed.

# %%
LENGTH, WIDTH = 48, 8
position = np.arange(LENGTH)
near = np.abs(position[:, None] - position) <= 3
near[:, 0] = True
mask = ms.from_dense(near.astype("float32"), "csr")
queries, keys, values = rng.standard_normal((3, LENGTH, WIDTH)).astype("float32")

scale = np.float32(1 / np.sqrt(WIDTH))
scores = ms.sddmm(mask, queries, np.ascontiguousarray(keys.T))
scaled = scores.with_data(scores.data * scale)
weights = ms.softmax(scaled)
three_ops = ms.spmm(weights, values)
one_op = ms.attention(mask, queries, keys, values)
print("largest difference between three ops and one:", np.abs(three_ops - one_op).max())

shown = np.where(near, weights.to_dense(), np.nan)
figure, axes = plt.subplots(figsize=(4.4, 3.6))
drawn = axes.imshow(shown, cmap="viridis")
axes.set(xlabel="key", ylabel="query", title="weights, where they are stored")
figure.colorbar(drawn)
plt.show()

# %% [markdown]
# Why have one kernel for it, then? Look at what its loops do with the scores of a row: they are
# made, used and done with before the next row begins. (These loops give each its own place in `w`,
# so that you can look at them afterwards; the array code keeps those of a few rows at a time.)

# %%
show_loops("attention_csr")

# %% [markdown]
# Three kernels write all scores to memory and read them back, and so with the weights. The counts
# say what that comes to (scaling the scores, which the three need besides, is not even among them):

# %%
apart = (
    KERNELS["sddmm_csr"].counts(mask, queries, keys.T)
    + KERNELS["softmax_csr"].counts(scaled)
    + KERNELS["spmm_csr"].counts(weights, values)
)
fused = KERNELS["attention_csr"].counts(mask, queries, keys, values)
for kind in ("value_bytes", "index_bytes", "gathered_bytes", "moved"):
    a, f = getattr(apart, kind), getattr(fused, kind)
    print(f"{kind:15} apart {a:6}, fused {f:6}, saved {a - f:5}")

# %% [markdown]
# **Question 7.** How many flops do the two matrix products in it take, that is the dot products of
# queries with keys, and the weighted sums of values? The mask has as many entries as the next cell
# prints; each multiply-add is two flops.

# %%
print(mask.nnz, "entries, queries and values of width", WIDTH)
my_answer = None

hint = "for each entry a dot product of WIDTH terms, and WIDTH values to be added"
print(Question(2 * mask.nnz * 2 * WIDTH, hint, number=7).check(my_answer))

# %% [markdown]
# ## Convolution with sparse filters
#
# A filter is a row of a matrix. An index in it says which channel c it looks at, and at which place
# (i, j) of its window: `(c * kh + i) * kw + j`. So a stored weight is one shifted look at the
# image. Here m is a filter and n an image:

# %%
show_loops("conv_csr")

# %% [markdown]
# Two filters that find edges have three zeros each of nine. Here they are, run by these loops on a
# handwritten digit. Blue is where it gets darker to the right, or further down, red where brighter:

# %%
sobel = np.array([[1, 0, -1, 2, 0, -2, 1, 0, -1], [1, 2, 1, 0, 0, 0, -1, -2, -1]], "float32")
filters = ms.from_dense(sobel, "csr")
image = test_set()[0][6].reshape(1, 1, 8, 8)
window = {
    "kernel_shape": (3, 3),
    "pads": (1, 1, 1, 1),
    "strides": (1, 1),
    "dilations": (1, 1),
    "group": 1,
}
edges = loops_of("conv_csr")(image, filters, **window)

figure, axes = plt.subplots(1, 3, figsize=(8, 2.6))
axes[0].imshow(image[0, 0], cmap="gray")
for panel, response, name in zip(axes[1:], edges[0], ("to the side", "down"), strict=True):
    panel.imshow(response, cmap="RdBu", vmin=-4, vmax=4)
    panel.set_title(f"change {name}")
axes[0].set_title("image")
figure.tight_layout()
plt.show()

# %% [markdown]
# **Question 8.** How many multiply-adds was that, for both filters together? The image is 8 x 8 and
# has a margin of zeros around it, so that the result is 8 x 8 as well.

# %%
my_answer = None

steps = KERNELS["conv_csr"].counts(image, filters, **window).flops // 2
question = Question(steps, "each stored weight is used at each place of the result", number=8)
print(question.check(my_answer))

# %% [markdown]
# ## What comes after: bias and ReLU
#
# A layer of a network is `relu(A @ B + bias)`. Three loops in a row go through C three times,
# though nothing but the last result is wanted. In one loop a row can be finished while it is at
# hand.
#
# **Exercise 4.** Write the line that finishes the row: add its bias, and replace what is negative
# by 0. `np.maximum` keeps a NaN, as it should. Here `a` is a matrix, so that the loops can be
# counted too.


# %%
def fused_loops(a, b, bias):
    """Return relu(A @ b + bias), each row of A having one bias."""
    dtype = np.result_type(a.data, b, bias)
    b = b.astype(accumulator(dtype))
    c = np.zeros((a.shape[0], b.shape[1]), b.dtype)
    for m in range(a.shape[0]):
        for p in range(a.indptr[m], a.indptr[m + 1]):
            k = a.indices[p]
            for n in range(b.shape[1]):
                c[m, n] += a.data[p] * b[k, n]
        for n in range(b.shape[1]):
            c[m, n] += 0 * bias[m]  # your line
    return c.astype(dtype)


def on_plain_arrays(indptr, indices, data, shape, b, bias):
    """Call the loops as the oracle does."""
    return fused_loops(ms.CSR(data, indices, indptr, shape), b, bias)


judge(on_plain_arrays, "spmm_bias_relu_csr")

# %% [markdown]
# What does it save? Count the three kernels one after the other, and the loops that you wrote. A
# kernel is a plain value: an op, a format, and functions.

# %%
bias = rng.standard_normal(len(x)).astype("float32")
product = ms.spmm(A, B)
apart = (
    KERNELS["spmm_csr"].counts(A, B)
    + KERNELS["add_bias_dense"].counts(product, bias)
    + KERNELS["relu_dense"].counts(product)
)
own_kernel = Kernel(OPS["spmm_bias_relu"], ms.CSR, lambda *types: 0, loops=fused_loops)
fused = measure_counts(own_kernel, (A, B, bias))
print(f"apart {apart.moved} bytes, fused {fused.moved}, saved {apart.moved - fused.moved}")

# %% [markdown]
# **Question 9.** C has M rows and N columns of float32. How many bytes are saved for M = 512 and N
# = 64? (Count how often C is written and read again between the three.)

# %%
my_answer = None

hint = "C is written and read again before the bias, and once more before the ReLU"
print(Question(4 * 512 * 64 * 4, hint, number=9).check(my_answer))

# %% [markdown]
# Bytes saved are not yet time saved. The kernels that minisparse really runs are array code; the
# fused one finishes C tile by tile. Whether that pays depends on whether C, between two passes,
# would have left the cache, and on how a tile lies in memory. Measured here, in turns:

# %%
bias = rng.standard_normal(M).astype("float32")
wide = rng.standard_normal((K, 512)).astype("float32")
k_product = ms.prepare("spmm", layer, columns=512)
k_fused = ms.prepare("spmm_bias_relu", layer, columns=512)
timing = measure(
    {
        "apart": lambda: np.maximum(k_product(wide) + bias[:, None], 0),
        "fused": lambda: k_fused(wide, bias),
    }
)
for name, t in timing.items():
    print(f"{name} {human_seconds(t.median):>8} (+-{t.spread:.0%})")
saved = human_bytes(4 * M * 512 * 4)
if timing["fused"].is_below(timing["apart"]):
    print(f"here fusing pays: {saved} less to move")
elif timing["apart"].is_below(timing["fused"]):
    print(f"here fusing takes longer, though {saved} less are to be moved")
else:
    print(f"here no difference can be told, though {saved} less are to be moved")

# %% [markdown]
# ## Now you
#
# Step through a kernel of your own: `KernelSession` takes any function that is written as loops. Go
# to another column, look at the letters, and ask for an element, before your line was written and
# after.

# %%
from minisparse.debugger import KernelSession

arrays = A.to("csc")
own = KernelSession(
    "mine", by_columns, (arrays.indptr, arrays.indices, arrays.data, arrays.shape, B)
)
display(own.until(k=2, n=1))

# %% [markdown]
# Loops say what has to be done, and interpreted one by one they are slow. Tutorial 4 makes the same
# algorithm fast with NumPy, and tutorial 5 sends the accesses that you have seen here through a
# cache.
