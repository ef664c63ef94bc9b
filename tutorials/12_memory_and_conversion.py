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
# # 12. Memory, and what a conversion costs
#
# A network's weights are there all the time. Its **activations**, the values between the layers,
# come and go: each is written once, read a few times, and never looked at again. How much memory a
# run needs is decided by which of them are there at the same time. A compiler can know that before
# anything runs, and put each value where a dead one lay before. The second half is about the
# weights: what a sparse format takes besides the values, and what it costs to get there. Read from
# top to bottom and run each cell; where a question is asked, replace `None` by your answer and run
# the cell again.

# %%
import math
import time
from itertools import pairwise

import numpy as np

import minisparse as ms
from minisparse.api import compile_dense
from minisparse.bench.networks import bert_mini
from minisparse.core.errors import MemoryLimitError
from minisparse.dispatch.memory_plan import lay_out_values
from minisparse.kernels import prepare
from minisparse.runtime import measure, measure_memory, run
from minisparse.show import display, human_bytes, human_seconds, table_text
from minisparse.show.question import Question

rng = np.random.default_rng(0)

# %% [markdown]
# ## From birth to death
#
# Five layers, each as wide as it has to be. A value is **alive** from the step that computes it to
# the last step that reads it, both included: a kernel reads its operand while it writes its
# result, so the two cannot lie in one place.


# %%
def layers(*widths):
    """Return linear layers of these widths, with nothing between them."""
    b = ms.GraphBuilder("layers")
    h = b.input("x", ("batch", widths[0]))
    for i, (k, m) in enumerate(pairwise(widths), start=1):
        w = (rng.standard_normal((k, m)) / math.sqrt(k)).astype("float32")
        h = b.op("matmul", h, b.constant(f"w{i}", w), name=f"layer{i}")
    return b.build({"y": h})


WIDTHS = (256, 1024, 512, 2048, 256, 128)
plan = compile_dense(layers(*WIDTHS))
memory = plan.memory({"batch": 64})
every = [*(slot.buffer for slot in memory.slots), *memory.allocated]
rows = [(b.values[0], f"{b.nbytes:,}", str(b.first), str(b.last)) for b in every]
print(table_text(("value", "bytes", "made at step", "last needed at"), rows))
print(f"all together {sum(b.nbytes for b in every):,} bytes")

# %% [markdown]
# The last value is the result. It belongs to whoever called, so it is allocated anew in each run;
# if it lay where the next run writes, it would change under the caller's hands. All others can
# share one piece of memory, the **arena**.
#
# **Question 1.** How many bytes of the values that are not results are alive at the step where
# most of them are? That is the least that an arena can have.

# %%
my_answer = None

answer = memory.bound
hint = "layer3 reads layer2's result while it writes its own: 64 rows of 512 and of 2048 float32"
print(Question(answer, hint, number=1).check(my_answer))

# %% [markdown]
# ## One arena
#
# Where does each value go? To find the best places is a hard problem (it is bin packing with
# time), but a simple rule is nearly always good: take the largest value first, and put each into
# the smallest gap between those that are alive at the same time. Each begins at a multiple of 64
# bytes, a cache line. Here is the plan: memory from left to right, time from top to bottom.

# %%
display(memory)

# %% [markdown]
# The same for a block of a transformer, where values have several readers. Change the number of
# layers to 2: the picture gets twice as long, and the arena stays as large as it was.

# %%
LAYERS = 1

encoder = bert_mini(length=32, layers=LAYERS, width=64, heads=2)
memory = ms.compile(encoder, sizes={"batch": 8}).memory()
display(memory)

# %% [markdown]
# ## In place
#
# `exp` needs an element of its operand only to compute the same element of its result. If no one
# else wants the operand afterwards, the result can be written over it. So a chain of such ops
# needs one buffer, however long it is:

# %%
b = ms.GraphBuilder("chain")
x = b.input("x", ("n",))
h = b.op("exp", x, name="first")
for name in ("sqrt", "neg", "tanh"):
    h = b.op(name, h, name=name)
chain = compile_dense(b.build({"y": h}))
(buffer,) = chain.memory({"n": 1000}).allocated
print("one buffer for", ", then ".join(buffer.values))

# %% [markdown]
# It is not the input's: that is the caller's, and is never written to. A matrix product could not
# do this, for it needs every element of its operand again and again.
#
# **Question 2.** In the next graph `h` has two readers. How many buffers of 1000 float32 does it
# need, the result's included? Draw the lifetimes first.

