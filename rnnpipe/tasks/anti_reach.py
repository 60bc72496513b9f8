"""Anti-reach (or anti-saccade): respond away from where the stimulus was."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._ring import RingChoiceTask


class AntiReach(RingChoiceTask):
    """See a stimulus in one of many directions and, when the fixation cue goes off, reach in the opposite one.

    Periods: fixation 500 ms; stimulus 500 ms; delay, none; decision 500 ms. In the stimulus channel k of the ring is at
    cos(2 pi (k - direction) / dim_ring), without noise unless `sigma` is set. With `anti: false` the response is to the
    stimulus.

    Reference: Munoz & Everling (2004) Nat Rev Neurosci 5:218; NeuroGym.
    """

    name: ClassVar[str] = "anti_reach"
    reference: ClassVar[str] = "Munoz & Everling (2004) Nat Rev Neurosci 5:218"
    environment: ClassVar[str] = "AntiReach"
    periods: ClassVar[tuple[str, ...]] = ("fixation", "stimulus", "delay", "decision")
    trials_per_update: ClassVar[int] = 32
    validation_trials: ClassVar[int] = 500

    sigma: float = setting(0.0, "input noise; a step's SD is sigma / sqrt(dt)", "sqrt(ms)", ge=0)
    min_correct: float = setting(0.95, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    dim_ring: int = setting(32, "directions, equally spaced on a ring, each with an input and a choice", ge=2)
    anti: bool = setting(True, "respond opposite to the stimulus")
    fixation: Duration = setting(500.0, "duration of fixation before the stimulus", "ms")
    stimulus: Duration = setting(500.0, "duration of the stimulus", "ms")
    delay: Duration = setting(0.0, "time between the stimulus and the decision", "ms")
    decision: float = setting(500.0, "time to respond in", "ms")

    def categories(self) -> dict[str, Draw]:
        return {"direction": Choice(tuple(range(self.dim_ring)))}

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        away = self.angle(np.arange(self.dim_ring) - np.asarray(conditions["direction"])[:, None])
        self.add_signals(inputs, during["stimulus"], np.cos(away), rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        turned = self.dim_ring // 2 if self.anti else 0
        return (np.asarray(conditions["direction"], int) + turned) % self.dim_ring + 1

    @model_validator(mode="after")
    def _opposite_directions_exist(self) -> AntiReach:
        if self.anti and self.dim_ring % 2:
            raise ValueError(
                f"dim_ring = {self.dim_ring} must be even, or no direction is opposite to another; or set anti: false"
            )
        return self
