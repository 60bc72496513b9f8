"""Evaluations on disk: what a network did on a dataset, as a trial table and, on demand, its activity."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from rnnpipe.errors import ArtefactError
from rnnpipe.io.hdf5 import Field, attributes, load, read
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._base import Task

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
    "trials/*": Field(("trial",), "fiubO", "condition of the trial; durations in ms"),
    "activity/time": Field(("time",), "f", "time from trial start", "ms", required=False),
    "activity/policy_rates": Field(
        ("time", "trial", "unit"), "f", "firing rates of the policy network", required=False
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
    "activity/mask": Field(("time", "trial"), "b", "whether the trial was still going on", required=False),
}


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
