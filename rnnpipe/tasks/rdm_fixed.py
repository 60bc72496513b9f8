"""Motion discrimination with a stimulus of random, experimenter-controlled duration."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions
from rnnpipe.tasks._draws import Draw, Rng, TruncatedExponential
from rnnpipe.tasks._motion import Motion


class RDMFixed(Motion):
    """Fixate, watch the motion, then choose within a short window after the stimulus ends.

    Periods: fixation 750 ms; stimulus of truncated-exponential duration (mean parameter 330 ms, 80-1500 ms);
    decision, exactly 500 ms after the stimulus. Choosing before or after that window aborts the trial.

    Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 1; after Kiani, Hanks & Shadlen (2008).
    """

    name: ClassVar[str] = "rdm_fixed"
    reference: ClassVar[str] = "Song, Yang & Wang (2017) eLife 6:e21492"
    environment: ClassVar[str] = "RDM"
    trials_per_update: ClassVar[int] = 10
    validation_trials: ClassVar[int] = 1000

    coherences: list[float] = setting(
        [0.0, 6.4, 12.8, 25.6, 51.2], "motion coherences, drawn uniformly", "percent", min_length=1
    )
    stimulus_mean: float = setting(330.0, "mean of the exponential before truncation", "ms", gt=0)
    stimulus_min: float = setting(80.0, "shortest stimulus", "ms")
    stimulus_max: float = setting(1500.0, "upper bound of the stimulus duration", "ms")
    decision: float = setting(500.0, "time to choose in, from the end of the stimulus", "ms")

    def variables(self) -> dict[str, Draw]:
        duration = TruncatedExponential(self.stimulus_mean, self.stimulus_min, self.stimulus_max, self.dt)
        return {"stimulus": duration, **self._categories()}

    def bounds(self, conditions: Conditions) -> Bounds:
        end = self.fixation + conditions["stimulus"]
        return {
            "fixation": (0.0, self.fixation),
            "stimulus": (self.fixation, end),
            "decision": (end, end + self.decision),
        }

    def observe(
        self, inputs: NDArray[np.float32], conditions: Conditions, during: dict[str, NDArray[np.bool_]], rng: Rng
    ) -> None:
        inputs[..., 0] = during["fixation"] | during["stimulus"]
        self._evidence(inputs, conditions, during["stimulus"], rng)

    def shortest_periods(self) -> dict[str, float]:
        if self.stimulus_min >= self.stimulus_max:
            raise ValueError(
                f"stimulus_min ({self.stimulus_min:g} ms) must be below stimulus_max ({self.stimulus_max:g} ms)"
            )
        return {"fixation": self.fixation, "stimulus": self.stimulus_min, "decision": self.decision}

    def longest(self) -> float:
        return self.fixation + self.stimulus_max + self.decision
