"""Context-dependent integration: a cue says which of two noisy features to judge."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, Discrimination, evidence
from rnnpipe.tasks._draws import Choice, Draw, Rng, TruncatedExponential
from rnnpipe.tasks._motion import check_percentages


class Mante(Discrimination):
    """See motion and color at once, judge the one that the context cue names, and answer after a delay.

    Periods: fixation 750 ms; stimulus 750 ms; delay of 300 ms plus a truncated exponential (mean 300 ms, below
    1200 ms); decision from there to the end of the trial. The cue of the context is on until the decision period, and
    its end is the signal to answer: there is no other fixation input.

    Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 2A; after Mante, Sussillo, Shenoy & Newsome (2013).
    """

    name: ClassVar[str] = "mante"
    reference: ClassVar[str] = "Song, Yang & Wang (2017) eLife 6:e21492"
    environment: ClassVar[str] = "Mante"
    input_names: ClassVar[tuple[str, ...]] = (
        "motion", "color", "motion_left", "motion_right", "color_left", "color_right",
    )  # fmt: skip
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "left", "right")
    factors: ClassVar[tuple[str, ...]] = ("context", "side_motion", "side_color", "coherence_motion", "coherence_color")
    trials_per_update: ClassVar[int] = 72
    validation_trials: ClassVar[int] = 3600

    tmax: float = setting(3500.0, "duration of a trial", "ms", gt=0)
    var_in: float = setting(0.02, "input noise variance; a step's SD is sqrt(2 * 100 ms / dt * var_in)", ge=0)
    min_correct: float = setting(0.85, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: float = setting(750.0, "duration of fixation before the stimulus", "ms")
    stimulus: float = setting(750.0, "duration of the stimulus", "ms")
    delay_min: float = setting(300.0, "shortest delay between stimulus and decision", "ms", ge=0)
    delay_mean: float = setting(300.0, "mean of the exponential that is added to it, before truncation", "ms", gt=0)
    delay_max: float = setting(1500.0, "upper bound of the delay", "ms")
    coherences: list[float] = setting([5.0, 15.0, 50.0], "coherences of both features", "percent", min_length=1)

    _percentages = field_validator("coherences")(check_percentages)

    def variables(self) -> dict[str, Draw]:
        delay = TruncatedExponential(
            self.delay_mean, 0.0, self.delay_max - self.delay_min, self.dt, offset=self.delay_min
        )
        sides, coherences = Choice((-1, 1)), Choice(tuple(map(float, self.coherences)))
        return {
            "delay": delay,
            "context": Choice(("motion", "color")),
            "side_motion": sides,
            "side_color": sides,
            "coherence_motion": coherences,
            "coherence_color": coherences,
        }

    def bounds(self, conditions: Conditions) -> Bounds:
        on, off = self.fixation, self.fixation + self.stimulus
        answer = off + conditions["delay"]
        return {
            "fixation": (0.0, on),
            "stimulus": (on, off),
            "delay": (off, answer),
            "decision": (answer, self.tmax),
        }

    def observe(
        self, inputs: NDArray[np.float32], conditions: Conditions, during: dict[str, NDArray[np.bool_]], rng: Rng
    ) -> None:
        cue = during["fixation"] | during["stimulus"] | during["delay"]
        inputs[..., 0] = cue & (conditions["context"] == "motion")
        inputs[..., 1] = cue & (conditions["context"] == "color")
        channels = []
        for first, feature in ((2, "motion"), (4, "color")):
            right, coherence = conditions[f"side_{feature}"] > 0, conditions[f"coherence_{feature}"]
            channels += [(first + right, evidence(1, coherence)), (first + 1 - right, evidence(-1, coherence))]
        self.add_noisy(inputs, during["stimulus"], channels, rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        motion = conditions["context"] == "motion"
        return np.where(np.where(motion, conditions["side_motion"], conditions["side_color"]) > 0, 2, 1)

    def shortest_periods(self) -> dict[str, float]:
        if self.delay_min >= self.delay_max:
            raise ValueError(f"delay_min ({self.delay_min:g} ms) must be below delay_max ({self.delay_max:g} ms)")
        return {"fixation": self.fixation, "stimulus": self.stimulus, "delay": self.delay_min}

    def longest(self) -> float:
        return self.fixation + self.stimulus + self.delay_max + self.dt
