"""Parametric working memory: accuracy of each pair of frequencies, and units tuned to the remembered one.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 2C.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from rnnpipe.analysis.proportions import LEVEL, wilson
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.selectivity import ACTIVE
from rnnpipe.analysis.traces import grouped_traces
from rnnpipe.io.evaluation import task_of

SETTLE = 500.0
"""Part of the delay (ms) that does not count for tuning: five time constants, after which what is left of the
response to the first stimulus is memory."""

P_VALUE, R_SQUARED = 0.05, 0.05
"""A tuned unit has a smaller p and at least this r^2: the criterion of the same article for its value-network units."""

TRACE_WINDOW = (-500.0, 4000.0)
"""Lags from the onset of the first stimulus (ms) over which units are shown."""


def frequencies(table: pd.DataFrame) -> pd.DataFrame:
    """First and second frequency of each trial, `f1` and `f2` (Hz); `order` > 0 where the first is the higher one."""
    difference = float(task_of(table.attrs, "the trial table").difference)  # type: ignore[attr-defined]
    base, first_higher = table["base"].to_numpy(float), table["order"].to_numpy() > 0
    return pd.DataFrame({"f1": base + difference * first_higher, "f2": base + difference * ~first_higher})


def pair_accuracy(table: pd.DataFrame) -> pd.DataFrame:
    """Fraction of decisions that were correct for each pair of frequencies.

    Returns:
        One row a pair: `f1`, `f2` (Hz), `n_trials`, `n` (trials with a decision), `p`, `low`, `high` (Wilson interval),
        `percent` (100 p rounded down, as published; -1 without decisions); sorted.
    """
    correct = table["correct"].to_numpy()
    counts = frequencies(table).assign(n_trials=1, n=(correct >= 0).astype(int), n_correct=(correct == 1).astype(int))
    pairs = counts.groupby(["f1", "f2"], as_index=False).sum()
    n, k = pairs["n"].to_numpy(int), pairs["n_correct"].to_numpy(int)
    pairs["p"] = k / np.where(n > 0, n, np.nan)
    pairs["low"], pairs["high"] = wilson(k, n)
    pairs["percent"] = np.where(n > 0, 100 * k // np.maximum(n, 1), -1)
    return pairs.drop(columns="n_correct")


def linear_tuning(rates: NDArray[np.float64], x: NDArray[np.float64], level: float = LEVEL) -> pd.DataFrame:
    """Least-squares line of each unit's rate against a stimulus.

    Args:
        rates: One rate a trial and unit, (n_trials, n_units).
        x: Level of the stimulus in each trial, (n_trials,).
        level: Confidence level.

    Returns:
        One row a unit: `unit`, `slope` with its Student t interval `low`, `high`, `r` (Pearson), `r_squared`, `p` (of a
        zero slope, two-sided), `rate` (mean). NaN where the unit or the stimulus did not vary, or trials are fewer
        than three.
    """
    n, n_units = rates.shape
    table = pd.DataFrame({"unit": np.arange(n_units)})
    names = ["slope", "low", "high", "r", "r_squared", "p"]
    table[names] = np.nan
    table["rate"] = rates.mean(axis=0) if n else np.nan
    if n < 3 or np.ptp(x) == 0:
        return table
    dx, dy = x - x.mean(), rates - rates.mean(axis=0)
    sxx, syy = dx @ dx, (dy**2).sum(axis=0)
    syy = np.where(syy > 0, syy, np.nan)
    slope = dx @ dy / sxx
    r = np.clip(slope * np.sqrt(sxx / syy), -1, 1)
    error = np.sqrt((1 - r**2) * syy / sxx / (n - 2))
    half = student.ppf(0.5 + level / 2, n - 2) * error
    with np.errstate(divide="ignore"):
        p = 2 * student.sf(np.abs(slope) / error, n - 2)
    values = (np.where(np.isfinite(syy), slope, np.nan), slope - half, slope + half, r, r**2, p)
    for name, column in zip(names, values, strict=True):
        table[name] = column
    return table


def delay_tuning(recording: Recording) -> pd.DataFrame:
    """Tuning of each policy unit to the first frequency while it is remembered, from correct trials.

    The rate of a trial is its mean over the delay less its first 500 ms (over all of it where it is shorter).

    Returns:
        As `linear_tuning`, slopes per Hz, and `tuned`: p < 0.05 and r^2 >= 0.05.
    """
    table = recording.table
    on, off = table["delay_on"].to_numpy(float), table["delay_off"].to_numpy(float)
    rates = recording.trial_means("policy_rates", np.where(off - on > SETTLE, on + SETTLE, on), off)
    keep = (table["correct"] == 1).to_numpy() & np.isfinite(rates).all(axis=1)
    tuning = linear_tuning(rates[keep], frequencies(table)["f1"].to_numpy()[keep])
    tuning["tuned"] = (tuning["p"] < P_VALUE) & (tuning["r_squared"] >= R_SQUARED)
    return tuning


def example_units(tuning: pd.DataFrame) -> pd.DataFrame:
    """Two positively and one negatively tuned unit: rows of `delay_tuning`, fewer where there are none.

    Of each sign they are the tuned, active units (mean rate at least a quarter of the mean over units) of largest r^2.
    """
    active = tuning[tuning["tuned"] & (tuning["rate"] >= ACTIVE * tuning["rate"].mean())]
    ranked = active.sort_values(["r_squared", "unit"], ascending=[False, True])
    return pd.concat([ranked[ranked["slope"] > 0].head(2), ranked[ranked["slope"] < 0].head(1)])


def unit_traces(recording: Recording, unit: int, window: tuple[float, float] = TRACE_WINDOW) -> pd.DataFrame:
    """Mean rate of a unit in correct trials by `f1` and `f2` (Hz), aligned to the onset of the first stimulus.

    Columns as in `traces.grouped_traces`.
    """
    table = recording.table
    labels = frequencies(table)
    labels.loc[(table["correct"] != 1).to_numpy()] = np.nan
    return grouped_traces(recording.around("f1", "policy_rates", window, unit), labels)
