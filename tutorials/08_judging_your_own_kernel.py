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
# # 8. Judging your own kernel
#
# You wrote a sparse kernel. Is it right? A few random matrices and `allclose` say yes, and so they
# say of most wrong kernels. This page has three kernels that look fine and are not, finds out with
# what input, and shows how near to the exact answer a right one must come. Read from top to bottom
# and run each cell; where a question is asked, replace `None` by your answer and run the cell
# again. Every figure is computed while the page runs.

# %%
from contextlib import suppress

import numpy as np

import minisparse as ms
from minisparse.core.extras import require
from minisparse.show.question import Question

plt = require("matplotlib.pyplot", "viz", "drawing this page's figures")
rng = np.random.default_rng(0)


def random_csr(m, k, density):
    """Return the plain arrays of a random matrix, sorted, without duplicates."""
    A = ms.from_dense(np.where(rng.random((m, k)) < density, rng.standard_normal((m, k)), 0), "csr")
    return A.indptr, A.indices, A.data, A.shape


# %% [markdown]
# ## A kernel that looks right
#
# `C = A @ B` with A in CSR: multiply each stored value by its row of B, then add up the products of
# each row of A. NumPy has `add.reduceat` for sums of neighbors, and so the kernel has two lines.


# %%
def by_reduceat(indptr, indices, data, shape, b):
    """Multiply A, given by its arrays, with b [K, N]."""
    products = data[:, None] * b[indices]
    return np.add.reduceat(products, indptr[:-1], axis=0)


def share_of_usual_tests(kernel, density):
    """Return the share of 200 random tests in which the kernel agrees with the dense product."""
    right = 0
    for _ in range(200):
        arrays = random_csr(20, 30, density)
        b = rng.standard_normal((30, 4))
        dense = ms.CSR(arrays[2], arrays[1], arrays[0], arrays[3]).to_dense()
        with suppress(IndexError, ValueError):  # an exception is a test that failed
            right += np.allclose(kernel(*arrays, b), dense @ b)
    return right / 200


densities = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5]
passed = [share_of_usual_tests(by_reduceat, d) for d in densities]
figure, axes = plt.subplots(figsize=(7, 2.8))
axes.plot(densities, passed, "o-")
axes.set(
    xlabel="density of the random matrices", ylabel="fraction of tests passed", ylim=(-0.05, 1.05)
)
figure.tight_layout()
plt.show()

# %% [markdown]
# At the densities that people test with, it always passes; at those that pruned networks have, it
# never does. What is wrong depends on something that random matrices of density 0.3 do not have.
#
# ## Ask the oracle
#
# `ms.oracle.check` calls the kernel with plain arrays, first with inputs that are known to be hard,
# then with random ones. When one fails it is made smaller for as long as it fails, so that what is
# left is the reason:

# %%
report = ms.oracle.check(by_reduceat, "spmm_csr", examples=200, seed=0)
print(report)

# %% [markdown]
# **Question 1.** Look at `report.failures` for one whose smallest input has an empty row. The sum
# of no products is zero. What does `reduceat` return for a row that is empty, if the row after it
# has the single product 7?

# %%
my_answer = None

answer = np.add.reduceat(np.array([7.0]), [0, 0])[0]
print(Question(answer, "try np.add.reduceat(np.array([7.0]), [0, 0])", number=1).check(my_answer))

# %% [markdown]
# ## The second kernel: one cell, stored twice
#
# Matrices that were put together from parts may hold a cell twice; then it counts twice. This
# kernel makes a dense matrix first. It is right for every matrix that `scipy.sparse.random` makes:


# %%
def by_scatter(indptr, indices, data, shape, b):
    """Multiply A with b by way of a dense matrix."""
    dense = np.zeros(shape, np.result_type(data, b))
    dense[np.repeat(np.arange(shape[0]), np.diff(indptr)), indices] = data
    return dense @ b


print("usual tests passed:", share_of_usual_tests(by_scatter, 0.1))
report = ms.oracle.check(by_scatter, "spmm_csr", examples=200, seed=0)
for failure in report.failures:
    print(f"{failure.rule}: {failure.message}; needs: {failure.label}")

