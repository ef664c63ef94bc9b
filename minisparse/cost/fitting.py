"""Fit coefficients to measured times, and tell how well they predict what they were not fitted to.

Least squares on *relative* errors, since times range over four orders of magnitude, with no
coefficient below zero: nothing takes negative time. Solved by the active-set method of Lawson and
Hanson, "Solving Least Squares Problems" (1974), chapter 23. Two things make it robust:

- a weak pull towards the machine's own figures (Tikhonov; as if some problems more had been
  measured that these predict), because what few problems tell about would be arbitrary otherwise;
- problems that are far off weigh less with each round (iteratively reweighted least squares;
  Holland and Welsch, Communications in Statistics A6, 1977), because a time measured while the
  machine did something else says nothing.

Errors are of cross-validation: the problems are dealt into folds, and each is predicted by
coefficients that were fitted to the other folds.
"""

import numpy as np

from minisparse.core.dtypes import Array

PULL = 0.03
"""How much a coefficient that is off the machine's figure by this figure counts, in problems."""
ROUNDS = 8
"""How often weights are found anew."""
LEAST = 0.05
"""Relative errors below this weigh alike: no time is measured better."""
FOLDS = 5


def nonnegative(a: Array, b: Array) -> Array:
    """Return the x of no negative element that minimizes ``|a @ x - b|``.

    Parameters
    ----------
    a : ndarray, shape (problems, unknowns)
    b : ndarray, shape (problems,)

    Returns
    -------
    ndarray, shape (unknowns,)

    Examples
    --------
    >>> nonnegative(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([2.0, -1.0]))
    array([2., 0.])
    """
    x = np.zeros(a.shape[1])
    free = np.zeros(a.shape[1], bool)
    tolerance = 1e-10 * max(float(np.abs(a.T @ b).max(initial=0.0)), 1e-300)
    for _ in range(3 * a.shape[1]):
        slope = a.T @ (b - a @ x)
        slope[free] = -np.inf
        best = int(slope.argmax()) if len(slope) else 0
        if not len(slope) or slope[best] <= tolerance:
            break
        free[best] = True
        x = _feasible(a, b, x, free)
    return x


def _feasible(a: Array, b: Array, x: Array, free: Array) -> Array:
    """Return the best x of the free unknowns, going back to the bound where one is crossed."""
    while free.any():
        best = np.zeros_like(x)
        best[free] = np.linalg.lstsq(a[:, free], b, rcond=None)[0]
        if (best[free] > 0).all():
            return best
        bad = free & (best <= 0)
        step = float(np.min(x[bad] / np.maximum(x[bad] - best[bad], 1e-300)))
        x = x + step * (best - x)
        free &= x > 1e-12 * max(float(x.max()), 1e-300)
        x[~free] = 0
    return x


def fit(counts: Array, seconds: Array, usual: Array) -> Array:
    """Return coefficients for which ``counts @ coefficients`` is about ``seconds``.

    Parameters
    ----------
    counts : ndarray, shape (problems, coefficients)
        What each problem counts.
    seconds : ndarray, shape (problems,)
        What was measured, all above zero.
    usual : ndarray, shape (coefficients,)
        What each is without a fit: the machine's own figures; 0 where nothing is known.
    """
    scale = np.where(usual > 0, usual, _typical(counts, seconds))
    relative = counts * scale / seconds[:, None]
    pull = PULL * np.eye(len(scale))
    wanted = np.where(usual > 0, PULL, 0.0)
    weight = np.ones(len(seconds))
    found = np.ones(len(scale))
    for _ in range(ROUNDS):
        a = np.vstack([relative * weight[:, None], pull])
        found = nonnegative(a, np.concatenate([weight, wanted]))
        predicted = np.maximum(relative @ found, 1e-6)
        off = np.maximum(np.abs(np.log(predicted)), LEAST)
        # Relative to the geometric mean of both times: half and double are equally wrong.
        weight = 1 / np.sqrt(off * predicted)
        weight /= np.sqrt(np.mean(weight**2))
    return np.asarray(found * scale)


def _typical(counts: Array, seconds: Array) -> Array:
    """Return for each coefficient what would explain all of a typical problem's time."""
    some = np.where(counts > 0, seconds[:, None] / np.maximum(counts, 1e-300), np.nan)
    found = [float(np.median(c[~np.isnan(c)])) if (~np.isnan(c)).any() else 0.0 for c in some.T]
    return np.array(found)


def cross_validate(
    counts: Array, seconds: Array, usual: Array, groups: Array, folds: int = FOLDS
) -> Array:
    """Return each problem's time as predicted by coefficients fitted to problems of other folds.

    Parameters
    ----------
    counts, seconds, usual
        As for :func:`fit`.
    groups : ndarray of int, shape (problems,)
        Which belong together and are left out together: the same matrix in several formats.
    folds : int
        How many.
    """
    _, number = np.unique(groups, return_inverse=True)
    predicted = np.zeros(len(seconds))
    for fold in range(folds):
        out = number % folds == fold
        if out.any() and not out.all():
            predicted[out] = counts[out] @ fit(counts[~out], seconds[~out], usual)
        elif out.any():  # there is nothing else to fit to
            predicted[out] = counts[out] @ usual
    return predicted


def factors(predicted: Array, seconds: Array) -> Array:
    """Return by which factor each prediction is off, at least 1."""
    ratio = np.maximum(predicted, 1e-12) / seconds
    return np.asarray(np.maximum(ratio, 1 / ratio))
