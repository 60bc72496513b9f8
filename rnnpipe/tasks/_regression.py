"""Tasks whose continuous outputs follow a target in time: the time grid, targets, the mask of the loss, batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import model_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, Discrimination, During, Task, TimeoutTask
from rnnpipe.tasks._draws import Draw, Fixed, Rng, Uniform
from rnnpipe.tasks._scores import regression_scores
from rnnpipe.trials import Trials


class RegressionTask(Task):
    """A task whose `n_outputs` continuous outputs follow a target in time.

    A trial has T = `n_steps` inputs, states and targets. State x[t + 1] follows from x[t] and `inputs[t]`, so that x[t]
    has seen inputs up to t - 1 and the last input is never used; `target[t]` is compared with the output of x[t]. A
    target that jumps where its input begins can therefore be met one step late at best.

    Its trials have `target` and `mask`. A task that makes its own is a `TargetTask`; `supervised` makes those of tasks
    that have actions.
    """

    output_names: ClassVar[tuple[str, ...]]

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return len(self.output_names)

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        """Constant inputs under which fixed points are of interest, (n_inputs,) each, by label."""
        raise NotImplementedError

    def batch(self, rng: Rng) -> Trials:
        """One batch of training."""
        raise NotImplementedError

    def held_out(self, rng: Rng) -> Trials:
        """Trials on which a network is evaluated while it learns, and when it has learned."""
        return self.batch(rng)

    def choices(self, output: NDArray[np.floating[Any]], trials: Trials) -> NDArray[np.int8] | None:
        """The action that each trial's output stands for, (n_trials,), -1 if it is not finite; None without actions."""
        return None

    def own_scores(self, output: NDArray[np.floating[Any]], trials: Trials) -> dict[str, float]:
        """Measures that only this task has; see `score`."""
        return {}

    def score(self, output: NDArray[np.floating[Any]], trials: Trials) -> dict[str, float]:
        """How well outputs follow the target where the loss counts.

        Args:
            output: Outputs of a network, (n_steps, n_trials, n_outputs).
            trials: The trials it saw.

        Returns:
            Those of `regression_scores` (`mse`, `r2_unc`, `r2`, `r2_per_trial` and `n_r2_per_trial`), and those of the
            task: `accuracy` where there is a right answer, decoded numbers and angles where there is none.

        Raises:
            ValueError: The outputs are not of these trials, or the trials have no target.
        """
        if trials.target is None or trials.mask is None:
            raise ValueError(f"the trials have no target; sample them from task {self.name}")
        if output.shape != trials.target.shape:
            raise ValueError(f"output is {output.shape}, but the target of the trials is {trials.target.shape}")
        return regression_scores(output, trials.target, trials.mask) | self.own_scores(output, trials)

    def accuracy(
        self, output: NDArray[np.floating[Any]], trials: Trials, among: NDArray[np.bool_] | None = None
    ) -> float:
        """Fraction that was answered correctly of the trials with one right answer, or of those `among` them.

        It is NaN if there is no such trial, and in a task without actions.
        """
        chosen = self.choices(output, trials)
        judged = (trials.correct == 1).sum(1) == 1
        judged = judged if among is None else judged & among
        if chosen is None or not judged.any():
            return float("nan")
        return float((chosen == trials.correct.argmax(1))[judged].mean())


