"""Trials with their ground truth: what supervised learning of a task that has actions starts from."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.settings import parse, suggest
from rnnpipe.tasks import choice_task_names, environment_task_names, task_names, trial_task_class
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._draws import Draw, Rng
from rnnpipe.trials import FIXATE, TIMEOUT, Trials

NEUROGYM = "neurogym:"
"""What the name of a task of NeuroGym begins with."""
NEUROGYM_MODULE = "environments.neurogym_task"
"""Module below `rnnpipe` that makes them; it is imported by name, since few have NeuroGym."""


@dataclass(frozen=True)
class Truth:
    """Trials, and what is to be done at each of their steps, at once."""

    trials: Trials
    """The trials; a choice is due in their period "decision"."""
    values: NDArray[Any]
    """Action to take, int64 (n_steps, n_trials); or values to give, float32 (n_steps, n_trials, n_values)."""
    lengths: NDArray[np.int32]
    """Steps of each trial, (n_trials,)."""
    own_weights: NDArray[np.float32] | None = None
    """Weights of a task that has its own, (n_steps, n_trials)."""

    def weights(self, decision_weight: float, grace: float) -> NDArray[np.float32]:
        """Weight of each step in a loss, (n_steps, n_trials), as in Yang et al. (2019).

        It is `decision_weight` in the decision period and 1 before it, 0 after the end of a trial and in the first
        `grace` ms of the decision period, whose last step always counts. A task that has its own weights keeps them.
        """
        if self.own_weights is not None:
            return self.own_weights
        onset, offset = decisions(self.trials).T
        t = np.arange(self.trials.n_steps)[:, None]
        weight = np.where((onset <= t) & (t < offset), decision_weight, 1.0)
        counts_from = np.minimum(onset + round(grace / self.trials.dt), offset - 1)
        weight[(onset <= t) & (t < counts_from)] = 0
        weight[t >= self.lengths] = 0
        return weight.astype(np.float32)


def decisions(trials: Trials) -> NDArray[np.int32]:
    """Half-open [onset, offset) of the steps of each trial in which a choice counts, (n_trials, 2).

    They are the period "decision", less the last step of a trial if that ends it whatever is done.
    """
    onset, offset = trials.periods["decision"].T
    ends = trials.phase[offset - 1, np.arange(trials.n_trials)] == TIMEOUT
    ends &= ~trials.choices[TIMEOUT, :, FIXATE + 1 :].any(1)
    return np.stack([onset, np.where(ends & (offset - 1 > onset), offset - 1, offset)], axis=1)


class Source(Protocol):
    """Where trials with their ground truth come from."""

    @property
    def dt(self) -> float:
        """Step, ms."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the input channels."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the actions, or of the values where these are to be given."""

    @property
    def continuous(self) -> bool:
        """Whether values are to be given in place of a choice among actions."""

    @property
    def n_steps(self) -> int:
        """Steps of the longest trial."""

    @property
    def factors(self) -> tuple[str, ...]:
        """Variables that make the full factorial of conditions, fastest first."""

    def variables(self) -> dict[str, Draw]:
        """Variables that can be fixed."""

    def factorial(self) -> list[dict[str, Any]]:
        """Every combination of the factors' values."""

    def sample(self, rng: Rng, n_trials: int, **conditions: ArrayLike) -> Truth:
        """Draw trials independently of each other."""

    def session(self, rng: Rng, n_trials: int) -> Truth:
        """Draw consecutive trials of one session."""

    def constant_inputs(self) -> dict[str, NDArray[np.float64]]:
        """Constant inputs of the periods, without noise, by label, (n_inputs,) each."""


class TaskSource:
    """A trial-structured task with something to choose."""

    continuous = False

    def __init__(self, task: Task) -> None:
        self.task = task
        self.dt, self.n_steps = task.dt, task.n_steps
        self.input_names, self.action_names, self.factors = task.input_names, task.action_names, task.factors

    def variables(self) -> dict[str, Draw]:
        """Variables that can be fixed."""
        return self.task.variables()

    def factorial(self) -> list[dict[str, Any]]:
        """Every combination of the factors' values."""
        return self.task.factorial()

    def sample(self, rng: Rng, n_trials: int, **conditions: ArrayLike) -> Truth:
        """Draw trials independently of each other."""
        return self._truth(self.task.sample(rng, n_trials, **conditions))

    def session(self, rng: Rng, n_trials: int) -> Truth:
        """Draw consecutive trials of one session."""
        if self.task.reacts:
            raise SettingsError(
                f"task {self.task.name}: with these settings a trial depends on how the one before ended, which is not"
                " known where trials are drawn to learn from their ground truth; learn it by reward."
            )
        return self._truth(self.task.draw(rng, n_trials)[0])

    def constant_inputs(self) -> dict[str, NDArray[np.float64]]:
        """See `rnnpipe.tasks._constant_inputs`."""
        from rnnpipe.tasks._constant_inputs import constant_inputs

        return constant_inputs(self.task)

    def _truth(self, trials: Trials) -> Truth:
        if not (trials.correct == 1).any():
            raise SettingsError(
                f"task {self.task.name} has no right answer to learn from in any of {trials.n_trials} trials; learn it"
                " by reward."
            )
        return Truth(trials, trials.ground_truth.astype(np.int64), decisions(trials)[:, 1])


def choosing_task(name: str, settings: dict[str, Any]) -> Task:
    """A trial-structured task with something to choose.

    Raises:
        SettingsError: There is no such task, it has nothing to choose, or it does not have these settings.
    """
    if name in environment_task_names():
        raise SettingsError(
            f"{name!r} is an environment, which has no ground truth; take a task with trials or {NEUROGYM}<id>."
        )
    if name not in task_names():
        raise SettingsError(f"{name!r} is no task with something to choose ({suggest(name, choice_task_names())}).")
    found = trial_task_class(name)
    if not found.chooses:
        raise SettingsError(
            f"{name!r} has targets of its own, or nothing to choose; learn it as it is, with rule: regression."
        )
    return parse(found, settings, f"settings of {name}")


@cache
def source(name: str, settings: str) -> Source:
    """The source of a task by name, or of `neurogym:<id>`, with its settings as JSON.

    Raises:
        SettingsError: There is no such task, it has nothing to choose, or it does not have these settings.
    """
    values: dict[str, Any] = json.loads(settings)
    if name.startswith(NEUROGYM):
        made: Source = importlib.import_module(f"rnnpipe.{NEUROGYM_MODULE}").NeurogymTask(name, **values)
        return made
    return TaskSource(choosing_task(name, values))
