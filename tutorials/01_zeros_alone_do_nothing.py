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
# # 1. Zeros alone do nothing
#
# Pruning sets most weights of a network to zero. It is tempting to think that the network is
# faster from then on: nine of ten multiplications are with zero, and those need not be done.
# This tutorial takes one layer, prunes it, and measures. Then it finds out what has to happen
# besides, and at which density it begins to pay **on your machine**. Every figure below is
# measured while the page runs; yours will differ.

# %%
import numpy as np

import minisparse as ms
from minisparse.core.extras import require
from minisparse.runtime import measure
from minisparse.show import human_bytes, human_seconds
from minisparse.show.question import Question

plt = require("matplotlib.pyplot", "viz", "drawing this page's figures")
rng = np.random.default_rng(0)

# %% [markdown]
# ## A layer
#
# A linear layer multiplies a weight matrix `W` of shape `[M, K]` with a batch of `N` inputs,
# the columns of `X`, shape `[K, N]`. Change `N` later and run the page again: it matters more
# than one would think.

# %%
M, K, N = 1024, 1024, 256
W = rng.standard_normal((M, K)).astype("float32")
X = rng.standard_normal((K, N)).astype("float32")

# %% [markdown]
# ## Masked: nine of ten weights become zero
#
# Magnitude pruning keeps the weights of largest absolute value. Here the smallest 90 % go.

# %%
threshold = np.quantile(np.abs(W), 0.9)
W_pruned = np.where(np.abs(W) > threshold, W, 0).astype("float32")
print(f"density {np.count_nonzero(W_pruned) / W_pruned.size:.3f}")

# %% [markdown]
# The layer now does nine tenths of its work for nothing. How long does it take, compared with
# before? Both are timed in turns, so that whatever else your machine does falls on both.

# %%
timing = measure({"full": lambda: W @ X, "masked": lambda: W_pruned @ X})
ratio = timing["masked"].median / timing["full"].median
for name, t in timing.items():
    print(f"{name:7} {human_seconds(t.median)}  (+-{t.spread:.0%})")
print(f"masked takes {ratio:.2f} of the full layer's time")

# %% [markdown]
# Nothing was gained. `W_pruned` is an array of the same shape and the same number of bytes, and
# the matrix multiplication reads every element of it and multiplies it, zero or not. Looking
# at each weight first would cost more than the multiplication that it saves.
#
# **Question 1.** How many multiply-adds does `W_pruned @ X` do?

# %%
my_answer = None

question = Question(M * K * N, "the array library knows nothing of the zeros", number=1)
print(question.check(my_answer))

# %% [markdown]
# ## Stored: keep what is not zero, and say where it stood
#
# To skip the zeros one has to know where they are without looking. A small example:

# %%
small = np.array([[5, 0, 0, 1], [0, 0, 0, 0], [0, 2, 3, 0]], "float32")
A = ms.from_dense(small, "csr")
print(small, "", f"data    {A.data}", f"indices {A.indices}", f"indptr  {A.indptr}", sep="\n")

# %% [markdown]
# This is **CSR**, compressed sparse row. `data` holds the values row by row, `indices` the column
# of each, and row `m` is found between `indptr[m]` and `indptr[m + 1]`. The second row is empty:
# its two pointers are equal. The product then follows the stored entries and nothing else; this
# is the whole algorithm:

# %%
import inspect

from minisparse.kernels.spmm import csr

print(inspect.getsource(csr.loops))

# %% [markdown]
# **Question 2.** How many multiply-adds does that loop do for `small` times a matrix of 10
# columns?

# %%
my_answer = None

print(Question(4 * 10, "each stored entry meets each column once", number=2).check(my_answer))

# %% [markdown]
# The indices are not free. Each stored value drags an index of four bytes along:

# %%
for density in (0.9, 0.5, 0.1, 0.01):
    mask = rng.random((M, K)) < density
    S = ms.from_dense(np.where(mask, W, 0), "csr").storage
    print(
        f"density {density:4}: values {human_bytes(S.values):>8}, indices "
        f"{human_bytes(S.indices + S.pointers):>8}, of dense {S.ratio:.2f}"
    )

# %% [markdown]
# **Question 3.** Below which density is CSR with float32 values and int32 indices smaller than
# the dense matrix? (Forget the pointers.)

# %%
my_answer = None

