"""Quantities that claims are about: one number per network, and how networks are summarised.

A quantity is a function of what was read from one network's files; adding one is adding a function with the
decorator below. NaN stands for "this network does not allow the measurement" and infinity for "never happened".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from rnnpipe.analysis import chronometric, learning, psychometric
from rnnpipe.analysis.alignment import align, stimulus_time
from rnnpipe.analysis.traces import left_right_difference

Reads = Literal["history", "table", "value"]
"""What a quantity is computed from: a training history, a trial table, or a trial table with the value trace."""

VALUE_WINDOW = (300.0, 600.0)
"""Lags after stimulus onset (ms) at which values of left and right trials are compared."""


@dataclass(frozen=True)
class Recording:
    """Value trace of one evaluation with its trial table."""

    table: pd.DataFrame
    activity: dict[str, Any]


@dataclass(frozen=True)
class Quantity:
    """A measure of one network and of a set of them."""

    measure: Callable[[Any], float]
    reads: Reads
    summary: Literal["mean", "median", "largest"]

    @property
    def description(self) -> str:
        """First line of the measure's docstring."""
        return (self.measure.__doc__ or "").strip().splitlines()[0].rstrip(".")

    def summarise(self, values: Sequence[float]) -> float:
        """One number for several networks; NaN if none could be measured."""
        measured = np.asarray([v for v in values if not np.isnan(v)], dtype=float)
        if not len(measured):
            return np.nan
        summaries: dict[str, Callable[[np.ndarray], float]] = {"mean": np.mean, "median": _median, "largest": np.max}
        return float(summaries[self.summary](measured))


QUANTITIES: dict[str, Quantity] = {}


def quantity(
    reads: Reads, summary: Literal["mean", "median", "largest"]
) -> Callable[[Callable[[Any], float]], Callable[[Any], float]]:
    """Register a function of one network's data as a quantity under its own name."""

    def register(measure: Callable[[Any], float]) -> Callable[[Any], float]:
        QUANTITIES[measure.__name__] = Quantity(measure, reads, summary)
        return measure

    return register


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


@quantity("table", "median")
def decision_rate(table: pd.DataFrame) -> float:
    """Fraction of trials with a decision."""
    return float(table["decision"].mean())


@quantity("table", "median")
def accuracy(table: pd.DataFrame) -> float:
    """Fraction of decisions that were correct."""
    judged = table["correct"][table["correct"] >= 0]
    return float((judged == 1).mean()) if len(judged) else np.nan


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


@quantity("value", "median")
def value_left_right_difference(recording: Recording) -> float:
    """Difference in value between left and right choices 300-600 ms after onset, largest over coherences."""
    table, activity = recording.table, recording.activity
    event = stimulus_time(table["stimulus_on"], float(table.attrs["dt"]))
    aligned = align(activity["value"], activity["mask"], activity["time"], event, VALUE_WINDOW)
    difference = left_right_difference(aligned, table)["difference"]
    return float(difference.abs().max()) if len(difference) else np.nan


def _median(values: np.ndarray) -> float:
    """Median that is infinite, not NaN, where the middle pair holds an infinity."""
    ordered = np.sort(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float(low if low == high else (low + high) / 2)
