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
# # 6. Pruning: which weights to give up
#
# A trained network has more weights than it needs. Setting most of them to zero is easy; the art is
# to choose **which**, so that the network still answers right, and **in which pattern**, so that a
# machine gains by it. This tutorial trains a small network, prunes it in several ways, measures
# what each costs, trains while pruning, and looks at what stands in the way of a pattern. Read from
# top to bottom and run each cell; where a question is asked, replace `None` by your answer and run
# the cell again.

# %%
from itertools import pairwise

import numpy as np

import minisparse as ms
from minisparse.core.extras import require
from minisparse.pruning import find_masks
from minisparse.show import display, human_bytes, human_seconds
from minisparse.show.question import Question

plt = require("matplotlib.pyplot", "viz", "drawing this page's figures")

# %% [markdown]
# ## A network to prune
#
# The data are 360 images of handwritten digits, 8 x 8 pixels. We train on 240 of them and keep 120
# to judge by. The network has two hidden layers of 128; its training is a dozen lines of NumPy: the
# cross-entropy's gradient, and Adam's step (Kingma and Ba, arXiv:1412.6980). `masks` says which
# weights may be other than zero; for now all of them.

# %%
pixels, labels = ms.examples.test_set()
train, test = slice(0, 240), slice(240, None)
SIZES = (64, 128, 128, 10)


def initial(seed):
    """Return weights [outputs, inputs] and biases, by name."""
    rng = np.random.default_rng(seed)
    found = {}
    for i, (k, m) in enumerate(pairwise(SIZES), start=1):
        found[f"w{i}"] = (rng.standard_normal((m, k)) * np.sqrt(2 / k)).astype("float32")
        found[f"b{i}"] = np.zeros(m, "float32")
    return found


def gradients(p, x, y):
    """Return the gradient of the mean cross-entropy for each weight and bias."""
    h1 = np.maximum(x @ p["w1"].T + p["b1"], 0)
    h2 = np.maximum(h1 @ p["w2"].T + p["b2"], 0)
    z = h2 @ p["w3"].T + p["b3"]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    d3 = (e / e.sum(axis=1, keepdims=True) - np.eye(10, dtype="float32")[y]) / len(y)
    d2 = (d3 @ p["w3"]) * (h2 > 0)
    d1 = (d2 @ p["w2"]) * (h1 > 0)
    found = {}
    for i, (d, h) in enumerate(((d1, x), (d2, h1), (d3, h2)), start=1):
        found |= {f"w{i}": d.T @ h, f"b{i}": d.sum(axis=0)}
    return found


def training(p, steps, prune_at=lambda step, p: None, seed=1):
    """Train in place; ``prune_at`` may return masks, which hold until it returns others."""
    rng = np.random.default_rng(seed)
    mean = {n: np.zeros_like(w) for n, w in p.items()}
    square = {n: np.zeros_like(w) for n, w in p.items()}
    masks = {}
    for step in range(1, steps + 1):
        some = rng.integers(0, 240, 48)
        for name, g in gradients(p, pixels[some], labels[some]).items():
            mean[name] += 0.1 * (g - mean[name])
            square[name] += 0.01 * (g * g - square[name])
            m, s = mean[name] / (1 - 0.9**step), square[name] / (1 - 0.99**step)
            p[name] -= 0.003 * m / (np.sqrt(s) + 1e-7)
        masks = prune_at(step, p) or masks
        for name, mask in masks.items():
            p[name] *= mask
    return p


def graph_of(p):
    """Return the network as a graph of minisparse."""
    b = ms.GraphBuilder("digits")
    h = b.input("x", ("batch", 64))
    for i in (1, 2, 3):
        operands = (b.constant(f"w{i}", p[f"w{i}"]), b.constant(f"b{i}", p[f"b{i}"]))
        h = b.op("gemm", h, *operands, transB=1, name=f"layer{i}")
        h = b.op("relu", h) if i < 3 else h
    return b.build({"logits": h})


def accuracy(graph):
    return ms.evaluate(ms.compile(graph), pixels[test], labels[test], rounds=1).accuracy


weights = training(initial(0), 400)
dense = graph_of(weights)
print(f"{accuracy(dense):.3f} of the images that it has not seen are named right")

# %% [markdown]
# ## The smallest go first
#
# The oldest rule is still hard to beat: a weight near zero does little, so set the smallest to zero
# (LeCun, Denker and Solla called this a baseline in 1989; Han et al. made it popular in 2015).
# `ms.prune` does it for each layer and returns another graph; the one given is not changed.

# %%
half = ms.prune(dense, "magnitude", sparsity=0.5)
print(ms.pruning_report(dense, half, {"x": pixels[train]}))

# %% [markdown]
# `energy` is what is left of the sum of squares: half of the weights hold most of it.
# `effect` is how far the layer's own result moves, `norm(y - y0) / norm(y0)`, on inputs that it
# had before. How far can one go?

