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
# # 10. Fusion: what lies between two nodes
#
# A graph is a list of steps, and between any two steps lies a value. The first step writes it to
# memory, the second reads it back, and then it is forgotten. Nobody asked for it. Fusion makes one
# step of two, so that what is between them never has to be somewhere as a whole. This tutorial
# counts what lies between, fuses by hand and by a pass, meets the case in which fusing is not
# allowed, and ends with attention, whose values between are the largest of all. Read from top to
# bottom and run each cell; where a question is asked, replace `None` by your answer and run the
# cell again.

# %%
import time
import tracemalloc

import numpy as np

import minisparse as ms
from minisparse.kernels.blas import one_thread
from minisparse.passes import PASSES
from minisparse.show import bars_text, human_bytes, human_seconds
from minisparse.show.question import Question

rng = np.random.default_rng(0)


def measured(*runs, times=7):
    """Return the median seconds of each of some functions, called in turns."""
    found = [[] for _ in runs]
    for run in runs:
        run()
    for _ in range(times):
        for run, seconds in zip(runs, found, strict=True):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
    return [float(np.median(seconds)) for seconds in found]


# %% [markdown]
# ## A formula as five nodes
#
# Exporters write functions in small ops. Here is a gate such as networks have, `x` times a number
# between 0 and 1 that depends on `x`, with one value for each of 4096 rows and 512 columns:


# %%
def gate(root=1.5, outputs=()):
    """Return a graph of five nodes: half of x times one plus erf of x over a root."""
    b = ms.GraphBuilder("gate")
    x = b.input("x", ("batch", 512))
    number = {n: b.constant(f"c{n}", np.float32(n)) for n in (root, 1.0, 0.5)}
    p = b.op("div", x, number[root], name="p")
    q = b.op("erf", p, name="q")
    r = b.op("add", q, number[1.0], name="r")
    s = b.op("multiply", x, r, name="s")
    return b.build([b.op("multiply", s, number[0.5], name="y"), *outputs])


graph = gate()
print(graph)

# %% [markdown]
# **Question 1.** The input has 4096 rows of 512 float32, which is 8 MiB. Besides reading x and
# writing y once, the five nodes write and read values that nobody asked for; x itself is read
# twice. How many MiB are moved in all, if nothing stays in a cache?

# %%
my_answer = None

value = 4096 * 512 * 4 / 2**20
reads, writes = 6, 5  # x, p, q, x, r, s; and p, q, r, s, y
hint = "count for each node what it reads and what it writes; single numbers do not count"
print(Question(value * (reads + writes), hint, number=1).check(my_answer))

# %% [markdown]
# One node in place of the five would read x once and write y once: 16 MiB. The difference is what
# fusion is about.
#
# ## Fused by hand
#
# What keeps NumPy from doing so is that each of its calls goes through a whole array. But nobody
# says that the array must be large. Cut x into pieces, take one piece through all five calls, then
# the next: a piece and what is made of it stay in a core's own cache.

# %%
x = rng.standard_normal((4096, 512)).astype("float32")


def whole(given):
    """Compute five arrays as large as the first."""
    p = given / np.float32(1.5)
    q = np.tanh(p)  # close to erf, and one call of NumPy
    r = q + np.float32(1)
    s = given * r
    return s * np.float32(0.5)


def in_pieces(given, length):
    """Compute the same, so many elements at a time, always in the same small array."""
    y, flat = np.empty_like(given), given.reshape(-1)
    result, between = y.reshape(-1), np.empty(length, given.dtype)
    for at in range(0, flat.size, length):
        piece = flat[at : at + length]
        near = between[: piece.size]
        np.divide(piece, np.float32(1.5), out=near)
        np.tanh(near, out=near)
        near += np.float32(1)
        near *= piece
        np.multiply(near, np.float32(0.5), out=result[at : at + length])
    return y


assert np.array_equal(whole(x), in_pieces(x, 1000))

# %% [markdown]
# The same numbers come out, bit for bit. How long a piece should be is a matter of measuring: too
# short, and the calls themselves cost more than what they do; too long, and a piece no longer fits
# where it was meant to stay. Change the lengths, and see where your machine has its best:

# %%
lengths = [2**10, 2**13, 2**16, 2**19]
seconds = measured(lambda: whole(x), *[lambda n=n: in_pieces(x, n) for n in lengths])
print(bars_text(["whole", *[f"pieces of {n}" for n in lengths]], seconds, "s"))

