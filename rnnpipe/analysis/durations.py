"""Accuracy as a function of the duration of the stimulus."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnpipe.analysis.proportions import wilson

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


def accuracy_by_duration(table: pd.DataFrame, n_bins: int = N_BINS) -> pd.DataFrame:
    """Fraction correct against mean stimulus duration, per coherence, in equal-count bins.

    Args:
        table: Trials with `coherence` (percent), `stimulus` (duration, ms) and `correct`; trials without a decision
            do not count, nor does zero coherence, where no answer is correct.
        n_bins: Number of bins of each coherence.

    Returns:
        One row a bin: `coherence`, `duration` (mean, ms), `p`, `low`, `high` (Wilson interval), `n`; sorted.
    """
    trials = table[(table["correct"] >= 0) & (table["coherence"] > 0)]
    rows = []
    for coherence, group in trials.groupby("coherence"):
        duration, correct = group["stimulus"].to_numpy(float), group["correct"].to_numpy(float)
        for members in equal_count_bins(duration, n_bins):
            k, n = correct[members].sum(), len(members)
            low, high = wilson(k, n)
            rows.append((float(coherence), duration[members].mean(), k / n, float(low), float(high), n))
    return pd.DataFrame(rows, columns=["coherence", "duration", "p", "low", "high", "n"])
