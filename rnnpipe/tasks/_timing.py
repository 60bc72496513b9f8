"""Tasks in which an interval is to be produced: go a certain time after a flash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import model_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During, Rules
from rnnpipe.tasks._durations import Duration, ends, floored
from rnnpipe.tasks._periods import PeriodTask
from rnnpipe.trials import DECISION, GRADED, TIMEOUT

GO = 1
"""Index of the only action but waiting."""

LEAST = 0.1
"""Fraction of the reward that the largest error earns."""


class TimingTask(PeriodTask):
    """A task whose answer is when to go: `due` ms after the onset of the flash with which its last period begins.

    To go is correct from `tolerance` * due + `slack` before that time until as long after it: this is the decision
    period, with which the trial ends. To go earlier, but after the last flash, is a false alarm, which ends the trial
    with `reward_wrong`; not to go is a miss, which earns `reward_timeout`. If `graded`, an error of e ms earns
    `reward_correct` * max(0.1, (1 - e / (`tolerance` * due + `slack`))**1.5), as in NeuroGym, and the ground truth is
    to go with the smallest error that the time step allows; else it earns `reward_correct` whatever it is. A decision
    is always a correct one: the fraction of trials with a decision is what measures performance. Reaction times are
    from the onset of the last flash: they are the intervals that were produced.

    A subclass gives `flashes`, the periods that begin with a flash, of which the last is "production", and the setting
    that is its duration; `due`; and the `intervals_due` that its settings allow. Intervals are from flash onset to
    flash onset, in multiples of `dt`.
    """

    action_names: ClassVar[tuple[str, ...]] = ("fixate", "go")
    early: ClassVar[tuple[str, ...]] = ("production",)
    stimulus_onset: ClassVar[str] = "production"
    flashes: ClassVar[dict[str, str]]
    trials_per_update: ClassVar[int] = 20
    validation_trials: ClassVar[int] = 500

    dt: float = setting(80.0, "time step", "ms", gt=0)
    sigma: float = setting(0.0, "input noise; a step's SD is sigma / sqrt(dt)", "sqrt(ms)", ge=0)
    tolerance: float = setting(0.2, "error that is still correct, as a fraction of the interval", ge=0, lt=1)
    slack: float = setting(25.0, "error that is still correct, in addition", "ms", ge=0)
    graded: bool = setting(True, "the smaller the error, the larger the reward")

    def due(self, conditions: Conditions) -> NDArray[np.floating[Any]]:
        """Interval to be produced, ms, (n_trials,)."""
        raise NotImplementedError

    def intervals_due(self) -> list[float]:
        """The values, or the bounds, of `due`, ms."""
        raise NotImplementedError

    def window(self, due: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """When going begins to be correct, and when the trial ends, ms after the last flash; multiples of `dt`."""
        ms = np.asarray(due, dtype=float)
        error = self.largest_error(ms)
        first = np.ceil(np.maximum(ms - error, 0) / self.dt - 1e-9)
        last = np.floor((ms + error) / self.dt + 1e-9)
        return first * self.dt, (last + 1) * self.dt

    def largest_error(self, due: ArrayLike) -> NDArray[np.float64]:
        """Largest error with which an interval is still right, ms."""
        return self.tolerance * np.asarray(due, dtype=float) + self.slack

    def grades(self, due: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Fraction of the reward in each step of the window, 0 after it, (n_window, n_trials)."""
        first, end = self.window(due)
        ms = first + np.arange(self.n_window)[:, None] * self.dt
        error = np.abs(ms - due) / np.maximum(self.largest_error(due), 1e-9)
        return np.where(ms < end, np.maximum(1 - np.minimum(error, 1), LEAST ** (1 / 1.5)) ** 1.5, 0.0)

    @property
    def n_window(self) -> int:
        """Number of steps in which going is correct, at most."""
        return int(2 * float(self.largest_error(max(self.intervals_due()))) / self.dt + 1e-9) + 1

    @property
    def n_phases(self) -> int:
        return GRADED + self.n_window if self.graded else super().n_phases

    def durations(self) -> dict[str, Duration]:
        lengths = sorted({float(self.window(due)[1]) for due in self.intervals_due()})
        return {p: lengths if p == "production" else getattr(self, p) for p in self.periods}

    def derived(self, conditions: Conditions) -> dict[str, NDArray[np.floating[Any]]]:
        return {"production": self.window(self.due(conditions))[1]}

    def bounds(self, conditions: Conditions) -> Bounds:
        """Start and end of each period, ms; in the decision period going is correct; see `PeriodTask`."""
        bounds = super().bounds(conditions)
        on, off = bounds["production"]
        return {**bounds, "decision": (np.asarray(on) + self.window(self.due(conditions))[0], off)}

    def phases(self, periods: Mapping[str, NDArray[np.int32]], during: During) -> NDArray[np.uint8]:
        phase = super().phases(periods, during)
        if self.graded:
            step = np.cumsum(during["decision"], axis=0) - 1
            counts = phase == DECISION
            phase[counts] = GRADED + step[counts]
        return phase

    def rules(self, conditions: Conditions, value: NDArray[np.floating[Any]]) -> Rules:
        rewards, stops, choices = super().rules(conditions, value)
        if self.graded:
            grades = self.grades(self.due(conditions))
            last = (grades > 0).sum(0) - 1
            rewards[GRADED:, :, GO] = grades * value[:, GO]
            stops[GRADED:, :, GO] = choices[GRADED:, :, GO] = grades > 0
            for phase, grade in ((DECISION, grades.max(0)), (TIMEOUT, grades[last, np.arange(len(last))])):
                rewards[phase, :, GO] = grade * value[:, GO]
        return rewards, stops, choices

    def flash(self, inputs: NDArray[np.float32], during: During, period: str, channel: int) -> None:
        """Add the flash of a period to an input."""
        since = np.cumsum(during[period], axis=0)
        n_steps = self.steps(floored(getattr(self, self.flashes[period]), self.dt))
        inputs[..., channel] += during[period] & (since <= n_steps)

    def shortest_periods(self) -> dict[str, float]:
        return {**super().shortest_periods(), **{flash: getattr(self, flash) for flash in self.flashes.values()}}

    @model_validator(mode="after")
    def _grades_have_room(self) -> TimingTask:
        most = np.iinfo(np.uint8).max + 1 - GRADED
        if self.graded and self.n_window > most:
            raise ValueError(
                f"going can be correct in {self.n_window} steps of dt = {self.dt:g} ms, too many to grade (at most"
                f" {most}); take a larger dt, a smaller tolerance, or graded: false"
            )
        return self

    @model_validator(mode="after")
    def _flashes_end(self) -> TimingTask:
        for period, flash in self.flashes.items():
            shortest = floored(min(ends(self.durations()[period])), self.dt)
            if floored(getattr(self, flash), self.dt) >= shortest:
                raise ValueError(
                    f"{flash} = {getattr(self, flash):g} ms must be shorter than the shortest {period}"
                    f" ({shortest:g} ms) by a step at least, or its flash has no end"
                )
        return self
