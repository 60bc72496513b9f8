"""Chronometric function: reaction time as a function of coherence."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import t as student

from rnnpipe.analysis.proportions import LEVEL

MIN_TRIALS = 10
"""A mean is given only where more trials than this took part."""

OUTCOMES = {"correct": 1, "error": 0}


def reaction_times(table: pd.DataFrame, min_trials: int = MIN_TRIALS, level: float = LEVEL) -> pd.DataFrame:
    """Mean reaction time at each coherence, correct and error trials separately.

    Args:
        table: Trials with `coherence` (percent), `correct` (1, 0, or -1 without a decision) and `reaction_time` (ms).
        min_trials: Groups of at most this many trials are left out.
        level: Confidence level of the interval, Student's t.

    Returns:
        One row a group: `outcome` ("correct", "error"), `coherence`, `mean`, `low`, `high` (ms), `n`; correct trials
        first, coherence ascending, the zero coherence included.
    """
    rows = []
    for outcome, code in OUTCOMES.items():
        trials = table[(table["correct"] == code) & table["reaction_time"].notna()]
        for coherence, times in trials.groupby("coherence")["reaction_time"]:
            rt = times.to_numpy(float)
            if len(rt) <= min_trials:
                continue
            half = student.ppf(0.5 + level / 2, len(rt) - 1) * rt.std(ddof=1) / np.sqrt(len(rt))
            rows.append((outcome, float(coherence), rt.mean(), rt.mean() - half, rt.mean() + half, len(rt)))
    return pd.DataFrame(rows, columns=["outcome", "coherence", "mean", "low", "high", "n"])


def correct_means(table: pd.DataFrame) -> pd.Series:
    """Mean reaction time (ms) of correct trials at each coherence above zero, indexed by coherence, ascending."""
    times = reaction_times(table)
    times = times[(times["outcome"] == "correct") & (times["coherence"] > 0)]
    return times.set_index("coherence")["mean"]


def falls_with_coherence(table: pd.DataFrame, shortest: float = 150.0, longest: float = 1500.0) -> bool | None:
    """Whether correct reaction times fall strictly with coherence, all within bounds (ms).

    None where fewer than two coherences above zero, or not all of those presented, have enough correct trials.
    """
    means = correct_means(table)
    presented = table["coherence"][table["coherence"] > 0].nunique()
    if len(means) < 2 or len(means) < presented:
        return None
    return bool((np.diff(means) < 0).all() and means.between(shortest, longest).all())
