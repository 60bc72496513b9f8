"""One-two-three-go: continue a rhythm of three flashes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.tasks._durations import Duration, floored
from rnnpipe.tasks._periods import CueScheme
from rnnpipe.tasks._timing import TimingTask


class OneTwoThreeGo(TimingTask):
    """See three flashes at equal intervals, then go when the interval has passed once more.

    Periods: fixation, truncated exponential (mean parameter 400 ms, 100-800 ms); target, truncated exponential (mean
    parameter 1000 ms, 500-1500 ms); two intervals of the same duration and production, each of which begins with a
    flash of 100 ms. `interval` is one of the `intervals`, 600 to 1000 ms from onset to onset, floored to a multiple of
    `dt`. The target is on from its onset to the end of the trial, without noise; flashes are at 1, without noise unless
    `sigma` is set. The fixation cue stays on. To go is correct within 20% of the interval plus 25 ms; see `TimingTask`.

    Reference: Egger, Remington, Chang & Jazayeri (2019) Nat Neurosci 22:1871; NeuroGym, whose intervals are from the
    end of a flash on and whose ground truth is to go from the right time to the end of the trial.
    """

    name: ClassVar[str] = "one_two_three_go"
    reference: ClassVar[str] = "Egger, Remington, Chang & Jazayeri (2019) Nat Neurosci 22:1871"
    environment: ClassVar[str] = "OneTwoThreeGo"
    input_names: ClassVar[tuple[str, ...]] = ("fixation", "flash", "target")
    periods: ClassVar[tuple[str, ...]] = ("fixation", "target", "first_interval", "second_interval", "production")
    stimuli: ClassVar[tuple[str, ...]] = ("first_interval", "second_interval", "production")
    flashes: ClassVar[dict[str, str]] = dict.fromkeys(stimuli, "flash_duration")
    waiting: ClassVar[tuple[str, ...]] = periods[:-1]
    factors: ClassVar[tuple[str, ...]] = ("interval",)

    fixation_until: CueScheme = setting(
        "stimulus",
        "fixation cue is on in the fixation period (fixation), up to the third flash (decision), or all the time"
        " (stimulus)",
    )
    fixation: Duration = setting(
        {"mean": 400.0, "min": 100.0, "max": 800.0}, "duration of fixation before the target", "ms"
    )
    target: Duration = setting(
        {"mean": 1000.0, "min": 500.0, "max": 1500.0}, "time from the onset of the target to the first flash", "ms"
    )
    flash_duration: float = setting(100.0, "duration of each flash", "ms", gt=0)
    intervals: list[float] = setting(
        [600.0, 700.0, 800.0, 900.0, 1000.0], "intervals from flash to flash, drawn uniformly", "ms", min_length=1
    )

    def durations(self) -> dict[str, Duration]:
        shown = sorted(set(self.intervals_due()))
        own = {"fixation": self.fixation, "target": self.target, "first_interval": shown, "second_interval": shown}
        return {**own, "production": sorted({float(self.window(due)[1]) for due in shown})}

    def derived(self, conditions: Conditions) -> dict[str, NDArray[np.floating[Any]]]:
        interval = self.due(conditions)
        return {"first_interval": interval, "second_interval": interval, **super().derived(conditions)}

    def categories(self) -> dict[str, Draw]:
        return {"interval": Choice(tuple(self.intervals))}

    def due(self, conditions: Conditions) -> NDArray[np.floating[Any]]:
        return np.floor(np.asarray(conditions["interval"]) / self.dt + 1e-9) * self.dt

    def intervals_due(self) -> list[float]:
        return [floored(ms, self.dt) for ms in self.intervals]

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        for period in self.stimuli:
            self.add_signals(inputs[..., :2], during[period], np.zeros((inputs.shape[1], 1)), rng)
            self.flash(inputs, during, period, 1)
        inputs[..., 2] = np.any([during[period] for period in self.periods[1:]], axis=0)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.ones(len(conditions["interval"]), int)
