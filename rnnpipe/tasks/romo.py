"""Parametric working memory: compare the frequencies of two stimuli that a long delay separates."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, Discrimination
from rnnpipe.tasks._draws import Choice, Draw, Rng, Uniform


class Romo(Discrimination):
    """Feel a vibration, remember its frequency, feel another one, and say which was higher.

    Periods: fixation 750 ms; f1 500 ms; delay, uniform between 2700 and 3300 ms; f2 500 ms; decision to the end of the
    trial. The two frequencies are `base` and `base + difference`; `order` is +1 where the higher one comes first. A
    frequency f drives the positive channel with (1 + s)/2 and the negative one with (1 - s)/2,
    s = (f - frequency_min)/(frequency_max - frequency_min).

    Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 2C; after Romo, Brody, Hernandez & Lemus (1999).
    """

    name: ClassVar[str] = "romo"
    reference: ClassVar[str] = "Song, Yang & Wang (2017) eLife 6:e21492"
    environment: ClassVar[str] = "Romo"
    input_names: ClassVar[tuple[str, ...]] = ("fixation", "f_pos", "f_neg")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "f1_higher", "f2_higher")
    factors: ClassVar[tuple[str, ...]] = ("order", "base")
    trials_per_update: ClassVar[int] = 10
    validation_trials: ClassVar[int] = 200
    stimulus_onset: ClassVar[str] = "f2"

    tmax: float = setting(5550.0, "duration of a trial", "ms", gt=0)
    var_in: float = setting(0.001, "input noise variance; a step's SD is sqrt(2 * 100 ms / dt * var_in)", ge=0)
    min_correct: float = setting(0.97, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: float = setting(750.0, "duration of fixation before the first stimulus", "ms")
    stimulus: float = setting(500.0, "duration of each stimulus", "ms")
    delay_min: float = setting(2700.0, "shortest delay", "ms")
    delay_max: float = setting(3300.0, "upper bound of the delay", "ms")
    bases: list[float] = setting(
        [10.0, 14, 18, 22, 26], "lower frequency of a pair, drawn uniformly", "Hz", min_length=1
    )
    difference: float = setting(8.0, "difference between the frequencies of a pair", "Hz", gt=0)
    frequency_min: float = setting(10.0, "frequency at which the scaled frequency is 0", "Hz")
    frequency_max: float = setting(34.0, "frequency at which the scaled frequency is 1", "Hz")

    def variables(self) -> dict[str, Draw]:
        return {
            "delay": Uniform(self.delay_min, self.delay_max, self.dt),
            "order": Choice((1, -1)),
            "base": Choice(tuple(map(float, self.bases))),
        }

    def bounds(self, conditions: Conditions) -> Bounds:
        second = self.fixation + self.stimulus + conditions["delay"]
        return {
            "fixation": (0.0, self.fixation),
            "f1": (self.fixation, self.fixation + self.stimulus),
            "delay": (self.fixation + self.stimulus, second),
            "f2": (second, second + self.stimulus),
            "decision": (second + self.stimulus, self.tmax),
        }

    def observe(
        self, inputs: NDArray[np.float32], conditions: Conditions, during: dict[str, NDArray[np.bool_]], rng: Rng
    ) -> None:
        inputs[..., 0] = during["fixation"] | during["f1"] | during["delay"] | during["f2"]
        for period, order in (("f1", 1), ("f2", -1)):
            frequency = conditions["base"] + self.difference * (conditions["order"] == order)
            scaled = (frequency - self.frequency_min) / (self.frequency_max - self.frequency_min)
            self.add_noisy(inputs, during[period], [(1, (1 + scaled) / 2), (2, (1 - scaled) / 2)], rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(conditions["order"] > 0, 1, 2)

    def shortest_periods(self) -> dict[str, float]:
        if not self.frequency_min < self.frequency_max:
            raise ValueError(
                f"frequency_min ({self.frequency_min:g} Hz) must be below frequency_max ({self.frequency_max:g} Hz)"
            )
        return {"fixation": self.fixation, "stimulus": self.stimulus, "delay": self.delay_min}

    def longest(self) -> float:
        return self.fixation + 2 * self.stimulus + self.delay_max + self.dt
