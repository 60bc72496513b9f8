"""Context-dependent integration: how far each feature sways choices in each context, and activity sorted by both.

Activity is sorted in preferred coordinates: choice, motion and color are counted from the target that the unit prefers
by its d' for choice, +1 towards it and -1 away from it.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 2A; after Mante, Sussillo, Shenoy & Newsome (2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnpipe.analysis.proportions import difference
from rnnpipe.analysis.psychometric import LEFT, RIGHT, Fit, choices_by_level, fit_levels
from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.selectivity import d_prime_of
from rnnpipe.analysis.targeted import (
    ACTIVE_SD,
    Regression,
    condition_trajectories,
    regress,
    strongest_units,
    task_axes,
)
from rnnpipe.analysis.traces import grouped_traces

FEATURES = ("motion", "color")
"""Both what is judged and, as the name of what to judge, the contexts."""

AXES = ("choice", "motion", "color", "context")
"""Variables of the regression, in the order in which their axes are made orthogonal."""

SIDED = ("choice", "motion", "color")
"""Variables that have a side, and so are counted from the preferred one."""

EXAMPLES = ("context", "motion", "color", "choice")
"""What example units stand for, in the order in which they are chosen."""

EVERY = 50.0
"""Distance between times of the regression and of trajectories, ms."""

TRAJECTORY_WINDOW = (0.0, 800.0)
"""Lags after stimulus onset of the trajectories, ms."""


def right_choices(table: pd.DataFrame, context: str, feature: str) -> pd.DataFrame:
    """Rightward choices of a context against the signed coherence of a feature (percent); see `choices_by_level`."""
    trials = table[table["context"] == context]
    x = trials[f"side_{feature}"].to_numpy(float) * trials[f"coherence_{feature}"].to_numpy(float)
    return choices_by_level(trials, x, RIGHT)


def fit(table: pd.DataFrame, context: str, feature: str) -> Fit:
    """Psychometric fit of the choices of a context to the signed coherence of a feature."""
    return fit_levels(right_choices(table, context, feature))


def fitted(levels: pd.DataFrame, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fitted fraction of right choices at any x, which falls where choices do; NaN without a fit.

    A feature that should be ignored may as well repel choices as attract them.
    """
    rising = fit_levels(levels)
    return fit_levels(levels.assign(x=-levels["x"]))(-x) if rising.problem else rising(x)


def gating(table: pd.DataFrame) -> pd.DataFrame:
    """Change of the fraction of right choices from the strongest leftward to the strongest rightward feature.

    From the decisions at the two extreme levels themselves, the other feature averaged over as it was presented; the
    fit is not used, as it has no solution where a feature is ignored. 1 is full control by the feature, 0 none.

    Returns:
        One row a context and feature: `context`, `feature`, `change`, `low`, `high` (95 % score interval of a
        difference of proportions), `n` (decisions at the two levels). NaN where a level has no decision.
    """
    rows = []
    for context in FEATURES:
        for feature in FEATURES:
            levels = right_choices(table, context, feature)
            ends = levels.iloc[[0, -1]] if len(levels) > 1 else levels.iloc[:0]
            k, n = ends["n_chosen"].to_numpy(float), ends["n"].to_numpy(float)
            change = difference((k[0], k[1]), (n[0], n[1])) if len(ends) else (np.nan, np.nan, np.nan)
            rows.append((context, feature, *change, n.sum()))
    return pd.DataFrame(rows, columns=["context", "feature", "change", "low", "high", "n"])


def variables(table: pd.DataFrame) -> pd.DataFrame:
    """Variables of each trial as regressors, in the order of `AXES`.

    `choice` is -1 left, +1 right, missing without a choice; `motion` and `color` are signed coherences divided by the
    largest; `context` is +1 for motion, -1 for color.
    """
    columns = {"choice": table["choice"].map({LEFT: -1.0, RIGHT: 1.0}).astype(float)}
    for feature in FEATURES:
        coherence = table[f"coherence_{feature}"].astype(float)
        columns[feature] = table[f"side_{feature}"] * coherence / (coherence.max() or 1.0)
    columns["context"] = table["context"].map({"motion": 1.0, "color": -1.0})
    return pd.DataFrame(columns)


def conditions(table: pd.DataFrame) -> pd.DataFrame:
    """What correct trials are sorted by; every entry of the other trials is missing.

    `choice` is -1 left, +1 right; `motion` and `color` are signed coherences in percent; `context` is its name.
    """
    columns = {"choice": table["choice"].map({LEFT: -1.0, RIGHT: 1.0}).astype(float), "context": table["context"]}
    for feature in FEATURES:
        columns[feature] = table[f"side_{feature}"] * table[f"coherence_{feature}"].astype(float)
    return pd.DataFrame(columns)[table["correct"] == 1].reindex(table.index)


