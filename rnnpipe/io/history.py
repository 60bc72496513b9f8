"""Training histories on disk: one row a validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnpipe.io.hdf5 import Field, attributes, create, put, read

KIND = "history"
_ROW = ("validation",)
SCHEMA = {
    "validations/update": Field(_ROW, "i", "updates made before this validation"),
    "validations/n_trials": Field(_ROW, "i", "training trials seen before this validation", "trials"),
    "validations/mean_reward": Field(_ROW, "f", "mean summed reward of a validation trial"),
    "validations/p_decision": Field(_ROW, "f", "fraction of validation trials with a decision", required=False),
    "validations/p_correct": Field(_ROW, "f", "fraction of decisions that were correct", required=False),
    "validations/mean_return": Field(
        _ROW, "f", "mean sum of an episode's rewards as the environment gives them", required=False
    ),
    "validations/mean_length": Field(
        _ROW, "f", "mean number of steps that the environment made in an episode", "steps", required=False
    ),
    "validations/value_rmse": Field(_ROW, "f", "error of the predicted return, root mean square over valid steps"),
    "validations/criterion": Field(_ROW, "b", "whether this validation met the task's training criterion"),
    "validations/new_best": Field(_ROW, "b", "whether this network became the best so far"),
    "validations/*": Field(_ROW, "fiub", "further measure of the validation"),
}


def write_history(
    path: str | Path,
    rows: list[dict[str, Any]],
    settings: Mapping[str, Any],
    provenance: Mapping[str, str],
    **attrs: Any,
) -> None:
    """Write the validations of a training, one column a measure."""
    with create(path, KIND, settings, provenance, **attrs) as file:
        for name in rows[0]:
            put(file, f"validations/{name}", SCHEMA, np.asarray([row[name] for row in rows]))


def read_history(path: str | Path) -> pd.DataFrame:
    """One row a validation; `.attrs` holds the file's attributes (seed, reached_criterion, settings, ...)."""
    with read(path, KIND, SCHEMA) as file:
        table = pd.DataFrame({name: column[:] for name, column in file["validations"].items()})
        table.attrs = attributes(file)
    return table


BPTT_KIND = "bptt_history"
BPTT_SCHEMA = {
    "evaluations/update": Field(("evaluation",), "i", "updates made before this evaluation"),
    "evaluations/n_trials": Field(("evaluation",), "i", "training trials seen before this evaluation", "trials"),
    "evaluations/accuracy": Field(("evaluation",), "f", "fraction of correct trials"),
    "evaluations/loss": Field(("evaluation",), "f", "mean loss of a trial"),
    "evaluations/training_loss": Field(("evaluation",), "f", "mean loss of the training trials since the one before"),
    "evaluations/density": Field(("evaluation",), "f", "fraction of recurrent connections that act"),
    "evaluations/tau_mean": Field(("evaluation",), "f", "mean time constant of the units", "ms"),
    "evaluations/tau_sd": Field(("evaluation",), "f", "SD of the time constants between units", "ms"),
    "evaluations/criterion": Field(("evaluation",), "b", "whether this evaluation met the training criterion"),
    "losses": Field(("training_trial",), "f", "loss of each training trial"),
}


def write_bptt_history(
    path: str | Path,
    rows: list[dict[str, Any]],
    losses: list[float],
    settings: Mapping[str, Any],
    provenance: Mapping[str, str],
    **attrs: Any,
) -> None:
    """Write the evaluations of a supervised training, one column a measure, and the loss of every training trial."""
    with create(path, BPTT_KIND, settings, provenance, **attrs) as file:
        for name in rows[0]:
            put(file, f"evaluations/{name}", BPTT_SCHEMA, np.asarray([row[name] for row in rows]))
        put(file, "losses", BPTT_SCHEMA, np.asarray(losses))


def read_bptt_history(path: str | Path) -> pd.DataFrame:
    """One row an evaluation; `.attrs` holds the file's attributes (seed, reached_criterion, settings, ...)."""
    with read(path, BPTT_KIND, BPTT_SCHEMA) as file:
        table = pd.DataFrame({name: column[:] for name, column in file["evaluations"].items()})
        table.attrs = attributes(file)
    return table
