"""Tasks of the NeuroGym collection: periods one after the other, the last of which is the decision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During, JudgedTask, Rules, Task
from rnnpipe.tasks._draws import Draw, Rng
from rnnpipe.tasks._durations import Duration, drawn, ends, floored
from rnnpipe.trials import DECISION, EARLY, FIXATE, FREE, OUTSIDE, TIMEOUT

CueScheme = Literal["fixation", "stimulus", "decision"]


class ConsecutiveTask(Task):
    """A task whose trials are `periods` one after the other, and end with the last of them, in which choices count.

    Each period is a setting of that name, its `Duration`, or is `derived` from what else is drawn; drawn durations are
    floored to a multiple of `dt`. Trials of one batch may differ in length: after its last step a trial has inputs of 0
    and is never reached. Input 0 is the fixation cue, 1 while it is on (`fixation_until`), without noise. Signals have
    Gaussian noise of SD sigma / sqrt(dt) per step (dt in ms), so that a mean over T ms has an SD of sigma / sqrt(T)
    whatever `dt` is.

    Acting in one of the periods `waiting` costs `reward_abort` and ends the trial only if `abort_ends`; acting in other
    periods before the decision is ignored. In the last period a choice ends the trial with the reward that `judge`
    gives it. Waiting to its end earns `reward_timeout`; in a task that `withholds` it is an answer.

    A subclass gives the class attributes below, its settings, `categories` (what is drawn besides durations), `show`
    (its signals) and `judge`. Its last period is called "decision" unless a stimulus is on in it.

    A network that learns by policy gradient acts once before it sees an input: it does not see that of step 0.

    Reference: Molano-Mazon et al. (2022) NeuroGym, doi:10.31234/osf.io/aqc9n; semantics of version 2.3.1, less its
    defects.
    """

    periods: ClassVar[tuple[str, ...]]
    """Periods in their order; the last is the one in which choices count."""
    stimuli: ClassVar[tuple[str, ...]] = ("stimulus",)
    """Periods in which signals are shown."""
    waiting: ClassVar[tuple[str, ...]] = ("fixation",)
    """Periods in which acting costs `reward_abort`."""
    optional: ClassVar[tuple[str, ...]] = ("fixation", "delay")
    """Periods that may be left out, with a duration of 0."""
    noise: ClassVar[str] = "sigma"

    dt: float = setting(100.0, "time step", "ms", gt=0)
    reward_abort: float = setting(-0.1, "reward of an action while fixation is required")
    abort_ends: bool = setting(False, "such an action ends the trial, too")
    reward_timeout: float = setting(0.0, "reward of waiting to the end of the trial where an action was due")
    sigma: float = setting(1.0, "input noise; a step's SD is sigma / sqrt(dt)", "sqrt(ms)", ge=0)
    fixation_until: CueScheme = setting(
        "decision",
        "fixation cue is on in the fixation period only (fixation), to the end of the last stimulus (stimulus), or"
        " until the period in which choices count (decision)",
    )

    def categories(self) -> dict[str, Draw]:
        """Drawn variables besides the durations, in drawing order."""
        raise NotImplementedError

    def derived(self, conditions: Conditions) -> dict[str, NDArray[np.floating[Any]]]:
        """Duration of each period that is no setting but follows from the conditions, ms, (n_trials,)."""
        return {}

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        """Write the signals into the inputs, (n_steps, n_trials, n_inputs), where the fixation cue is already."""
        raise NotImplementedError

    @property
    def n_steps(self) -> int:
        """Number of steps t = 0 .. n_steps - 1 of the longest trial."""
        return round(self.longest() / self.dt)

    @property
    def longest_trial(self) -> float:
        return self.longest()

    @property
    def n_phases(self) -> int:
        """Rows of the rule table; see `Trials`."""
        return FREE + 1

    @property
    def sigma_step(self) -> float:
        return self.sigma / math.sqrt(self.dt)

    def durations(self) -> dict[str, Duration]:
        """Duration of each period, in their order; of one that is no setting, all that `derived` can make it."""
        return {period: getattr(self, period) for period in self.periods}

    def variables(self) -> dict[str, Draw]:
        # the name of the decision's own duration would be that of an outcome
        drawn_here = set(type(self).model_fields) - {"decision"}
        own = {period: drawn(d, self.dt) for period, d in self.durations().items() if period in drawn_here}
        return own | self.categories()

    def bounds(self, conditions: Conditions) -> Bounds:
        """Start and end of each period, ms; "decision" is also another name of the last one.

        Raises:
            SettingsError: A given duration is shorter than a step, or the trials are longer than `longest`.
        """
        conditions = {**conditions, **self.derived(conditions)}
        edges: dict[str, tuple[Any, Any]] = {}
        end: NDArray[np.float64] = np.zeros(1)
        for period, duration in self.durations().items():
            ms = np.atleast_1d(np.asarray(conditions.get(period, duration), dtype=float))
            steps = np.floor(ms / self.dt + 1e-9)
            vanishes = (steps < 1) & ((ms != 0) | (period not in self.optional))
            if vanishes.any():
                raise SettingsError(
                    f"task {self.name}: {period} = {ms[vanishes][0]:g} ms is shorter than one step"
                    f" (dt = {self.dt:g} ms)."
                )
            edges[period] = end, end + steps * self.dt
            end = edges[period][1]
        if end.max() > self.longest() + 1e-6:
            raise SettingsError(
                f"task {self.name}: a trial of these durations lasts {end.max():g} ms, but the longest that its"
                f" settings allow lasts {self.longest():g} ms; set a longer duration in them."
            )
        return {**edges, "decision": edges[self.periods[-1]]}

    def observe(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        last = {"fixation": "fixation", "stimulus": self.stimuli[-1], "decision": self.periods[-2]}[self.fixation_until]
        for period in self.periods[: self.periods.index(last) + 1]:
            inputs[during[period], 0] = 1
        self.show(inputs, conditions, during, rng)

    def add_signals(
        self, inputs: NDArray[np.float32], during: NDArray[np.bool_], level: NDArray[np.floating[Any]], rng: Rng
    ) -> None:
        """Write signals, constant within a trial, with independent noise into the inputs after the fixation cue.

        Args:
            inputs: Written to, (n_steps, n_trials, n_inputs).
            during: Where the signals are on, (n_steps, n_trials).
            level: Level of each signal, (n_trials, n_inputs - 1).
            rng: Generator of the noise.
        """
        t, i = np.nonzero(during)
        inputs[t, i, 1:] = level[i] + self.sigma_step * rng.standard_normal((len(i), level.shape[1]))

    def phases(self, periods: Mapping[str, NDArray[np.int32]], during: During) -> NDArray[np.uint8]:
        phase = np.full(during["decision"].shape, FREE, np.uint8)
        for period in self.waiting:
            phase[during[period]] = OUTSIDE
        phase[during["decision"]] = DECISION
        end = periods["decision"][:, 1]
        phase[end - 1, np.arange(len(end))] = TIMEOUT
        return phase

    def rules(self, conditions: Conditions, value: NDArray[np.floating[Any]]) -> Rules:
        rewards, stops, choices = self.choice_rules(self.n_phases, conditions, value)
        stops[OUTSIDE] &= self.abort_ends
        rewards[TIMEOUT], choices[TIMEOUT], stops[TIMEOUT] = rewards[DECISION], choices[DECISION], True
        choices[TIMEOUT, :, FIXATE] = self.withholds
        rewards[TIMEOUT, :, FIXATE] = value[:, FIXATE] if self.withholds else self.reward_timeout
        return rewards, stops, choices

    def shortest_periods(self) -> dict[str, float]:
        shortest = {}
        for period, duration in self.durations().items():
            times = [ms for ms in ends(duration) if ms > 0 or period not in self.optional]
            if times:
                shortest[period] = min(times)
        return shortest

    def longest(self) -> float:
        return sum(floored(max(ends(duration)), self.dt) for duration in self.durations().values())


class PeriodTask(ConsecutiveTask, JudgedTask):
    """A task of consecutive periods in which each choice is right or wrong.

    A choice earns `reward_correct` or `reward_wrong`, as does waiting in a task that `withholds`. Acting in one of the
    periods `early`, as long as choices do not count, is a false alarm, which ends the trial with `reward_wrong`.

    A subclass gives `answer` (the correct action) and what a `ConsecutiveTask` wants but `judge`.
    """

    early: ClassVar[tuple[str, ...]] = ()
    """Periods in which acting, as long as choices do not count, is a false alarm."""

    @property
    def n_phases(self) -> int:
        return (EARLY if self.early else FREE) + 1

    def phases(self, periods: Mapping[str, NDArray[np.int32]], during: During) -> NDArray[np.uint8]:
        phase = super().phases(periods, during)
        for period in self.early:
            phase[during[period] & (phase == FREE)] = EARLY
        return phase

    def rules(self, conditions: Conditions, value: NDArray[np.floating[Any]]) -> Rules:
        rewards, stops, choices = super().rules(conditions, value)
        if self.early:
            acts = np.arange(value.shape[1]) != FIXATE
            rewards[EARLY, :, acts], stops[EARLY, :, acts] = self.reward_wrong, True
        return rewards, stops, choices

    def judge(self, conditions: Conditions) -> tuple[NDArray[np.floating[Any]], NDArray[np.int8]]:
        value, correct = super().judge(conditions)
        value[:, FIXATE] = np.where(correct[:, FIXATE] == 1, self.reward_correct, self.reward_timeout)
        return value, correct
