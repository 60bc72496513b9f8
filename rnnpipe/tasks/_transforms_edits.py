"""Transforms that change trials that were drawn: noise, when choices count, and what they earn."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting, suggest
from rnnpipe.tasks._base import Rules, Task
from rnnpipe.tasks._transforms import N_EXAMPLES, Edit, kind
from rnnpipe.trials import DECISION, FIXATE, FREE, OUTSIDE, TIMEOUT, Trials

N_CHECKED = 64
"""Trials that are looked at to see whether a transform makes sense."""


def last_step(trials: Trials) -> NDArray[np.int64]:
    """The step of each trial that ends it whatever is done, or the last one of all if none does, (n_trials,)."""
    ends: NDArray[np.bool_] = np.asarray(trials.stops.all(2))[trials.phase, np.arange(trials.n_trials)]
    return np.where(ends.any(0), ends.argmax(0), trials.n_steps - 1)


@kind("identity")
class Identity(Edit):
    """Changes nothing, to see what remains of a difference without transforms."""

    needs_choices: ClassVar[bool] = False

    def edit(self, task: Task, trials: Trials, rng: np.random.Generator, state: Any) -> Trials:
        return trials


@kind("noise")
class Noise(Edit):
    """Further Gaussian noise on all inputs, to the end of the trial: SD sigma / sqrt(dt) per step, as in `PeriodTask`.

    It comes from a generator of its own: with it or without, the first batch of a seed has the same trials otherwise.
    """

    needs_choices: ClassVar[bool] = False

    sigma: float = setting(..., "noise; a step's SD is sigma / sqrt(dt)", "sqrt(ms)", gt=0)

    def edit(self, task: Task, trials: Trials, rng: np.random.Generator, state: Any) -> Trials:
        noise = rng.standard_normal(trials.inputs.shape, np.float32) * np.float32(self.sigma / math.sqrt(trials.dt))
        shown: NDArray[np.bool_] = np.arange(trials.n_steps)[:, None] <= last_step(trials)
        return dataclasses.replace(trials, inputs=trials.inputs + noise * shown[..., None])


@kind("reaction_time")
class ReactionTime(Edit):
    """Choices count while the stimulus is still on.

    From `start` after the onset of the stimulus that reaction times are measured from, all is as in the decision
    period, of which it is then a part. The trial ends with the stimulus, unless `end_on_stimulus` is false: then it
    ends when it did. Every step in which choices count costs `cost` * dt, whatever is done.

    Reference: ReactionTime of NeuroGym (which leaves out the first step of the stimulus, too); Roitman & Shadlen (2002)
    J Neurosci 22:9475.
    """

    start: float | None = setting(
        None, "time after stimulus onset from which choices count; by default one step", "ms", ge=0
    )
    end_on_stimulus: bool = setting(True, "the trial ends with the stimulus")
    cost: float = setting(0.0, "what each ms costs in which choices count", "1/ms", ge=0)

    def check(self, task: Task) -> None:
        trials = task.untransformed(np.random.default_rng(0), N_CHECKED)
        stimulus = task.stimulus_onset
        what = f"transform {self.KIND!r} does not apply to task {task.name}"
        if (trials.periods["decision"][:, 0] < trials.periods[stimulus][:, 1]).any():
            raise ValueError(f"{what}, in which choices count before the end of period {stimulus!r} anyway")
        if not trials.choices[DECISION].any(1).all() or (trials.phase > FREE).any():
            raise ValueError(f"{what}, whose choices are of another sort")
        edited = self.edit(task, trials, np.random.default_rng(0), None)
        onset, offset = edited.periods["decision"].T
        open_ = np.asarray(edited.choices.any(2))[edited.phase, np.arange(N_CHECKED)]
        if (onset >= offset).any() or not open_.any(0).all():
            raise ValueError(f"transform {self.KIND!r} of task {task.name} leaves no step to choose in; lower start")

    def edit(self, task: Task, trials: Trials, rng: np.random.Generator, state: Any) -> Trials:
        t = np.arange(trials.n_steps)[:, None]
        onset, offset = trials.periods[task.stimulus_onset].T
        old = trials.periods["decision"]
        start = onset + int(task.steps(task.dt if self.start is None else self.start))
        end = offset if self.end_on_stimulus else old[:, 1]
        phase = np.where((start <= t) & (t < old[:, 0]), DECISION, trials.phase).astype(np.uint8)
        inputs, periods = trials.inputs, {name: p for name, p in trials.periods.items()}
        if self.end_on_stimulus:
            phase = np.where(t >= end, FREE, phase)
            phase[end - 1, np.arange(trials.n_trials)] = TIMEOUT
            inputs = inputs * np.asarray(t < end)[..., None]
            periods = {name: np.minimum(p, end[:, None]) for name, p in periods.items()}
        moved = [name for name, p in trials.periods.items() if np.array_equal(p, old)]
        periods |= {name: np.stack([start, end], axis=1).astype(np.int32) for name in moved}
        rewards, stops, choices = _with_free(trials)
        rewards = (rewards - self.cost * trials.dt * np.asarray(choices.any(2))[..., None]).astype(np.float32)
        return dataclasses.replace(
            trials, inputs=inputs, phase=phase.astype(np.uint8), periods=periods, rewards=rewards, stops=stops,
            choices=choices,
        )  # fmt: skip


@kind("catch")
class Catch(Edit):
    """On some trials, `catch` among the conditions, every choice earns the same; which one is correct stays the same.

    Reference: CatchTrials of NeuroGym.
    """

    p: float = setting(0.1, "probability of a catch trial, among those that can be one", ge=0, le=1)
    reward: float = setting(0.0, "reward of any choice in a catch trial")
    variable: str | None = setting(None, "only trials can be one in which this variable is near 0; by default any can")
    percentile: float = setting(
        50.0, "up to this percentile of the variable's absolute values", "percent", ge=0, le=100
    )

    def check(self, task: Task) -> None:
        if self.variable is None:
            return
        variables = task.variables()
        if self.variable not in variables:
            raise ValueError(
                f"transform {self.KIND!r}: task {task.name} has no variable {self.variable!r}"
                f" ({suggest(self.variable, variables)})"
            )
        if variables[self.variable](np.random.default_rng(0), 1).dtype.kind not in "biuf":
            raise ValueError(f"transform {self.KIND!r}: variable {self.variable!r} of task {task.name} is no number")

    def edit(self, task: Task, trials: Trials, rng: np.random.Generator, state: Any) -> Trials:
        catch = rng.random(trials.n_trials) < self.p
        if self.variable is not None:
            variable = task.variables()[self.variable]
            values = getattr(variable, "values", None)  # equally likely, where they are listed
            values = variable(np.random.default_rng(0), N_EXAMPLES) if values is None else values
            sizes = np.abs(np.asarray(values, float))
            largest = np.percentile(sizes, self.percentile, method="inverted_cdf")
            catch &= np.abs(np.asarray(trials.conditions[self.variable], float)) <= largest + 1e-9
        rewards = np.where(trials.choices & catch[:, None], np.float32(self.reward), trials.rewards)
        return dataclasses.replace(trials, rewards=rewards, conditions={**trials.conditions, "catch": catch})


@kind("miss")
class Miss(Edit):
    """A further reward, negative or 0, of trials that end without the choice that was due.

    Reference: MissTrialReward of NeuroGym.
    """

    reward: float = setting(..., "reward of a miss, on top of what the task gives", le=0)

    def check(self, task: Task) -> None:
        _check_ends(self, task)

    def edit(self, task: Task, trials: Trials, rng: np.random.Generator, state: Any) -> Trials:
        rewards = trials.rewards.copy()
        missed = ~trials.choices[TIMEOUT]
        missed[:, FIXATE] |= trials.correct[:, FIXATE] == 0
        rewards[TIMEOUT][missed] += np.float32(self.reward)
        return dataclasses.replace(trials, rewards=rewards)


@kind("timeout")
class Timeout(Edit):
    """After a wrong choice the next trial begins with a longer fixation, in which to act is as in its first step.

    Inputs are those of the first period over again. It needs outcomes: environments have it, data sets cannot.

    Reference: TimeOut of NeuroGym.
    """

    reacts: ClassVar[bool] = True

    duration: float = setting(..., "time by which fixation is longer after a wrong choice", "ms", gt=0)

    @property
    def longer_by(self) -> float:
        return self.duration

    def check(self, task: Task) -> None:
        _check_ends(self, task)
        trials = task.untransformed(np.random.default_rng(0), N_CHECKED)
        if not np.isin(trials.phase[0], (OUTSIDE, FREE)).all():
            raise ValueError(
                f"transform {self.KIND!r} does not apply to task {task.name}, whose trials do not begin with fixation"
            )
        if task.steps(self.duration) < 1 or self.duration < task.dt:
            raise ValueError(f"transform {self.KIND!r}: duration = {self.duration:g} ms is shorter than one step")

    def begin(self, task: Task, rng: np.random.Generator) -> Any:
        return False

    def after(self, state: Any, correct: int, reward: float) -> Any:
        return correct == 0

    def edit(self, task: Task, trials: Trials, rng: np.random.Generator, state: Any) -> Trials:
        k, (n_steps, n_trials) = int(task.steps(self.duration)), trials.phase.shape
        first = min(
            (int(p[:, 1].min()) for p in trials.periods.values() if not p[:, 0].any() and p[:, 1].all()), default=1
        )
        lead = np.arange(k) % first
        time = np.arange(n_steps + k) * trials.dt
        discount = np.ones(n_steps + k) if task.tau_reward is None else np.exp(-time / task.tau_reward)
        rewards, stops, choices = _with_free(trials)
        if state:
            phase = np.concatenate([np.repeat(trials.phase[:1], k, axis=0), trials.phase])
            inputs = np.concatenate([trials.inputs[lead], trials.inputs])
            periods = {
                name: np.where(p > 0, p + k, p).astype(np.int32) if (p[:, 0] == 0).all() else (p + k).astype(np.int32)
                for name, p in trials.periods.items()
            }
        else:
            phase = np.concatenate([trials.phase, np.full((k, n_trials), FREE, np.uint8)])
            inputs = np.concatenate([trials.inputs, np.zeros((k, *trials.inputs.shape[1:]), np.float32)])
            periods = trials.periods
        conditions = {**trials.conditions, "timeout": np.full(n_trials, bool(state))}
        return dataclasses.replace(
            trials, inputs=inputs, phase=phase, periods=periods, discount=discount.astype(np.float32),
            conditions=conditions, rewards=rewards, stops=stops, choices=choices,
        )  # fmt: skip


def _with_free(trials: Trials) -> Rules:
    """The tables of rewards, stops and choices, with a row FREE in tasks whose tables end before."""
    n_more = max(FREE + 1 - len(trials.rewards), 0)
    rewards, stops, choices = (
        np.concatenate([x, np.zeros((n_more, *x.shape[1:]), x.dtype)])
        for x in (trials.rewards, trials.stops, trials.choices)
    )
    return rewards, stops, choices


def _check_ends(transform: Edit, task: Task) -> None:
    trials = task.untransformed(np.random.default_rng(0), N_CHECKED)
    if not (trials.phase == TIMEOUT).any(0).all():
        raise ValueError(
            f"transform {transform.KIND!r} does not apply to task {task.name}, whose trials have no last step that ends"
            " them; set abort_on_last_step"
        )
