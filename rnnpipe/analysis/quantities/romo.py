"""Quantities of parametric working memory."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnpipe.analysis.quantities._registry import quantity
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.romo import delay_tuning, pair_accuracy


@quantity("table", "median")
def worst_pair_accuracy(table: pd.DataFrame) -> float:
    """Fraction of decisions that were correct for the pair of frequencies with the fewest."""
    p = pair_accuracy(table)["p"]
    return float(p.min()) if p.notna().all() and len(p) else np.nan


@quantity("activity", "median")
def delay_tuned_units(recording: Recording) -> float:
    """Fraction of policy units tuned to the first frequency during the delay."""
    tuning = delay_tuning(recording)
    return float(tuning["tuned"].mean()) if tuning["p"].notna().any() else np.nan


@quantity("activity", "median")
def delay_tuned_rarer_sign(recording: Recording) -> float:
    """Fraction of policy units tuned with the sign that fewer units have; 0 where all tuned units have one sign."""
    tuning = delay_tuning(recording)
    if not tuning["p"].notna().any():
        return np.nan
    return float(min((tuning["tuned"] & (sign * tuning["slope"] > 0)).mean() for sign in (1, -1)))
