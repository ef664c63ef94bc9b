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
# # 11. Instruction selection: which zeros the hardware can use
#
# A kernel is a loop around instructions, and an instruction is all or nothing: it multiplies a tile
# of a fixed size, zeros and all, or it has been built for one pattern of zeros and accepts no
# other. This tutorial looks at what one instruction multiplies, why a pattern fits it or narrowly
# misses, how another order of columns can make it fit, and at something that is easily forgotten:
# each instruction **rounds in its own way**. Two machines that both compute the same product
# correctly give different bits, and we shall predict them, also those of machines that are not
# here. Read from top to bottom and run each cell; where a question is asked, replace `None` by
# your answer and run the cell again.

# %%
import numpy as np

import minisparse as ms
from minisparse.core.extras import require
from minisparse.cost import MACHINES, Target
from minisparse.cost.instructions import choose_instruction
from minisparse.kernels.instructions import (
    CORES,
    INSTRUCTIONS,
    Order,
    emulate,
    error_bound,
    round_to,
)
from minisparse.passes.select_instruction import instruction_for
from minisparse.runtime.equivalence import recast
from minisparse.show import display, spy_text, table_text
from minisparse.show.question import Question

plt = require("matplotlib.pyplot", "viz", "drawing this page's figures")
rng = np.random.default_rng(0)

# %% [markdown]
# ## What one instruction multiplies
#
# Each of them multiplies a tile of A, `m` by `k`, by a tile of B, `k` by `n`, and adds the products
# to a tile of C. A is the weight. A scalar multiply-add is the smallest: one, one and one. SIMD
# instructions have one value of A and a row of B as long as they have lanes. Instructions for
# bytes take four neighbors along k at once. Tensor cores have true tiles, and a variant whose A
# must be half empty: of every four neighbors in a row, two.

# %%
rows = [
    (
        i.name,
        "x".join(map(str, i.shape)),
        " by ".join(i.operands[0]),
        i.accumulator,
        "" if i.group is None else "{}:{}".format(*i.group),
        f"{i.rate:.3g}",
    )
    for i in INSTRUCTIONS.values()
]
print(table_text(("instruction", "m x n x k", "A by B", "sums", "A must be", "rate"), rows))

# %% [markdown]
# The last column is how many multiply-adds it does at its peak while the same machine does one
# scalar one. For SIMD that is the number of lanes. For tensor cores it is what the whitepaper of
# the A100 says.
#
# **Question 1.** How many multiply-adds does one `mma_f16` do, wherever it is executed?

# %%
my_answer = None

answer = int(np.prod(INSTRUCTIONS["mma_f16"].shape))
print(Question(answer, "m times n times k", number=1).check(my_answer))

# %% [markdown]
# ## Which zeros it can skip
#
# No instruction looks at values. To skip zeros, a kernel leaves out whole instructions, and that
# takes a piece of A that is zero altogether: one value for a SIMD instruction, four neighbors for
# bytes, 16 by 16 values for a tensor core. So the same weight costs different instructions very
# differently. Here is one in float16 with the same number of zeros in four arrangements, and what
# an H100 would execute for each column of B:


