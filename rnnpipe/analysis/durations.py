"""What came of trials as a function of the duration of the stimulus: fractions and means in equal-count bins."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from rnnpipe.analysis.proportions import LEVEL, wilson

N_BINS = 10


def equal_count_bins(values: ArrayLike, n_bins: int) -> Iterator[NDArray[np.intp]]:
    """Indices of the sorted values in bins of floor(n / n_bins); the remainder joins the last bin.

    Fewer values than bins make one bin of all of them. Ties keep their order.
    """
    order = np.argsort(np.asarray(values), kind="stable")
    size = len(order) // n_bins
    if size == 0:
        if len(order):
            yield order
        return
    for b in range(n_bins):
        yield order[b * size : (b + 1) * size if b < n_bins - 1 else None]


def fraction_by_duration(table: pd.DataFrame, happened: ArrayLike, n_bins: int = N_BINS) -> pd.DataFrame:
    """Fraction of trials in which something happened against mean stimulus duration, per coherence.

    Args:
        table: Trials that count, with `coherence` (percent) and `stimulus` (duration, ms).
        happened: Whether it did, (n_trials,).
        n_bins: Number of equal-count bins of each coherence.

    Returns:
        One row a bin: `coherence`, `duration` (mean, ms), `p`, `low`, `high` (Wilson interval), `n`; sorted.
    """

    def fraction(values: NDArray[np.float64]) -> tuple[float, float, float]:
        low, high = wilson(values.sum(), len(values))
        return float(values.mean()), float(low), float(high)

    return _binned(table, np.asarray(happened, dtype=float), n_bins, fraction, "p")


def mean_by_duration(table: pd.DataFrame, values: ArrayLike, n_bins: int = N_BINS) -> pd.DataFrame:
    """Mean of a value of each trial against mean stimulus duration, per coherence.

    Args:
        table: Trials with `coherence` (percent) and `stimulus` (duration, ms).
        values: One a trial; a trial whose value is NaN does not count.
        n_bins: Number of equal-count bins of each coherence.

    Returns:
        As `fraction_by_duration`, `mean` in place of `p`, with the interval of Student's t (NaN for one trial).
    """
    values = np.asarray(values, dtype=float)
    known = np.isfinite(values)

    def mean(values: NDArray[np.float64]) -> tuple[float, float, float]:
        n, m = len(values), float(values.mean())
        if n < 2:
            return m, np.nan, np.nan
        half = float(student.ppf(0.5 + LEVEL / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
        return m, m - half, m + half

    return _binned(table[known], values[known], n_bins, mean, "mean")


def accuracy_by_duration(table: pd.DataFrame, n_bins: int = N_BINS) -> pd.DataFrame:
    """Fraction correct against mean stimulus duration, per coherence, in equal-count bins.

    Args:
        table: Trials with `coherence` (percent), `stimulus` (duration, ms) and `correct`; trials without a decision
            do not count, nor does zero coherence, where no answer is correct.
        n_bins: Number of bins of each coherence.

    Returns:
        As `fraction_by_duration`.
    """
    trials = table[(table["correct"] >= 0) & (table["coherence"] > 0)]
    return fraction_by_duration(trials, trials["correct"] == 1, n_bins)


def _binned(
    table: pd.DataFrame,
    values: NDArray[np.float64],
    n_bins: int,
    summary: Callable[[NDArray[np.float64]], tuple[float, float, float]],
    name: str,
) -> pd.DataFrame:
    """Summary (and its interval) of each coherence and bin of duration."""
    coherence, duration = table["coherence"].to_numpy(float), table["stimulus"].to_numpy(float)
    rows = []
    for level in np.unique(coherence):
        trials = np.flatnonzero(coherence == level)
        for members in equal_count_bins(duration[trials], n_bins):
            bin_ = trials[members]
            rows.append((float(level), duration[bin_].mean(), *summary(values[bin_]), len(bin_)))
    return pd.DataFrame(rows, columns=["coherence", "duration", name, "low", "high", "n"])
