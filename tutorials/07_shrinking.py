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
# # 7. Shrinking: when whole channels are gone
#
# Where zeros stand here and there, a runtime needs a sparse format to gain anything from them.
# Where **whole channels** are zero there is a simpler way: take them out. What is left is an
# ordinary, smaller, dense network, for which any library is good enough. But a channel is not in
# one place. It is written by a layer, normalized, added to others, flattened, and read by several
# more, and all of them have to agree that it is gone. This tutorial follows channels through a
# network: which ones can go, which ones cannot although they look dead, what has to be put in
# their place, and how to be sure that the small network still computes the same. Read from top to
# bottom and run each cell; where a question is asked, replace `None` by your answer and run the
# cell again.

# %%
import numpy as np

import minisparse as ms
from minisparse.api import compile_dense
from minisparse.core.extras import require
from minisparse.runtime import measure
from minisparse.runtime.equivalence import compare, recast
from minisparse.show import human_bytes, human_seconds
from minisparse.show.question import Question

plt = require("matplotlib.pyplot", "viz", "drawing this page's figures")
rng = np.random.default_rng(0)

# %% [markdown]
# ## A pruned network
#
# `digits_cnn` was trained on handwritten digits and pruned by channel: half of the filters of its
# two convolutions are zero. Zeros alone do nothing, as tutorial 1 showed; the file is as large as
# it was before. `ms.shrink` cuts them out:

# %%
cnn = ms.load(ms.examples.model_path("digits_cnn"))
pixels, labels = ms.examples.test_set()
images = pixels.reshape(-1, 1, 8, 8)
result = ms.shrink(cnn, {"x": images})
print(result)

# %% [markdown]
# Each line is a layer, before and after. The first layer writes fewer channels and the second
# reads fewer, because these are the same channels. The last two lines are the evidence that
# nothing else has changed; we come to them later.
#
# **Question 1.** The second convolution had 32 filters that read 16 channels each, with windows of
# 3 by 3. How many numbers does its weight hold now? The table says how many channels are left on
# both sides.

# %%
my_answer = None

answer = result.graph.constants["conv2.weight"].size
hint = "filters times channels times the nine places of a window"
print(Question(answer, hint, number=1).check(my_answer))

# %% [markdown]
# Half of the filters are gone, and half of the channels that each of them read, so that a quarter
# of the weight is left. Pruning two layers that follow each other pays twice.
#
# The predictions stay the same:

# %%
before, after = (compile_dense(graph)(images) for graph in (cnn, result.graph))
print("same labels:", bool((before.argmax(1) == after.argmax(1)).all()))
print(f"accuracy: {(after.argmax(1) == labels).mean():.4f}")

# %% [markdown]
# ## A dead weight is not a dead channel
#
# A filter of zeros computes its **bias**, at every place of every image. Then comes a
# normalization that shifts it, then a ReLU. What arrives at the next layer is a constant, but
# nothing says that the constant is zero. Leaving the channel out would take something from every
# sum of the next layer; so the constant has to be added there once and for all, as part of its
# bias. Here is a network with three dead filters, whose biases are 0, 1 and -1:


# %%
def two_layers(bias, pads):
    """Return two convolutions, a ReLU between them; three filters of the first are zero."""
    b = ms.GraphBuilder("two_layers")
    first = rng.standard_normal((6, 3, 3, 3)).astype("float32")
    first[:3] = 0
    second = rng.standard_normal((4, 6, 3, 3)).astype("float32")
    h = b.op(
        "conv", b.input("x", ("batch", 3, 8, 8)), b.constant("w1", first),
        b.constant("b1", np.array(bias, "float32")), pads=pads, name="first",
    )  # fmt: skip
    h = b.op("relu", h, name="relu")
    return b.build({"y": b.op("conv", h, b.constant("w2", second), pads=pads, name="second")})


dead = two_layers([0, 1, -1, 0.5, 0.5, 0.5], pads=(0, 0, 0, 0))
shrunk = ms.shrink(dead)
print(shrunk)
print()
print(shrunk.graph)