# %% [markdown]
# What is between also takes room. Python can tell how much was asked for at most:


# %%
def peak(run):
    """Return the most bytes that a function held at once."""
    run()
    tracemalloc.start()
    run()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


room = [peak(lambda: whole(x)), peak(lambda: in_pieces(x, 2**16))]
print(bars_text(["whole", "pieces of 65536"], room, "B"))

# %% [markdown]
# ## Fused by a pass
#
# `fuse_elementwise` does this to a graph. Nodes become one, a *chain*, that holds them as its body:

# %%
without = ("fuse_elementwise", "recognize_functions")
plain = ms.compile(graph, sizes={"batch": 4096}, skip=without)
fused = ms.compile(graph, sizes={"batch": 4096})
print(fused.graph)
for node in fused.graph.nodes[-1].attrs["body"].nodes:
    print("   in the chain:", node.name, "=", node.op.name)
print("same bits:", np.array_equal(plain(x), fused(x)))

# %%
seconds = measured(lambda: plain(x), lambda: fused(x))
print(bars_text(["five nodes", "one chain"], seconds, "s"))

# %% [markdown]
# Do not expect wonders of this picture. A plan writes what is between into memory that it has used
# before (tutorial 12), so that the five nodes are not as bad as five fresh arrays; and where the
# last cache is large, all of this lies in it. The pass fuses only what it predicts to be faster,
# and leaves small values alone. With 64 rows nothing happens:

# %%
small = ms.compile(graph, sizes={"batch": 64})
print(len(small.graph.nodes), "nodes for 64 rows,", len(fused.graph.nodes), "for 4096")

# %% [markdown]
# There is something better than to compute a formula in pieces: to know what it is. With the square
# root of two in place of 1.5 it is the GELU, for which there is a kernel:

# %%
known = ms.compile(gate(root=2**0.5), sizes={"batch": 4096})
print(known.graph)
print([str(report) for report in known.reports if report.name == "recognize_functions"])

# %% [markdown]
# ## When it is not allowed
#
# What is fused away is not there. If anybody else reads a value, it has to be written after all.
# Here the graph returns `q` too, the result of its second node:

# %%
shown = gate(outputs=("q",))
print(PASSES["fuse_elementwise"].run(shown, fused.target))

# %% [markdown]
# **Question 2.** There are two chains now instead of one. If the graph returned `r` instead, the
# result of the third node, how many nodes would the longer of its two chains have?

# %%
my_answer = None

sized = PASSES["fuse_elementwise"].run(gate(outputs=("r",)), fused.target)
bodies = [node.attrs["body"].nodes for node in sized.nodes if node.op.name == "chain"]
hint = "a chain has one result: cut the graph behind r, and count the nodes on both sides"
print(Question(max(map(len, bodies)), hint, number=2).check(my_answer))

# %% [markdown]
# ## Attention without its scores
#
# Attention compares each of L tokens with each other: the scores `[heads, L, L]` are made by one
# product, divided, normalized by a softmax, and used up by another product. Queries, keys, values
# and the result grow with L. The scores grow with its square, and they are between nodes, every
# time.
#
# **Question 3.** With 8 heads and float32, how many MiB are the scores of 2048 tokens?

# %%
my_answer = None

hint = "8 * 2048 * 2048 numbers of 4 bytes; one MiB is 2**20 bytes"
print(Question(8 * 2048 * 2048 * 4 / 2**20, hint, number=3).check(my_answer))

# %% [markdown]
# The softmax needs a whole row of scores, but no two rows of them at once. So a block of rows can
# go through all of it while it is near:


# %%
def softmax(scores):
    """Return the softmax along the last axis."""
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def attention_whole(q, k, v):
    """Make all scores, then use them."""
    return softmax(q @ k.transpose(0, 2, 1) / 8) @ v


def attention_in_blocks(q, k, v, rows):
    """Make the scores of some rows of one head, use them, and go on."""
    out = np.empty_like(q)
    for head in range(len(q)):
        for at in range(0, q.shape[1], rows):
            block = slice(at, at + rows)
            out[head, block] = softmax(q[head, block] @ k[head].T / 8) @ v[head]
    return out


q, k, v = rng.standard_normal((3, 8, 1024, 64)).astype("float32")
assert np.allclose(attention_whole(q, k, v), attention_in_blocks(q, k, v, 128), atol=1e-5)
with one_thread():
    room = [
        peak(lambda: attention_whole(q, k, v)),
        *[peak(lambda n=n: attention_in_blocks(q, k, v, n)) for n in (512, 128, 32)],
    ]
