"""What the single and the vector environment share: the task, its spaces, and trials drawn ahead in blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.settings import parse, suggest
from rnnpipe.tasks import choice_task_names, trial_task_class
from rnnpipe.tasks._base import Task

Mode = Literal["trial", "session", "endless"]
MODES = ("trial", "session", "endless")

N_AHEAD = 16
"""Trials that an environment draws at once from its generator: part of what a seed means, so it is no setting."""

NO_PERIOD = -1


@dataclass(frozen=True)
class Face:
    """What an environment shows of a task."""

    task: Task
    mode: Mode
    session_trials: int
    period_names: tuple[str, ...]
    observation_space: spaces.Box
    action_space: spaces.Discrete


def make_face(task: str, mode: str, session_trials: int, settings: Mapping[str, Any]) -> Face:
    """Check the arguments of an environment.

    Raises:
        SettingsError: An unknown task or mode, a task without choices, or a setting that the task does not have or
            cannot take.
    """
    the_task = parse(trial_task_class(task), settings, f"environment of task {task}")
    if not the_task.chooses:
        raise SettingsError(
            f"task {task} has continuous outputs and nothing to choose, so that it is no environment; take one of"
            f" {', '.join(choice_task_names())}."
        )
    if mode not in MODES:
        raise SettingsError(f"environment of task {task}: unknown mode {mode!r} ({suggest(str(mode), MODES)}).")
    if session_trials < 1:
        raise SettingsError(f"environment of task {task}: session_trials = {session_trials}: must be at least 1.")
    example = the_task.sample(np.random.default_rng(0), 1)
    return Face(
        task=the_task,
        mode=mode,  # type: ignore[arg-type]
        session_trials=session_trials,
        period_names=tuple(example.periods),
        observation_space=spaces.Box(-np.inf, np.inf, (example.n_inputs,), np.float32),
        action_space=spaces.Discrete(example.n_actions),
    )


@dataclass
class Block:
    """Trials with the trial as the first axis: whatever an environment looks up is one index away."""

    inputs: NDArray[np.float32]
    """(n, n_steps, n_inputs)."""
    phase: NDArray[np.uint8]
    """(n, n_steps)."""
    period: NDArray[np.int8]
    """Index of the period of a step, the last one where several overlap, -1 where there is none, (n, n_steps)."""
    ground_truth: NDArray[np.int8]
    """Action to take, (n, n_steps)."""
    rewards: NDArray[np.float32]
    """(n, n_phases, n_actions), as are stops and choices."""
    stops: NDArray[np.bool_]
    choices: NDArray[np.bool_]
    correct: NDArray[np.int8]
    """(n, n_actions)."""
    onset: NDArray[np.float64]
    """Stimulus onset, ms, (n,)."""
    discount: NDArray[np.float32]
    """(n_steps,)."""
    conditions: dict[str, NDArray[Any]]
    """(n,) each."""

    PER_TRIAL = (
        "inputs",
        "phase",
        "period",
        "ground_truth",
        "rewards",
        "stops",
        "choices",
        "correct",
        "onset",
    )

    @classmethod
    def draw(cls, task: Task, rng: np.random.Generator) -> Block:
        """The next `N_AHEAD` trials of a generator."""
        trials = task.sample(rng, N_AHEAD)
        period = np.full(trials.phase.shape, NO_PERIOD, np.int8)
        for index, name in enumerate(trials.periods):
            period[trials.during(name)] = index
        return cls(
            inputs=np.ascontiguousarray(trials.inputs.swapaxes(0, 1)),
            phase=np.ascontiguousarray(trials.phase.T),
            period=np.ascontiguousarray(period.T),
            ground_truth=np.ascontiguousarray(trials.ground_truth.T),
            rewards=np.ascontiguousarray(trials.rewards.swapaxes(0, 1)),
            stops=np.ascontiguousarray(trials.stops.swapaxes(0, 1)),
            choices=np.ascontiguousarray(trials.choices.swapaxes(0, 1)),
            correct=trials.correct,
            onset=np.asarray(trials.periods[task.stimulus_onset][:, 0] * trials.dt, np.float64),
            discount=trials.discount,
            conditions=trials.conditions,
        )

    def repeated(self, n: int) -> Block:
        """A block with room for `n` times as many trials; its values are not set."""

        def room(x: NDArray[Any]) -> NDArray[Any]:
            return np.empty((n * len(x), *x.shape[1:]), x.dtype)

        return Block(
            **{name: room(getattr(self, name)) for name in self.PER_TRIAL},
            discount=self.discount,
            conditions={name: room(x) for name, x in self.conditions.items()},
        )

    def write(self, start: int, block: Block) -> None:
        """Overwrite the trials from `start` on."""
        where = slice(start, start + len(block.onset))
        for name in self.PER_TRIAL:
            getattr(self, name)[where] = getattr(block, name)
        for name, values in block.conditions.items():
            self.conditions[name][where] = values
