"""Training histories on disk: one row a validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnpipe.errors import ArtefactError
from rnnpipe.io.hdf5 import Field, attributes, create, open_sound, put, read

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
    "validations/new_best": Field(_ROW, "b", "whether this network became the best so far", required=False),
    "validations/n_steps": Field(_ROW, "i", "steps of all environments made before", "steps", required=False),
    "validations/performance": Field(_ROW, "f", "fraction of trials with the correct choice", required=False),
    "validations/*": Field(_ROW, "fiub", "further measure of the validation"),
}


def write_history(
    path: str | Path,
    rows: list[dict[str, Any]],
    settings: Mapping[str, Any],
    provenance: Mapping[str, Any],
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
    provenance: Mapping[str, Any],
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


REGRESSION_KIND = "regression_history"
_EVALUATION, _ITERATION = ("evaluation",), ("iteration",)
REGRESSION_SCHEMA = {
    "evaluations/iteration": Field(_EVALUATION, "i", "updates made before this evaluation", "updates"),
    "evaluations/n_trials": Field(_EVALUATION, "i", "training trials seen before this evaluation", "trials"),
    "evaluations/mse": Field(
        _EVALUATION,
        "f",
        "squared error where the loss counts, held-out trials, without noise: chooses the best network",
    ),
    "evaluations/loss": Field(_EVALUATION, "f", "that error plus the weighted penalties"),
    "evaluations/penalty_*": Field(_EVALUATION, "f", "penalty, not weighted, held-out trials", required=False),
    "evaluations/training_loss": Field(
        _EVALUATION, "f", "mean loss of the updates since the evaluation before, with noise; NaN at first"
    ),
    "evaluations/training_mse": Field(_EVALUATION, "f", "mean squared error of these updates; NaN at first"),
    "evaluations/gradient_norm": Field(
        _EVALUATION, "f", "mean norm of the gradient of these updates, before it is clipped; NaN at first"
    ),
    "evaluations/learning_rate": Field(_EVALUATION, "f", "learning rate of the next update"),
    "evaluations/spectral_radius": Field(_EVALUATION, "f", "largest |eigenvalue| of the recurrent weights"),
    "evaluations/largest_state": Field(_EVALUATION, "f", "largest |state| of a unit, held-out trials, without noise"),
    "evaluations/n_rollbacks": Field(_EVALUATION, "i", "times that the network had diverged and was taken back"),
    "evaluations/new_best": Field(_EVALUATION, "b", "whether this network became the best so far"),
    "evaluations/criterion": Field(_EVALUATION, "b", "whether the error was down to the tolerance"),
    "evaluations/drift_cosine": Field(
        _EVALUATION,
        "f",
        "cosine of the changes of the weights since the evaluation before, and before that; NaN if none",
        required=False,
    ),
    "evaluations/drift_*": Field(
        _EVALUATION,
        "f",
        "norm of the change of all weights over that many updates, relative to the weights' own; NaN at first",
        required=False,
    ),
    "evaluations/participation_change": Field(
        _EVALUATION,
        "f",
        "norm of the change of the units' participation since the evaluation before, relative to its own; NaN at first",
        required=False,
    ),
    "evaluations/*": Field(_EVALUATION, "fiub", "further score of the task, held-out trials, without noise"),
    "participation": Field(
        ("evaluation", "unit"),
        "f",
        "how much each unit takes part: SD of its rate plus the 90 % quantile of its absolute rate over steps and"
        " trials, held-out trials, without noise",
        required=False,
    ),
    "losses": Field(_ITERATION, "f", "loss of each update, with noise and penalties; infinite or NaN if it diverged"),
    "errors": Field(_ITERATION, "f", "squared error of each update where the loss counts, with noise"),
}


def write_regression_history(
    path: str | Path,
    rows: list[dict[str, Any]],
    losses: list[float],
    errors: list[float],
    settings: Mapping[str, Any],
    provenance: Mapping[str, Any],
    participation: Sequence[NDArray[np.floating]] | None = None,
    **attrs: Any,
) -> None:
    """Write the evaluations of a training, one column a measure, and loss and error of every update.

    `participation`, if it was traced, has one array (n_units,) for each evaluation.
    """
    with create(path, REGRESSION_KIND, settings, provenance, **attrs) as file:
        for name in rows[0]:
            put(file, f"evaluations/{name}", REGRESSION_SCHEMA, np.asarray([row[name] for row in rows]))
        put(file, "losses", REGRESSION_SCHEMA, np.asarray(losses, np.float64))
        put(file, "errors", REGRESSION_SCHEMA, np.asarray(errors, np.float64))
        if participation is not None:
            put(file, "participation", REGRESSION_SCHEMA, np.asarray(participation, np.float32))


def read_regression_history(path: str | Path) -> pd.DataFrame:
    """One row an evaluation; `.attrs` holds the file's attributes (seed, reached_criterion, settings, ...)."""
    with read(path, REGRESSION_KIND, REGRESSION_SCHEMA) as file:
        table = pd.DataFrame({name: column[:] for name, column in file["evaluations"].items()})
        table.attrs = attributes(file)
    return table


def read_participation(path: str | Path) -> NDArray[np.float32]:
    """How much each unit took part at each evaluation of a training, (n_evaluations, n_units).

    Raises:
        ArtefactError: Not a history of rule regression, or units were not traced.
    """
    with read(path, REGRESSION_KIND, REGRESSION_SCHEMA) as file:
        if "participation" not in file:
            raise ArtefactError(
                f"{path}: has no participation of units; train the network again with learning.trace_units: true."
            )
        found: NDArray[np.float32] = file["participation"][:]
    return found


def any_history(path: str | Path) -> pd.DataFrame:
    """The rows of a history, whatever the rule of the training; see the reader of each.

    Raises:
        ArtefactError: The file is none.
    """
    readers = {KIND: read_history, BPTT_KIND: read_bptt_history, REGRESSION_KIND: read_regression_history}
    with open_sound(Path(path), "a history") as file:
        kind = file.attrs.get("kind")
    found = kind if isinstance(kind, str) else KIND
    return readers.get(found, read_history)(path)  # which says what is wrong with a file that is no history
