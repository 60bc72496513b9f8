"""Economic choice between offers of two juices, in consecutive periods."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Draw, Rng
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._juices import JuiceTask
from rnnpipe.tasks._periods import ConsecutiveTask


class EconomicDecisionMaking(JuiceTask, ConsecutiveTask):
    """See on each side which juice is offered and how much of it, then choose a side.

    Periods: fixation 1500 ms; offer, uniform between 1000 and 2000 ms; decision 750 ms. During the offer the juice of
    each side is a 1 on its own channel, and the amount n drives the side's amount channel with n/5, without noise
    unless `sigma` is set. `juices` names the juice of the left and of the right side. A drop of B earns `reward_b`, a
    drop of A `value_ratio` times as much; a choice is correct if it earns at least what the other would have. To act
    before the decision costs `reward_abort`.

    Reference: Padoa-Schioppa & Assad (2006) Nature 441:223; NeuroGym, which has no ground truth for it.
    `padoaschioppa2006` is that of Song, Yang & Wang (2017).
    """

    name: ClassVar[str] = "economic_decision_making"
    reference: ClassVar[str] = "Padoa-Schioppa & Assad (2006) Nature 441:223"
    environment: ClassVar[str] = "EconomicDecisionMaking"
    periods: ClassVar[tuple[str, ...]] = ("fixation", "offer_on", "decision")
    stimuli: ClassVar[tuple[str, ...]] = ("offer_on",)
    stimulus_onset: ClassVar[str] = "offer_on"
    waiting: ClassVar[tuple[str, ...]] = ("fixation", "offer_on")

    sigma: float = setting(0.0, "noise on the amounts; a step's SD is sigma / sqrt(dt)", "sqrt(ms)", ge=0)
    fixation: Duration = setting(1500.0, "duration of fixation before the offer", "ms")
    offer_on: Duration = setting({"min": 1000.0, "max": 2000.0}, "duration of the offer", "ms")
    decision: float = setting(750.0, "time to choose in", "ms")

    def categories(self) -> dict[str, Draw]:
        return {**self.juices_and_offers()}

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        amounts = self.show_juices(inputs, conditions, during["offer_on"])
        self.add_noisy(inputs, during["offer_on"], amounts, rng)
