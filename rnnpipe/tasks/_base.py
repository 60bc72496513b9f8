"""What every trial-structured task shares: the time grid, the rule table and the sampling order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import model_validator

from rnnpipe.errors import SettingsError
from rnnpipe.settings import Settings, setting
from rnnpipe.tasks._draws import Draw, Rng, draw
from rnnpipe.trials import DECISION, FIXATE, OUTSIDE, TIMEOUT, Trials

if TYPE_CHECKING:
    from rnnpipe.tasks._transforms import Transform

Conditions = dict[str, NDArray[Any]]
Bounds = Mapping[str, tuple[ArrayLike, ArrayLike]]
During = dict[str, NDArray[np.bool_]]
Rules = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]
"""Rewards, stops and choices, (n_phases, n_trials, n_actions) each; see `Trials`."""


class Task(Settings):
    """A behavioural task: its fields are its settings (times in ms), its class attributes name its channels.

    A subclass gives `variables` (what is drawn, in order), `bounds` (its periods in ms, "decision" if it `chooses`),
    `observe` (its inputs) and `judge` (rewards and correctness of the choices); `sample` does the rest. What an action
    does at which step is settled by `phases` and `rules`, which its base gives: `TimeoutTask`, whose trials have room
    up to `tmax` and are ended by haste, or `PeriodTask`, whose trials end with their last period. Common to both:
    waiting (action 0) before the decision earns nothing; in the decision period a choice ends the trial and earns what
    `judge` says; waiting to the last step ends the trial, as an answer only where the task `withholds`.
    """

    name: ClassVar[str]
    reference: ClassVar[str]
    input_names: ClassVar[tuple[str, ...]]
    action_names: ClassVar[tuple[str, ...]]
    factors: ClassVar[tuple[str, ...]]
    """Variables that make the full factorial of conditions, fastest first."""
    trials_per_update: ClassVar[int]
    """Trials of one gradient step in the published protocol: the number of conditions."""
    validation_trials: ClassVar[int]
    stimulus_onset: ClassVar[str] = "stimulus"
    """Period whose onset reaction times are measured from."""
    environment: ClassVar[str]
    """Name under which it is a gymnasium environment: `rnnpipe/<name>-v0`."""
    chooses: ClassVar[bool] = True
    """Whether there is something to choose: without, the task has no environment and nothing to learn by reward."""
    withholds: ClassVar[bool] = False
    """Whether waiting to the last step is an answer, too: the correct one on some trials, wrong on the others."""
    random_rewards: ClassVar[bool] = False
    """Whether the reward of a choice is drawn, so that the correct choice earns the most on average only."""
    measures: ClassVar[dict[str, str]] = {"p_decision": "decisions", "p_correct": "correct"}
    """Measures of `performance` that training reports, and what it calls them."""
    targets: ClassVar[tuple[str, ...]] = ("min_decisions", "min_correct")
    """Settings that are the training criterion."""

    noise: ClassVar[str]
    """The setting without which inputs have no noise."""

    dt: float = setting(10.0, "time step", "ms", gt=0)
    reward_abort: float = setting(-1.0, "reward of an action outside the decision period")
    tau_reward: float | None = setting(
        None, "time constant of discounting from trial start; by default none", "ms", gt=0
    )
    min_decisions: float = setting(0.99, "training criterion: fraction of trials with a decision", ge=0, le=1)
    min_correct: float = setting(0.8, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    transforms: list[dict[str, Any]] = setting(
        [],
        "changes of the trials, in their order: mappings with a `kind` and its settings (docs/transforms.md)",
    )

    @property
    def n_steps(self) -> int:
        """Number of steps t = 0 .. n_steps - 1, without those that transforms add."""
        raise NotImplementedError

    @property
    def longest_trial(self) -> float:
        """Longest duration of a trial, ms."""
        raise NotImplementedError

    @property
    def sigma_step(self) -> float:
        """Standard deviation of the input noise of one step."""
        raise NotImplementedError

    def without_noise(self) -> Self:
        """The same task without noise on its inputs."""
        transforms = [t for t in self.transforms if t["kind"] != "noise"]
        return self.model_copy(update={self.noise: 0.0, "transforms": transforms})

    def variables(self) -> dict[str, Draw]:
        """Drawn variables in drawing order."""
        raise NotImplementedError

    def bounds(self, conditions: Conditions) -> Bounds:
        """Start and end of each period, ms, each a scalar or (n_trials,)."""
        raise NotImplementedError

    def observe(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        """Write the observations into zeros of (n_steps, n_trials, n_inputs)."""
        raise NotImplementedError

    def judge(self, conditions: Conditions) -> tuple[NDArray[np.floating[Any]], NDArray[np.int8]]:
        """Reward of each action as a choice and its correctness (1, 0, or -1), (n_trials, n_actions) each."""
        raise NotImplementedError

    def offered(self, conditions: Conditions) -> NDArray[np.bool_] | None:
        """Which actions are choices in the decision period, (n_trials, n_actions); None where all but waiting are.

        Taking one that is not offered ends the trial as an abort does and counts as no decision.
        """
        return None

    def phases(self, periods: Mapping[str, NDArray[np.int32]], during: During) -> NDArray[np.uint8]:
        """Phase of each step, (n_steps, n_trials), from the periods as in `Trials` and which steps lie in them."""
        raise NotImplementedError

    def rules(self, conditions: Conditions, value: NDArray[np.floating[Any]]) -> Rules:
        """What each action does in each phase, from the reward of each action as a choice, (n_trials, n_actions)."""
        raise NotImplementedError

    def choice_rules(self, n_phases: int, conditions: Conditions, value: NDArray[np.floating[Any]]) -> Rules:
        """A table of that many phases in which haste (phase OUTSIDE) and choices (DECISION) have their rewards."""
        table = (n_phases, *value.shape)
        rewards, stops, choices = np.zeros(table, np.float32), np.zeros(table, bool), np.zeros(table, bool)
        waits = np.arange(value.shape[1]) == FIXATE
        rewards[OUTSIDE, :, ~waits], stops[OUTSIDE, :, ~waits] = self.reward_abort, True
        rewards[DECISION] = np.where(waits, 0.0, value)
        stops[DECISION] = choices[DECISION] = ~waits
        offered = self.offered(conditions)
        if offered is not None:
            choices[DECISION] &= offered
            rewards[DECISION][stops[DECISION] & ~offered] = self.reward_abort
        return rewards, stops, choices

    def performance(self, table: Mapping[str, NDArray[Any]]) -> dict[str, float]:
        """Measures of a batch of trials that training criteria are about.

        Args:
            table: Outcomes and conditions of the trials, (n_trials,) each: `decision`, `correct`, `choice`, ...

        Returns:
            `p_decision`, the fraction of trials with a decision, and `p_correct`, the fraction of correct ones among
            the decisions that can be judged (0 if there is none); a task may add others.
        """
        decision, correct = table["decision"], table["correct"]
        judged = decision & (correct >= 0)
        p_correct = float((correct[judged] == 1).mean()) if judged.any() else 0.0
        return {"p_decision": float(decision.mean()), "p_correct": p_correct}

    def criterion(self, performance: Mapping[str, float]) -> bool:
        """Whether a performance ends training."""
        enough = performance["p_decision"] >= self.min_decisions and performance["p_correct"] >= self.min_correct
        return bool(enough)

    def shortest_periods(self) -> dict[str, float]:
        """Shortest possible duration of each period that is a setting, ms."""
        raise NotImplementedError

    def longest(self) -> float:
        """End of the last period of the longest possible trial, ms."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _times_are_possible(self) -> Task:
        for name, duration in self.shortest_periods().items():
            if duration < self.dt:
                raise ValueError(f"{name} can be {duration:g} ms, shorter than one step (dt = {self.dt:g} ms)")
        self.variables()  # its distributions check themselves
        return self

    @model_validator(mode="after")
    def _transforms_apply(self) -> Task:
        if self.transforms:
            self._transforms()
            try:
                self.untransformed(np.random.default_rng(0), 2)
            except (SettingsError, ValueError, IndexError, NotImplementedError):
                return self  # other settings are impossible, which other checks, or the first draw, say better
            _late().check(self)
        return self

    def steps(self, ms: ArrayLike) -> NDArray[np.int32]:
        """First step at or after a time (ms): with it, step t is in [start, end) exactly when t * dt is."""
        return np.ceil(np.asarray(ms, dtype=float) / self.dt - 1e-9).astype(np.int32)

    def factorial(self) -> list[dict[str, Any]]:
        """Every combination of the factors' values, first factor fastest."""
        table: list[dict[str, Any]] = [{}]
        variables = self.variables()
        for name in self.factors:
            values = variables[name].values  # type: ignore[attr-defined]
            table = [row | {name: value} for value in values for row in table]
        return table

    def sample(self, rng: Rng, n_trials: int, **conditions: ArrayLike) -> Trials:
        """Draw a batch of trials.

        Args:
            rng: Generator (vectorised draws) or legacy RandomState (the published, trial-by-trial order).
            n_trials: Number of trials.
            **conditions: Variables to fix, each one value or one per trial.

        Raises:
            SettingsError: A condition that the task does not have, or of the wrong length; a transform that depends on
                outcomes, which trials drawn beforehand do not have.
        """
        if self.transforms:
            if n_trials > 1:
                self.check_drawn_beforehand()
            return _late().transformed(self, rng, n_trials, conditions)[0]
        return self.untransformed(rng, n_trials, **conditions)

    def _transforms(self) -> tuple[Transform, ...]:
        return _late().read(self.transforms)

    def check_drawn_beforehand(self) -> None:
        """Check that several trials can be drawn before any is played.

        Raises:
            SettingsError: A transform depends on their outcomes.
        """
        if reacting := next((t.KIND for t in self._transforms() if t.reacts), None):
            raise SettingsError(
                f"task {self.name}: transform {reacting!r} depends on the outcome of the trial before, so that no"
                " trials can be drawn beforehand; use it in environments, and agents that learn in them."
            )

    def untransformed(self, rng: Rng, n_trials: int, **conditions: ArrayLike) -> Trials:
        """Draw a batch of trials as `sample` does, before transforms."""
        drawn = draw(self.variables(), rng, n_trials, conditions, f"task {self.name}")
        n_steps = self.n_steps
        t = np.arange(n_steps)[:, None]
        periods, during = {}, {}
        for period, (start, end) in self.bounds(drawn).items():
            on, off = (np.broadcast_to(self.steps(x), n_trials) for x in (start, end))
            periods[period] = np.stack([on, np.minimum(off, n_steps)], axis=1)
            during[period] = (on <= t) & (t < off)

        inputs = np.zeros((n_steps, n_trials, len(self.input_names)), dtype=np.float32)
        self.observe(inputs, drawn, during, rng)

        value, correct = self.judge(drawn)
        rewards, stops, choices = self.rules(drawn, value)
        time = np.arange(n_steps) * self.dt
        discount = np.ones(n_steps) if self.tau_reward is None else np.exp(-time / self.tau_reward)
        return Trials(
            task=self.name,
            dt=self.dt,
            inputs=inputs,
            phase=self.phases(periods, during),
            rewards=rewards,
            stops=stops,
            choices=choices,
            correct=correct,
            discount=discount.astype(np.float32),
            periods=periods,
            conditions=drawn,
        )

    @property
    def reacts(self) -> bool:
        """Whether what is drawn depends on the outcomes of the trials before: then trials are drawn one by one."""
        if not self.transforms:
            return False
        return any(transform.reacts for transform in self._transforms())

    @property
    def independent(self) -> bool:
        """Whether trials depend on those before them by transforms at most."""
        return type(self).draw is Task.draw

    @property
    def extra_steps(self) -> int:
        """By how many steps transforms can make trials longer than `n_steps`."""
        if not self.transforms:
            return 0
        return sum(int(self.steps(transform.longer_by)) for transform in self._transforms())

    def draw(self, rng: Rng, n_trials: int, state: Any = None) -> tuple[Trials, Any]:
        """Draw consecutive trials of one subject's session.

        Args:
            rng: Generator.
            n_trials: Number of trials; 1 where the task `reacts`.
            state: What the trials so far leave behind for the next ones; None at the beginning.

        Returns:
            The trials, and the state to go on from.
        """
        if not self.transforms:
            return self.sample(rng, n_trials), None
        if n_trials > 1:
            self.check_drawn_beforehand()
        return _late().transformed(self, rng, n_trials, {}, state)

    def after(self, state: Any, correct: int, reward: float) -> Any:
        """The state to go on from once the outcome of the trial drawn last is known; asked where the task `reacts`.

        Args:
            state: As returned with that trial.
            correct: 1 where the choice was correct, 0 where it was wrong, -1 where there was none that is either.
            reward: Summed reward of the trial.
        """
        if not self.transforms or not self.independent:
            return state
        transforms = self._transforms()
        return tuple(t.after(s, correct, reward) for t, s in zip(transforms, state, strict=True))

    def add_noisy(
        self,
        inputs: NDArray[np.float32],
        during: NDArray[np.bool_],
        channels: Sequence[tuple[ArrayLike, ArrayLike]],
        rng: Rng,
    ) -> None:
        """Write signals with independent Gaussian noise of SD `sigma_step` per step into the inputs.

        Args:
            inputs: Written to, (n_steps, n_trials, n_inputs).
            during: Where the signals are on, (n_steps, n_trials).
            channels: Index of the input and level of each signal, each a scalar or (n_trials,); their noise is drawn
                in this order.
            rng: Generator of the noise.
        """
        t, i = np.nonzero(during)
        noise = self.sigma_step * rng.standard_normal((len(channels), len(i)))
        for (channel, level), q in zip(channels, noise, strict=True):
            where, mean = (np.broadcast_to(x, during.shape[1])[i] for x in (channel, level))
            inputs[t, i, where] = mean + q


