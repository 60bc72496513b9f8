"""Continuous outputs sorted by what they should be, and firing rates of the units of a spiking network.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Figs. 1, 2, 4, S1 and S3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnpipe.analysis.proportions import wilson
from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import ArtefactError
from rnnpipe.io.evaluation import read_spikes, read_units
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.settings import parse
from rnnpipe.tasks._analog import AnalogTask

NAMES: Mapping[str, Mapping[float, str]] = {
    "go_nogo": {1.0: "Go", 0.0: "NoGo"},
    "xor": {1.0: "same", -1.0: "different"},
}
"""What the targets of a task mean, by its name."""

TYPES = {1: "excitatory", -1: "inhibitory", -2: "SOM"}
"""Names of the types of units; see `rnnpipe.io.evaluation`."""

FIRST_STEP = 10
"""Step of the simulation from which spikes count for rates, as in the authors' code: most units start above threshold
and spike in the first step."""


@dataclass(frozen=True)
class Group:
    """Trials whose output should be the same."""

    level: float
    """Target of the output after the stimulus."""
    name: str
    trials: NDArray[np.intp]


def analog_task(recording: Recording) -> AnalogTask:
    """The task of a recording, which has a continuous output.

    Raises:
        ArtefactError: It has none.
    """
    task = recording.task
    if not isinstance(task, AnalogTask):
        raise ArtefactError(
            f"{recording.path}: is of task {task.name!r}; this figure needs a task with a continuous output (go_nogo,"
            " xor, context_integration)."
        )
    return task


def is_spiking(recording: Recording) -> bool:
    """Whether a spiking network was evaluated."""
    return "scaling_factor" in recording.table.attrs


def window_start(recording: Recording) -> float:
    """Time from which the output counts, ms."""
    task = analog_task(recording)
    return task.spiking_window if is_spiking(recording) else task.rate_window


def output_groups(recording: Recording) -> list[Group]:
    """Trials by their target, the highest first; targets without trials are left out."""
    task, table = analog_task(recording), recording.table
    levels = task.level({name: table[name].to_numpy() for name in task.factors})
    names = NAMES.get(task.name, {})
    return [
        Group(float(level), names.get(float(level), f"target {level:+g}"), np.flatnonzero(levels == level))
        for level in np.unique(levels)[::-1]
    ]


def outputs(recording: Recording) -> NDArray[np.float64]:
    """The (first) output, (n_steps, n_trials)."""
    parts = [values[..., 0].astype(np.float64) for _, values, _ in recording.chunks("output")]
    return np.concatenate(parts, axis=1)


def mean_outputs(recording: Recording) -> pd.DataFrame:
    """Output of each group of trials: one row a group and step.

    Columns: `group`, `level`, `time` (ms), `mean`, `sd` (between trials, divisor n - 1; 0 of a single one), `n`.
    """
    output, parts = outputs(recording), []
    for group in output_groups(recording):
        values, n = output[:, group.trials], len(group.trials)
        sd = values.std(axis=1, ddof=1) if n > 1 else np.zeros(len(values))
        columns = {"time": recording.time, "mean": values.mean(axis=1), "sd": sd}
        parts.append(pd.DataFrame({"group": group.name, "level": group.level, **columns, "n": n}))
    return pd.concat(parts, ignore_index=True)


def accuracy(table: pd.DataFrame) -> tuple[float, float, float, int]:
    """Fraction of correct trials, its interval (Wilson, 95 %) and the number of trials."""
    n, correct = len(table), int((table["correct"] == 1).sum())
    low, high = wilson(correct, n)
    return correct / n if n else np.nan, float(low), float(high), n


def unit_rates(recording: Recording) -> NDArray[np.float64]:
    """Mean firing rate of each unit in each trial, Hz, (n_trials, n_units): spikes from step 10 on in the whole trial.

    Raises:
        ArtefactError: The file holds no spikes.
    """
    spikes = read_spikes(recording.path)
    lif = parse(LifSettings, recording.table.attrs["settings"].get("lif", {}), f"{recording.path}: lif")
    counted = spikes[spikes["time"] > (FIRST_STEP - 0.5) * lif.step]
    n_trials, n_units = len(recording.table), recording.n_units()
    index = counted["trial"].to_numpy(np.int64) * n_units + counted["unit"].to_numpy(np.int64)
    counts = np.bincount(index, minlength=n_trials * n_units).reshape(n_trials, n_units)
    rates: NDArray[np.float64] = counts / (recording.time[-1] / 1000)
    return rates


def rates_by_type(recording: Recording) -> pd.DataFrame:
    """Firing rates of each type of units in each group of trials, Hz: one row a group and type that exists.

    Columns: `group`, `type` (1, -1, -2), `mean`, `sd` (between the units' mean rates), `n` (units).
    """
    rates, kinds, rows = unit_rates(recording), read_units(recording.path)["type"].to_numpy(), []
    for group in output_groups(recording):
        mean = rates[group.trials].mean(axis=0)
        for kind in TYPES:
            values = mean[kinds == kind]
            if len(values):
                sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
                rows.append((group.name, kind, float(values.mean()), sd, len(values)))
    return pd.DataFrame(rows, columns=["group", "type", "mean", "sd", "n"])


def unit_order(kinds: ArrayLike, rates: ArrayLike) -> NDArray[np.intp]:
    """Units by type (excitatory, inhibitory, SOM), those of a type from the highest to the lowest rate."""
    order: NDArray[np.intp] = np.lexsort((-np.asarray(rates, dtype=float), -np.asarray(kinds)))
    return order


def binned(values: NDArray[Any], time: NDArray[np.float64], width: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Means in bins of `width` ms along the first axis (the last bin may be shorter): centers (ms) and means."""
    step = time[1] - time[0] if len(time) > 1 else width
    size = max(1, round(width / step))
    starts = np.arange(0, len(time), size)
    sizes = np.diff([*starts, len(time)])
    means = np.add.reduceat(values, starts, axis=0) / sizes.reshape(-1, *(1,) * (values.ndim - 1))
    return np.add.reduceat(time, starts) / sizes, means


def example_trials(recording: Recording, n: int = 4) -> list[tuple[str, int]]:
    """The first trial of each combination of conditions, with its name; at most `n`.

    Where a context says which of two stimuli counts, only stimuli that disagree are shown, the same ones in either
    context. Nothing is chosen by what the network did.
    """
    task, table = analog_task(recording), recording.table
    if task.name == "go_nogo":
        wanted: list[tuple[str, dict[str, Any]]] = [("Go", {"go": True}), ("NoGo", {"go": False})]
    elif task.name == "context_integration":
        wanted = [
            (f"context {c}, stimuli {_signs(s, -s)}", {"context": c, "sign_1": s, "sign_2": -s})
            for c in (1, 2)
            for s in (1, -1)
        ]
    else:
        wanted = [(f"stimuli {_signs(a, b)}", {"first": a, "second": b}) for a in (1, -1) for b in (1, -1)]
    found = []
    for name, conditions in wanted:
        match = np.logical_and.reduce([table[key] == value for key, value in conditions.items()])
        if match.any():
            found.append((name, int(np.flatnonzero(match)[0])))
    return found[:n]


def _signs(*signs: int) -> str:
    return ", ".join("+" if s > 0 else "\N{MINUS SIGN}" for s in signs)


def tau_histogram(tau: ArrayLike, low: float, high: float, width: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Units in bins of `width` ms that are centered on low, low + width, ..., high: edges (ms) and counts."""
    n = max(1, round((high - low) / width) + 1)
    edges = low + width * (np.arange(n + 1) - 0.5)
    counts, _ = np.histogram(tau, edges)
    return edges, counts


def as_levels(groups: Sequence[Group], n_trials: int) -> NDArray[np.intp]:
    """Index of the group of each trial, -1 for none, (n_trials,)."""
    index = np.full(n_trials, -1, np.intp)
    for i, group in enumerate(groups):
        index[group.trials] = i
    return index
