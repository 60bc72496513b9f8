"""Choice selectivity of units, and the choice of an example unit by a criterion that is stated, not by eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnpipe.analysis.alignment import align, stimulus_time
from rnnpipe.analysis.psychometric import LEFT, RIGHT
from rnnpipe.analysis.recording import Moments
from rnnpipe.analysis.traces import MIN_TRIALS, by_coherence_and_choice

ACTIVE = 0.25
"""Least mean rate of an example unit, as a fraction of the mean over units: a silent unit shows nothing."""

ORDER_WINDOW = (100.0, 300.0)
"""Lags after stimulus onset (ms) over which rates are ordered by coherence: late enough to have integrated, early
enough that few trials have ended."""


@dataclass(frozen=True)
class ExampleUnit:
    """A unit and why it was chosen."""

    unit: int
    d_prime: float
    """Positive where the unit fires more before rightward choices."""
    order: float
    """Fraction of neighbouring conditions in the order of signed coherence, 1 where all are."""


def d_prime(rates: NDArray[Any], during: NDArray[np.bool_], choice: NDArray[Any]) -> NDArray[np.float64]:
    r"""Choice selectivity of each unit from single samples of activity.

    .. math:: d' = (m_R - m_L) / \sqrt{(v_L + v_R)/2}

    m and v are mean and variance (divisor n) of the rate over all (step, trial) samples of trials with that choice.

    Args:
        rates: Firing rates, (n_steps, n_trials, n_units).
        during: Samples that count, (n_steps, n_trials): the stimulus, while the trial was going on.
        choice: Chosen action of each trial, (n_trials,).

    Returns:
        One value a unit; NaN where a choice was never made or the unit never varied.
    """
    left, right = (rates[during & (choice == side)].astype(float) for side in (LEFT, RIGHT))
    if not len(left) or not len(right):
        return np.full(rates.shape[2], np.nan)
    samples = (left, right)
    n = np.array([len(s) for s in samples])
    return d_prime_of(
        Moments(n, np.array([s.mean(axis=0) for s in samples]), np.array([s.var(axis=0) for s in samples]))
    )


def d_prime_of(moments: Moments) -> NDArray[np.float64]:
    """As `d_prime`, from the moments of two groups of samples, the one that counts as negative first."""
    spread = np.sqrt(moments.variance[:2].mean(axis=0))
    return (moments.mean[1] - moments.mean[0]) / np.where(spread > 0, spread, np.nan)


def coherence_order(means: NDArray[np.float64], rising: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fraction of neighbouring conditions whose mean rates are in order.

    Args:
        means: Mean rate of each condition and unit, (n_conditions, n_units), from the strongest leftward to the
            strongest rightward evidence.
        rising: Whether a unit should rise along the conditions (or fall), (n_units,). Equal neighbours are in order.
    """
    change = np.diff(means, axis=0) * np.where(rising, 1.0, -1.0)
    order: NDArray[np.float64] = (change >= 0).mean(axis=0) if len(change) else np.zeros(means.shape[1])
    return order


def example_unit(
    rates: NDArray[Any], mask: NDArray[np.bool_], time: NDArray[Any], table: pd.DataFrame, dt: float
) -> ExampleUnit | None:
    """The active unit of largest absolute d' among those whose rates are ordered by coherence.

    A unit is active when its mean rate 100-300 ms after stimulus onset is at least a quarter of the mean over all
    units. It is ordered when that rate never falls (never rises, for a unit that prefers left) from condition to
    condition, sorted by choice and coherence: left choices from the highest to the lowest coherence, then right
    choices from the lowest to the highest. If no active unit is, those with the most neighbouring conditions in
    order are considered. Conditions with fewer than 5 trials do not count.

    Args:
        rates: Firing rates, (n_steps, n_trials, n_units).
        mask: Whether the trial was still going on, (n_steps, n_trials).
        time: Time of each saved step, ms, (n_steps,).
        table: Trials with `coherence`, `choice`, `stimulus_on` and `stimulus_off` (ms).
        dt: Simulation step, ms.

    Returns:
        None where no unit has a d' (no unit varies, or all choices were alike).
    """
    on, off = (table[name].to_numpy(float) for name in ("stimulus_on", "stimulus_off"))
    column = np.asarray(time, dtype=float)[:, None]
    selectivity = d_prime(rates, mask & (on <= column) & (column < off), table["choice"].to_numpy())
    if not np.isfinite(selectivity).any():
        return None
    aligned = align(rates, mask, time, stimulus_time(on, dt), ORDER_WINDOW)
    conditions = []
    for coherence, side, trials in by_coherence_and_choice(table):
        means = aligned[trials].trial_means()
        means = means[np.isfinite(means).all(axis=1)]
        if len(means) >= MIN_TRIALS:
            conditions.append((-coherence - 1 if side == "left" else coherence + 1, means.mean(axis=0)))
    conditions.sort(key=lambda condition: condition[0])
    means = np.array([mean for _, mean in conditions]).reshape(len(conditions), rates.shape[2])
    order = coherence_order(means, selectivity > 0)
    active = np.isfinite(selectivity)
    if len(means):
        active &= means.mean(axis=0) >= ACTIVE * means.mean()
    order[~active] = -1.0
    ordered = order == order.max()
    unit = int(np.argmax(np.where(ordered, np.abs(np.nan_to_num(selectivity)), -1.0)))
    return ExampleUnit(unit, float(selectivity[unit]), float(order[unit]))
