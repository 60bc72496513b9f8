"""Mixed selectivity and axes of the task in networks that integrate one of two inputs by context.

What units encode is measured by regression on choice, context and the signed means of both inputs (`modality_1`,
`modality_2`). Without errors choice is a sum of products of the signs and the context, so that the regression needs
trials whose offsets differ.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Fig. S5; after Mante, Sussillo, Shenoy & Newsome (2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnpipe.analysis.recording import Recording
from rnnpipe.analysis.targeted import Regression, condition_trajectories, regress, task_axes
from rnnpipe.analysis.traces import grouped_traces
from rnnpipe.errors import ArtefactError

MODALITIES = ("modality_1", "modality_2")
"""The inputs, in the order of the contexts 1 and 2, in which they are judged."""

AXES = ("choice", *MODALITIES, "context")
"""Variables of the regression, in the order in which their axes are made orthogonal."""

MIXED = (*MODALITIES, "context")
"""What a unit of mixed selectivity depends on."""

ACTIVE = 0.1
"""SD of the rate of an active unit, as a fraction of the mean SD of all: rates are in Hz or between 0 and 1."""

EVERY = 50.0
"""Distance between times of the regression and of trajectories, ms."""

AFTER = 250.0
"""How long after the stimulus trajectories end, ms."""


def variables(table: pd.DataFrame) -> pd.DataFrame:
    """Variables of each trial as regressors, in the order of `AXES`.

    `choice` is -1 negative, +1 positive, missing without an answer; the modalities are signed offsets divided by the
    largest; `context` is +1 where input 1 is judged, -1 where input 2 is.
    """
    columns = {"choice": table["choice"].map({1: -1.0, 2: 1.0}).astype(float)}
    for k, name in enumerate(MODALITIES, start=1):
        offset = table[f"offset_{k}"].astype(float)
        columns[name] = table[f"sign_{k}"] * offset / (offset.max() or 1.0)
    columns["context"] = table["context"].map({1: 1.0, 2: -1.0})
    return pd.DataFrame(columns)


def conditions(table: pd.DataFrame) -> pd.DataFrame:
    """What correct trials are sorted by; every entry of the other trials is missing.

    So are those of trials that became correct after a first, wrong answer. `choice` is -1 or +1, the modalities are
    signed offsets, `context` is 1 or 2; `sign_1` and `sign_2`.
    """
    columns = {"choice": table["choice"].map({1: -1.0, 2: 1.0}).astype(float)}
    for k, name in enumerate(MODALITIES, start=1):
        columns[name] = table[f"sign_{k}"] * table[f"offset_{k}"].astype(float)
    for name in ("context", "sign_1", "sign_2"):
        columns[name] = table[name].astype(float)
    cued = np.where(table["context"] == 1, table["sign_1"], table["sign_2"])
    return pd.DataFrame(columns)[(table["correct"] == 1) & (columns["choice"] == cued)].reindex(table.index)


@dataclass(frozen=True)
class Population:
    """What single units and axes are read from."""

    active: NDArray[np.intp]
    """Units whose rate varies, see `ACTIVE`, (n_active,)."""
    regression: Regression
    """Of the active units at every 50 ms of the stimulus; lags from stimulus onset."""

    @property
    def axes(self) -> NDArray[np.float64]:
        """Orthogonal axes of `AXES`, (n_axes, n_active); all NaN where `problem` says why there are none."""
        return task_axes(self.regression, AXES)[0]

    @property
    def problem(self) -> str:
        """What keeps the axes from being found, if anything."""
        return task_axes(self.regression, AXES)[1]

    def norms(self) -> pd.DataFrame:
        """Norm over units of the coefficients of each variable: one row a lag, columns `lag` (ms) and `AXES`."""
        rows = [self.regression.coefficients[self.regression.regressors.index(name)] for name in AXES]
        return pd.DataFrame({"lag": self.regression.lags, **dict(zip(AXES, np.linalg.norm(rows, axis=2), strict=True))})

    def mixed(self, n: int) -> list[int]:
        """The active units that depend most on all of `MIXED`: by the smallest of their absolute coefficients."""
        if self.regression.problem:
            return []
        smallest = np.abs(self.regression.vectors(MIXED)).min(axis=0)
        best: list[int] = self.active[np.argsort(-smallest, kind="stable")[:n]].tolist()
        return best


def population(recording: Recording, name: str = "policy_rates") -> Population:
    """Measure the units of a network; trials with any answer, errors included, enter the regression.

    Raises:
        ArtefactError: The evaluation does not say the offsets of its trials.
    """
    table = recording.table
    if absent := [column for column in ("offset_1", "offset_2") if column not in table]:
        raise ArtefactError(f"{recording.path}: has no trials/{absent[0]}; make the data set and the evaluation again.")
    everything = recording.moments(name, -np.inf, np.inf, np.zeros(len(table), int), 1)
    sd = np.sqrt(everything.variance[0])
    active = np.flatnonzero((sd > 0) & (sd >= ACTIVE * sd.mean()))
    aligned = recording.around("stimulus", name, (EVERY, _duration(table)), active.tolist(), EVERY)
    return Population(active, regress(aligned, variables(table)))


def _duration(table: pd.DataFrame) -> float:
    """Duration of the stimulus, ms."""
    return float((table["stimulus_off"] - table["stimulus_on"]).max())


def traces(recording: Recording, units: Sequence[int], window: tuple[float, float]) -> pd.DataFrame:
    """Mean rates of units on correct trials of each context and pair of signs.

    Returns:
        One row a lag and group: `unit`, `context`, `sign_1`, `sign_2`, `lag` (ms from stimulus onset), `mean`, `sem`,
        `n`.
    """
    labels = conditions(recording.table)[["context", "sign_1", "sign_2"]]
    columns = ["unit", *labels, "lag", "mean", "sem", "n"]
    rates = recording.around("stimulus", "policy_rates", window, list(units))
    parts = []
    for i, unit in enumerate(units):
        one = replace(rates, values=rates.values[..., i])
        parts.append(grouped_traces(one, labels).assign(unit=unit))
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def trajectories(recording: Recording, found: Population) -> pd.DataFrame:
    """Condition averages of the population on correct trials, projected on the axes of the task.

    The mean over the conditions of one context and sorting is taken off at each time.

    Returns:
        One row a condition and lag: `context` (1 or 2), `sort` (the modality that trials are sorted by), `choice` (-1,
        +1), `strength` (its signed offset), `lag` (ms from stimulus onset), the projections `x_choice`,
        `x_modality_1`, `x_modality_2`, `x_context`, and `n` (fewest trials behind them).
    """
    names = ["context", "sort", "choice", "strength", "lag", *(f"x_{axis}" for axis in AXES), "n"]
    parts = []
    if not found.problem:
        labels = conditions(recording.table)
        window = 0.0, _duration(recording.table) + AFTER
        rates = recording.around("stimulus", "policy_rates", window, found.active.tolist(), EVERY)
        axes = dict(zip(AXES, found.axes, strict=True))
        for context in (1, 2):
            for sort in MODALITIES:
                by = labels[["choice", sort]].where(labels["context"] == context)
                part = condition_trajectories(rates, by, found.regression, axes)
                parts.append(part.rename(columns={sort: "strength"}).assign(context=context, sort=sort))
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)
