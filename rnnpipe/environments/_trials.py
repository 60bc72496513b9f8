"""What the single and the vector environment share: the task, its spaces, and the stream of trials of a seed."""

from __future__ import annotations

import dataclasses
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
from rnnpipe.trials import Trials

Mode = Literal["trial", "session", "endless"]
MODES = ("trial", "session", "endless")

NO_PERIOD = -1

FEWEST, GROWTH, MOST = 16, 4, 512
"""Trials of the first draw, how much larger the next ones are, and the bound on them: part of what a seed means."""
MEMORY = 2**17
"""Bound on the bytes of observations of a draw, above the first."""


@dataclass(frozen=True)
class Face:
    """What an environment shows of a task."""

    task: Task
    mode: Mode
    session_trials: int
    period_names: tuple[str, ...]
    example: Trials
    """One trial, for shapes and types."""
    n_ahead: int
    """Trials of the largest draw."""
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
    example, _ = the_task.draw(np.random.default_rng(0), 1)
    return Face(
        task=the_task,
        mode=mode,  # type: ignore[arg-type]
        session_trials=session_trials,
        period_names=tuple(example.periods),
        example=example,
        n_ahead=most_ahead(the_task, example),
        observation_space=spaces.Box(-np.inf, np.inf, (example.n_inputs,), np.float32),
        action_space=spaces.Discrete(example.n_actions),
    )


def most_ahead(task: Task, example: Trials) -> int:
    """Trials of the largest draw, a power of two: so many that the cost of a draw is shared, but no more than fit."""
    if task.reacts:
        return 1
    fit = MEMORY // (4 * example.n_steps * example.n_inputs)
    return int(np.clip(2 ** max(fit.bit_length() - 1, 0), FEWEST, MOST))


class Stream:
    """The trials that an environment shows one after the other, from a generator of its own.

    Trials are drawn ahead, in batches that grow from `FEWEST` to `most_ahead`: short uses are cheap, long ones fast. A
    task that `reacts` is drawn trial by trial, and told of each outcome before the next.
    """

    def __init__(self, task: Task, most: int) -> None:
        self.task, self.most = task, most
        self.n_next = min(FEWEST, most)
        self.state: Any = None

    def draw(self, rng: np.random.Generator) -> Trials:
        """The next trials."""
        trials, self.state = self.task.draw(rng, self.n_next, self.state)
        self.n_next = min(self.n_next * GROWTH, self.most)
        return trials

    def note(self, correct: int, reward: float) -> None:
        """The outcome of the trial that was drawn last; see `Task.after`."""
        self.state = self.task.after(self.state, correct, reward)


def answers(trials: Trials) -> NDArray[np.int8]:
    """Action to take in each phase, (n_phases, n)."""
    phases = np.arange(len(trials.rewards), dtype=np.uint8)[:, None]
    return dataclasses.replace(trials, phase=np.broadcast_to(phases, (len(phases), trials.n_trials))).ground_truth


def period_index(trials: Trials) -> NDArray[np.int8]:
    """Index of the period of a step, the last one where several overlap, -1 where there is none, (n_steps, n)."""
    period = np.full(trials.phase.shape, NO_PERIOD, np.int8)
    for index, name in enumerate(trials.periods):
        period[trials.during(name)] = index
    return period