def _late() -> ModuleType:
    from rnnpipe.tasks import _transforms  # which is about tasks, and imports this module

    return _transforms


class JudgedTask(Task):
    """A task in which each choice is right or wrong."""

    reward_correct: float = setting(1.0, "reward of a correct choice")
    reward_wrong: float = setting(0.0, "reward of a wrong choice")

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        """The action that is the correct choice, (n_trials,); to wait only where the task `withholds`."""
        raise NotImplementedError

    def judge(self, conditions: Conditions) -> tuple[NDArray[np.floating[Any]], NDArray[np.int8]]:
        actions = np.arange(len(self.action_names))
        right = self.answer(conditions)[:, None] == actions
        correct = np.where((actions == FIXATE) & (not self.withholds), -1, right).astype(np.int8)
        return np.where(right, self.reward_correct, self.reward_wrong), correct


class TimeoutTask(Task):
    """A task whose trials have room up to `tmax`, whatever their periods, and are ended by any haste.

    Outside the decision period an action but waiting ends the trial with `reward_abort`. The last step ends the trial
    with `reward_timeout` whatever the action, unless waiting until then is an answer of the task (`withholds`): then
    waiting there earns what `judge` says and counts as a decision.
    """

    noise: ClassVar[str] = "var_in"

    tmax: float = setting(2750.0, "longest duration of a trial", "ms", gt=0)
    var_in: float = setting(0.01, "input noise variance; a step's SD is sqrt(2 * 100 ms / dt * var_in)", ge=0)
    reward_abort: float = setting(-1.0, "reward of an action outside the decision period, which ends the trial")
    reward_timeout: float | None = setting(None, "reward when the last step is reached; by default that of an abort")
    abort_on_last_step: bool = setting(True, "end the trial at the last step, whatever the action")

    TAU_IN: ClassVar[float] = 100.0
    """Time constant (ms) that scales input noise: a constant of the published tasks, not the units' tau."""

    @property
    def n_steps(self) -> int:
        """Number of steps t = 0 .. n_steps - 1, int(tmax / dt) + 1."""
        return int(self.tmax / self.dt + 1e-9) + 1

    @property
    def longest_trial(self) -> float:
        return self.tmax

    @property
    def sigma_step(self) -> float:
        return math.sqrt(2 * self.TAU_IN * self.var_in / self.dt)

    def phases(self, periods: Mapping[str, NDArray[np.int32]], during: During) -> NDArray[np.uint8]:
        phase = np.full(next(iter(during.values())).shape, OUTSIDE, np.uint8)
        if self.chooses:
            phase[during["decision"]] = DECISION
        if self.abort_on_last_step:
            phase[-1] = TIMEOUT
        return phase

    def rules(self, conditions: Conditions, value: NDArray[np.floating[Any]]) -> Rules:
        rewards, stops, choices = self.choice_rules(TIMEOUT + 1, conditions, value)
        timeout = self.reward_abort if self.reward_timeout is None else self.reward_timeout
        rewards[TIMEOUT], stops[TIMEOUT] = timeout, True
        if self.withholds:
            choices[TIMEOUT, :, FIXATE] = True
            rewards[TIMEOUT, :, FIXATE] = value[:, FIXATE]
        return rewards, stops, choices

    @model_validator(mode="after")
    def _trials_have_an_end(self) -> TimeoutTask:
        if self.longest() > self.tmax:
            raise ValueError(
                f"the last period can end at {self.longest():g} ms, after tmax = {self.tmax:g} ms; raise tmax"
                " or shorten a period"
            )
        if self.withholds and not self.abort_on_last_step:
            raise ValueError(
                "waiting to the last step is an answer in this task, which needs abort_on_last_step: true to be given"
            )
        return self


class Discrimination(TimeoutTask, JudgedTask):
    """A task with trials up to `tmax` in which each choice is right or wrong."""


def evidence(side: ArrayLike, coherence: ArrayLike) -> NDArray[np.float64]:
    """Level of the channel of `side` (+1 or -1) for a signed coherence in percent: (1 + side * coherence / 100) / 2."""
    return (1 + np.asarray(side) * np.asarray(coherence) / 100) / 2
