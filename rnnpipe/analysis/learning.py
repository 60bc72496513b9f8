"""Learning curves: what the validations of a training say."""

from __future__ import annotations

import numpy as np
import pandas as pd


def learning_curve(history: pd.DataFrame) -> pd.DataFrame:
    """Validations in the units of the published learning curves.

    Args:
        history: One row a validation: `n_trials`, `mean_reward`, and `p_correct`, of an agent `performance`, or of an
            environment `mean_return`.

    Returns:
        One row a validation: `n_trials`, `mean_reward`, `best_reward` (best so far), and `percent_correct` (of decided
        trials), `percent_of_trials` (correct ones among all) or `mean_return` (undiscounted, in the environment's
        units). `percent_correct` is NaN where the mean reward is not positive: there most trials are aborted and the
        few decisions say nothing about the network.
    """
    reward = history["mean_reward"].to_numpy(float)
    curve = pd.DataFrame(
        {
            "n_trials": history["n_trials"].to_numpy(float),
            "mean_reward": reward,
            "best_reward": np.maximum.accumulate(reward),
        }
    )
    if "p_correct" in history:
        curve["percent_correct"] = np.where(reward > 0, 100 * history["p_correct"].to_numpy(float), np.nan)
    elif "performance" in history:
        curve["percent_of_trials"] = 100 * history["performance"].to_numpy(float)
    else:
        curve["mean_return"] = history["mean_return"].to_numpy(float)
    return curve


def trials_to_criterion(history: pd.DataFrame) -> float:
    """Training trials before the first validation that met the task's criterion.

    Args:
        history: One row a validation: `n_trials`, `criterion`.

    Returns:
        Number of trials; infinite for a network that never got there, which keeps a median over networks right.
    """
    passed = history["criterion"].astype(bool)
    return float(history["n_trials"][passed].min()) if passed.any() else np.inf


def trials_to_positive_reward(history: pd.DataFrame) -> float:
    """Training trials before the first validation with a positive mean reward; infinite if there was none."""
    positive = history["mean_reward"] > 0
    return float(history["n_trials"][positive].min()) if positive.any() else np.inf