@dataclass(frozen=True)
class Population:
    """What single units and axes are read from."""

    active: NDArray[np.intp]
    """Units whose rate has a standard deviation above 0.2 over all valid samples, (n_active,)."""
    preferred: NDArray[np.float64]
    """Preferred target of every unit: +1 right (d' > 0), -1 left, (n_units,)."""
    mean: float
    """Mean rate over all units and valid samples, which scales the rates that are shown."""
    sd: float
    """Standard deviation of the same samples."""
    regression: Regression
    """Of the active units at every 50 ms of the stimulus, in preferred coordinates; lags from stimulus onset."""

    @property
    def axes(self) -> NDArray[np.float64]:
        """Orthogonal axes of `AXES`, (n_axes, n_active); all NaN where `problem` says why there are none."""
        return task_axes(self.regression, AXES)[0]

    @property
    def problem(self) -> str:
        """What keeps the axes from being found, if anything."""
        return task_axes(self.regression, AXES)[1]

    def examples(self) -> dict[str, int]:
        """The unit of largest absolute regression weight for context, motion, color and choice, none twice.

        Among those whose rate has a standard deviation of at least 0.2 within the stimulus, too.
        """
        chosen = strongest_units(self.regression, EXAMPLES)
        return {name: int(self.active[i]) for name, i in chosen.items()}


def population(recording: Recording, name: str = "policy_rates") -> Population:
    """Measure the units of a network; trials with any choice, errors included, enter the regression."""
    table = recording.table
    on, off = (table[f"stimulus_{edge}"].to_numpy(float) for edge in ("on", "off"))
    choice = table["choice"].to_numpy()
    by_choice = recording.moments(name, on, off, np.where(choice == LEFT, 0, np.where(choice == RIGHT, 1, -1)), 2)
    preferred = np.where(d_prime_of(by_choice) > 0, 1.0, -1.0)
    everything = recording.moments(name, -np.inf, np.inf, np.zeros(len(table), int), 1)
    mean, variance = everything.mean[0], everything.variance[0]
    active = np.flatnonzero(np.sqrt(variance) > ACTIVE_SD)
    # the first time is the first step of the stimulus, whose state has just seen it
    window = (0.0, float((off - on).max(initial=recording.dt)) - recording.dt)
    aligned = recording.aligned(name, on, window, active.tolist(), EVERY)
    aligned = replace(aligned, lags=aligned.lags + recording.dt)
    regression = regress(aligned, variables(table), preferred[active], SIDED)
    total = float(mean.mean())
    sd = float(np.sqrt((variance + (mean - total) ** 2).mean()))
    return Population(active, preferred, total, sd, regression)


def sorted_units(
    recording: Recording, found: Population, units: Sequence[int], window: tuple[float, float]
) -> pd.DataFrame:
    """Mean standardised rates of units on correct trials, sorted in their preferred coordinates.

    Rates are standardised with the mean and standard deviation over all units, valid steps and trials.

    Returns:
        One row a lag and group: `unit`; `sort` ("choice", "motion": by motion and choice in the motion context,
        "color": by color and choice in the color context, "context": by context and choice); `choice` (+1 preferred,
        -1 not); `coherence` (percent, of "motion" and "color"); `context` (of "context"); `lag` (ms from stimulus
        onset), `mean`, `sem`, `n`.
    """
    labels, parts = conditions(recording.table), []
    rates = recording.around("stimulus", "policy_rates", window, list(units))
    scale = found.sd if found.sd > 0 else np.inf
    for i, unit in enumerate(units):
        own = labels.assign(**{name: labels[name] * found.preferred[unit] for name in SIDED})
        one = replace(rates, values=np.where(rates.valid, (rates.values[..., i] - found.mean) / scale, 0.0))
        for sort in ("choice", *FEATURES, "context"):
            by = own[["choice"]].copy()
            if sort in FEATURES:
                by["coherence"] = own[sort].abs().where(own["context"] == sort)
            elif sort == "context":
                by["context"] = own["context"]
            parts.append(grouped_traces(one, by).assign(unit=unit, sort=sort))
    columns = ["unit", "sort", "choice", "coherence", "context", "lag", "mean", "sem", "n"]
    return pd.concat(parts, ignore_index=True).reindex(columns=columns) if parts else pd.DataFrame(columns=columns)


def trajectories(recording: Recording, found: Population) -> pd.DataFrame:
    """Condition averages of the population on correct trials, projected on the axes of the task.

    Each unit enters with its mean over the trials of a condition in its preferred coordinates, standardised as in the
    regression; the mean over the conditions of one context and sorting is taken off at each time.

    Returns:
        One row a condition and lag: `context`, `sort` ("motion" or "color"), `choice` (+1 preferred, -1 not),
        `strength` (signed coherence of the sorting feature, percent, preferred positive), `lag` (ms from stimulus
        onset), the projections `x_choice`, `x_motion`, `x_color`, `x_context`, and `n` (fewest trials behind them).
    """
    names = ["context", "sort", "choice", "strength", "lag", *(f"x_{axis}" for axis in AXES), "n"]
    if found.problem:
        return pd.DataFrame(columns=names)
    labels, parts = conditions(recording.table), []
    rates = recording.around("stimulus", "policy_rates", TRAJECTORY_WINDOW, found.active.tolist(), EVERY)
    for context in FEATURES:
        for sort in FEATURES:
            by = labels[["choice", sort]].where(labels["context"] == context)
            axes = dict(zip(AXES, found.axes, strict=True))
            preferred = found.preferred[found.active]
            part = condition_trajectories(rates, by, found.regression, axes, preferred, ("choice", sort))
            parts.append(part.rename(columns={sort: "strength"}).assign(context=context, sort=sort))
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)
