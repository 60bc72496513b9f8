"""Consecutive trials of an environment, or of an evaluation, step by step: what was seen, done and earned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.analysis.recording import Recording
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.io.evaluation import task_of
from rnnpipe.tasks import environment_task_names
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.tasks._base import Task
from rnnpipe.trials import Trials

Array = NDArray[Any]


@dataclass(frozen=True)
class History:
    """Steps of trials that follow each other: row k is what was seen at step k, what was done on it and earned."""

    name: str
    """What was played, and by whom, in a line."""
    dt: float | None
    """Step, ms; None of an environment that has no step in time."""
    input_names: tuple[str, ...]
    action_names: tuple[str, ...]
    """Of the actions, or of the values where these are what is done."""
    observations: Array
    """(n_steps, n_inputs)."""
    actions: Array
    """Index of the action taken, (n_steps,), or continuous values, (n_steps, n_values)."""
    starts: NDArray[np.int64]
    """First step of each trial, (n_trials,)."""
    ends: NDArray[np.int64]
    """Last step of each trial that ended, (n_ended,)."""
    ground_truth: Array | None = None
    """What should have been done, shaped like `actions`, NaN where there is nothing to do right; None if unknown."""
    rewards: Array | None = None
    """(n_steps,); None where none is earned step by step."""
    value: Array | None = None
    """Predicted return, (n_steps,)."""
    scores: Array | None = None
    """What each trial that ended is judged by, (n_ended,)."""
    score_name: str = "Performance"
    action_label: str = "Action"
    """What is done: actions, or outputs that follow a target."""
    periods: tuple[tuple[str, int, int], ...] = ()
    """Name, first step and step after the last one of each period."""
    conditions: tuple[str, ...] = ()
    """Each trial in words, a condition a line; empty or of every trial that began."""
    rates: Array | None = None
    """Activity of recurrent units, (n_steps, n_units)."""
    noise: bool = True
    """Whether the observations are those that were seen, rather than the same without noise."""

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.observations)

    @property
    def discrete(self) -> bool:
        """Whether actions are one of several, rather than values."""
        return self.actions.ndim == 1


def in_words(conditions: Mapping[str, Any], names: Sequence[str] | None = None) -> str:
    """Conditions of a trial, one a line; by default all that are numbers or text.

    Args:
        conditions: Value of each condition.
        names: Those that are wanted.
    """
    wanted = conditions if names is None else [name for name in names if name in conditions]
    return "\n".join(
        f"{name.replace('_', ' ')} {_word(conditions[name])}" for name in wanted if np.ndim(conditions[name]) == 0
    )


def _word(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    text = f"{value:.4g}" if isinstance(value, int | float | np.integer | np.floating) else str(value)
    return text.replace("-", "\N{MINUS SIGN}")


def runs(period: Sequence[int], names: Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """Periods as stretches of steps, from the index of the period of each step, -1 for none."""
    index = np.asarray(period, int)
    edges = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist(), len(index)]
    spans = zip(edges[:-1], edges[1:], strict=True)
    return tuple((names[index[a]], a, b) for a, b in spans if b > a and index[a] >= 0)


def recorded(path: str | Path, first: int, n_trials: int, trials: Trials | None = None) -> History:
    """Trials of an evaluation that has activity, one after the other.

    An evaluation of a trial-structured task holds no inputs unless an agent saw them in an environment: they are made
    again from the conditions of the trial, without noise, and so is what should have been done.

    Args:
        path: The evaluation.
        first: First trial, counted from 0.
        n_trials: Trials to take, or as many as there are.
        trials: What was evaluated on, all of it, where it is at hand.

    Raises:
        SettingsError: There is no such trial.
        ArtefactError: The file is no evaluation, or holds no activity.
    """
    recording = Recording(path)
    table, attributes = recording.table, recording.table.attrs
    if first >= len(table):
        raise SettingsError(f"settings of the figure: trial = {first}: {path} has trials 0 to {len(table) - 1}.")
    chosen = range(first, min(first + n_trials, len(table)))
    trial_task = attributes.get("task") not in environment_task_names()
    task = task_of(attributes, path) if trial_task else None
    parts = [_trial(recording, task, i, trials) for i in chosen]
    if task is None and "network" in attributes.get(
        "settings", {}
    ):  # at its step 0 a network does not reach an environment
        parts = [{name: x if np.ndim(x) == 0 else x[1:] for name, x in part.items()} for part in parts]
    lengths = [len(part["observations"]) for part in parts]
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    rows = table.iloc[list(chosen)]
    answered = task is not None and bool(task.chooses or (rows["correct"] >= 0).any())
    score = "correct" if answered else next((name for name in ("return", "r2") if name in table), None)
    scores = None
    if score is not None:
        scores = rows[score].to_numpy(float) if score != "correct" else (rows["correct"] == 1).to_numpy(float)
    network = "outputs" if "output" in parts[0] else "actions"
    names = attributes.get("output_names", ()) if "output" in parts[0] else _names(attributes, task, "action_names")
    acted = np.concatenate([part.get("output", part.get("actions")) for part in parts])

    def joined(name: str) -> Array | None:
        return np.concatenate([part[name] for part in parts]) if name in parts[0] else None

    observations = np.concatenate([part["observations"] for part in parts])
    shown = _names(attributes, task, "input_names")
    return History(
        name=f"{attributes['task']}, seed {attributes.get('seed', '?')}: {network} in trials {first} to {chosen[-1]}",
        dt=float(attributes["dt"]),
        input_names=_filled(shown, observations.shape[1], "obs"),
        action_names=_output_names(names, acted.shape[1]) if acted.ndim == 2 else tuple(names),
        observations=observations,
        actions=acted,
        starts=starts,
        ends=starts + np.array(lengths) - 1,
        ground_truth=joined("ground_truth"),
        rewards=joined("rewards"),
        value=joined("value"),
        scores=scores,
        action_label="Output" if "output" in parts[0] else "Action",
        score_name={"return": "Return", "r2": "R²"}.get(score or "", "Performance"),
        periods=tuple(
            (name, start + on, start + off)
            for start, part in zip(starts.tolist(), parts, strict=True)
            for name, on, off in part["periods"]
        ),
        conditions=tuple(in_words(row, task.factors) for _, row in rows.iterrows()) if task is not None else (),
        rates=joined("policy_rates"),
        noise=not parts[0]["expected"],
    )


def _trial(recording: Recording, task: Task | None, index: int, given: Trials | None) -> dict[str, Any]:
    """What there is of one trial, by name."""
    arrays = recording.trial(index)
    if not {"actions", "output"} & arrays.keys():
        raise ArtefactError(f"{recording.path}: has no activity of actions or outputs; evaluate the network again.")
    part: dict[str, Any] = {"periods": (), "expected": False}
    part |= {name: arrays[name] for name in ("rewards", "value", "policy_rates") if name in arrays}
    key = "actions" if "actions" in arrays else "output"
    part[key] = arrays[key]
    n = len(arrays[key])
    trials = given[index : index + 1] if given is not None else None
    if trials is None and task is not None:
        trials, part["expected"] = _expected(task, recording, index), True
    if trials is not None:
        part["periods"] = tuple(
            (k, int(x[0, 0]), min(int(x[0, 1]), n)) for k, x in trials.periods.items() if x[0, 0] < n
        )
        part["ground_truth"] = trials.ground_truth[:n, 0].astype(float)
    if key == "output":
        part.pop("ground_truth", None)
        if "target" in arrays and "loss_mask" in arrays:
            part["ground_truth"] = np.where((arrays["loss_mask"] > 0)[:, None], arrays["target"], np.nan)
        elif isinstance(task, AnalogTask) and trials is not None:
            part["ground_truth"] = task.output_target(trials)[:n].astype(float)
    if "observations" in arrays:
        n_inputs = len(_names(recording.table.attrs, task, "input_names"))
        seen = arrays["observations"]
        stacked = seen.shape[1] > n_inputs and seen.shape[1] % n_inputs == 0
        part["observations"] = seen[:, -n_inputs:] if stacked else seen  # the last frame is the newest
        part["expected"] = False
    elif trials is not None:
        part["observations"] = trials.inputs[:n, 0]
    else:
        raise ArtefactError(f"{recording.path}: has no activity 'observations'; evaluate the network again.")
    return part


def _expected(task: Task, recording: Recording, index: int) -> Trials:
    """The trial again, without noise."""
    row = recording.table.iloc[index]
    if absent := [name for name in task.variables() if name not in row]:
        raise ArtefactError(f"{recording.path}: has no trials/{absent[0]}; evaluate the network again.")
    conditions = {name: row[name] for name in task.variables()}
    return task.without_noise().sample(np.random.default_rng(0), 1, **conditions)


def _names(attributes: Mapping[str, Any], task: Task | None, which: str) -> Sequence[str]:
    """Names of channels as the file has them, or else the task."""
    names: Sequence[str] = attributes[which] if which in attributes else getattr(task, which, ())
    return names


def _output_names(names: Sequence[str], n: int) -> tuple[str, ...]:
    return ("output",) if n == 1 and not names else _filled(names, n, "output")


def _filled(names: Sequence[str], n: int, prefix: str) -> tuple[str, ...]:
    """A name for each of n channels."""
    return (*names, *(f"{prefix}_{i}" for i in range(len(names), n)))[:n]