# %%
my_answer = None

b = ms.GraphBuilder("residual")
h = b.op("exp", b.input("x", ("n",)), name="h")
inner = b.op("tanh", b.op("sqrt", h, name="root"), name="inner")
residual = compile_dense(b.build({"y": b.op("add", inner, h, name="sum")}))
found = residual.memory({"n": 1000})
answer = len(found.slots) + len(found.allocated)
hint = "h has to wait for the sum; everything else follows in one other buffer"
print(Question(answer, hint, number=2).check(my_answer))

# %% [markdown]
# Two more things must be known exactly. A `transpose` or a `split` computes nothing: its result is
# a **view**, which lies in its operand's memory and keeps it alive. And a `reshape` is a view if
# the elements lie in the right order, and a copy if they do not. The planner follows the strides of
# each value to know which it will be:

# %%
b = ms.GraphBuilder("views")
h = b.op("exp", b.input("x", (4, 6)), name="h")
all_in_one = b.constant("all", [-1])
flat = b.op("reshape", h, all_in_one, name="flat")
turned = b.op("transpose", h, name="turned")
again = b.op("reshape", turned, all_in_one, name="flat_after_turning")
y = b.op("add", flat, again, name="sum")
views = compile_dense(b.build({"y": y}))
lives = lay_out_values(views, {}).lives
for name in (flat, turned, again):
    print(f"{name:18} lies in the memory of {', '.join(lives.holds[name])}")

# %% [markdown]
# ## Is that so?
#
# Two ways to find out. First, poison: fill memory with garbage (NaN, as a float) at the moment
# at which it is taken to be dead. If the planner forgot a reader, NaN come out.

# %%
plan = ms.compile(encoder, sizes={"batch": 8})
tokens = {"x": rng.standard_normal((8, 32, 64)).astype("float32")}
clean, spoiled = run(plan, tokens), run(plan, tokens, poison=True)
print("the same bits:", all(np.array_equal(clean[name], spoiled[name]) for name in clean))

# %% [markdown]
# Second, measure. Python's `tracemalloc` knows of each array that is allocated. The plan foretells
# the arena, what is allocated besides, and the scratch that kernels need while they compute, which
# it finds out by rehearsing each kernel once on ones.

# %%
for batch in (1, 8, 32):
    tokens = {"x": rng.standard_normal((batch, 32, 64)).astype("float32")}
    m = measure_memory(plan, tokens)
    print(
        f"batch {batch:2}: foretold {human_bytes(m.peak)}, measured {human_bytes(m.measured)}, "
        f"ratio {m.peak / m.measured:.3f}"
    )

# %% [markdown]
# ## A limit
#
# What is known before the run can be refused before the run. Inputs are the caller's, and not
# counted; weights are.

# %%
LIMIT = "2 MB"

limited = ms.compile(encoder, sizes={"batch": 4}, memory_limit=LIMIT)
print("batch 4 needs", human_bytes(limited.memory().total))
try:
    limited.run({"x": rng.standard_normal((256, 32, 64)).astype("float32")})
except MemoryLimitError as error:
    print(error)

# %% [markdown]
# **Question 3.** What is the largest batch with which this model runs within 2 MB? Ask
# `limited.memory({"batch": n}).total` for a few n: it grows almost along a line.

# %%
my_answer = None

answer = 1
while limited.memory({"batch": answer + 1}).total <= 2_000_000:
    answer += 1
hint = "weights do not grow with the batch; find what one more item takes, and divide"
print(Question(answer, hint, tolerance=0.1, number=3).check(my_answer))

# %% [markdown]
# ## What a sparse weight takes
#
# A dense weight is its values. A sparse one also has to say where they are: **indices**, and
# **pointers** to where rows begin. Here is one weight with a tenth of its values left, at random
# and in blocks, in several formats:

# %%
M = K = 512


