"""Evaluation of a made-up population in the context-dependent task, with known axes and time courses.

The observer sums the evidence of the cued feature and a little of the other, and answers by the sign. Some trials end
early, without a choice. The rate of a unit is a baseline plus, for each variable, its loading times the variable
times a time course of the stimulus: `RAMP` for choice (the one that will be made), `HUMP` for motion and color,
constant for context.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from synthetic import table_of, write_arrays

from rnnpipe.dataset import DatasetSettings, blocks
from rnnpipe.tasks.mante import Mante

N_UNITS = 16
ONSET, N_STIMULUS = 75, 75
"""First step and number of steps of the stimulus."""
_SIGNS = np.array([[1]])
for _ in range(4):
    _SIGNS = np.block([[_SIGNS, _SIGNS], [_SIGNS, -_SIGNS]])
LOADINGS = dict(zip(("choice", "motion", "color", "context"), _SIGNS[[1, 2, 4, 8]].astype(float), strict=True))
"""Orthogonal rows of +-1, (n_units,) each."""
SCALE = {"choice": 0.5, "motion": 0.4, "color": 0.3, "context": 0.2}
RAMP = np.arange(1, N_STIMULUS + 1) / N_STIMULUS
HUMP = np.sin(np.pi * np.arange(1, N_STIMULUS + 1) / N_STIMULUS)
IGNORED = 0.05
"""Weight of the irrelevant evidence."""


def write_mante(
    path: Path, trials_per_condition: int = 10, seed: int = 100, activity: bool = True, change: Any = None
) -> pd.DataFrame:
    """Write an evaluation of the observer; `change(columns, arrays)` may spoil it first. Returns the trial table."""
    task, rng = Mante(), np.random.default_rng(seed)
    tables, parts = [], []
    for trials in blocks(task, DatasetSettings(trials_per_condition=trials_per_condition)):
        n, n_steps = trials.n_trials, trials.n_steps
        t, i = np.arange(n_steps)[:, None], np.arange(n)
        sums = [
            np.where(trials.during("stimulus"), trials.inputs[..., k + 1] - trials.inputs[..., k], 0.0).sum(axis=0)
            for k in (2, 4)
        ]
        motion = trials.conditions["context"] == "motion"
        right = np.where(motion, sums[0] + IGNORED * sums[1], sums[1] + IGNORED * sums[0]) > 0
        early = rng.random(n) < 0.08
        step = np.where(early, rng.integers(1, 140, n), trials.periods["decision"][:, 0] + rng.integers(2, 30, n))
        actions = np.where(t < step, 0, -1)
        actions[step, i] = np.where(right, 2, 1)
        table = table_of(trials, task, actions)
        signed = {
            f: trials.conditions[f"side_{f}"] * trials.conditions[f"coherence_{f}"] / 50 for f in ("motion", "color")
        }
        values = {"choice": np.where(right, 1.0, -1.0), **signed, "context": np.where(motion, 1.0, -1.0)}
        rates = np.full((n_steps, n, N_UNITS), 2.0) + 0.1 * rng.standard_normal((n_steps, n, N_UNITS))
        for name, value in values.items():
            course = np.zeros(n_steps)
            course[ONSET : ONSET + N_STIMULUS] = {"choice": RAMP, "motion": HUMP, "color": HUMP, "context": 1.0}[name]
            rates += SCALE[name] * course[:, None, None] * value[:, None] * LOADINGS[name]
        tables.append(table)
        mask = actions >= 0
        parts.append({"mask": mask, "policy_rates": np.where(mask[..., None], rates, 0).astype(np.float32)})
    columns = {k: np.concatenate([table[k] for table in tables]) for k in tables[0]}
    arrays = {k: np.concatenate([part[k] for part in parts], axis=1) for k in parts[0]}
    arrays["time"] = np.arange(arrays["mask"].shape[0]) * task.dt
    if change is not None:
        change(columns, arrays)
    return write_arrays(path, task, columns, arrays if activity else {}, seed)
