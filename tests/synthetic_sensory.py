"""Evaluations of made-up networks in multisensory integration and parametric working memory, with known answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm
from synthetic import table_of, write_arrays

from rnnpipe.dataset import DatasetSettings, blocks
from rnnpipe.tasks._base import Task
from rnnpipe.tasks.multisensory import Multisensory
from rnnpipe.tasks.romo import Romo
from rnnpipe.trials import Trials

SIGMAS = {"visual": 2.0, "auditory": 2.2, "multisensory": 1.5}
"""Widths of the psychometric functions, events/s; no bias."""

CHOICE_EFFECT = np.array([0.0, 0.1, 0.4, -0.5, 0.05, 0.0, 0.02])
MODALITY_EFFECT = np.array([0.05, 0.9, -0.6, 0.0, 0.0, 0.0, 0.0])
"""What "high" choices and visual stimuli add to the rate of each unit during the stimulus (low and auditory subtract
it): a null unit, one for modality, a mixed one, one for choice, ..."""
BASELINE = np.array([1.0, 1.5, 1.5, 1.5, 0.1, 0.0, 1.0])
"""... the most choice-selective one, which hardly fires, a silent one, and one of little selectivity."""
NOISE = np.array([0.2, 0.2, 0.2, 0.2, 0.01, 0.0, 0.2])

SLOPES = np.array([0.03, 0.0, -0.02, 0.05, 0.01, 0.004, 0.0])
"""Change of the rate with the first frequency (per Hz) from its onset on: positive, none, negative, positive but only
during the stimulus and 300 ms into the delay, weakly positive, positive of a unit that hardly fires, silent."""
MEMORY_BASELINE = np.array([1.5, 1.5, 1.5, 1.5, 1.5, 0.1, 0.0])
MEMORY_NOISE = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.01, 0.0])
"""SD of each trial's rate."""
TRANSIENT = 3


def _write(path: Path, task: Task, trials: Trials, choice: Any, rates: Any, seed: int, change: Any) -> pd.DataFrame:
    """Trials that end ten steps into the decision with a choice, or with none (0)."""
    step = np.where(choice > 0, trials.periods["decision"][:, 0] + 10, trials.n_steps - 1)
    actions = np.where(np.arange(trials.n_steps)[:, None] < step, 0, -1)
    actions[step, np.arange(trials.n_trials)] = choice
    columns, mask = table_of(trials, task, actions), actions >= 0
    if change is not None:
        change(columns)
    activity: dict[str, Any] = {}
    if rates is not None:
        kept = np.where(mask[..., None], np.maximum(rates, 0), 0).astype(np.float32)
        activity = {"time": np.arange(trials.n_steps) * task.dt, "mask": mask, "policy_rates": kept}
    return write_arrays(path, task, columns, activity, seed)


def write_multisensory(
    path: Path, trials_per_condition: int = 12, seed: int = 99, activity: bool = True, change: Any = None
) -> pd.DataFrame:
    """An observer with the thresholds `SIGMAS`; `change(columns)` may spoil the table first. Returns the table."""
    task, rng = Multisensory(), np.random.default_rng(seed)
    (trials,) = blocks(task, DatasetSettings(trials_per_condition=trials_per_condition))
    modality, rate = trials.conditions["modality"], trials.conditions["rate"]
    sigma = np.array([SIGMAS[str(m)] for m in modality])
    high = rng.random(trials.n_trials) < norm.cdf((rate - 12.5) / sigma)
    rates = None
    if activity:
        signed = np.where(high, 1.0, -1.0)[:, None] * CHOICE_EFFECT
        signed = signed + ((modality == "visual") * 1.0 - (modality == "auditory"))[:, None] * MODALITY_EFFECT
        noise = NOISE * rng.standard_normal((trials.n_steps, trials.n_trials, len(NOISE)))
        rates = BASELINE + trials.during("stimulus")[..., None] * signed + noise
    return _write(path, task, trials, np.where(high, 2, 1), rates, seed, change)


def write_romo(
    path: Path, trials_per_condition: int = 12, seed: int = 100, activity: bool = True, change: Any = None,
    delay: float | None = 3000.0,
) -> pd.DataFrame:  # fmt: skip
    """A network that is wrong once and undecided once at (18, 10) Hz and always right elsewhere. Returns the table."""
    task, rng = Romo(), np.random.default_rng(seed)
    conditions = {} if delay is None else {"delay": delay}
    (trials,) = blocks(task, DatasetSettings(trials_per_condition=trials_per_condition, conditions=conditions))
    order, base = trials.conditions["order"], trials.conditions["base"]
    choice = np.where(order > 0, 1, 2)
    spoilt = np.flatnonzero((order > 0) & (base == 10))[:2]
    choice[spoilt] = (2, 0)[: len(spoilt)]
    rates = None
    if activity:
        f1 = base + task.difference * (order > 0)
        t = np.arange(trials.n_steps)[:, None, None]
        onset = trials.periods["f1"][:, 0][:, None]
        until = np.where(np.arange(len(SLOPES)) == TRANSIENT, onset + 80, trials.n_steps)
        noise = MEMORY_NOISE * rng.standard_normal((trials.n_trials, len(SLOPES)))
        rates = MEMORY_BASELINE + ((onset <= t) & (t < until)) * ((f1 - 22)[:, None] * SLOPES) + 0.2 * noise
    return _write(path, task, trials, choice, rates, seed, change)


def write_figure_inputs(folder: Path) -> None:
    """Write what `figure_inputs` names."""
    write_multisensory(folder / "multisensory.h5")
    write_multisensory(folder / "multisensory101.h5", 20, seed=101, activity=False)
    write_romo(folder / "romo.h5", 8)


def figure_inputs(folder: Path, figure: str) -> dict[str, list[Path]] | None:
    """Inputs of the figures of these tasks; None for another figure."""
    multisensory, romo = folder / "multisensory.h5", folder / "romo.h5"
    return {
        "fig_multisensory": {"behaviour": [multisensory], "activity": [multisensory]},
        "fig_thresholds": {"behaviour": [folder / "multisensory101.h5", multisensory]},
        "fig_romo": {"behaviour": [romo], "activity": [romo]},
    }.get(figure)


def nothing_decided(columns: dict[str, Any]) -> None:
    """No trial ends with a decision."""
    columns["decision"][:] = False
    columns["choice"][:] = 0
    columns["correct"][:] = -1
    columns["choice_time"][:] = columns["reaction_time"][:] = np.nan


def always_first(columns: dict[str, Any]) -> None:
    """Every decision is for the first choice: low, or f1 higher."""
    right = columns["choice"] == 1
    columns["correct"][columns["decision"]] = right[columns["decision"]] * (
        columns["correct"][columns["decision"]] == 1
    )
    columns["choice"][columns["decision"]] = 1
