"""Statistics of the units of a network: who takes part, who is silent, and what activity is about.

Definitions follow the pipeline of the Engel lab (github.com/engellab/trainRNNbrain).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnpipe.analysis.participation import participation
from rnnpipe.analysis.pca import principal_components

Array = NDArray[np.float64]

SILENT = 1e-6
"""Participation below which a unit is truly silent."""
SCALE_FREE = 0.05
"""Fraction of the 95th percentile of participation below which a unit is silent on the scale of its network."""
SELECTIVE = 0.10
"""Least eta^2 of a selective unit."""


@dataclass(frozen=True)
class Population:
    """Statistics of one population over all steps and trials of an evaluation."""

    participation: Array
    """Of each unit, (n_units,); see `participation`."""
    silent: NDArray[np.bool_]
    """Truly silent units, (n_units,): participation below 1e-6."""
    scale_free_silent: NDArray[np.bool_]
    """Silent on the network's scale, (n_units,): participation below 5 % of its 95th percentile over units."""
    participation_ratio: float
    """Dimension of activity, (sum of variances)^2 / sum of variances^2 over principal components; NaN if constant."""
    energy: float
    """Sum over units of the mean squared rate."""
    concentration: float
    """Herfindahl-Hirschman index of the energy: the sum of squared shares, 1 / n_units if even, 1 if of one unit."""
    sigma_log: float
    """SD over active units of log10 of the mean rate."""
    cv: float
    """Coefficient of variation in time, median over trials and active units."""
    p90_over_median: float
    """90th percentile of the active units' mean rates over their median."""


def silent_units(took_part: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Units that are truly silent, and those that are so on the scale of their network, both (..., n_units).

    Args:
        took_part: Participation, (..., n_units).
    """
    scale = np.quantile(took_part, 0.95, axis=-1, keepdims=True)
    return took_part < SILENT, took_part < SCALE_FREE * scale


def population(rates: NDArray[Any]) -> Population:
    """Statistics of a population.

    Active units, those that are not truly silent, count for `sigma_log`, `cv` and `p90_over_median`; rates that may be
    negative enter by their absolute mean.

    Args:
        rates: Firing rates, (n_steps, n_trials, n_units), without noise.
    """
    n_units = rates.shape[-1]
    took_part = participation(rates)
    silent, scale_free_silent = silent_units(took_part)
    n_samples = rates.shape[0] * rates.shape[1]
    power = np.einsum("tbi,tbi->i", rates, rates, dtype=np.float64) / n_samples
    total = float(power.sum())
    variance = principal_components([rates.reshape(-1, n_units)]).variance if n_samples > 1 else np.zeros(n_units)
    squares = float((variance**2).sum())
    of_trial = np.abs(rates.mean(axis=0, dtype=np.float64))[:, ~silent]
    deviation = rates.std(axis=0, dtype=np.float64)[:, ~silent]
    mean = np.abs(rates.mean(axis=(0, 1), dtype=np.float64))[~silent]
    mean = mean[mean > 0]
    fired = of_trial > 0
    return Population(
        participation=took_part,
        silent=silent,
        scale_free_silent=scale_free_silent,
        participation_ratio=float(variance.sum()) ** 2 / squares if squares > 0 else np.nan,
        energy=total,
        concentration=float(((power / total) ** 2).sum()) if total > 0 else np.nan,
        sigma_log=float(np.log10(mean).std()) if len(mean) else np.nan,
        cv=float(np.median(deviation[fired] / of_trial[fired])) if fired.any() else np.nan,
        p90_over_median=float(np.quantile(mean, 0.9) / np.median(mean)) if len(mean) else np.nan,
    )


def eta_squared(values: ArrayLike, factor: ArrayLike) -> Array:
    r"""Share of the variance over trials that lies between the levels of a factor, of each unit.

    .. math:: \eta^2 = \sum_l n_l (m_l - m)^2 / \sum_k (v_k - m)^2

    Args:
        values: One value a trial and unit, (n_trials, n_units): mean rates in a period.
        factor: Level of each trial, (n_trials,).

    Returns:
        (n_units,), between 0 and 1; NaN where nothing varies.
    """
    v = np.asarray(values, dtype=np.float64)
    away = v - v.mean(axis=0)
    _, level = np.unique(np.asarray(factor), return_inverse=True)
    n = np.bincount(level)
    sums = np.zeros((len(n), v.shape[1]))
    np.add.at(sums, level, away)
    total = (away**2).sum(axis=0)
    varies = total > 1e-12 * np.maximum((v**2).sum(axis=0), 1e-300)
    return np.where(varies, (sums**2 / n[:, None]).sum(axis=0) / np.where(varies, total, 1.0), np.nan)


def selectivity(values: ArrayLike, factors: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """`eta_squared` of each unit by factor; factors of fewer than two levels are left out."""
    return {name: eta_squared(values, f) for name, f in factors.items() if len(np.unique(np.asarray(f))) > 1}
