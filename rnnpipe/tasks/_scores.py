"""How well continuous outputs follow a target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def regression_scores(
    output: NDArray[np.floating[Any]], target: NDArray[np.floating[Any]], mask: NDArray[np.floating[Any]]
) -> dict[str, float]:
    """Squared error of outputs where the loss counts, and what fraction of the target it leaves unexplained.

    With <.> the mean over outputs, steps and trials weighted by the mask:

    * `mse` = <(y - y*)^2>;
    * `r2_unc` = 1 - mse / <y*^2>, of the target's power;
    * `r2` = 1 - mse / <(y* - m)^2>, m the mean of each output's target: the explained variance, all trials pooled;
    * `r2_per_trial`, the mean over trials of 1 - <(y - y*)^2> / <(y* - m)^2> with all means within the trial and m that
      of all its outputs together. It is undefined where the target is constant; such trials are left out, and
      `n_r2_per_trial` is the number of those that remain.

    A ratio without a denominator is NaN.

    Args:
        output: Outputs y, (n_steps, n_trials, n_outputs).
        target: Targets y*, the same shape.
        mask: Weights, (n_steps, n_trials).
    """
    y, goal, w = output.astype(float), target.astype(float), mask.astype(float)[..., None]
    n_outputs = goal.shape[-1]
    error = np.where(w > 0, (y - goal) ** 2, 0.0)  # an output that is not finite does no harm where it does not count
    total = w.sum() * n_outputs
    mse = _ratio((w * error).sum(), total)
    power = _ratio((w * goal**2).sum(), total)
    mean = (w * goal).sum((0, 1)) / w.sum() if total else np.full(n_outputs, np.nan)
    variance = _ratio((w * (goal - mean) ** 2).sum(), total)

    of_trial = w.sum((0, 2)) * n_outputs
    counts = of_trial > 0
    per = np.where(counts, of_trial, 1.0)
    own_mean = (w * goal).sum((0, 2)) / per
    own_variance = (w * (goal - own_mean[:, None]) ** 2).sum((0, 2)) / per
    varies = counts & (own_variance > 1e-12 * max(power, 1e-300))
    own_r2 = 1 - ((w * error).sum((0, 2)) / per)[varies] / own_variance[varies]
    return {
        "mse": mse,
        "r2_unc": 1 - _ratio(mse, power),
        "r2": 1 - _ratio(mse, variance),
        "r2_per_trial": float(own_r2.mean()) if varies.any() else float("nan"),
        "n_r2_per_trial": float(varies.sum()),
    }


def _ratio(a: float, b: float) -> float:
    return float(a / b) if b > 0 else float("nan")
