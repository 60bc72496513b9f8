"""Motion discrimination in which the subject decides when to answer."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions
from rnnpipe.tasks._draws import Draw, Rng
from rnnpipe.tasks._motion import Motion


class RDMReactionTime(Motion):
    """Fixate, then choose at any time after stimulus onset; rewards lose value with time (tau_reward).

    Periods: fixation 750 ms; stimulus to the end of the trial, which is also the decision period. The reaction
    time is the time of the choice minus stimulus onset.

    Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 1-figure supplement 2.
    """

    name: ClassVar[str] = "rdm_rt"
    reference: ClassVar[str] = "Song, Yang & Wang (2017) eLife 6:e21492"
    environment: ClassVar[str] = "RDMReactionTime"
    trials_per_update: ClassVar[int] = 12
    validation_trials: ClassVar[int] = 1200

    coherences: list[float] = setting(
        [0.0, 3.2, 6.4, 12.8, 25.6, 51.2], "motion coherences, drawn uniformly", "percent", min_length=1
    )
    var_in: float = setting(0.015, "input noise variance; a step's SD is sqrt(2 * 100 ms / dt * var_in)", ge=0)
    tau_reward: float | None = setting(
        10000.0, "time constant of discounting from trial start; null for none", "ms", gt=0
    )
    stimulus: float = setting(2000.0, "longest duration of the stimulus", "ms")

    def variables(self) -> dict[str, Draw]:
        return dict(self._categories())

    def bounds(self, conditions: Conditions) -> Bounds:
        stimulus = (self.fixation, self.fixation + self.stimulus)
        return {"fixation": (0.0, self.fixation), "stimulus": stimulus, "decision": stimulus}

    def observe(
        self, inputs: NDArray[np.float32], conditions: Conditions, during: dict[str, NDArray[np.bool_]], rng: Rng
    ) -> None:
        inputs[..., 0] = during["fixation"]
        self._evidence(inputs, conditions, during["stimulus"], rng)

    def shortest_periods(self) -> dict[str, float]:
        return {"fixation": self.fixation, "stimulus": self.stimulus}

    def longest(self) -> float:
        return self.fixation + self.stimulus
