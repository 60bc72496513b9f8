"""Intervals for proportions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

LEVEL = 0.95
"""Confidence level of every interval of this package."""


def wilson(successes: ArrayLike, n: ArrayLike, level: float = LEVEL) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Wilson score interval of a binomial proportion.

    With p = successes/n and z the normal quantile of the level, the interval is

    .. math:: \frac{p + z^2/2n \pm z \sqrt{p(1-p)/n + z^2/4n^2}}{1 + z^2/n}

    It stays within [0, 1] and does not collapse at p = 0 or 1, where perceptual choices at high coherence lie.

    Args:
        successes: Number of successes, any shape.
        n: Number of trials, same shape; where it is 0 both bounds are NaN.
        level: Confidence level.

    Returns:
        Lower and upper bounds.

    Reference: Brown, Cai & DasGupta (2001) Statistical Science 16:101.
    """
    k, m = np.asarray(successes, dtype=float), np.asarray(n, dtype=float)
    m = np.where(m > 0, m, np.nan)
    z = norm.ppf(0.5 + level / 2)
    p = k / m
    centre = (p + z**2 / (2 * m)) / (1 + z**2 / m)
    half = z * np.sqrt(p * (1 - p) / m + z**2 / (4 * m**2)) / (1 + z**2 / m)
    # exact bounds at the ends, where rounding would leave -1e-17
    low = np.where(k == 0, 0.0 * m, centre - half)
    high = np.where(k == m, 1.0 + 0.0 * m, centre + half)
    return low, high


def difference(
    successes: tuple[float, float], n: tuple[float, float], level: float = LEVEL
) -> tuple[float, float, float]:
    r"""Difference of two independent proportions with its score interval.

    With (l_i, u_i) the Wilson interval of p_i, the interval of d = p_2 - p_1 is

    .. math:: d - \sqrt{(p_2 - l_2)^2 + (u_1 - p_1)^2}, \quad d + \sqrt{(u_2 - p_2)^2 + (p_1 - l_1)^2}

    Args:
        successes: Number of successes of the first and of the second group.
        n: Number of trials of both; without trials everything is NaN.
        level: Confidence level.

    Returns:
        Difference (second less first), lower and upper bound.

    Reference: Newcombe (1998) Statistics in Medicine 17:873, method 10.
    """
    k, m = np.asarray(successes, dtype=float), np.asarray(n, dtype=float)
    low, high = wilson(k, m, level)
    p1, p2 = k / np.where(m > 0, m, np.nan)
    d = p2 - p1
    down, up = np.hypot(p2 - low[1], high[0] - p1), np.hypot(high[1] - p2, p1 - low[0])
    return float(d), float(d - down), float(d + up)
