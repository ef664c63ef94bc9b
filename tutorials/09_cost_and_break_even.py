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
# # 9. Cost and break-even
#
# Below which density is a sparse product faster than the dense one? There is no such number; there
# is one for each pattern, each shape, each number of columns, and each machine. This tutorial
# predicts some of them by hand, from three rates that are measured first, and then measures them:
# how far one gets with a pencil, and where. Read from top to bottom and run each cell; where a
# question is asked, replace `None` by your answer and run the cell again. Every figure is measured
# while the page runs, most of them on **one core**; yours will differ.

# %%
import time
from dataclasses import replace

import numpy as np

import minisparse as ms
from minisparse.bench.breakeven import Settings
from minisparse.bench.breakeven_cases import Case
from minisparse.bench.breakeven_process import Measurer
from minisparse.bench.breakeven_report import density_word
from minisparse.cost import Target, candidates, find_machine
from minisparse.kernels.blas import one_thread
from minisparse.runtime import measure
from minisparse.show import bar, human_seconds, table_text
from minisparse.show.question import Question

rng = np.random.default_rng(0)
M, K, N = 512, 512, 256


def layer(density, side=1):
    """Return weights of which single elements are kept, or blocks of side x side."""
    kept = rng.random((M // side, K // side)) < density
    mask = np.kron(kept, np.ones((side, side), bool))
    return np.where(mask, rng.standard_normal((M, K)), 0).astype("float32")


# %% [markdown]
# ## What a time is made of
#
# Before a plan chooses a kernel, it prices each **candidate**: a format and a level. A price is a
# sum. There is arithmetic, there are values and indices to be moved, rows to be fetched through an
# index (the **gather**), and calls into NumPy, each of which costs something whatever it does.
# What happens at the same time as something else is taken off again (the **overlap**: arithmetic
# goes on while values arrive). Here is a layer of which 3 % is left, at random positions:


# %%
def priced(W, columns=N):
    """Return the candidates for W times so many columns, cheapest first."""
    b = ms.GraphBuilder("layer")
    x = b.input("x", (K, columns), "float32")
    graph = b.build({"y": b.op("spmm", b.constant("w", W), x)})
    graph = replace(graph, patterns={"w": ms.find_pattern(W)})  # where the zeros are
    return candidates(graph, graph.nodes[0], Target())


def show_prices(W, columns=N):
    """Print the cheapest candidate of each format, split into what it is spent on."""
    cheapest = {}
    for c in priced(W, columns):
        cheapest.setdefault(c.layout.format, c)
    chosen = [cheapest[name] for name in ("dense", "csr", "bsr")]
    parts = list(chosen[0].price.parts)
    rows = [
        (str(c.layout), human_seconds(c.seconds), *(f"{1e6 * c.price.parts[p]:.3g}" for p in parts))
        for c in chosen
    ]
    print(table_text(("format", "time", *parts), rows))


print(f"prices for {find_machine('cpu').name}: {find_machine('cpu').source}")
print("time, and its parts in microseconds:")
show_prices(layer(0.03))

# %% [markdown]
# The prices are those of the machine in the first line, and not quite yours; `plan.explain()` shows
# them for whole models. What matters here is what they are made **of**: the dense product is
# arithmetic, and little else that is waited for; the sparse ones do less of it, and pay for other
# things.
#
# ## Three rates
#
# Three rates of your machine are all that we need. How fast is a large dense product? How fast is a
# product of **thin** matrices, with four rows each, as a sparse kernel does them? And how fast are
# rows fetched through an index? (Why a kernel of rows does just that, tutorial 4 tells.)


# %%
def seconds(function):
    """Return the median time of a call, on one core."""
    with one_thread():
        return measure({"": function}, budget=0.3)[""].median


def thin_rate(R):
    """Return the multiply-adds a second of products [R, 200] @ [200, 64], many in one call."""
    left = rng.standard_normal((16, R, 200)).astype("float32")
    right = rng.standard_normal((16, 200, 64)).astype("float32")
    return 16 * R * 200 * 64 / seconds(lambda: left @ right)


W, X = layer(1.0), rng.standard_normal((K, N)).astype("float32")
tile, rows = X[:, :64].copy(), rng.integers(0, K, 2000)
place = np.empty((2000, 64), "float32")
dense_rate = M * K * N / seconds(lambda: W @ X)
gather_rate = 2000 * 64 / seconds(lambda: tile.take(rows, 0, place, "clip"))
thin = {R: thin_rate(R) for R in (4, 16)}
print(f"dense:       {dense_rate / 1e9:5.1f} G multiply-adds a second")
print(f"thin, R = 4: {thin[4] / 1e9:5.1f} G")
print(f"R = 16:      {thin[16] / 1e9:5.1f} G")
print(f"gather:      {gather_rate / 1e9:5.1f} G elements a second")

# %% [markdown]
# **Question 1.** While one element is gathered, how many multiply-adds could the dense product do?

# %%
my_answer = None

answer = dense_rate / gather_rate
print(
    Question(answer, "one rate over another, both printed above", 0.05, number=1).check(my_answer)
)

# %% [markdown]
# ## A break-even with a pencil
#
# Four rows of the matrix share a **panel**: over all columns that any of them uses, it is a small
# dense matrix. If each element is kept with a chance of `d`, a column is used with a chance of
#
#     u = 1 - (1 - d)**4
#
# A panel multiplies `4 K u N` times, at the thin rate, and gathers `K u N` elements. There are `M /
# 4` panels. The dense product multiplies `M K N` times. So, M, K and N cancelling out,
#
#     sparse / dense = u * (dense_rate / thin_rate + dense_rate / (4 * gather_rate))
#
# **Question 2.** At which `u` is that 1, on your machine? And so, at which density `d`? (Give the
# density.)

# %%
my_answer = None


def by_hand(R, used_to_density):
    """Return the density at which panels of R rows take as long as dense."""
    used = 1 / (dense_rate / thin[R] + dense_rate / (R * gather_rate))
    return used_to_density(min(used, 1.0))


hand = by_hand(4, lambda u: 1 - (1 - u) ** (1 / 4))
hint = "u is one over the bracket; d = 1 - (1 - u) ** (1 / 4)"
print(Question(hand, hint, 0.05, number=2).check(my_answer))

# %% [markdown]
# ## The same, measured
#
# `minisparse breakeven` does what comes now for many cases at once. It draws a matrix of some
# density, times the sparse kernels and dense in turns, looks on which side of the break-even it is,
# and goes on from there, halving; around the crossing it draws a matrix after another. Sparse
# counts as faster where it takes at most 0.97 of dense: kernels of ours turn into the dense product
# where nearly everything is stored, and of two that do the same, either wins now and then.


# %%
def find(pattern, columns, seconds=1.5):
    """Measure a break-even on one core, in a process that does nothing else."""
    with Measurer(Settings(cases=(), threads=1)) as measurer:
        return measurer.measure(Case(pattern, (M, K), columns, "float32"), seconds)


def show_visits(found):
    """Print the ratio at each density, and the interval of the break-even."""
    for visit in sorted(found.visits, key=lambda v: v.density):
        ratio = float(np.median(visit.sample.ratios))
        length = round(40 * min(ratio, 1.5) / 1.5)
        print(f"density {visit.density:6.3f}  {ratio:5.2f} of dense  {bar(1.0, length)}")
    low, high = found.estimate.low, found.estimate.high
    print(f"{found.estimate.verdict}: {density_word(found.estimate.density)}, ", end="")
    print(f"with 95 % between {density_word(low)} and {density_word(high)}")


at_random = find("unstructured", N)
show_visits(at_random)
print(f"by hand: {hand:.3f}; by the prices of a plan: {density_word(at_random.predicted)}")

# %% [markdown]
# The interval is what a **bootstrap** gives: the samples are drawn anew from those that there are,
# hundreds of times, and the crossing is found in each. Where it comes out at nearly the same
# density each time, we know it well.
#
# What the pencil has left out: gathered values are written before they are read, the rows of a
# panel do not all use the same number of columns and are filled up with zeros, results are put back
# in order, and there are calls. All of that makes sparse slower than it says. But the kernel may
# also choose another height than four, where that is faster.
#
# ## Why blocks are different
#
# Let whole blocks of 16 x 16 be kept. A panel of 16 rows then uses a column with a chance of `d`
# itself: where one of them has an entry, all have. Nothing is multiplied that is not needed, one
# gathered row serves 16 rows, and a product with 16 rows runs at nearly the dense rate.

# %%
hand_blocks = by_hand(16, lambda u: u)
blocks = find("16x16", N)
show_visits(blocks)
print(f"by hand: {hand_blocks:.3f}; by the prices of a plan: {density_word(blocks.predicted)}")

# %% [markdown]
# "Structured" sparsity is no other arithmetic. It is the same arithmetic with `u = d` and a taller
# panel, and both can be read off the formula.
#
# ## One column
#
# A word at a time, a chat model multiplies with **one** column. Then no gathered row is used for
# 256 columns, each weight is read for a single multiply-add, and what counts is bytes, and calls.
#
# **Question 3.** Count bytes alone: a dense float32 weight takes 4 bytes, an entry of CSR a value
# and an int32 index. Below which density does CSR read less than dense? (Forget the pointers, and
# the vector.)

# %%
my_answer = None

print(Question(0.5, "an entry takes 8 bytes, an element 4", 0.02, number=3).check(my_answer))

# %% [markdown]
# And what is it really?

# %%
rows = []
for pattern in ("unstructured", "16x16", "rows"):
    for columns in (1, 16):
        found = find(pattern, columns, 0.8)
        low, high = density_word(found.estimate.low), density_word(found.estimate.high)
        rows.append((pattern, str(columns), found.estimate.verdict, f"{low} - {high}", found.way))
for name, found in (("unstructured", at_random), ("16x16", blocks)):
    low, high = density_word(found.estimate.low), density_word(found.estimate.high)
    rows.append((name, str(N), found.estimate.verdict, f"{low} - {high}", found.way))
print(table_text(("pattern", "N", "verdict", "break-even", "fastest way"), sorted(rows)))

# %% [markdown]
# "cannot be told" means that the interval is too wide to be called a number; `none` and `any` are
# ends beyond all densities that were tried. With one column the weights of this small layer are in
# the cache each time, since nothing else is computed between; the dense product is over in
# microseconds, and a handful of calls into NumPy takes as long. Where the price is made of other
# parts, the break-even is another:

# %%
for columns in (1, N):
    print(f"N = {columns}, density 0.03, parts in microseconds:")
    show_prices(layer(0.03), columns)
    print()

# %% [markdown]
# ## What is done once
#
# A sparse weight has to be converted and packed before the first product. That is done once, so its
# price is to be divided by the number of calls. What a call saves is known already, at each density
# that was measured above; take the least of them.

# %%
sparsest = min(at_random.visits, key=lambda v: v.density)
ratio = float(np.median(sparsest.sample.ratios))
W = layer(sparsest.density)
start = time.perf_counter()
A = ms.from_dense(W, "csr")
converted = time.perf_counter()
k = ms.prepare("spmm", A, columns=N)
packed = time.perf_counter()
once = packed - start
dense = seconds(lambda: W @ X)
saved = dense * (1 - ratio)
print(f"density {sparsest.density:.3f}")
print(f"converting {human_seconds(converted - start)}, packing {human_seconds(packed - converted)}")
print(
    f"dense {human_seconds(dense)}, sparse {ratio:.2f} of it: a call saves {human_seconds(saved)}"
)

# %% [markdown]
# **Question 4.** After how many calls has that been repaid? (Write infinity, `float("inf")`, if a
# call saves nothing.)

# %%
my_answer = None

repaid = once / saved if saved > 0 else 1e9
given = None if my_answer is None else min(my_answer, 1e9)
hint = "what is done once, over what a call saves"
print(Question(repaid, hint, 0.1, number=4).check(given))

# %% [markdown]
# For the weights of a model that answers thousands of requests that is nothing. For a mask that is
# computed anew for each input, say in attention, it is everything: then the break-even is that of
# one call **with** its preparation.

# %%
print("calls   time of a call with its share of what is done once, over dense")
for calls in (1, 10, 100, 1000, 10000):
    share = ratio + once / calls / dense
    print(f"{calls:5}   {share:8.2f}  {bar(1.0, round(20 * min(share, 2.5)))}")

# %% [markdown]
# ## Now you
#
# - Set `M, K` to `1024, 1024` near the top. M and K cancel out of the formula. Does the measured
#   break-even stay where it was?
# - Replace `"unstructured"` by `"skewed"`: rows of very different length. Which way does it move?
# - `minisparse breakeven --quick` in a terminal does ten patterns, with one column and with many;
#   the page on break-even has the table of a whole run, beside what is said about it elsewhere.