class TargetTask(RegressionTask, TimeoutTask):
    """A regression task of the engellab pipeline, with T = round(tmax / dt) steps.

    A subclass gives `variables` and `bounds` as every task does, `write_inputs`, `write_target` and `counted`: the
    periods in which the loss counts. Inputs are without noise unless `var_in` is set: noise is the network's.

    Reference: engellab/trainRNNbrain (github.com/engellab/trainRNNbrain), a pipeline that trains and analyses RNNs.
    """

    action_names: ClassVar[tuple[str, ...]] = ("fixate",)
    factors: ClassVar[tuple[str, ...]] = ()
    chooses: ClassVar[bool] = False

    dt: float = setting(1.0, "time step", "ms", gt=0)
    var_in: float = setting(
        0.0, "variance of noise on all inputs throughout; a step's SD is sqrt(2 * 100 ms / dt * var_in)", ge=0
    )
    repeats: int = setting(1, "trials of each condition in a batch", "trials", gt=0)
    grace: float = setting(0.0, "time after the start of the answer in which the loss does not count yet", "ms", ge=0)

    @property
    def n_steps(self) -> int:
        """Number of steps t = 0 .. n_steps - 1, round(tmax / dt)."""
        return round(self.tmax / self.dt)

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        """Write the inputs, without noise, into zeros of (n_steps, n_trials, n_inputs)."""
        raise NotImplementedError

    def write_target(self, target: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        """Write the target into zeros of (n_steps, n_trials, n_outputs)."""
        raise NotImplementedError

    def counted(self) -> Mapping[str, float]:
        """Periods in which the loss counts, and how long after the start of each it does not yet, ms."""
        raise NotImplementedError

    def judge(self, conditions: Conditions) -> tuple[NDArray[np.floating[Any]], NDArray[np.int8]]:
        shape = len(next(iter(conditions.values()))), len(self.action_names)
        return np.zeros(shape), np.full(shape, -1, np.int8)

    def observe(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        self.write_inputs(inputs, conditions, during)
        if self.var_in > 0:
            inputs += (self.sigma_step * rng.standard_normal(inputs.shape)).astype(np.float32)

    def sample(self, rng: Rng, n_trials: int, **conditions: ArrayLike) -> Trials:
        """Draw a batch of trials with `target` and `mask`; see `Task.sample`."""
        trials = super().sample(rng, n_trials, **conditions)
        during = {period: trials.during(period) for period in trials.periods}
        target = np.zeros((trials.n_steps, n_trials, self.n_outputs), np.float32)
        self.write_target(target, trials.conditions, during)
        mask, t = np.zeros((trials.n_steps, n_trials), np.float32), np.arange(trials.n_steps)[:, None]
        for period, grace in self.counted().items():
            onset, offset = trials.periods[period].T
            mask[(onset + self.steps(grace) <= t) & (t < offset)] = 1
        return dataclasses.replace(trials, target=target, mask=mask)

    def batch(self, rng: Rng) -> Trials:
        """One batch of training: all combinations of the factors, first factor fastest, `repeats` times over.

        Whatever is no factor, onsets above all, is drawn for each trial, the repeats included. A task without factors
        has one condition, so that a batch is `repeats` fresh trials.
        """
        rows = self.factorial() * self.repeats
        return self.sample(rng, len(rows), **{name: np.array([row[name] for row in rows]) for name in rows[0]})

    @model_validator(mode="after")
    def _rewards_need_choices(self) -> TargetTask:
        if not self.chooses:
            for name in ("reward_abort", "reward_timeout", "abort_on_last_step", "tau_reward", *self.targets):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} has no meaning in task {self.name}, which has no choices; remove it")
        return self


class CategoricalTask(TargetTask, Discrimination):
    """A regression task whose outputs say which of a few answers is right, so that each is an action, too.

    As an environment: action k in the decision period is the answer whose outputs are `levels()[k]`; in a task that
    `withholds`, waiting to the last step is the answer of row 0.
    """

    chooses: ClassVar[bool] = True

    def levels(self) -> NDArray[np.float64]:
        """Outputs that stand for each action, (n_actions, n_outputs); NaN where waiting is no answer."""
        raise NotImplementedError

    def judge(self, conditions: Conditions) -> tuple[NDArray[np.floating[Any]], NDArray[np.int8]]:
        return Discrimination.judge(self, conditions)

    def write_target(self, target: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        write(target, during["decision"], self.levels()[self.answer(conditions)])

    def choices(self, output: NDArray[np.floating[Any]], trials: Trials) -> NDArray[np.int8]:
        """The action that each trial's output stands for, (n_trials,): the nearest of `levels`, -1 if it is not finite.

        It is read at the last step of the decision period, as the psychometric analysis of the reference does; on a
        tie the first action counts.
        """
        final = output[trials.periods["decision"][:, 1] - 1, np.arange(trials.n_trials)]
        distance = ((final[:, None].astype(float) - self.levels()) ** 2).sum(-1)
        nearest = np.where(np.isnan(distance), np.inf, distance).argmin(1)
        return np.where(np.isfinite(final).all(1), nearest, -1).astype(np.int8)

    def own_scores(self, output: NDArray[np.floating[Any]], trials: Trials) -> dict[str, float]:
        """`accuracy`: fraction of the trials with one right answer that were answered so; NaN if there is none."""
        return {"accuracy": self.accuracy(output, trials)}


def write(part: NDArray[np.float32], during: NDArray[np.bool_], level: NDArray[np.floating[Any]]) -> None:
    """Write levels of trials, (n_trials, n_channels), into channels (n_steps, n_trials, n_channels) while they are on.

    Channel by channel: over the short last axis it would take longer than everything else in making a batch.
    """
    for k, values in enumerate(level.astype(np.float32).T):
        np.multiply(during, values, out=part[..., k])


def jittered(onset: float, jitter: float, dt: float) -> Draw:
    """An onset (ms), uniform in [onset - jitter, onset + jitter) and floored to a step; without jitter it is fixed."""
    return Uniform(onset - jitter, onset + jitter, dt) if jitter > 0 else Fixed(onset)
