"""A batch of trials as data: the one thing every learner, environment, analysis and figure looks at.

In every trial-structured task the observation of step t depends on the condition and on noise only, and the
reward and the end of the trial only on (step, condition, action). So a batch is plain arrays: inputs, and a
small table of rewards and stops indexed by the *phase* of the step.

Axes are (time, trial, unit). Step t is the time t * dt (ms) from the start of the trial.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

OUTSIDE, DECISION, TIMEOUT, FREE, EARLY, FIRST, GRADED = range(7)
"""Phases of a step, rows of the rule table; a task's table has those up to the last one that it uses.

* OUTSIDE: to act is too soon, and has its price;
* DECISION: a choice counts;
* TIMEOUT: the last step of a trial, which ends it whatever the action; in tasks whose trials end with the decision
  period a choice counts there, too;
* FREE: whatever is done earns nothing and changes nothing; steps after a trial's last one, never reached, are so, too;
* EARLY: to act is a false alarm, which ends the trial as a wrong answer does;
* FIRST: an answer is due that lets the trial go on, as no other action does, waiting neither;
* GRADED and all rows after it: a choice counts, but earns less than it does in the decision.
"""

FIXATE = 0
"""Index of the action that waits, in every task."""


@dataclass(frozen=True)
class Trials:
    """A batch of trials.

    `inputs[t]` is the observation of step t. A recurrent network starts from its initial state at t = 0, acts
    once without input, and reaches its state at t >= 1 with `inputs[t]`; `inputs[0]` is what an environment
    shows on reset. Action a at step t earns `discount[t] * rewards[phase[t, i], i, a]` and ends the trial where
    `stops[phase[t, i], i, a]`.
    """

    task: str
    """Name of the task (module in `rnnpipe.tasks`)."""
    dt: float
    """Step, ms."""
    inputs: NDArray[np.float32]
    """Observations, (n_steps, n_trials, n_inputs)."""
    phase: NDArray[np.uint8]
    """Index into the first axis of the tables below, (n_steps, n_trials)."""
    rewards: NDArray[np.float32]
    """Reward of an action before discounting, (n_phases, n_trials, n_actions)."""
    stops: NDArray[np.bool_]
    """Whether an action ends the trial, (n_phases, n_trials, n_actions)."""
    choices: NDArray[np.bool_]
    """Whether an action counts as a decision, (n_phases, n_trials, n_actions)."""
    correct: NDArray[np.int8]
    """1 where an action is the correct choice, 0 where it is wrong, -1 where neither, (n_trials, n_actions)."""
    discount: NDArray[np.float32]
    """Factor on the reward of step t, measured from the start of the trial, (n_steps,)."""
    periods: dict[str, NDArray[np.int32]]
    """Half-open [onset, offset) of each period in steps, (n_trials, 2) each."""
    conditions: dict[str, NDArray[Any]]
    """Drawn variables of each trial, (n_trials,) each; durations in ms."""
    target: NDArray[np.float32] | None = field(default=None, kw_only=True)
    """What continuous outputs should be at each step, (n_steps, n_trials, n_outputs), of tasks that have such outputs.

    `target[t]` is compared with the output of the state x[t], which has seen inputs up to `inputs[t - 1]`.
    """
    mask: NDArray[np.float32] | None = field(default=None, kw_only=True)
    """Weight of each step in the loss of these outputs, (n_steps, n_trials): 1 where it counts, 0 where it does not."""

    @property
    def n_steps(self) -> int:
        """Number of steps, the initial one included."""
        return self.inputs.shape[0]

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return self.inputs.shape[1]

    @property
    def n_inputs(self) -> int:
        """Number of input channels."""
        return self.inputs.shape[2]

    @property
    def n_actions(self) -> int:
        """Number of actions."""
        return self.rewards.shape[2]

    def during(self, period: str) -> NDArray[np.bool_]:
        """Whether step t lies in a period, (n_steps, n_trials)."""
        onset, offset = self.periods[period].T
        t = np.arange(self.n_steps, dtype=np.int32)[:, None]
        return (onset <= t) & (t < offset)

    def reward(self, t: int, action: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Discounted reward of one action per trial at step t, (n_trials,)."""
        i = np.arange(self.n_trials)
        return self.discount[t] * self.rewards[self.phase[t], i, action]

    @property
    def ground_truth(self) -> NDArray[np.int8]:
        """Action to take at each step, (n_steps, n_trials): wait, and wherever it counts for most the correct choice.

        Where several choices are correct it is the first of them, where none is, waiting. Where waiting would end the
        trial and another action would not, it is that action; where no action is a choice, but one earns more than to
        wait, it is that one.
        """
        i = np.arange(self.n_trials)
        answer = np.where((self.correct == 1).any(1), (self.correct == 1).argmax(1), FIXATE)
        earns = np.where(self.choices[:, i, answer], self.rewards[:, i, answer], -np.inf)
        table = np.where(np.isfinite(earns) & (earns >= earns.max(0)), answer, FIXATE)
        rest = ~np.asarray(self.choices.any(2))[..., None] & ~self.stops
        earned = np.where(rest, self.rewards, -np.inf)
        pays = earned.max(2) > np.where(rest.any(2), self.rewards[..., FIXATE], np.inf)
        table = np.where(pays, earned.argmax(2), table)
        goes_on = ~self.stops & self.stops[..., FIXATE, None]
        table = np.where(goes_on.any(2), goes_on.argmax(2), table).astype(np.int8)
        truth: NDArray[np.int8] = table[self.phase, i]
        return truth

    @property
    def loss_mask(self) -> NDArray[np.bool_]:
        """Steps that count in a supervised loss, (n_steps, n_trials): by `mask`, or to the end of the decision."""
        if self.mask is not None:
            return self.mask > 0
        return np.arange(self.n_steps)[:, None] < self.periods["decision"][:, 1]

    def __getitem__(self, index: Any) -> Trials:
        """The trials of an index array or slice, in its order."""

        def rows(values: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            return {k: v[index] for k, v in values.items()}

        return dataclasses.replace(
            self,
            inputs=self.inputs[:, index],
            phase=self.phase[:, index],
            rewards=self.rewards[:, index],
            stops=self.stops[:, index],
            choices=self.choices[:, index],
            correct=self.correct[index],
            periods=rows(self.periods),
            conditions=rows(self.conditions),
            target=None if self.target is None else self.target[:, index],
            mask=None if self.mask is None else self.mask[:, index],
        )