def weight(density, block=1):
    """Return a matrix of which about a part is nonzero, in square blocks."""
    keep = rng.random((M // block, K // block)) < density
    kept = np.kron(keep, np.ones((block, block), bool))
    return np.where(kept, rng.standard_normal((M, K)), 0).astype("float32")


def listed(title, x, formats):
    """Print the bytes of values, indices and pointers of a matrix in several formats."""
    rows = [("dense", f"{x.nbytes:,}", "", "", "1.00")]
    for format, how in formats:
        A = ms.from_dense(x, format, **how)
        of = {"values": 0, "indices": 0, "pointers": 0}
        for name, array in A.arrays.items():
            of[A.roles[name]] += array.nbytes
        parts = (f"{n:,}" for n in of.values())
        rows.append((str(A.type.layout), *parts, f"{A.nbytes / x.nbytes:.2f}"))
    print(title)
    print(table_text(("format", "values", "indices", "pointers", "of dense"), rows))


FORMATS = [("coo", {}), ("csr", {}), ("csc", {}), ("bsr", {"block": (16, 16)})]
scattered, blocks = weight(0.1), weight(0.1, block=16)
listed("scattered", scattered, FORMATS)
listed("in blocks of 16 by 16", blocks, FORMATS)

# %% [markdown]
# For scattered values an index is as long as a value: CSR takes twice the bytes of its values. For
# blocks there is one index for 256 values. (And BSR on scattered values stores nearly every block,
# full of zeros.)
#
# **Question 4.** Up to which density does CSR, with float32 values and int32 indices, take fewer
# bytes than the dense matrix? The pointers are few; leave them out.

# %%
my_answer = None

A = ms.from_dense(scattered, "csr")
each = (A.nbytes - A.arrays["indptr"].nbytes) / A.nnz
answer = scattered.itemsize / each
hint = "a dense cell takes 4 bytes, a stored entry 4 + 4"
print(Question(answer, hint, tolerance=0.02, number=4).check(my_answer))

# %% [markdown]
# A plan lists the same for each of its weights, and what kernels packed of them besides. To pack
# is to trade memory for time: the fast kernel for CSR gathers panels, and wants them ready.

# %%
b = ms.GraphBuilder("one_layer")
h = b.op("gemm", b.input("x", ("batch", K)), b.constant("w", blocks), transB=1, name="layer")
layer = ms.compile(b.build({"y": h}), sizes={"batch": 64})
for w in layer.memory().weights:
    print(f"{w.name}: stored as {w.layout} {human_bytes(w.stored)}, packed {human_bytes(w.packed)}")

# %% [markdown]
# ## What it takes to get there
#
# A conversion is done once and a product many times. `ms.formats.route` shows which way a
# conversion takes, and what it reads and writes:

# %%
print(ms.formats.route(ms.from_dense(blocks, "csr"), "bsr", block=(16, 16)))

# %% [markdown]
# So the question is not whether a format is faster, but after how many calls. Time the conversion,
# the packing, and a product both ways:

# %%
N = 64
x = rng.standard_normal((K, N)).astype("float32")


def seconds_of(function):
    """Return the least of five times."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


found = {}
for title, w in (("scattered", scattered), ("in blocks", blocks)):
    how = {"block": (16, 16)} if title == "in blocks" else {}
    format = "bsr" if how else "csr"
    A = ms.from_dense(w, format, **how)
    once = seconds_of(lambda w=w, f=format, h=how: ms.from_dense(w, f, **h))
    packing = seconds_of(lambda A=A: prepare("spmm", A, columns=N))
    sparse = prepare("spmm", A, columns=N)
    timing = measure({"dense": lambda w=w: w @ x, "sparse": lambda s=sparse: s(x)}, rounds=50)
    found[title] = once + packing, timing["dense"].median - timing["sparse"].median
    print(
        f"{title}: to {format} {human_seconds(once)}, packing {human_seconds(packing)}; "
        f"a product {human_seconds(timing['sparse'].median)}, dense "
        f"{human_seconds(timing['dense'].median)}"
    )

# %% [markdown]
# **Question 5.** After how many products have conversion and packing of the blocks paid for
# themselves, as just measured? (If a product is not faster on your machine: never. Write 0.)

# %%
my_answer = None

price, gain = found["in blocks"]
answer = math.ceil(price / gain) if gain > 0 else 0
hint = "what is done once, over what each product gains"
print(Question(answer, hint, tolerance=0.1, number=5).check(my_answer))
for title, (price, gain) in found.items():
    calls = f"repaid after {math.ceil(price / gain)} products" if gain > 0 else "never repaid"
    print(f"{title}: {calls}")

# %% [markdown]
# A model that serves a million requests need not care. One that is loaded to answer a single
# question should leave its weights as they are; and where two layers share a weight, one
# conversion serves both. The planner weighs the same two figures, foretold: `ms.compile(calls=...)`
# says how many runs to reckon with, and `plan.explain()` shows what came of it.
