"""Psychometric function: choices as a function of signed coherence, and its cumulative-Gaussian fit.

The fit that figures and claims report is the unweighted least-squares one, as published, for two reasons. With
random stimulus durations the psychometric function of even a perfect observer is a mixture of Gaussians of many
widths, and the two estimators then converge to different widths: for the ideal observer of the fixed-duration
task 11.7 % (least squares) and 12.7 % (likelihood), so only the published estimator can be held against published
numbers. And likelihood, which weights a proportion by its precision, lets a handful of lapses at the highest
coherence set the width. Where every trial follows one Gaussian both agree, and `fit_likelihood` is the more precise.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeWarning, brentq, curve_fit, minimize
from scipy.stats import chi2, norm

from rnnpipe.analysis.proportions import LEVEL, wilson

LEFT, RIGHT = 1, 2
"""Choices of the motion tasks, as in the trial table."""


@dataclass(frozen=True)
class Fit:
    """Cumulative Gaussian Phi((x - mu)/sigma); all numbers are NaN where `problem` says why there is no fit."""

    method: Literal["least squares", "likelihood"]
    mu: float = np.nan
    mu_low: float = np.nan
    mu_high: float = np.nan
    sigma: float = np.nan
    sigma_low: float = np.nan
    sigma_high: float = np.nan
    problem: str = ""

    def __call__(self, x: ArrayLike) -> NDArray[np.float64]:
        """Fitted probability of a rightward choice; NaN without a fit."""
        p: NDArray[np.float64] = norm.cdf((np.asarray(x, dtype=float) - self.mu) / self.sigma)
        return p


def right_choices(table: pd.DataFrame) -> pd.DataFrame:
    """Decisions and rightward choices at each signed coherence.

    Args:
        table: Trials with `side` (-1, +1), `coherence` (percent), `choice` and `decision`.

    Returns:
        One row a level of x = side * coherence (percent, rightward positive), ascending: `x`, `n_trials`, `n` (trials
        with a decision), `n_right`, `p_decision`, `p` (rightward given a decision), and its interval `low`, `high`.
    """
    x = table["side"].to_numpy(float) * table["coherence"].to_numpy(float) + 0.0  # + 0.0 makes -0 equal 0
    decided = table["decision"].to_numpy(bool)
    right = decided & (table["choice"].to_numpy() == RIGHT)
    counts = pd.DataFrame({"x": x, "n_trials": 1, "n": decided.astype(int), "n_right": right.astype(int)})
    levels = counts.groupby("x", as_index=False).sum()
    n = levels["n"].to_numpy(float)
    levels["p_decision"] = n / levels["n_trials"]
    levels["p"] = levels["n_right"] / np.where(n > 0, n, np.nan)
    levels["low"], levels["high"] = wilson(levels["n_right"], n)
    return levels


def fit_least_squares(x: ArrayLike, n_right: ArrayLike, n: ArrayLike, level: float = LEVEL) -> Fit:
    r"""Fit of the proportions by unweighted least squares, the published estimator.

    Levenberg-Marquardt from mu = mean(x), sigma = SD(x); no lapse. The intervals are Wald intervals with the
    covariance that binomial sampling gives this estimator,

    .. math:: (J^T J)^{-1} J^T \mathrm{diag}(p(1-p)/n) J (J^T J)^{-1},

    J the Jacobian at the solution, p the observed proportion moved inwards by half a trial, so that a level that was all left or all
    right is not taken for certain.

    Args:
        x: Levels, (n_levels,).
        n_right: Rightward choices at each level.
        n: Choices at each level; levels without any do not count.
        level: Confidence level.
    """
    x, k, n, problem = _usable(x, n_right, n)
    if problem:
        return Fit("least squares", problem=problem)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)
            (mu, sigma), _ = curve_fit(
                lambda x, mu, sigma: norm.cdf((x - mu) / sigma), x, k / n, p0=[x.mean(), x.std()], maxfev=10_000
            )
    except RuntimeError:
        return Fit("least squares", problem="the least-squares fit did not converge")
    spread = x.max() - x.min()
    if not 0 < sigma <= 100 * spread:
        return Fit("least squares", problem="choices do not grow with signed coherence")
    z = (x - mu) / sigma
    density = norm.pdf(z) / sigma
    jacobian = np.stack([-density, -density * z], axis=1)
    gram = jacobian.T @ jacobian
    if np.linalg.cond(gram) > 1e12:
        return Fit("least squares", problem="choices jump from all left to all right; the levels do not resolve a width")
    bread = np.linalg.inv(gram) @ jacobian.T
    p = (k + 0.5) / (n + 1)
    half = norm.ppf(0.5 + level / 2) * np.sqrt(np.diag((bread * (p * (1 - p) / n)) @ bread.T))
    return Fit(
        "least squares", mu, mu - half[0], mu + half[0], sigma, max(sigma - half[1], 0.0), sigma + half[1]
    )


def fit_likelihood(x: ArrayLike, n_right: ArrayLike, n: ArrayLike, level: float = LEVEL) -> Fit:
    """Fit of the counts by maximum likelihood (a probit regression) with profile-likelihood intervals.

    Arguments as in `fit_least_squares`. Counts that a step separates without error have no finite maximum and give no fit.
    """
    x, k, n, problem = _usable(x, n_right, n)
    if problem:
        return Fit("likelihood", problem=problem)
    if _separated(x, k, n):
        return Fit("likelihood", problem="choices jump from all left to all right; the levels do not resolve a width")

    def loss(mu: float, slope: float) -> float:
        z = (x - mu) * slope
        return -float(k @ norm.logcdf(z) + (n - k) @ norm.logsf(z))

    scale = x.std()  # in these units both parameters are of order one
    # the intercept-and-slope form of probit regression is concave, so this finds the maximum from anywhere
    best = minimize(lambda t: loss(-t[0] / t[1] * scale, t[1] / scale) if t[1] else np.inf, [0.0, 1.0], method="Nelder-Mead",
                    options={"xatol": 1e-10, "fatol": 1e-10, "maxiter": 4000})  # fmt: skip
    intercept, slope = best.x[0], best.x[1] / scale
    if slope * scale < 1e-2:
        return Fit("likelihood", problem="choices do not grow with signed coherence")
    mu, sigma = -intercept / (slope * 1.0), 1.0 / slope
    drop = best.fun + chi2.ppf(level, 1) / 2

    def profile(fixed: Literal["mu", "sigma"], value: float) -> float:
        if fixed == "sigma":
            inner = minimize(lambda t: loss(t[0], 1 / value), [mu], method="Nelder-Mead", options={"xatol": 1e-8})
        else:
            inner = minimize(lambda t: loss(value, np.exp(t[0])), [np.log(slope)], method="Nelder-Mead",
                             options={"xatol": 1e-8})  # fmt: skip
        return float(inner.fun) - drop

    def bound(fixed: Literal["mu", "sigma"], start: float, end: float) -> float:
        if profile(fixed, end) < 0:
            return end if fixed == "mu" else (0.0 if end < start else np.inf)
        return float(brentq(lambda value: profile(fixed, value), start, end, xtol=1e-6 * scale))

    far = 10 * (x.max() - x.min() + sigma)
    return Fit(
        "likelihood",
        mu,
        bound("mu", mu, mu - far),
        bound("mu", mu, mu + far),
        sigma,
        bound("sigma", sigma, 1e-3 * sigma),
        bound("sigma", sigma, 1e3 * sigma),
    )


def fit(table: pd.DataFrame) -> Fit:
    """The reported fit (least squares) of a trial table; see `right_choices` for its columns."""
    levels = right_choices(table)
    return fit_least_squares(levels["x"], levels["n_right"], levels["n"])


def _usable(
    x: ArrayLike, n_right: ArrayLike, n: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], str]:
    """Levels that have choices, and what keeps them from being fitted, if anything."""
    x, k, n = (np.asarray(v, dtype=float) for v in (x, n_right, n))
    keep = n > 0
    x, k, n = x[keep], k[keep], n[keep]
    problem = ""
    if not len(x):
        problem = "no decisions"
    elif len(np.unique(x)) < 3:
        problem = f"decisions at {len(np.unique(x))} signed coherences, a fit needs 3"
    elif k.sum() in (0, n.sum()):
        problem = f"every choice was {'left' if k.sum() == 0 else 'right'}"
    return x, k, n, problem


def _separated(x: NDArray[np.float64], k: NDArray[np.float64], n: NDArray[np.float64]) -> bool:
    """Whether a step explains every choice: at most one level has both choices, all left below, all right above."""
    order = np.argsort(x)
    k, n = k[order], n[order]
    mixed = (0 < k) & (k < n)
    first_right = int(np.argmax(k > 0))
    last_left = len(k) - 1 - int(np.argmax((k < n)[::-1]))
    return bool(mixed.sum() <= 1 and last_left <= first_right)
