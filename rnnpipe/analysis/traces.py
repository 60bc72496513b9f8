"""Traces sorted by coherence and choice, and what is read from them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnpipe.analysis.alignment import Aligned
from rnnpipe.analysis.psychometric import LEFT, RIGHT

MIN_TRIALS = 5
"""Trials a mean of activity needs; below it a point is left out."""

SIDES = {"left": LEFT, "right": RIGHT}


def by_coherence_and_choice(table: pd.DataFrame) -> Iterator[tuple[float, str, NDArray[np.intp]]]:
    """Coherence (percent, ascending), choice ("left", "right") and the trials that had them, errors included."""
    coherence, choice = table["coherence"].to_numpy(float), table["choice"].to_numpy()
    for level in np.unique(coherence):
        for side, code in SIDES.items():
            yield float(level), side, np.flatnonzero((coherence == level) & (choice == code))


def grouped_traces(aligned: Aligned, labels: pd.DataFrame, min_trials: int = MIN_TRIALS) -> pd.DataFrame:
    """Mean trace of each group of trials.

    Args:
        aligned: One unit or the value, (n_lags, n_trials).
        labels: What the same trials are grouped by, one column or more, one row a trial; a trial with a missing label
            belongs to no group.
        min_trials: A lag at which fewer trials were still going on is left out.

    Returns:
        One row a lag and group, groups in the order of their labels: the columns of `labels`, `lag` (ms), `mean`,
        `sem`, `n`.
    """
    columns, parts = list(labels.columns), []
    for key, members in labels.reset_index(drop=True).groupby(columns, sort=True):
        group = aligned[members.index.to_numpy()]
        part = pd.DataFrame({"lag": group.lags, "mean": group.mean(min_trials), "sem": group.sem(min_trials)})
        part["n"] = group.counts()
        for i, (name, value) in enumerate(zip(columns, key, strict=True)):
            part.insert(i, name, value)
        parts.append(part[part["mean"].notna()])
    names = [*columns, "lag", "mean", "sem", "n"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def sorted_traces(aligned: Aligned, table: pd.DataFrame, min_trials: int = MIN_TRIALS) -> pd.DataFrame:
    """Mean trace of each `coherence` (percent) and `choice` ("left", "right"); see `grouped_traces`."""
    choice = table["choice"].map({code: side for side, code in SIDES.items()})
    labels = pd.DataFrame({"coherence": table["coherence"].astype(float), "choice": choice})
    return grouped_traces(aligned, labels, min_trials)


def left_right_difference(aligned: Aligned, table: pd.DataFrame, min_trials: int = MIN_TRIALS) -> pd.DataFrame:
    """Difference between trials with left and right choices at matched coherence, over the lags of `aligned`.

    Each trial counts once, with its mean over the lags at which it was still going on.

    Returns:
        One row a coherence with at least `min_trials` of both choices: `coherence`, `left`, `right` (means),
        `difference` (left - right), `sem` (of the difference), `n_left`, `n_right`.
    """
    per_trial = aligned.trial_means()
    groups: dict[float, dict[str, NDArray[np.float64]]] = {}
    for coherence, side, trials in by_coherence_and_choice(table):
        values = per_trial[trials]
        groups.setdefault(coherence, {})[side] = values[np.isfinite(values)]
    rows = []
    for coherence, sides in groups.items():
        left, right = sides["left"], sides["right"]
        if min(len(left), len(right)) < max(min_trials, 2):
            continue
        sem = np.sqrt(left.var(ddof=1) / len(left) + right.var(ddof=1) / len(right))
        row = (coherence, left.mean(), right.mean(), left.mean() - right.mean(), sem, len(left), len(right))
        rows.append(row)
    return pd.DataFrame(rows, columns=["coherence", "left", "right", "difference", "sem", "n_left", "n_right"])
