"""Evaluations on disk: what a network did on a dataset, as a trial table and, on demand, its activity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnpipe.errors import ArtefactError
from rnnpipe.io.hdf5 import Field, attributes, create, fill, load, put, read
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._base import Task

Columns = dict[str, NDArray[Any]]

KIND = "evaluation"
SCHEMA = {
    "trials/choice": Field(("trial",), "i", "index of the chosen action, 0 where there was none or it was to wait"),
    "trials/decision": Field(("trial",), "b", "whether the trial ended with a decision"),
    "trials/correct": Field(("trial",), "i", "1 correct, 0 wrong, -1 no decision (or neither)"),
    "trials/reward": Field(("trial",), "f", "sum of the (discounted) rewards of the trial"),
    "trials/choice_time": Field(("trial",), "f", "time of the chosen action from trial start; NaN if none", "ms"),
    "trials/reaction_time": Field(("trial",), "f", "time of the chosen action from stimulus onset; NaN if none", "ms"),
    "trials/n_steps": Field(("trial",), "i", "number of steps until the trial ended", "steps"),
    "trials/seed": Field(("trial",), "i", "seed of an environment's episode", required=False),
    "trials/return": Field(
        ("trial",), "f", "sum of an episode's rewards as the environment gives them", required=False
    ),
    "trials/*_on": Field(("trial",), "f", "onset of a period", "ms", required=False),
    "trials/*_off": Field(("trial",), "f", "end of a period", "ms", required=False),
    "trials/highest": Field(("trial",), "f", "largest output in the window that counts", required=False),
    "trials/lowest": Field(("trial",), "f", "smallest output in the window that counts", required=False),
    "trials/mse": Field(
        ("trial",), "f", "mean squared error of the outputs where the loss counts; NaN if it never does", required=False
    ),
    "trials/r2": Field(
        ("trial",), "f", "1 - mse / variance of the target there; NaN if it is constant", required=False
    ),
    "trials/rate_hz": Field(("trial",), "f", "mean firing rate of all units", "Hz", required=False),
    "spikes/trial": Field(("spike",), "i", "trial of each spike", required=False),
    "spikes/time": Field(("spike",), "f", "time of each spike from trial start", "ms", required=False),
    "spikes/unit": Field(("spike",), "i", "unit of each spike", required=False),
    "units/tau": Field(("unit",), "f", "time constant of each unit", "ms", required=False),
    "units/type": Field(
        ("unit",), "i", "1 excitatory, -1 inhibitory, -2 inhibitory without inhibition (SOM)", required=False
    ),
    "trials/*": Field(("trial",), "fiubO", "condition of the trial; durations in ms"),
    "activity/time": Field(("time",), "f", "time from trial start", "ms", required=False),
    "activity/policy_rates": Field(
        ("time", "trial", "unit"), "f", "firing rates of the (policy) network", required=False
    ),
    "activity/states": Field(
        ("time", "trial", "unit"),
        "f",
        "states x of a continuous-time network where they are not the rates",
        required=False,
    ),
    "activity/value_rates": Field(
        ("time", "trial", "value_unit"), "f", "firing rates of the value network", required=False
    ),
    "activity/value": Field(("time", "trial"), "f", "predicted return", required=False),
    "activity/probabilities": Field(("time", "trial", "action"), "f", "policy", required=False),
    "activity/actions": Field(("time", "trial"), "i", "action taken, -1 after the end", required=False),
    "activity/rewards": Field(("time", "trial"), "f", "(discounted) reward of each step", required=False),
    "activity/observations": Field(
        ("time", "trial", "input"), "f", "what an environment showed; drives the state of its step", required=False
    ),
    "activity/output": Field(("time", "trial", "output"), "f", "continuous output", required=False),
    "activity/target": Field(("time", "trial", "output"), "f", "what the output should be", required=False),
    "activity/loss_mask": Field(("time", "trial"), "f", "weight of each step in the loss", required=False),
    "activity/mask": Field(("time", "trial"), "b", "whether the trial was still going on", required=False),
}


def write_evaluation(
    path: str | Path,
    batches: Iterable[tuple[Columns, Columns, Columns]],
    n_trials: int,
    settings: Mapping[str, Any],
    provenance: Mapping[str, Any],
    attributes: Mapping[str, Any],
    extra: Columns,
    progress: Callable[[int], None],
) -> None:
    """Write batches of trials one after another as one evaluation.

    Args:
        path: The file.
        batches: Trial table, activity and spikes of each batch; a spike's trial is counted from its batch's first.
        n_trials: Trials of all batches.
        settings: Settings of the network.
        provenance: What made it.
        attributes: Further root attributes.
        extra: Further arrays by their name in the file.
        progress: Called with the number of trials that have been written.
    """
    with create(path, KIND, settings, provenance, **attributes) as file:
        start, spikes = 0, []
        for table, activity, fired in batches:
            n = len(table["choice"])
            columns = {f"trials/{k}": v for k, v in table.items()}
            columns |= {f"activity/{k}": v for k, v in activity.items()}
            if start == 0 and "time" in activity:
                put(file, "activity/time", SCHEMA, activity["time"])
            columns.pop("activity/time", None)
            for name, values in columns.items():
                along = 0 if name.startswith("trials/") else 1
                if start == 0:
                    shape = (*values.shape[:along], n_trials, *values.shape[along + 1 :])
                    put(file, name, SCHEMA, shape=shape, dtype=values.dtype)
                fill(file[name], (slice(None),) * along + (slice(start, start + n),), values)
            if fired:
                spikes.append({**fired, "trial": fired["trial"] + start})
            start += n
            progress(n)
        for name in spikes[0] if spikes else ():
            put(file, f"spikes/{name}", SCHEMA, np.concatenate([part[name] for part in spikes]))
        for name, values in extra.items():
            put(file, name, SCHEMA, values)


def task_of(attributes: Mapping[str, Any], path: object) -> Task:
    """The trial-structured task of an artefact, rebuilt from the settings it carries.

    Raises:
        ArtefactError: The file does not name its task.
        SettingsError: Its task is unknown, or an environment.
    """
    settings = dict(attributes.get("settings", {}).get("task", {}))
    name = settings.pop("name", attributes.get("task"))
    if not isinstance(name, str):
        raise ArtefactError(f"{path}: does not say which task it is of; make it again.")
    return parse(trial_task_class(name), settings, f"{path}: settings of the task")


def read_table(path: str | Path) -> pd.DataFrame:
    """The trial table of an evaluation as a DataFrame, one row a trial; `.attrs` holds the file's attributes.

    Example:
        >>> read_table("results/evaluate/rdm_fixed/seed97.behaviour.h5")  # doctest: +SKIP
    """
    with read(path, KIND, SCHEMA) as file:
        table = pd.DataFrame({name: load(column) for name, column in file["trials"].items()})
        table.attrs = attributes(file)
    return table


def read_activity(path: str | Path, *names: str) -> dict[str, Any]:
    """Arrays of the activity group, (time, trial, ...), by name; all of them if no name is given."""
    with read(path, KIND, SCHEMA) as file:
        if "activity" not in file:
            raise ArtefactError(f"{path}: holds no activity; evaluate the network with --record_activity.")
        return {name: file[f"activity/{name}"][:] for name in names or file["activity"]}


def read_spikes(path: str | Path) -> pd.DataFrame:
    """Spikes of an evaluation, one row a spike: `trial`, `time` (ms from trial start), `unit`.

    Raises:
        ArtefactError: The file holds none.
    """
    with read(path, KIND, SCHEMA) as file:
        if "spikes" not in file:
            raise ArtefactError(
                f"{path}: holds no spikes; evaluate the spiking network (--spiking or --scaling_factor) with"
                " --record_activity."
            )
        return pd.DataFrame({name: load(column) for name, column in file["spikes"].items()})


def read_units(path: str | Path) -> pd.DataFrame:
    """Units of the network of an evaluation, one row a unit: `tau` (ms), `type` (1, -1, -2 as in the schema).

    Raises:
        ArtefactError: The file does not describe them.
    """
    with read(path, KIND, SCHEMA) as file:
        if "units" not in file:
            raise ArtefactError(f"{path}: does not describe the units; evaluate a rate network again.")
        return pd.DataFrame({name: load(column) for name, column in file["units"].items()})
