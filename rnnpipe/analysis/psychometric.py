"""Psychometric function: choices as a function of signed coherence or rate, and its cumulative-Gaussian fit.

The fit that figures and claims report is the unweighted least-squares one, as published, for two reasons. With
random stimulus durations the psychometric function of even a perfect observer is a mixture of Gaussians of many
widths, and the two estimators then converge to different widths: for the ideal observer of the fixed-duration
task 11.7 % (least squares) and 12.7 % (likelihood), so only the published estimator can be held against published
numbers. And likelihood, which weights a proportion by its precision, lets a handful of lapses at the highest
coherence set the width. Where every trial follows one Gaussian both agree, and `fit_likelihood` is the more precise.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeWarning, brentq, curve_fit, minimize
from scipy.special import log_ndtr
from scipy.stats import chi2, norm

from rnnpipe.analysis.proportions import LEVEL, wilson

LEFT, RIGHT = 1, 2
"""Choices of the motion tasks, as in the trial table."""

SIDES = ("left", "right")
"""What the two choices are called, the one that should grow with the level last."""


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


def choices_by_level(table: pd.DataFrame, x: ArrayLike, choice: int = RIGHT) -> pd.DataFrame:
    """Decisions and choices of one kind at each level of a stimulus.

    Args:
        table: Trials with `choice` and `decision`.
        x: Level of the stimulus in each trial, (n_trials,).
        choice: The choice that is counted.

    Returns:
        One row a level, ascending: `x`, `n_trials`, `n` (trials with a decision), `n_chosen`, `p_decision`, `p` (chosen
        given a decision), and its interval `low`, `high`.
    """
    decided = table["decision"].to_numpy(bool)
    chosen = decided & (table["choice"].to_numpy() == choice)
    level = np.asarray(x, dtype=float) + 0.0  # + 0.0 makes -0 equal 0
    counts = pd.DataFrame({"x": level, "n_trials": 1, "n": decided.astype(int), "n_chosen": chosen.astype(int)})
    levels = counts.groupby("x", as_index=False).sum()
    n = levels["n"].to_numpy(float)
    levels["p_decision"] = n / levels["n_trials"]
    levels["p"] = levels["n_chosen"] / np.where(n > 0, n, np.nan)
    levels["low"], levels["high"] = wilson(levels["n_chosen"], n)
    return levels


def right_choices(table: pd.DataFrame) -> pd.DataFrame:
    """Rightward choices at each signed coherence.

    Args:
        table: Trials with `side` (-1, +1), `coherence` (percent), `choice` and `decision`.

    Returns:
        As `choices_by_level` of x = side * coherence (percent, rightward positive), `n_chosen` named `n_right`.
    """
    x = table["side"].to_numpy(float) * table["coherence"].to_numpy(float)
    return choices_by_level(table, x, RIGHT).rename(columns={"n_chosen": "n_right"})


def fit_least_squares(
    x: ArrayLike, n_right: ArrayLike, n: ArrayLike, level: float = LEVEL, names: tuple[str, str] = SIDES
) -> Fit:
    r"""Fit of the proportions by unweighted least squares, the published estimator.

    Levenberg-Marquardt from mu = mean(x), sigma = SD(x); no lapse. The intervals are Wald intervals with the
    covariance that binomial sampling gives this estimator,

    .. math:: (J^T J)^{-1} J^T \mathrm{diag}(p(1-p)/n) J (J^T J)^{-1},

    J the Jacobian at the solution, p the observed proportion moved inwards by half a trial, so that a level that
    was all left or all right is not taken for certain.

    Args:
        x: Levels, (n_levels,).
        n_right: Rightward choices at each level, or whatever choice should grow with it.
        n: Choices at each level; levels without any do not count.
        level: Confidence level.
        names: What the two choices are called, the counted one last.
    """
    x, k, n, problem = usable(x, n_right, n, names)
    if problem:
        return Fit("least squares", problem=problem)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)
            # with derivatives: levels symmetric about 0 start mu at a rounding error, on whose scale finite
            # differences vanish and mu would stay where it is
            (mu, sigma), _ = curve_fit(_gaussian, x, k / n, p0=[x.mean(), x.std()], jac=_jacobian, maxfev=10_000)
    except RuntimeError:
        return Fit("least squares", problem="the least-squares fit did not converge")
    mu, sigma = float(mu), float(sigma)
    if not 0 < sigma <= 100 * (x.max() - x.min()):
        return Fit("least squares", problem="choices do not grow with the level")
    jacobian = _jacobian(x, mu, sigma)
    gram = jacobian.T @ jacobian
    if np.linalg.cond(gram) > 1e12:
        return Fit("least squares", problem=_step(names))
    bread = np.linalg.inv(gram) @ jacobian.T
    p = (k + 0.5) / (n + 1)
    error = np.sqrt(np.diag((bread * (p * (1 - p) / n)) @ bread.T))
    half_mu, half_sigma = (norm.ppf(0.5 + level / 2) * error).tolist()
    return Fit("least squares", mu, mu - half_mu, mu + half_mu, sigma, max(sigma - half_sigma, 0.0), sigma + half_sigma)


def _gaussian(x: NDArray[np.float64], mu: float, sigma: float) -> NDArray[np.float64]:
    p: NDArray[np.float64] = norm.cdf((x - mu) / sigma)
    return p


def _jacobian(x: NDArray[np.float64], mu: float, sigma: float) -> NDArray[np.float64]:
    """Derivatives of `_gaussian` by mu and sigma, (n_levels, 2)."""
    z = (x - mu) / sigma
    density = norm.pdf(z) / sigma
    return np.stack([-density, -density * z], axis=1)


def fit_likelihood(
    x: ArrayLike, n_right: ArrayLike, n: ArrayLike, level: float = LEVEL, names: tuple[str, str] = SIDES
) -> Fit:
    """Fit of the counts by maximum likelihood (probit regression) with profile-likelihood intervals.

    Arguments as in `fit_least_squares`. Counts that a step explains without error have no finite maximum and give
    no fit. A bound beyond a thousand times the estimate is reported as 0 or infinity.
    """
    x, k, n, problem = usable(x, n_right, n, names)
    if problem:
        return Fit("likelihood", problem=problem)
    centre, scale = x.mean(), x.std()
    u = (x - centre) / scale  # in these units both parameters are of order one
    (intercept, slope), least = _probit(np.stack([np.ones_like(u), u], axis=1), 0.0, k, n)
    if slope < 1e-2:
        return Fit("likelihood", problem="choices do not grow with the level")
    mu, sigma = -intercept / slope, 1 / slope
    limit = least + chi2.ppf(level, 1) / 2

    def excess_of_mu(value: float) -> float:
        return _probit((u - value)[:, None], 0.0, k, n)[1] - limit

    def excess_of_sigma(value: float) -> float:
        return _probit(np.ones((len(u), 1)), u / value, k, n)[1] - limit

    far = 1e3 * sigma
    bounds = (
        _crossing(excess_of_mu, mu, mu - far, -np.inf),
        _crossing(excess_of_mu, mu, mu + far, np.inf),
        _crossing(excess_of_sigma, sigma, 1e-3 * sigma, 0.0),
        _crossing(excess_of_sigma, sigma, far, np.inf),
    )
    mu, mu_low, mu_high = (float(centre + scale * v) for v in (mu, *bounds[:2]))
    sigma, sigma_low, sigma_high = (float(scale * v) for v in (sigma, *bounds[2:]))
    return Fit("likelihood", mu, mu_low, mu_high, sigma, sigma_low, sigma_high)


def _probit(
    design: NDArray[np.float64], offset: NDArray[np.float64] | float, k: NDArray[np.float64], n: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Minimum of the (convex) negative log likelihood of k ~ Binomial(n, Phi(design @ t + offset))."""

    def loss(t: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = design @ t + offset
        right, left, density = log_ndtr(z), log_ndtr(-z), -(z**2 + np.log(2 * np.pi)) / 2
        slope = (n - k) * np.exp(density - left) - k * np.exp(density - right)
        return -float(k @ right + (n - k) @ left) / n.sum(), slope @ design / n.sum()

    best = minimize(loss, np.zeros(design.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-8})
    return best.x, float(best.fun * n.sum())


def _crossing(excess: Callable[[float], float], inside: float, outside: float, beyond: float) -> float:
    """Where `excess` turns positive between two values, or `beyond` if it does not."""
    return float(brentq(excess, inside, outside, xtol=1e-9, rtol=1e-9)) if excess(outside) > 0 else beyond


def fit(table: pd.DataFrame) -> Fit:
    """The reported fit (least squares) of a trial table; see `right_choices` for its columns."""
    levels = right_choices(table)
    return fit_least_squares(levels["x"], levels["n_right"], levels["n"])


def fit_levels(levels: pd.DataFrame, names: tuple[str, str] = SIDES) -> Fit:
    """The reported fit (least squares) of what `choices_by_level` counted."""
    return fit_least_squares(levels["x"], levels["n_chosen"], levels["n"], names=names)


def _step(names: tuple[str, str]) -> str:
    return f"choices jump from all {names[0]} to all {names[1]}; the levels do not resolve a width"


def usable(
    x: ArrayLike, n_right: ArrayLike, n: ArrayLike, names: tuple[str, str]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], str]:
    """Levels that have choices, and what keeps them from being fitted, if anything."""
    x, k, n = (np.asarray(v, dtype=float) for v in (x, n_right, n))
    keep = n > 0
    x, k, n = x[keep], k[keep], n[keep]
    problem = ""
    if not len(x):
        problem = "no decisions"
    elif len(np.unique(x)) < 3:
        problem = f"decisions at {len(np.unique(x))} levels, a fit needs 3"
    elif k.sum() in (0, n.sum()):
        problem = f"every choice was {names[0] if k.sum() == 0 else names[1]}"
    elif _separated(x, k, n):
        problem = _step(names)
    return x, k, n, problem


def _separated(x: NDArray[np.float64], k: NDArray[np.float64], n: NDArray[np.float64]) -> bool:
    """Whether a step explains every choice: at most one level has both choices, all left below, all right above."""
    order = np.argsort(x)
    k, n = k[order], n[order]
    mixed = (k > 0) & (k < n)
    first_right = int(np.argmax(k > 0))
    last_left = len(k) - 1 - int(np.argmax((k < n)[::-1]))
    return bool(mixed.sum() <= 1 and last_left <= first_right)