labels = ["whole", *[f"blocks of {n} rows" for n in (512, 128, 32)]]
print(bars_text(labels, room, "B"))
runs = [lambda n=n: attention_in_blocks(q, k, v, n) for n in (512, 128, 32)]
with one_thread():  # small products that BLAS shares between its threads say little of memory
    seconds = measured(lambda: attention_whole(q, k, v), *runs, times=3)
print(bars_text(labels, seconds, "s"))

# %% [markdown]
# That is the idea of FlashAttention (Dao et al., 2022), which goes one step further and cuts rows
# too, since the memory next to the arithmetic of a GPU holds not even one of them.
#
# In a graph `fuse_attention` finds it, whatever is done to the scores between the two products.
# What it makes is a chain as before, only that products and a softmax are in it; a chain knows
# along which axes it can be cut.


# %%
def attention(length):
    """Return attention as exporters write it."""
    b = ms.GraphBuilder("attention")
    q, v = (b.input(name, (8, length, 64)) for name in "qv")
    scores = b.op("matmul", q, b.input("k", (8, 64, length)), name="scores")
    scaled = b.op("div", scores, b.constant("root", np.float32(8)), name="scaled")
    return b.build([b.op("matmul", b.op("softmax", scaled, name="weights"), v, name="mixed")])


feeds = {"q": q, "k": np.ascontiguousarray(k.transpose(0, 2, 1)), "v": v}
plain = ms.compile(attention(1024), skip=("fuse_attention",))
fused = ms.compile(attention(1024))
print(fused.graph)
difference = np.abs(plain.run(feeds)["mixed"] - fused.run(feeds)["mixed"]).max()
print(f"largest difference: {difference:.1e}")
seconds = measured(lambda: plain.run(feeds), lambda: fused.run(feeds), times=3)
print(bars_text(["four nodes", "one chain"], seconds, "s"))
print(f"a run takes {human_seconds(seconds[1])} instead of {human_seconds(seconds[0])}")

# %% [markdown]
# How much that gives depends on the length. Below some hundred tokens the scores fit into a cache
# whoever made them, and the pass leaves them alone:

# %%
for length in (64, 256, 1024, 2048):
    scores = human_bytes(8 * length * length * 4)
    nodes = ms.compile(attention(length)).graph.nodes
    print(f"{length:5} tokens: scores of {scores:>9}, {len(nodes)} node{'s' * (len(nodes) > 1)}")

# %% [markdown]
# Where a mask says which tokens look at which, most scores are never needed. Then scores are a
# sparse matrix, and its three ops, `sddmm`, `softmax` and `spmm`, become the op `attention`, which
# makes the scores of some rows where the mask has entries, and nowhere else:

# %%
near = np.abs(np.subtract.outer(np.arange(1024), np.arange(1024))) < 32
b = ms.GraphBuilder("windowed")
mask = b.constant("mask", ms.from_dense(near.astype("float32"), "csr"))
scores = b.op("sddmm", mask, b.input("q", (1024, 64)), b.input("k", (64, 1024)), name="scores")
weights = b.op("softmax", scores, name="weights")
windowed = b.build([b.op("spmm", weights, b.input("v", (1024, 64)), name="mixed")])
plain, fused = ms.compile(windowed, skip=("fuse_attention",)), ms.compile(windowed)
print(fused.graph)
feeds = {"q": q[0] / 8, "k": np.ascontiguousarray(k[0].T), "v": v[0]}
seconds = measured(lambda: plain.run(feeds), lambda: fused.run(feeds), times=3)
print(bars_text(["three nodes", "attention"], seconds, "s"))

# %% [markdown]
# ## What to take with you
#
# - Between two nodes lies a value that somebody writes and somebody reads. Fused, it is nowhere.
# - It pays where that value is larger than what stays near; the pass predicts it and says so.
# - It is not allowed where anybody else reads it.
# - The larger what is between beside what goes in and comes out, the more there is to gain: for
#   attention it is a matter of being able to run at all.
#
# Things to try: the `length` of a piece and the `rows` of a block in the functions above; an
# activation of your own in `gate`; and `ms.bench.networks.bert_mini(length=512)` with and without
# `skip=("fuse_attention",)`.
