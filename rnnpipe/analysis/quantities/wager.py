"""Quantities of post-decision wagering."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnpipe.analysis import wager
from rnnpipe.analysis.quantities._registry import quantity


@quantity("table", "median")
def sure_rate(table: pd.DataFrame) -> float:
    """Fraction of sure choices among the decisions of trials that offer them."""
    levels = wager.sure_by_coherence(table)
    return float(levels["n_sure"].sum() / levels["n"].sum()) if len(levels) else np.nan


@quantity("table", "mean")
def sure_falls_with_coherence(table: pd.DataFrame) -> float:
    """Fraction of networks whose sure choices fall with coherence, within sampling error."""
    falls = wager.sure_falls_with_coherence(table)
    return np.nan if falls is None else float(falls)


@quantity("table", "median")
def sure_duration_correlation(table: pd.DataFrame) -> float:
    """Rank correlation of sure choices and stimulus duration, the least negative over 6.4-25.6 % coherence."""
    found = wager.sure_and_duration(table)["correlation"]
    return float(found.max()) if found.notna().any() else np.nan


@quantity("table", "median")
def waived_accuracy_gain(table: pd.DataFrame) -> float:
    """Accuracy where the sure option was waived less that without it, smallest over 6.4-25.6 % coherence.

    Its score interval (Newcombe 1998) at each coherence is given by `rnnpipe.analysis.wager.gain_of_waiving`; with
    1000 choices of each kind it is about +-0.04.
    """
    gain = wager.gain_of_waiving(table)
    gain = gain[gain["coherence"].between(*wager.INTERMEDIATE)]
    return float(gain["difference"].min()) if len(gain) else np.nan
