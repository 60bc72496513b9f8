r"""Targeted dimensionality reduction: axes of population activity that follow chosen variables of the task.

Standardised rates of each unit at each time are regressed on the variables of the trial and their pairwise products;
the coefficients of all units for one variable, at the time at which they are largest, are the direction in which the
population encodes it. Orthogonal axes and projections of condition averages on them come from these directions.

A population of units that prefer opposite choices is easier to read in preferred coordinates: variables with a side
are counted from the side that the unit prefers. For a unit that prefers left (-1) this changes the sign of every
regressor with an odd number of such factors, and so of its coefficient and of nothing else.

Reference: Mante, Sussillo, Shenoy & Newsome (2013) Nature 503:78, Supplementary Information 6; as in Song, Yang & Wang
(2017) eLife 6:e21492, without denoising by principal components.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnpipe.analysis.alignment import Aligned
from rnnpipe.analysis.traces import MIN_TRIALS

CONSTANT = "constant"
TIMES = ":"
"""Between the two names of a product, "choice:motion"."""

ACTIVE_SD = 0.2
"""Least standard deviation of the rate of an active unit over all valid samples (Song et al. 2017)."""


@dataclass(frozen=True)
class Regression:
    """Coefficients of standardised rates; NaN where `problem` says why there are none."""

    regressors: tuple[str, ...]
    lags: NDArray[np.float64]
    """Time of each regression, ms, (n_lags,)."""
    coefficients: NDArray[np.float64]
    """(n_regressors, n_lags, n_units); in preferred coordinates where they were asked for."""
    mean: NDArray[np.float64]
    """Mean rate of each unit over the samples that were regressed, (n_units,)."""
    sd: NDArray[np.float64]
    """Their standard deviation (divisor n), (n_units,)."""
    n_trials: int
    """Trials that were regressed."""
    problem: str = ""

    def peak(self, name: str) -> int:
        """Index of the lag at which the coefficients of a regressor have their largest norm over units."""
        norm = np.linalg.norm(self.coefficients[self.regressors.index(name)], axis=1)
        return 0 if np.isnan(norm).all() else int(np.nanargmax(norm))

    def vectors(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Coefficients of each of some regressors at its peak, (n_names, n_units)."""
        rows = [self.coefficients[self.regressors.index(name), self.peak(name)] for name in names]
        return np.array(rows).reshape(len(names), len(self.sd))

    def standardise(self, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rates (..., n_units) in the units of the regression; those of a unit that never varied are 0."""
        z: NDArray[np.float64] = (rates - self.mean) / np.where(self.sd > 0, self.sd, np.inf)
        return z


def design(variables: pd.DataFrame) -> pd.DataFrame:
    """Regressors of each trial: the variables in their order, a constant, and the products of all pairs."""
    table = variables.astype(float)
    table[CONSTANT] = 1.0
    for a, b in combinations(variables.columns, 2):
        table[a + TIMES + b] = table[a] * table[b]
    return table


def regress(
    aligned: Aligned, variables: pd.DataFrame, preferred: ArrayLike | None = None, sided: Collection[str] = ()
) -> Regression:
    """Least squares of the standardised rates of every unit at every lag on `design(variables)`.

    Rates of a unit are standardised with one mean and standard deviation over all samples that are regressed.

    Args:
        aligned: Rates, (n_lags, n_trials, n_units).
        variables: Variables of the same trials, one row a trial in the same order; a trial with a missing variable is
            left out, with its rates.
        preferred: Preferred side of each unit, -1 or +1, (n_units,); by default +1 for all.
        sided: Variables that are counted from the preferred side.

    Raises:
        ValueError: Rates and variables are of different numbers of trials.
    """
    n_lags, n_trials, n_units = aligned.values.shape
    if len(variables) != n_trials:
        raise ValueError(f"{len(variables)} rows of variables for {n_trials} trials of activity")
    regressors = design(variables)
    x = regressors.to_numpy()
    use = aligned.valid & np.isfinite(x).all(axis=1)
    n = int(use.any(axis=0).sum())
    samples = aligned.values[use].astype(np.float64)
    mean = samples.mean(axis=0) if len(samples) else np.full(n_units, np.nan)
    sd = samples.std(axis=0) if len(samples) else np.full(n_units, np.nan)
    coefficients = np.full((x.shape[1], n_lags, n_units), np.nan)
    result = Regression(tuple(regressors), aligned.lags, coefficients, mean, sd, n)
    problem = "" if n_units else "no active unit"
    for k in range(n_lags):
        if problem:
            break
        rows = x[use[k]]
        if len(rows) < rows.shape[1] or np.linalg.matrix_rank(rows) < rows.shape[1]:
            problem = f"{n} trials with a choice do not tell {x.shape[1]} regressors apart"
        else:
            z = result.standardise(aligned.values[k, use[k]].astype(np.float64))
            coefficients[:, k] = np.linalg.lstsq(rows, z, rcond=None)[0]
    if problem:
        coefficients[:] = np.nan
    if preferred is not None:
        odd = [sum(factor in sided for factor in name.split(TIMES)) % 2 == 1 for name in regressors]
        coefficients[odd] *= np.asarray(preferred, dtype=float)
    return Regression(tuple(regressors), aligned.lags, coefficients, mean, sd, n, problem)


def orthogonal_axes(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal axes from directions: the first keeps its direction, each further one what is new in it.

    QR decomposition with the signs of a positive diagonal of R, so that each axis points along its own direction.

    Args:
        vectors: Directions, (n_axes, n_units).

    Returns:
        Axes, (n_axes, n_units); all NaN where the directions are unknown or not independent.
    """
    if not np.isfinite(vectors).all() or np.linalg.matrix_rank(vectors) < len(vectors):
        return np.full(vectors.shape, np.nan)
    q, r = np.linalg.qr(vectors.T)
    axes: NDArray[np.float64] = (q * np.sign(np.diag(r))).T
    return axes


def task_axes(regression: Regression, names: Sequence[str]) -> tuple[NDArray[np.float64], str]:
    """Orthogonal axes of some regressors, (n_names, n_units), and what keeps them from being found, if anything."""
    axes = orthogonal_axes(regression.vectors(names))
    if regression.problem or np.isfinite(axes).all():
        return axes, regression.problem
    return axes, f"{len(regression.sd)} active units do not give {len(names)} independent axes"


def strongest_units(regression: Regression, names: Sequence[str], min_sd: float = ACTIVE_SD) -> dict[str, int]:
    """The unit with the largest absolute coefficient for each regressor at its peak, no unit twice.

    Only units whose rates have at least that standard deviation over the samples that were regressed: standardising
    makes much of a unit that hardly ever fires. A regressor takes its unit from those that earlier ones have left;
    with too few units the last have none.
    """
    units: dict[str, int] = {}
    for name, weights in zip(names, np.abs(regression.vectors(names)), strict=True):
        weights[[*units.values(), *np.flatnonzero(~(regression.sd >= min_sd))]] = np.nan
        if np.isfinite(weights).any():
            units[name] = int(np.nanargmax(weights))
    return units


def condition_means(
    aligned: Aligned,
    conditions: pd.DataFrame,
    preferred: ArrayLike | None = None,
    sided: Collection[str] = (),
    min_trials: int = MIN_TRIALS,
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Mean rates of all units in each condition, where conditions may be in the preferred coordinates of each unit.

    Args:
        aligned: Rates, (n_lags, n_trials, n_units).
        conditions: What the same trials are grouped by, one column or more, one row a trial; a trial with a missing
            entry belongs to no condition.
        preferred: Preferred side of each unit, -1 or +1, (n_units,); by default +1 for all.
        sided: Columns (numbers) that are counted from the preferred side.
        min_trials: A condition with fewer trials at any lag, for any unit, is left out.

    Returns:
        The conditions, sorted, one row each, with `n`, the smallest number of trials behind a mean; and the means,
        (n_conditions, n_lags, n_units).
    """
    n_lags, _, n_units = aligned.values.shape
    sides = np.ones(n_units) if preferred is None else np.asarray(preferred, dtype=float)
    columns = list(conditions.columns)
    means: dict[tuple[object, ...], NDArray[np.float64]] = {}
    counts: dict[tuple[object, ...], int] = {}
    for side in np.unique(sides):
        units = np.flatnonzero(sides == side)
        labels = conditions.reset_index(drop=True)
        for name in sided:
            labels[name] = labels[name] * side + 0.0  # + 0.0 makes -0 equal 0
        for key, members in labels.groupby(columns, sort=True):
            trials = members.index.to_numpy()
            group = Aligned(aligned.lags, aligned.values[:, trials][..., units], aligned.valid[:, trials])
            means.setdefault(key, np.full((n_lags, n_units), np.nan))[:, units] = group.mean(min_trials)
            counts[key] = min(counts.get(key, len(trials)), int(group.counts().min(initial=len(trials))))
    keys = sorted(key for key, mean in means.items() if np.isfinite(mean).all() and mean.size)
    table = pd.DataFrame(keys, columns=columns).assign(n=[counts[key] for key in keys])
    return table, np.array([means[key] for key in keys]).reshape(len(keys), n_lags, n_units)


def project(means: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Projections on axes of condition means less their mean over conditions at each lag and unit.

    Args:
        means: Standardised means, (n_conditions, n_lags, n_units).
        axes: (n_axes, n_units).

    Returns:
        (n_conditions, n_lags, n_axes).
    """
    if not len(means):
        return np.empty((0, means.shape[1], len(axes)))
    projected: NDArray[np.float64] = (means - means.mean(axis=0)) @ axes.T
    return projected


def condition_trajectories(
    aligned: Aligned,
    conditions: pd.DataFrame,
    regression: Regression,
    axes: Mapping[str, NDArray[np.float64]],
    preferred: ArrayLike | None = None,
    sided: Collection[str] = (),
) -> pd.DataFrame:
    """Condition averages, standardised as in the regression, on axes; see `condition_means` and `project`.

    Returns:
        One row a condition and lag: the columns of `conditions`, `lag` (ms), the projection `x_<axis>` on each of
        `axes` (n_units,) by its name, and `n` (fewest trials behind them).
    """
    names = [f"x_{name}" for name in axes]
    columns = [*conditions.columns, "lag", *names, "n"]
    keys, means = condition_means(aligned, conditions, preferred, sided)
    x = project(regression.standardise(means), np.array(list(axes.values())))
    parts = [
        pd.DataFrame(x[i], columns=names).assign(lag=aligned.lags, **key)
        for i, key in enumerate(keys.to_dict("records"))
    ]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