# %% [markdown]
# All three are gone, and the second layer, which had no bias, has one: what channel 1 contributed
# to each of its filters. Channels 0 and 2 contributed nothing, the one because its bias is zero,
# the other because ReLU makes zero of -1.
#
# **Question 2.** How many parameters does the small network have? Count the weights and biases of
# both layers.

# %%
my_answer = None

answer = shrunk.report.parameters[1]
print(Question(answer, "3 * 3 * 9 and 3, then 4 * 3 * 9 and 4", number=2).check(my_answer))

# %% [markdown]
# ## What happens at the border
#
# Now the same with padding, as most networks have it. At the border of the image a window hangs
# over the edge, and there are zeros, not the constant. So the contribution of a constant channel
# is not a constant. The picture shows what a channel that is 1 everywhere adds to a filter whose
# nine weights are 1:


# %%
def contribution(pads):
    """Return what a channel of ones adds to a filter of ones."""
    b = ms.GraphBuilder("ones")
    w = b.constant("w", np.ones((1, 1, 3, 3), "float32"))
    y = b.op("conv", b.input("x", (1, 1, 8, 8)), w, pads=pads)
    return compile_dense(b.build({"y": y}))(np.ones((1, 1, 8, 8), "float32"))[0, 0]


figure, axes = plt.subplots(1, 2, figsize=(8, 3.5))
for panel, pads in zip(axes, (0, 1), strict=True):
    added = contribution((pads,) * 4)
    picture = panel.imshow(added, vmin=0, vmax=9, cmap="viridis", extent=(0, *added.shape[::-1], 0))
    panel.set(title="padded by 1" if pads else "not padded", xticks=[], yticks=[])
figure.colorbar(picture, ax=list(axes), label="added to the sum")
plt.show()

# %% [markdown]
# **Question 3.** At how many of the 8 by 8 places of the padded image does this channel add less
# than it adds in the middle?

# %%
my_answer = None

padded = contribution((1, 1, 1, 1))
answer = int((padded < padded[4, 4]).sum())
print(Question(answer, "the places along the edge, each corner once", number=3).check(my_answer))

# %% [markdown]
# No bias can express that, for a bias is the same everywhere. So with padding the channel has to
# stay, and the report says so. Only channels that are constantly **zero** can go, since padding is
# zero as well:

# %%
print(ms.shrink(two_layers([0, 1, -1, 0.5, 0.5, 0.5], pads=(1, 1, 1, 1))).report)

# %% [markdown]
# Whoever prunes for shrinking therefore sets the bias, or the shift of the normalization, to zero
# together with the filter. That is why in `digits_cnn` everything could go.
#
# ## What is tied together
#
# In a residual network, two layers write to the same channels, because their results are added. A
# channel can only go from both of them. minisparse gives a number to every index of every axis of
# every value, and lets each op say which of them are the same channel; what hangs together, over
# however many ops, goes together or stays.


# %%
def residual(dead_in_branch, dead_in_shortcut, ignored):
    """Return a residual block of 8 channels; say which are dead on both ways, and after the sum."""
    b = ms.GraphBuilder("residual")
    x = b.input("x", ("batch", 3, 8, 8))
    ways = []
    for name, gone in (("branch", dead_in_branch), ("shortcut", dead_in_shortcut)):
        w = rng.standard_normal((8, 3, 1, 1)).astype("float32")
        w[list(gone)] = 0
        ways.append(b.op("conv", x, b.constant(f"{name}.weight", w), name=name))
    w = rng.standard_normal((5, 8, 1, 1)).astype("float32")
    w[:, list(ignored)] = 0
    total = b.op("relu", b.op("add", *ways, name="sum"), name="relu")
    return b.build({"y": b.op("conv", total, b.constant("after.weight", w), name="after")})


print(ms.shrink(residual({0, 1, 2}, {2, 3}, ignored=())).report)