# %%
shares = np.array([0, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98])
at_once = [accuracy(ms.prune(dense, sparsity=float(s))) for s in shares]
figure, axes = plt.subplots(figsize=(6, 3))
axes.plot(shares, at_once, "o-", label="pruned at once")
axes.set(xlabel="share of weights that are zero", ylabel="accuracy", ylim=(0, 1.02))
axes.grid(alpha=0.3)
axes.legend()
plt.show()

# %% [markdown]
# For a while nothing happens; then everything does. Add `scope="global"` to the
# call of `ms.prune` in the cell above, so that layers compete with each other.
#
# **Question 1.** The second layer has 128 x 128 weights. At a sparsity of 0.9, how many are left?

# %%
my_answer = None

pruned = ms.prune(dense, sparsity=0.9)
answer = int(np.count_nonzero(pruned.constants["w2"]))
hint = "a tenth of 16384, and `sparsity` times the size is rounded to a whole number first"
print(Question(answer, hint, number=1).check(my_answer))

# %% [markdown]
# ## A pattern for the machine
#
# Scattered zeros are the kindest to the network and the least useful to the machine: each weight
# that stays needs an index, and what it meets must be gathered. **n:m** keeps n of every m
# neighbors, so that an index takes a few bits. **Blocks** keep or drop squares, and multiply what
# is left as small dense matrices. What does each cost, at the same share of zeros?

# %%
ways = {
    "scattered": {"method": "magnitude", "sparsity": 0.75},
    "1:4": {"method": "nm", "n": 1, "m": 4},
    "blocks 4x4": {"method": "block", "sparsity": 0.75, "block": (4, 4)},
    "blocks 16x16": {"method": "block", "sparsity": 0.75, "block": (16, 16)},
    "channels": {"method": "channel", "sparsity": 0.75},
}
print(f"{'dense':14} accuracy {accuracy(dense):.3f}")
for name, how in ways.items():
    print(f"{name:14} accuracy {accuracy(ms.prune(dense, **how)):.3f}")

# %% [markdown]
# The larger the squares, the more it hurts: large weights lie anywhere, and a square takes them
# with the small ones. Channels are coarser still, but their few lost outputs are those that matter
# least to the layer behind. All that is without any training afterwards, which is not how it is
# done.
#
# ## Pruning while training
#
# Given time, the others take over what a lost weight did. So prune a little, train on, prune a
# little more. `GradualSchedule` says how much at each step: fast at first, where it costs nothing,
# slowly in the end (Zhu and Gupta, arXiv:1710.01878). Masks are plain arrays: a loop in torch would
# multiply by `torch.from_numpy(mask)`.

# %%
schedule = ms.GradualSchedule(final=0.95, begin=20, end=300, every=20)
steps = np.arange(401)
figure, axes = plt.subplots(figsize=(6, 2))
axes.plot(steps, [schedule.sparsity(int(step)) for step in steps])
axes.set(xlabel="step", ylabel="share of zeros")
axes.grid(alpha=0.3)
plt.show()


def gradually(how, final):
    """Return a trained network that was pruned on the way: ``how`` says in which pattern."""
    plan = ms.GradualSchedule(final=final, begin=20, end=300, every=20)

    def prune_at(step, p):
        if not plan.is_due(step):
            return None
        return find_masks(graph_of(p), skip=("layer3",), sparsity=plan.sparsity(step), **how)

    start = {name: w.copy() for name, w in weights.items()}
    return graph_of(training(start, 400, prune_at))


some = shares[[1, 3, 5, 6, 7]]
slowly = [accuracy(gradually({"method": "magnitude"}, float(s))) for s in some]
figure, axes = plt.subplots(figsize=(6, 3))
axes.plot(shares, at_once, "o-", label="pruned at once")
axes.plot(some, slowly, "s-", label="pruned while training")
axes.set(xlabel="share of weights that are zero", ylabel="accuracy", ylim=(0, 1.02))
axes.grid(alpha=0.3)
axes.legend()
plt.show()
for share, trained in zip(some, slowly, strict=True):
    before = at_once[list(shares).index(share)]
    print(f"{share:.0%} zeros: at once {before:.3f}, while training {trained:.3f}")

# %% [markdown]
# The same for blocks. The last layer stays as it is: it is small, and its ten outputs are all
# needed. `skip` takes names of layers or of weights, and patterns such as `"encoder.*"`.

# %%
squares = gradually({"method": "block", "block": (8, 8)}, 0.8)
print(f"blocks 8x8 at once            {accuracy(ms.prune(dense, 'block', sparsity=0.8)):.3f}")
print(f"blocks 8x8 while training     {accuracy(squares):.3f}")

# %% [markdown]
# **Question 2.** In the schedule above, `final=0.95`, from step 20 to step 300. Half of the way is
# step 160. Which share is zero there? Use the formula: final times (1 - (1 - 1/2)**3), rounded to
# three digits.

