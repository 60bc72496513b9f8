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