# %% [markdown]
# Channel 2 is dead on both ways, and goes. The others are added to something that is alive. (What
# stays is numbered as in the small network, where channel 3 has become channel 2.)
#
# There is a second way to be dead: no one listens. If all that read a channel have zeros for it,
# then whoever writes it does so for nothing, and all of its filters can go, although none of their
# weights is zero.
#
# **Question 4.** In the next block the branch has the dead channels 0, 1 and 2, the shortcut 2 and
# 3, and the layer after the sum ignores 3, 6 and 7. How many of the 8 channels are left?

# %%
my_answer = None

block = ms.shrink(residual({0, 1, 2}, {2, 3}, ignored=(3, 6, 7)))
answer = block.graph.types["sum"].shape[1]
print(Question(answer, "dead on both ways, or ignored: 2, 3, 6 and 7", number=4).check(my_answer))

# %% [markdown]
# ## Heads
#
# In attention, the projections to queries, keys and values write all heads side by side, and a
# `reshape` takes them apart. A head is read by the projection at the end. If that one has zeros in
# its rows, the head is computed for nothing: scores, softmax and all. The rows of a head are
# followed back through `reshape` and `transpose` to the columns of three weights.


# %%
def attention(heads, each, width, silent):
    """Return self-attention in which the projection at the end ignores some heads."""
    b = ms.GraphBuilder("attention")
    x = b.input("x", ("batch", "tokens", width))
    split = b.constant("split", np.array([0, 0, heads, each]))
    joined = b.constant("joined", np.array([0, 0, heads * each]))
    parts = {}
    for name in ("query", "key", "value"):
        w = rng.standard_normal((width, heads * each)).astype("float32")
        h = b.op("matmul", x, b.constant(f"{name}.weight", w), name=name)
        parts[name] = b.op("transpose", b.op("reshape", h, split), perm=(0, 2, 1, 3))
    turned = b.op("transpose", parts["key"], perm=(0, 1, 3, 2))
    scores = b.op("matmul", parts["query"], turned, name="scores")
    scaled = b.op("multiply", scores, b.constant("scale", np.float32(each**-0.5)))
    mixed = b.op("matmul", b.op("softmax", scaled, axis=-1), parts["value"], name="mixed")
    h = b.op("reshape", b.op("transpose", mixed, perm=(0, 2, 1, 3)), joined)
    w = rng.standard_normal((heads * each, width)).astype("float32")
    for head in silent:
        w[head * each : (head + 1) * each] = 0
    return b.build({"y": b.op("matmul", h, b.constant("out.weight", w), name="out")})


heads = ms.shrink(attention(heads=8, each=16, width=128, silent=(1, 4, 6)))
print(heads)
print("scores are", heads.graph.types["scores"], "now")

# %% [markdown]
# What cannot shrink, however dead: a channel that goes through a normalization over all channels
# (`layer_normalization`, `softmax`), since the mean of fewer numbers is another mean. In a
# transformer that holds the width of the residual stream; heads and the inner layers of the
# feed-forward parts are free.
#
# ## Does it compute the same?
#
# Not to the last bit: a sum with fewer terms is rounded in other places. How far apart may two
# networks be before one suspects a mistake? What comes from rounding gets smaller when there is
# less rounding, and a mistake does not. So both networks are run once more in float64, where the
# unit roundoff is half a billion times smaller, and have to be closer by about that factor. Let us
# make a mistake on purpose: the small network without the bias that was folded into it, or with
# one that is off by a hundred-thousandth.


# %%
def with_bias_times(graph, factor):
    """Return a graph in which the bias that shrinking made is multiplied by a number."""
    b = dict(graph.constants)
    b["second:bias"] = b["second:bias"] * b["second:bias"].dtype.type(factor)
    return graph.replace_nodes(graph.nodes, b)


x = {"x": rng.standard_normal((4, 3, 8, 8)).astype("float32")}
wide = recast(dead, "float64")
wide_shrunk = ms.shrink(wide).graph
for factor in (1, 1 + 1e-5, 0):
    wrong = with_bias_times(shrunk.graph, factor), with_bias_times(wide_shrunk, factor)
    (found,) = compare((dead, wrong[0]), (wide, wrong[1]), x)
    print(f"bias times {factor:<7g}: {found}")

