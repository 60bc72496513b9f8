"""Economic choice between offers of two juices."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, TimeoutTask
from rnnpipe.tasks._draws import Draw, Rng, Uniform
from rnnpipe.tasks._juices import JuiceTask


class PadoaSchioppa2006(JuiceTask, TimeoutTask):
    """See on each side which juice is offered and how much of it, then choose a side.

    Periods: fixation 750 ms; offer, uniform between 1000 and 2000 ms; decision to the end of the trial. During the
    offer the juice of each side is a 1 on its own channel, and the amount n drives the side's amount channel with n/5
    plus noise. `juices` names the juice of the left and of the right side. A drop of B earns `reward_b`, a drop of A
    `value_ratio` times as much; a choice is correct if it earns at least what the other would have.

    Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 4; after Padoa-Schioppa & Assad (2006).
    """

    name: ClassVar[str] = "padoaschioppa2006"
    reference: ClassVar[str] = "Song, Yang & Wang (2017) eLife 6:e21492"
    environment: ClassVar[str] = "PadoaSchioppa2006"

    tmax: float = setting(3500.0, "duration of a trial", "ms", gt=0)
    var_in: float = setting(0.001, "input noise variance; a step's SD is sqrt(2 * 100 ms / dt * var_in)", ge=0)
    fixation: float = setting(750.0, "duration of fixation before the offer", "ms")
    offer_min: float = setting(1000.0, "shortest offer", "ms")
    offer_max: float = setting(2000.0, "upper bound of the offer's duration", "ms")

    def variables(self) -> dict[str, Draw]:
        return {"duration": Uniform(self.offer_min, self.offer_max, self.dt), **self.juices_and_offers()}

    def bounds(self, conditions: Conditions) -> Bounds:
        off = self.fixation + conditions["duration"]
        return {"fixation": (0.0, self.fixation), "offer": (self.fixation, off), "decision": (off, self.tmax)}

    def observe(
        self, inputs: NDArray[np.float32], conditions: Conditions, during: dict[str, NDArray[np.bool_]], rng: Rng
    ) -> None:
        inputs[..., 0] = during["fixation"] | during["offer"]
        amounts = self.show_juices(inputs, conditions, during["offer"])
        self.add_noisy(inputs, during["offer"], amounts, rng)

    def shortest_periods(self) -> dict[str, float]:
        return {"fixation": self.fixation, "offer": self.offer_min}

    def longest(self) -> float:
        return self.fixation + self.offer_max + self.dt