# %%
def arranged(kind, share, m=256, k=256):
    """Return float16 of which a share is not zero."""
    w = rng.uniform(1, 2, (m, k))
    if kind == "here and there":
        w *= rng.random((m, k)) < share
    elif kind == "whole rows":
        w[rng.permutation(m)[int(share * m) :]] = 0
    elif kind == "16x16 blocks":
        w *= np.kron(rng.random((m // 16, k // 16)) < share, np.ones((16, 16)))
    else:
        w[:, np.arange(k) % 4 >= 4 * share] = 0
    return w.astype("float16")


h100 = MACHINES["h100"].instructions
shown = []
for kind in ("here and there", "whole rows", "16x16 blocks", "two of four"):
    selection = choose_instruction(arranged(kind, 0.5), h100, search=0)
    steps = [selection[name] for name in ("scalar_fma_f32", "mma_f16", "mma_sp_f16")]
    shown.append((kind, *(f"{v.steps:,.0f}" if v.applies else "no" for v in steps)))
print(table_text(("half is zero", "scalar_fma_f32", "mma_f16", "mma_sp_f16"), shown))

# %% [markdown]
# The numbers are *steps*: multiply-adds, those with zeros included, divided by the rate. Zeros here
# and there halve the work of scalar instructions and do nothing for tiles, and still the tiles
# are faster by far. Whole rows that are strewn about help a tensor core little, since its tiles
# are 16 rows high. Full blocks of its own size help it, and 2:4 doubles its rate.
#
# **Question 2.** Nonzeros here and there: below which share of them do scalar instructions need
# fewer steps than `mma_f16`? (Assume that no tile is empty.)

# %%
my_answer = None

answer = INSTRUCTIONS["scalar_fma_f32"].rate / INSTRUCTIONS["mma_f16"].rate
hint = "one multiply-add a nonzero against one a value, but 16 of them in the same time"
print(Question(answer, hint, tolerance=0.05, number=2).check(my_answer))

# %%
shares = np.geomspace(0.002, 0.5, 15)
found = [choose_instruction(arranged("here and there", s), h100, search=0) for s in shares]
figure, axes = plt.subplots(figsize=(7, 3.2))
for name in ("scalar_fma_f32", "mma_f16"):
    axes.loglog(100 * shares, [s[name].steps for s in found], marker="o", label=name)
axes.set(xlabel="percent of nonzeros, here and there", ylabel="steps a column")
axes.legend()
figure.tight_layout()
plt.show()

# %% [markdown]
# Steps are not time: fetching single values through an index costs more than the multiply-add, so
# in practice the crossing lies further left. For time there is the cost model, tutorial 9.
#
# ## Narrowly missed
#
# A pattern that holds nearly everywhere does not hold. Three values in the wrong place, in a
# weight that is 2:4 otherwise:

# %%
w = arranged("two of four", 0.5, 64, 96)
for row, column in ((17, 42), (40, 7), (63, 90)):
    w[row, [column, column - 6]] = 1.5, 0
selection = choose_instruction(w, h100, name="w")
display(selection)

# %% [markdown]
# The groups in the way are counted and the first is named; as data it is
# `selection["mma_sp_f16"].misses[0]`. What to do about it is up to you: prune the three values, or
# change the **order of the columns**. The columns of A may stand in any order as long as the rows
# of B are brought into the same, for a sum does not care which term comes first (but see below).
# A network can do that for free: the rows of B are what the layer before has computed, so its
# rows are stored in that order, once. Here is a weight that has been pruned 2:4 and then shuffled:

# %%
shuffled = arranged("two of four", 0.5, 32, 48)[:, rng.permutation(48)]
selection = choose_instruction(shuffled, h100, name="shuffled")
miss = selection["mma_sp_f16"].misses[0]
print(miss.text)
order = list(miss.near.permutation)
turned = shuffled[:, order]
for title, x in (("as it is", shuffled[:3]), ("in the order that was found", turned[:3])):
    print(f"\n{title}: the first rows")
    print(spy_text(*np.nonzero(x), x.shape, width=100))
print(choose_instruction(turned, h100, name="turned").summary())

# %% [markdown]
# **Question 3.** Half of the columns were zero, and the order was random. What share of the groups
# of four, roughly, holds more than two nonzeros then? Think of four columns that are each zero or
# not by the throw of a coin.

# %%
my_answer = None

wide = arranged("two of four", 0.5, 1, 40_000)[:, rng.permutation(40_000)]
near = choose_instruction(wide, h100, search=0)["mma_sp_f16"].misses[0].near
answer = near.violations / near.groups
hint = "three or four heads of four throws: 4 ways and 1 way, of 16"
print(Question(answer, hint, tolerance=0.1, number=3).check(my_answer))

# %% [markdown]
# Not every weight can be mended by an order. Where one row alone holds more nonzeros than there is
# room for, none can, and minisparse says so without a search. Where the search finds none, there
# may be one still.
#
# Other ways to miss are about numbers, not about zeros:

# %%
plain = arranged("two of four", 0.5, 64, 30).astype("float32")
print(choose_instruction(plain, h100, name="float32"))
print()
print(choose_instruction(plain, h100, name="with tf32=True", tf32=True).summary())

# %% [markdown]
# Float32 goes to a tensor core only as TF32, which has 11 bits of significand instead of 24. That
# would change results by far more than any order of summation, so it has to be asked for. And
# TF32's pattern is not 2:4 but 1:2: of every two neighbors, one.
#
# In a compiled model the choice is noted for each layer. Here is a network of ours on machines
# that are not here, as it was trained and pruned, and then pruned 2:4 and cast to float16:

# %%
given = ms.load(ms.examples.model_path("digits_mlp"))
versions = {"float32": given, "2:4, float16": recast(ms.prune(given, "nm", n=2, m=4), "float16")}
for version, graph in versions.items():
    layers = [n for n in graph.nodes if instruction_for(graph, n, Target()) is not None]
    print(f"{version}: {', '.join(n.name for n in layers)}")
    for name, machine in sorted(MACHINES.items()):
        picks = [instruction_for(graph, n, Target(machine)).instruction.name for n in layers]
        print(f"  {name:16}", *picks)

# %% [markdown]
# ## What rounding to expect
#
# Now for the bits. `emulate` computes what a loop of one instruction computes, to the last bit. Let
# us sum a one and three numbers that are small beside it, as products of float16: 1 times 1, and
# three times 2**-12 times 2**-12.

# %%
a = np.array([[1, 2.0**-12, 2.0**-12, 2.0**-12]])
b = a.T
print(f"exactly           1 + {float((a @ b)[0, 0] - 1) * 2**24:.1f} x 2**-24")
print(
    f"one by one, fused 1 + {float(emulate('scalar_fma_f32', a, b)[0, 0] - 1) * 2**24:.1f} x 2**-24"
)
for core in CORES:
    d = emulate("mma_f16", a, b, core=core)
    print(f"{core:17} 1 + {float(d[0, 0] - 1) * 2**24:.1f} x 2**-24")

# %% [markdown]
# After 1, the next number in float32 is 1 + 2 x 2**-24. A chain of multiply-adds adds 2**-24 three
# times; each time it lies just in the middle, is rounded to even, and is lost. A tensor core
# adds all four products at once: it shifts them to the largest exponent, **cuts off** what falls
# below a certain bit, adds, and cuts off again to float32. How many products make a block, and how
# many bits below float32's last one are kept, differs from generation to generation. On a V100
# none are kept, so the three are lost before they can add up.
#
# None of this is documented by NVIDIA. It was found by experiments such as this one, and published:
# see `docs/instructions.md` for who found what, and for what has been assumed here besides. No
# GPU is asked on this page.

# %%
print(
    table_text(
        ("generation", "float16 products at once", "extra bits"),
        [(core.name, str(core.terms("float16")), str(core.extra)) for core in CORES.values()],
    )
)

# %% [markdown]
# **Question 4.** Now a one and 1000 products that are 2**-25 each, on an Ampere, which keeps one
# extra bit: 2**-24. What does it give?

# %%
my_answer = None

a = np.full((1, 1001), 2.0**-13)
b = np.full((1001, 1), 2.0**-12)
a[0, 0] = b[0, 0] = 1
answer = float(emulate("mma_f16", a, b, core="ampere")[0, 0])
hint = "each is shifted to the exponent of 1, by itself, and then cut off"
print(Question(answer, hint, number=4).check(my_answer))
print("hopper, for comparison:", float(emulate("mma_f16", a, b, core="hopper")[0, 0]))

# %% [markdown]
# Cutting off always errs toward zero. Where all terms have one sign, errors add up instead of
# canceling. A dot product of positive numbers, longer and longer:

# %%
lengths = [16, 64, 256, 1024, 4096]
ways = {
    "a chain of FMAs": lambda a, b: emulate("avx512_fma_f32", a, b),
    "16 lanes, 4 accumulators": lambda a, b: emulate("avx512_fma_f32", a, b, order=Order(16, 4)),
    "volta": lambda a, b: emulate("mma_f16", a, b, core="volta"),
    "ampere": lambda a, b: emulate("mma_f16", a, b, core="ampere"),
    "hopper": lambda a, b: emulate("mma_f16", a, b, core="hopper"),
}
errors = {name: [] for name in ways}
for length in lengths:
    a = round_to(rng.random((8, length)), "float16")
    b = round_to(rng.random((length, 8)), "float16")
    exact = a.astype(float) @ b.astype(float)
    for name, way in ways.items():
        errors[name].append(float(((way(a, b) - exact) / exact).mean()))

figure, axes = plt.subplots(figsize=(7, 3.6))
for name, values in errors.items():
    axes.semilogx(lengths, np.array(values) * 2**24, marker="o", base=2, label=name)
axes.axhline(0, color="gray", linewidth=0.8)
axes.set(xlabel="terms", ylabel="mean relative error x 2**24")
axes.legend(fontsize=8)
figure.tight_layout()
plt.show()
bound = error_bound(a, b, 0, "float16", "ampere") / exact
print(f"proven bound for ampere at {lengths[-1]} terms: {bound.max() * 2**24:.0f} x 2**-24")
print(f"its mean error there: {errors['ampere'][-1] * 2**24:.0f} x 2**-24")

# %% [markdown]
# Rounding to nearest errs to both sides, and its mean stays near zero; tensor cores drift below
# it. Longer blocks and more bits make it milder from generation to generation. Is it much? Beside
# it, what rounding the inputs to float16 does to the same sums, which errs to both sides as well:

# %%
a, b = rng.random((8, 4096)), rng.random((4096, 8))
rounded = round_to(a, "float16").astype(float) @ round_to(b, "float16").astype(float)
moved = np.abs(rounded / (a @ b) - 1).mean()
print(f"inputs rounded: {moved:.1e}; then summed by ampere: {-errors['ampere'][-1]:.1e}")

# %% [markdown]
# At this length the drift is the larger of the two.
#
# ## Bytes
#
# Sums of integers are exact, until they meet the edge of their register. `avx2_maddubs`, the best
# that processors had for bytes before VNNI, adds *two* products in 16 bits, and cuts at 32767:

# %%
activations = np.full((1, 4), 255, "uint8")
for weight in (50, 100, 127):
    weights = np.full((4, 1), weight, "int8")
    right, cut = (
        int(emulate(name, activations, weights)[0, 0]) for name in ("avx512_dpbusd", "avx2_maddubs")
    )
    print(f"four weights of {weight:3}: {right:6} by avx512_dpbusd, {cut:6} by avx2_maddubs")

# %% [markdown]
# **Question 5.** What is the largest weight w such that no two weights between -w and w, whatever
# the activations (0 to 255), can exceed 16 bits?

# %%
my_answer = None

full = np.full((1, 2), 255, "uint8")
pairs = {v: emulate("avx2_maddubs", full, np.full((2, 1), v, "int8"))[0, 0] for v in range(128)}
answer = max(v for v, total in pairs.items() if total == 2 * 255 * v)
print(Question(answer, "2 times 255 times w must not exceed 32767", number=5).check(my_answer))

# %%
laptop = MACHINES["laptop"].instructions
narrow = rng.integers(-answer, answer + 1, (32, 64)).astype("int8")
print(choose_instruction(narrow, laptop, other="uint8", name="within").summary())
narrow[9, 20:22] = answer, answer + 1
print(choose_instruction(narrow, laptop, other="uint8", name="beyond")["avx2_maddubs"].why)

# %% [markdown]
# ## Does it hold?
#
# One instruction is at hand: whatever your processor has for float32. NumPy's matrix product is a
# library's loop around it. If the emulation is right and the library sums each element in a
# chain, all bits agree. If the chain is cut somewhere, and the parts are added, we can find out
# where, by trying all places:


# %%
def in_parts(a, b, size):
    """Return A @ B with k cut into parts, each of them a chain that is then added."""
    total = emulate("scalar_fma_f32", a[:, :size], b[:size])
    for k in range(size, a.shape[1], size):
        total = total + emulate("scalar_fma_f32", a[:, k : k + size], b[k : k + size])
    return total


for k in (64, 256, 640):
    a = rng.standard_normal((64, k)).astype("float32")
    b = rng.standard_normal((k, 64)).astype("float32")
    given = (a @ b)[:4]
    agreeing = {size: (in_parts(a[:4], b, size) == given).mean() for size in range(16, k + 1, 4)}
    best = max(agreeing, key=lambda size: (agreeing[size], size))
    separate = (a[:4, :, None] * b).cumsum(axis=1)[:, -1]
    print(
        f"K={k}: {agreeing[best]:.0%} of the bits with parts of {best}; "
        f"{(separate == given).mean():.0%} if products were rounded by themselves"
    )

# %% [markdown]
# Where that says 100 %, you have predicted a library's bits from nothing but the definition of one
# instruction, and found out how it cuts its loops. With another library, on another processor or
# on other shapes it may cut differently, or use other lanes, and then the figures are lower.
#
# ## Now you
#
# Change one thing and run again:
#
# - In `arranged`, make blocks of 8 by 8. What do they do for `mma_f16`, and why so little?
# - Give `w` a fourth stray value in a row that is full. What does minisparse say about an order of
#   columns then?
# - Sum numbers of both signs instead of positive ones (`rng.standard_normal`). Does the drift of
#   the tensor cores stay?