# %% [markdown]
# In float32 the small mistake drowns in the rounding; in float64 it stands out by orders of
# magnitude. `ms.shrink` makes this comparison on random inputs and on those that you give it.
#
# One thing it takes for granted: **activations are finite**. In IEEE arithmetic a zero weight
# times an infinite activation is NaN, and the dense network would show that NaN, while the small
# one does not compute it. If that happens on your inputs, the outputs differ, and the comparison
# says so.
#
# ## What it earns
#
# The same network in three ways: dense with its zeros, compiled for its zeros, and shrunk. To see
# more than overhead it has to be larger than `digits_cnn`: four convolutions of 64 channels, half
# of which are dead.


# %%
def tower(width, depth, size):
    """Return convolutions of equal width, half of whose channels are dead."""
    b = ms.GraphBuilder("tower")
    h = b.input("x", ("batch", 8, size, size))
    for i in range(depth):
        channels = b.type_of(h).shape[1]
        w = rng.standard_normal((width, channels, 3, 3)).astype("float32")
        w *= np.float32((2 / (9 * channels)) ** 0.5)
        w[rng.permutation(width)[: width // 2]] = 0
        h = b.op("conv", h, b.constant(f"w{i}", w), pads=(1, 1, 1, 1), name=f"conv{i}")
        h = b.op("relu", h, name=f"relu{i}")
    mean = b.op("reduce_mean", h, axes=(2, 3), keepdims=0, name="mean")
    w = rng.standard_normal((width, 10)).astype("float32")
    return b.build({"y": b.op("gemm", mean, b.constant("w", w), name="classes")})


large = tower(64, 4, 16)
small = ms.shrink(large)
print(small)
batch = {"x": rng.standard_normal((16, 8, 16, 16)).astype("float32")}
plans = {
    "dense": compile_dense(large),
    "compiled for its zeros": ms.compile(large, sizes={"batch": 16}),
    "shrunk, dense": compile_dense(small.graph),
    "shrunk, compiled": ms.compile(small.graph, sizes={"batch": 16}),
}
timing = measure({name: lambda p=plan: p.run(batch) for name, plan in plans.items()}, budget=2.0)
for name, t in timing.items():
    weights = sum(constant.nbytes for constant in plans[name].graph.constants.values())
    ratio = timing["dense"].median / t.median
    print(f"{name:24} {human_seconds(t.median):>8}  {ratio:5.2f} x  {human_bytes(weights)}")

# %%
figure, axes = plt.subplots(figsize=(7, 2.8))
axes.barh(list(timing), [1e3 * t.median for t in timing.values()], color="tab:blue")
done = small.report.multiply_adds
expected = 1e3 * timing["dense"].median * done[1] / done[0]
axes.axvline(expected, color="gray", linestyle="--", label="dense, fewer multiply-adds")
axes.invert_yaxis()
axes.set(xlabel="milliseconds a run")
axes.legend(loc="lower right")
figure.tight_layout()
plt.show()

# %% [markdown]
# The dashed line is what the dense time would be if it went down with the multiply-adds alone.
# Whether your bars reach it depends on how much of the time is arithmetic: what is done once an
# element, or once a layer, does not shrink as fast.
#
# In a pipeline the same is a pass that runs where it is asked for:

# %%
plan = ms.compile(large, sizes={"batch": 16}, also=("shrink_structures",))
print(plan.reports[0])

# %% [markdown]
# ## Now you
#
# Change one thing and run again:
#
# - In `two_layers`, put a `batch_normalization` before the ReLU, with scale zero for channel 4. Its
#   filter is alive. Does it go?
# - In `residual`, concatenate the two ways (`"concat"` with `axis=1`) instead of adding them, and
#   give the layer after them 16 channels to read. Which channels can go now?
# - In `attention`, silence half a head: eight rows of sixteen. They stay, and the report, which
#   speaks of channels of a layer's result, does not count them. What ties them to the other eight?