question = Question(0.5, "a value and its index together take twice the room", 0.02, number=3)
print(question.check(my_answer))

# %% [markdown]
# ## Computed: from which density is it faster?
#
# Bytes are one thing, time another. `ms.prepare` packs a sparse matrix once for many products;
# `k(X)` multiplies. We try several densities, weights removed at random positions.

# %%
densities = [0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01]


def sparse_over_dense(make, N):
    """Return time(sparse) / time(dense) at every density, and the largest relative error."""
    ratios, worst = [], 0.0
    X = rng.standard_normal((K, N)).astype("float32")
    for density in densities:
        W_sparse = make(density)
        k = ms.prepare("spmm", ms.from_dense(W_sparse, "csr"), columns=N)
        worst = max(worst, float(np.abs(k(X) - W_sparse @ X).max() / np.abs(W_sparse @ X).max()))
        t = measure({"dense": lambda W=W_sparse, X=X: W @ X, "sparse": lambda k=k, X=X: k(X)})
        ratios.append(t["sparse"].median / t["dense"].median)
    return np.array(ratios), worst


def at_random(density):
    """Return weights of which a random selection is kept."""
    return np.where(rng.random((M, K)) < density, W, 0).astype("float32")


random_ratios, error = sparse_over_dense(at_random, N)
for density, r in zip(densities, random_ratios, strict=True):
    print(f"density {density:4}: sparse takes {r:5.2f} of dense" + ("   faster" if r < 1 else ""))
print(f"largest difference from the dense result: {error:.1e} of the largest value")

# %% [markdown]
# ## The shape of the zeros
#
# Now remove whole rows instead: neurons, in a network. The density is the same, but what is left
# is a smaller dense matrix.


# %%
def whole_rows(density):
    """Return weights of which whole rows are kept."""
    return np.where(rng.random((M, 1)) < density, W, 0).astype("float32")


row_ratios, _ = sparse_over_dense(whole_rows, N)


def break_even(ratios):
    """Return the density up to which sparse is faster, None if the two never cross."""
    for i in range(len(ratios) - 1, 0, -1):  # from the lowest density up
        if ratios[i] < 1 <= ratios[i - 1]:
            x = np.log(ratios[i - 1]) / np.log(ratios[i - 1] / ratios[i])
            return float(densities[i - 1] ** (1 - x) * densities[i] ** x)
    return None


for name, ratios in {"at random": random_ratios, "whole rows": row_ratios}.items():
    found = break_even(ratios)
    if found is not None:
        print(f"{name}: faster than dense below a density of about {found:.2f}")
    else:
        verdict = "at every" if ratios[-1] < 1 else "at no"
        print(f"{name}: faster than dense {verdict} density tried")

# %%
figure, axes = plt.subplots(figsize=(6, 4))
axes.axhline(1, color="gray", linewidth=1)
axes.text(densities[-1], 1.05, "dense", color="gray")
axes.plot(densities, random_ratios, "o-", label="zeros at random positions")
axes.plot(densities, row_ratios, "s-", label="whole rows zero")
axes.plot(densities, densities, ":", color="gray", label="time in proportion to density")
axes.set(
    xscale="log",
    yscale="log",
    xlabel="density",
    ylabel="time(sparse) / time(dense)",
    title=f"{M} x {K} weights, batch of {N}",
)
axes.legend()
plt.show()

# %% [markdown]
# The dotted line is what one would hope for: a tenth of the weights in a tenth of the time. Whole
# rows come near it. Scattered zeros do not: fetching rows of `X` here and there, and
# multiplying in small pieces, wastes much of what a processor can do. That is why "90 % sparse"
# says little about speed, and why a compiler has to look at **where** the zeros are.
#
# **Question 4.** By your figures: how many times as fast as the dense layer is the one with
# zeros at random positions, at density 0.1? (Within 10 %.)

# %%
my_answer = None

measured = 1 / random_ratios[densities.index(0.1)]
question = Question(measured, "it is the inverse of a ratio printed above", 0.1, number=4)
print(question.check(my_answer))

# %% [markdown]
# ## Now you
#
# Set `N` to 1 near the top of the page, and run it again: one input at a time, as when a chat
# model writes a word. A dense product with one column reads the whole matrix for two operations
# per element; who wins then, and from which density?
#
# Next: `minisparse run` does all of this for whole networks, chooses a format for each layer, and
# says why.
