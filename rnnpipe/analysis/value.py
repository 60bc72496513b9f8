"""What the value network expects: before the stimulus, and along trials of each coherence and choice."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.traces import MIN_TRIALS

BEFORE = (-200.0, 0.0)
"""Lags from the stimulus (ms) at which nothing of it is known; lag 0 is the last state that has not seen it."""


def before_stimulus(recording: Recording, min_trials: int = MIN_TRIALS) -> pd.DataFrame:
    """Mean value in the 200 ms before the stimulus, per coherence of the stimulus that follows.

    Nothing of the trial is known by then, so the value should be the overall mean reward whatever follows. Each trial
    counts once, with its mean over the lags at which it was still going on.

    Returns:
        One row a coherence with at least `min_trials` trials, ascending: `coherence` (percent), `mean`, `sem`, `n`.
    """
    values = recording.around("stimulus", "value", BEFORE).trial_means()
    coherence = recording.table["coherence"].to_numpy(float)
    rows = []
    for level in np.unique(coherence):
        here = values[(coherence == level) & np.isfinite(values)]
        if len(here) < max(min_trials, 2):
            continue
        rows.append((float(level), here.mean(), here.std(ddof=1) / np.sqrt(len(here)), len(here)))
    return pd.DataFrame(rows, columns=["coherence", "mean", "sem", "n"])
