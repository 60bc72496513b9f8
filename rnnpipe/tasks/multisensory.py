"""Multisensory integration: is the rate of a visual, an auditory or a combined stimulus high or low?"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, Discrimination
from rnnpipe.tasks._draws import Choice, Draw, Rng


class Multisensory(Discrimination):
    """Judge the rate of events of one or of two modalities against a boundary.

    Periods: fixation 750 ms; stimulus 1000 ms; decision 500 ms. A rate f drives the positive channel of each modality
    that is present with (1 + s)/2 and the negative one with (1 - s)/2, s = (f - rate_min)/(rate_max - rate_min).

    Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 2B; after Raposo, Kaufman & Churchland (2014).
    """

    name: ClassVar[str] = "multisensory"
    reference: ClassVar[str] = "Song, Yang & Wang (2017) eLife 6:e21492"
    environment: ClassVar[str] = "Multisensory"
    input_names: ClassVar[tuple[str, ...]] = ("fixation", "visual_p", "visual_n", "auditory_p", "auditory_n")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "low", "high")
    factors: ClassVar[tuple[str, ...]] = ("modality", "rate")
    trials_per_update: ClassVar[int] = 24
    validation_trials: ClassVar[int] = 1200

    tmax: float = setting(2250.0, "duration of a trial", "ms", gt=0)
    var_in: float = setting(0.021, "input noise variance; a step's SD is sqrt(2 * 100 ms / dt * var_in)", ge=0)
    min_correct: float = setting(0.82, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: float = setting(750.0, "duration of fixation before the stimulus", "ms")
    stimulus: float = setting(1000.0, "duration of the stimulus", "ms")
    decision: float = setting(500.0, "time to choose in, from the end of the stimulus", "ms")
    rates: list[float] = setting([9.0, 10, 11, 12, 13, 14, 15, 16], "rates, drawn uniformly", "events/s", min_length=1)
    boundary: float = setting(12.5, "rates above it are high", "events/s")
    rate_min: float = setting(2.0, "rate at which the scaled rate is 0", "events/s")
    rate_max: float = setting(23.0, "rate at which the scaled rate is 1", "events/s")

    def variables(self) -> dict[str, Draw]:
        return {
            "modality": Choice(("visual", "auditory", "multisensory")),
            "rate": Choice(tuple(map(float, self.rates))),
        }

    def bounds(self, conditions: Conditions) -> Bounds:
        on, off = self.fixation, self.fixation + self.stimulus
        return {"fixation": (0.0, on), "stimulus": (on, off), "decision": (off, off + self.decision)}

    def observe(
        self, inputs: NDArray[np.float32], conditions: Conditions, during: dict[str, NDArray[np.bool_]], rng: Rng
    ) -> None:
        inputs[..., 0] = during["fixation"] | during["stimulus"]
        scaled = (conditions["rate"] - self.rate_min) / (self.rate_max - self.rate_min)
        for first, absent in ((1, "auditory"), (3, "visual")):
            present = during["stimulus"] & (conditions["modality"] != absent)
            self.add_noisy(inputs, present, [(first, (1 + scaled) / 2), (first + 1, (1 - scaled) / 2)], rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(conditions["rate"] > self.boundary, 2, 1)

    def shortest_periods(self) -> dict[str, float]:
        if not self.rate_min < self.rate_max:
            raise ValueError(f"rate_min ({self.rate_min:g}) must be below rate_max ({self.rate_max:g})")
        if self.boundary in self.rates:
            raise ValueError(f"rates: {self.boundary:g} is the boundary itself, where neither choice is correct")
        return {"fixation": self.fixation, "stimulus": self.stimulus, "decision": self.decision}

    def longest(self) -> float:
        return self.fixation + self.stimulus + self.decision
