"""Quantities of motion discrimination."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnpipe.analysis import chronometric, psychometric
from rnnpipe.analysis.quantities._registry import quantity
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.traces import left_right_difference
from rnnpipe.analysis.value import before_stimulus

VALUE_WINDOW = (300.0, 600.0)
"""Lags after stimulus onset (ms) at which values of left and right trials are compared."""


@quantity("table", "median")
def psychometric_sigma(table: pd.DataFrame) -> float:
    """Width of the cumulative Gaussian fitted to the psychometric function by least squares."""
    return psychometric.fit(table).sigma


@quantity("table", "median")
def psychometric_bias(table: pd.DataFrame) -> float:
    """Mean of the cumulative Gaussian fitted to the psychometric function by least squares."""
    return psychometric.fit(table).mu


@quantity("table", "mean")
def rt_falls_with_coherence(table: pd.DataFrame) -> float:
    """Fraction of networks whose correct reaction times fall strictly with coherence, within 150-1500 ms."""
    falls = chronometric.falls_with_coherence(table)
    return np.nan if falls is None else float(falls)


@quantity("table", "median")
def rt_shortest(table: pd.DataFrame) -> float:
    """Shortest mean correct reaction time over the coherences above zero."""
    means = chronometric.correct_means(table)
    return float(means.min()) if len(means) else np.nan


@quantity("table", "median")
def rt_longest(table: pd.DataFrame) -> float:
    """Longest mean correct reaction time over the coherences above zero."""
    means = chronometric.correct_means(table)
    return float(means.max()) if len(means) else np.nan


@quantity("activity", "median")
def value_left_right_difference(recording: Recording) -> float:
    """Difference in value between left and right choices 300-600 ms after onset, largest over coherences."""
    difference = left_right_difference(recording.around("stimulus", "value", VALUE_WINDOW), recording.table)
    return float(difference["difference"].abs().max()) if len(difference) else np.nan


@quantity("activity", "median")
def value_before_stimulus_error(recording: Recording) -> float:
    """Distance of the value in the 200 ms before the stimulus from the mean reward of the same trials."""
    before = before_stimulus(recording)
    expected = float((before["mean"] * before["n"]).sum() / before["n"].sum()) if len(before) else np.nan
    return float(abs(expected - recording.table["reward"].mean()))


@quantity("activity", "median")
def value_before_stimulus_spread(recording: Recording) -> float:
    """Difference of the value in the 200 ms before the stimulus between coherences, highest less lowest mean."""
    before = before_stimulus(recording)
    return float(before["mean"].max() - before["mean"].min()) if len(before) > 1 else np.nan
