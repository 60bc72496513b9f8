"""Evaluation of a made-up population in Kim et al.'s context-dependent integration, with known axes and time courses.

Every trial is answered by the sign of the cued input. The rate of a unit is a baseline plus, for each variable, its
loading times the variable times a time course of the stimulus: `RAMP` for choice, `HUMP` for the inputs, constant for
context. The last unit hardly varies.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from synthetic import write_arrays
from synthetic_kim import write_spiking

from rnnpipe.dataset import DatasetSettings, blocks
from rnnpipe.evaluation.analog import analog_table
from rnnpipe.tasks.context_integration import ContextIntegration

DT = 25.0
OFFSETS = [0.1, 0.25, 0.5]
N_UNITS = 16
"""Units that vary."""
ONSET, N_STIMULUS = 10, 40
"""First step and number of steps of the stimulus."""
_SIGNS = np.array([[1]])
for _ in range(4):
    _SIGNS = np.block([[_SIGNS, _SIGNS], [_SIGNS, -_SIGNS]])
NAMES = ("choice", "modality_1", "modality_2", "context")
LOADINGS = dict(zip(NAMES, _SIGNS[[1, 2, 4, 8]].astype(float), strict=True))
"""Orthogonal rows of +-1, (n_units,) each."""
SCALE = {"choice": 0.5, "modality_1": 0.4, "modality_2": 0.3, "context": 0.2}
RAMP = np.arange(1, N_STIMULUS + 1) / N_STIMULUS
HUMP = np.sin(np.pi * np.arange(1, N_STIMULUS + 1) / N_STIMULUS)
COURSES: dict[str, Any] = {"choice": RAMP, "modality_1": HUMP, "modality_2": HUMP, "context": 1.0}


def write_context(
    path: Path, trials_per_condition: int = 2, offsets: list[float] | None = None, change: Any = None, **attributes: Any
) -> pd.DataFrame:
    """Write an evaluation of the population; `change(output, time)` may spoil its output. Returns the trial table."""
    task, rng = ContextIntegration(dt=DT), np.random.default_rng(3)
    levels = OFFSETS if offsets is None else offsets
    dataset = DatasetSettings(
        trials_per_condition=trials_per_condition, conditions={"offset_1": levels, "offset_2": levels}
    )
    tables, parts = [], []
    for trials in blocks(task, dataset):
        time = np.arange(trials.n_steps - 2) * DT
        cue = trials.conditions["context"]
        answer = np.where(cue == 1, trials.conditions["sign_1"], trials.conditions["sign_2"]).astype(float)
        output = answer * (time[:, None] >= 1250)
        if change is not None:
            change(output, time)
        tables.append(analog_table(task, trials, time, output, spiking=False))
        values = {
            "choice": answer,
            **{
                f"modality_{k}": trials.conditions[f"sign_{k}"] * trials.conditions[f"offset_{k}"] / 0.5 for k in (1, 2)
            },
            "context": np.where(cue == 1, 1.0, -1.0),
        }
        shape = len(time), trials.n_trials, N_UNITS
        rates = 2.0 + 0.05 * rng.standard_normal(shape)
        for name, value in values.items():
            course = np.zeros(len(time))
            course[ONSET : ONSET + N_STIMULUS] = COURSES[name]
            rates += SCALE[name] * course[:, None, None] * value[:, None] * LOADINGS[name]
        silent = 1.0 + 1e-3 * rng.standard_normal((*shape[:2], 1))
        parts.append((np.concatenate([rates, silent], axis=2).astype(np.float32), output[..., None]))
    columns = {k: np.concatenate([table[k] for table in tables]) for k in tables[0]}
    rates, output = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    activity = {
        "time": time,
        "mask": np.ones(rates.shape[:2], bool),
        "policy_rates": rates,
        "output": output.astype(np.float32),
    }
    return write_arrays(path, task, columns, activity, **attributes)


CONTEXT_FIGURES = ("fig_tdr", "fig_selectivity")
LESIONS = {"lesion_pre": "excitatory"}
STIMULATION = {"stimulation": "exc", "stimulation_of": "inhibitory", "stimulation_on": 250.0, "stimulation_off": 375.0}


def write_context_figure_inputs(folder: Path) -> None:
    """Files for `context_figure_inputs`, into `folder`/context."""
    place = folder / "context"
    place.mkdir()
    write_context(place / "offsets.h5")
    write_spiking(place / "intact.h5", [0.9, 1.0, 0.95])
    for part, accuracy in ((0.1, 0.8), (0.4, 0.5)):
        values = accuracy + np.array([-0.1, 0.1, 0.0])
        write_spiking(place / f"lesions_{part:g}.h5", values, lif={**LESIONS, "lesion_fraction": part})
        write_spiking(place / f"stimulation_{part:g}.h5", values, lif={**STIMULATION, "stimulation_fraction": part})


def context_figure_inputs(folder: Path, figure: str) -> dict[str, list[Path]]:
    """Files of a figure of this topic by need; nothing of another figure."""
    place = folder / "context"
    if figure in CONTEXT_FIGURES:
        return {"activity": [place / "offsets.h5"]}
    if figure == "fig_lesions":
        return {need: sorted(place.glob(f"{need}*.h5")) for need in ("intact", "lesions", "stimulation")}
    return {}
