"""Perceptual decision with post-decision wagering: on some trials a small, sure reward may be taken instead."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions
from rnnpipe.tasks._draws import Choice, Draw, If, Rng, TruncatedExponential
from rnnpipe.tasks._motion import Motion
from rnnpipe.tasks._sure import WagerTask


class PostDecisionWager(WagerTask, Motion):
    """Watch motion, wait, then answer, or, where it is offered, take the sure option.

    Periods: fixation 750 ms; stimulus of 100 ms plus a truncated exponential (mean 180 ms, below 800 ms); delay, a
    truncated exponential (mean parameter 1350 ms, 1200-1800 ms); decision to the end of the trial. On wager trials the
    sure target appears during the delay, a truncated exponential (mean parameter 575 ms, 500-750 ms) after the
    stimulus, and stays on; `sure_onset` is that time after the stimulus. Taking the sure option where it is not
    offered ends the trial as an abort.

    Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 3; after Kiani & Shadlen (2009).
    """

    name: ClassVar[str] = "postdecisionwager"
    reference: ClassVar[str] = "Song, Yang & Wang (2017) eLife 6:e21492"
    environment: ClassVar[str] = "PostDecisionWager"
    factors: ClassVar[tuple[str, ...]] = ("wager", "side", "coherence")
    trials_per_update: ClassVar[int] = 24
    validation_trials: ClassVar[int] = 1200

    tmax: float = setting(3950.0, "duration of a trial", "ms", gt=0)
    min_correct: float = setting(0.79, "training criterion: fraction of left and right choices correct", ge=0, le=1)
    coherences: list[float] = setting(
        [0.0, 3.2, 6.4, 12.8, 25.6, 51.2], "motion coherences, drawn uniformly", "percent", min_length=1
    )
    stimulus_min: float = setting(100.0, "shortest stimulus", "ms", gt=0)
    stimulus_mean: float = setting(180.0, "mean of the exponential that is added to it, before truncation", "ms", gt=0)
    stimulus_max: float = setting(900.0, "upper bound of the stimulus duration", "ms")
    delay_mean: float = setting(1350.0, "mean of the exponential of the delay before truncation", "ms", gt=0)
    delay_min: float = setting(1200.0, "shortest delay", "ms")
    delay_max: float = setting(1800.0, "upper bound of the delay", "ms")
    sure_mean: float = setting(
        575.0, "mean of the exponential of the sure target's onset before truncation", "ms", gt=0
    )
    sure_min: float = setting(500.0, "earliest onset of the sure target, from the end of the stimulus", "ms")
    sure_max: float = setting(750.0, "upper bound of the onset of the sure target", "ms")

    def variables(self) -> dict[str, Draw]:
        stimulus = TruncatedExponential(
            self.stimulus_mean, 0.0, self.stimulus_max - self.stimulus_min, self.dt, offset=self.stimulus_min
        )
        sure = TruncatedExponential(self.sure_mean, self.sure_min, self.sure_max, self.dt)
        return {
            "wager": Choice((True, False)),
            "stimulus": stimulus,
            "delay": TruncatedExponential(self.delay_mean, self.delay_min, self.delay_max, self.dt),
            "sure_onset": If("wager", sure, self.sure_min),
            **self._categories(),
        }

    def bounds(self, conditions: Conditions) -> Bounds:
        off = self.fixation + conditions["stimulus"]
        answer = off + conditions["delay"]
        return {
            "fixation": (0.0, self.fixation),
            "stimulus": (self.fixation, off),
            "delay": (off, answer),
            "sure": (off + conditions["sure_onset"], self.tmax),
            "decision": (answer, self.tmax),
        }

    def observe(
        self, inputs: NDArray[np.float32], conditions: Conditions, during: dict[str, NDArray[np.bool_]], rng: Rng
    ) -> None:
        inputs[..., 0] = during["fixation"] | during["stimulus"] | during["delay"]
        inputs[..., 3] = during["sure"] & conditions["wager"]
        self._evidence(inputs, conditions, during["stimulus"], rng)

    def shortest_periods(self) -> dict[str, float]:
        for name in ("stimulus", "delay", "sure"):
            low, high = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if low >= high:
                raise ValueError(f"{name}_min ({low:g} ms) must be below {name}_max ({high:g} ms)")
        if self.sure_max > self.delay_min:
            raise ValueError(
                f"the sure target can appear {self.sure_max:g} ms after the stimulus (sure_max), when the delay can"
                f" be over after {self.delay_min:g} ms (delay_min); it must appear during the delay"
            )
        return {"fixation": self.fixation, "stimulus": self.stimulus_min, "delay": self.delay_min}

    def longest(self) -> float:
        return self.fixation + self.stimulus_max + self.delay_max + self.dt
