"""Quantities of training histories."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnpipe.analysis import learning
from rnnpipe.analysis.quantities._registry import quantity


@quantity("history", "mean")
def fraction_at_criterion(history: pd.DataFrame) -> float:
    """Fraction of networks that reached the training criterion."""
    return float(bool(history.attrs["reached_criterion"]))


@quantity("history", "median")
def trials_to_criterion(history: pd.DataFrame) -> float:
    """Training trials before the first validation that meets the criterion."""
    return learning.trials_to_criterion(history)


@quantity("history", "median")
def trials_to_positive_reward(history: pd.DataFrame) -> float:
    """Training trials before the first validation with a positive mean reward."""
    return learning.trials_to_positive_reward(history)


@quantity("history", "largest")
def first_validation_reward(history: pd.DataFrame) -> float:
    """Mean reward of the validation before any training."""
    first = history.iloc[0]
    return float(first["mean_reward"]) if first["n_trials"] == 0 else np.nan