# %%
my_answer = None

answer = round(schedule.sparsity(160), 3)
hint = "1 - 1/8 is 7/8; and 7/8 of 0.95 is ..."
print(Question(answer, hint, number=2).check(my_answer))

# %% [markdown]
# ## What the zeros are worth
#
# `ms.evaluate` runs a compiled plan: accuracy, time, memory. A layer of 128 x 128 is multiplied
# within microseconds, so that nothing is to be had here: the compiler looks at the blocks, and
# leaves the weights dense. `tutorials/01` says from which size on they pay.

# %%
for name, graph in (("dense", dense), ("blocks 8x8", squares)):
    found = ms.evaluate(ms.compile(graph), pixels[test], labels[test])
    print(
        f"{name:11} {human_seconds(found.timing.median)} for 120 images, "
        f"weights {human_bytes(found.weight_bytes)}"
    )

# %% [markdown]
# ## Scores that know the inputs
#
# A large weight that meets only small inputs does little. **Wanda** scores a weight by its size
# times the norm of the input that it meets, within each row (Sun et al., arXiv:2306.11695). It
# needs a few inputs to calibrate by, and no training. The pixels at the border of the images are
# nearly always empty:

# %%
calibration = {"x": pixels[train]}
by_size = find_masks(dense, sparsity=0.5, scope="row", only=("layer1",))["w1"]
by_use = find_masks(dense, sparsity=0.5, only=("layer1",), calibration=calibration)["w1"]
figure, panels = plt.subplots(1, 3, figsize=(7, 2.4))
pictures = (pixels[train].mean(axis=0), by_size.mean(axis=0), by_use.mean(axis=0))
titles = ("mean image", "kept, by size", "kept, by size and use")
for panel, picture, title in zip(panels, pictures, titles, strict=True):
    panel.imshow(picture.reshape(8, 8), cmap="magma", vmin=0)
    panel.set_title(title, fontsize=9)
    panel.set_axis_off()
plt.show()
for name, found in (("size", {}), ("size and use", {"calibration": calibration})):
    less = ms.prune(dense, sparsity=0.8, scope="row", skip=("layer3",), **found)
    effect = ms.pruning_report(dense, less, calibration).effects["logits"]
    print(f"by {name:12}  outputs move by {effect:.2f}, accuracy {accuracy(less):.3f}")

# %% [markdown]
# Outputs move less where the inputs were counted. Whether more images are named right is another
# question, and 120 images answer it poorly: look at both columns, and change the sparsity.
#
# ## What stands in the way
#
# A model that somebody else pruned tells nothing about how. `ms.recognize` looks at each weight:
# dead outputs and inputs, blocks of every size, n:m as it is and after a permutation of the inputs.
# And it says where a pattern is narrowly missed. Here somebody's blocks were touched by an
# optimizer that knew of no mask:

# %%
rng = np.random.default_rng(5)
touched = np.array(squares.constants["w2"])
empty = np.argwhere(touched.reshape(16, 8, 16, 8).any(axis=(1, 3)) == 0)
for i, j in empty[rng.permutation(len(empty))[:11]]:
    touched[8 * i + rng.integers(8), 8 * j + rng.integers(8)] = 1e-4
theirs = graph_of({**{n: np.array(c) for n, c in squares.constants.items()}, "w2": touched})
structure = ms.recognize(theirs, permute=False)
print(structure["w2"])

# %% [markdown]
# Few numbers, and they cost: each of them makes a whole block of 64 that has to be stored and
# multiplied. They are tiny, so let them go.
#
# **Question 3.** Each block takes 64 numbers of 4 bytes and an index of 4. How many bytes do the
# strays cost?

# %%
my_answer = None

near = next(b for b in structure["w2"].blocks if b.size == 8)
hint = "each of them makes a block of its own necessary: how many are there, times 260"
print(Question(near.cleared * (64 * 4 + 4), hint, number=3).check(my_answer))

# %%
mended = ms.prune(theirs, "masks", masks={"w2": np.abs(touched) > 1e-3})
for name, graph in (("with strays", theirs), ("without", mended)):
    stored = ms.from_dense(np.array(graph.constants["w2"]), "bsr", block=(8, 8))
    print(f"{name:12} {human_bytes(stored.nbytes)} in blocks, accuracy {accuracy(graph):.3f}")
display(ms.recognize(mended, permute=False))

# %% [markdown]
# ## Where to go from here
#
# A whole **channel** that is zero needs no index and no kernel: it can be taken out of the network,
# and every layer behind it gets smaller. What has to be looked after on the way is the subject of
# `tutorials/07_shrinking.py`. `minisparse prune --help` does on the command line what this page
# did in Python; the code is in `minisparse/pruning/`, a file for each idea.