# %% [markdown]
# Some of these are bugs and some are choices. That a duplicate is lost is a bug anywhere. That
# `0 * inf` makes NaN where the 0 is not stored is what the dense matrix would do: minisparse skips
# such zeros (rule S1 of docs/language.md), other libraries compute with them. A *profile* says what
# is right where systems differ:

# %%
for profile in ("default", "ieee"):
    found = ms.oracle.check(by_scatter, "spmm_csr", examples=200, seed=0, profile=profile)
    print(profile, sorted({failure.label for failure in found.failures}))

# %% [markdown]
# Now mend the kernel: `np.add.at` adds where the line above assigns. Its types are seen to as well:
# numbers of 16 bits are added up in float32 and rounded once (rule S8), and pointers of any integer
# type are taken.
#
# **Question 2.** How many causes of failure are left under the profile `ieee`?


# %%
def mended(indptr, indices, data, shape, b):
    """Multiply A with b by way of a dense matrix, duplicates summed."""
    dtype = np.result_type(data, b)
    wide = np.float32 if dtype.itemsize == 2 and dtype.kind not in "iu" else dtype
    dense = np.zeros(shape, wide)
    rows = np.repeat(np.arange(shape[0]), np.diff(indptr.astype(np.int64)))
    np.add.at(dense, (rows, indices), data.astype(wide))
    return (dense @ b.astype(wide)).astype(dtype)


my_answer = None

remaining = ms.oracle.check(mended, "spmm_csr", examples=200, seed=0, profile="ieee")
print(Question(len(remaining.failures), "print(remaining) tells", number=2).check(my_answer))

# %% [markdown]
# ## How near is right?
#
# Two right kernels differ in the last digits, because they add in different orders. So equality is
# too much to ask, and `allclose` too little: its tolerance knows nothing of what was added. What
# can be said is this: whoever adds K products in any order, rounding each time, is off by at most
# `K u S`, where S is the sum of the products' absolute values and u half of the distance from 1 to
# the next number (Jeannerod and Rump, 2013). Here are errors of sums of 200 products in float32,
# over that bound, for three orders:

# %%
u = 2.0**-24
ratios = {"in order": [], "reversed": [], "pairwise": []}
for _ in range(300):
    x, y = rng.standard_normal((2, 200)).astype("float32")
    products = x.astype("float64") * y
    exact, size = float(np.sum(products)), float(np.abs(products).sum())
    in_float32 = x * y
    for name, terms in (("in order", in_float32), ("reversed", in_float32[::-1])):
        total = np.float32(0)
        for term in terms:
            total += term
        ratios[name].append(abs(float(total) - exact) / (200 * u * size))
    ratios["pairwise"].append(abs(float(in_float32.sum()) - exact) / (200 * u * size))
figure, axes = plt.subplots(figsize=(7, 2.8))
axes.boxplot(list(ratios.values()), orientation="horizontal", tick_labels=list(ratios))
axes.set(xlabel="error over the bound K u S", xscale="log")
axes.axvline(1, color="red")
figure.tight_layout()
plt.show()

# %% [markdown]
# None comes near the red line, at which a kernel would be called wrong: random errors cancel. The
# bound has to hold for the worst of all inputs. That is why inputs matter more than tolerances: the
# oracle's favorite ones are small whole numbers, whose sums are exact in *every* order. Then the
# bound is zero, and the answer has to be right to the last bit.
#
# **Question 3.** Ten products of absolute value at most 1 are added in float32. By how much may a
# right kernel be off, at most? (`u = 2**-24`; write an expression.)

# %%
my_answer = None

print(Question(10 * 2.0**-24 * 10, "K = 10, and S is at most 10", 0.01, number=3).check(my_answer))

# %% [markdown]
# ## Yours
#
# Products, SpGEMM, SDDMM, softmax and conversions: below are the ops, and how each is called. A
# kernel in C, CUDA or Rust is judged from the command line, and survives being wrong:
# docs/guide_c_cuda_rust.md. Take a kernel that you have, or break one of these on purpose, and see
# what the smallest input is.

# %%
print(ms.oracle.calls())
