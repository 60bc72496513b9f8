"""Perceptual decision making: which direction on a ring has the strongest evidence."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._motion import check_percentages
from rnnpipe.tasks._periods import CueScheme
from rnnpipe.tasks._ring import RingChoiceTask, bump


class PerceptualDecisionMaking(RingChoiceTask):
    """Watch noisy evidence, then choose the direction it is strongest for.

    Periods: fixation 100 ms; stimulus 2000 ms; delay, none; decision 100 ms. The tutorial's are 300, 500, 0 and 300 ms.
    Channel k of the ring is at 0.5 + coherence / 200 * cos(2 pi (k - direction) / dim_ring) in the stimulus, which with
    two channels is 0.5 +- coherence / 200. The ideal observer of two channels is correct with probability
    Phi(coherence / 100 * sqrt(T) / (sqrt(2) sigma)) after T ms: .896 on average at the defaults, .8645 with the
    tutorial's timing, so that no criterion beyond that can be met. With a delay that is drawn, the cue should stay on
    (`fixation_until: decision`), or nothing tells when to answer.

    Reference: Britten, Shadlen, Newsome & Movshon (1992) J Neurosci 12:4745; NeuroGym.
    """

    name: ClassVar[str] = "perceptual_decision_making"
    reference: ClassVar[str] = "Britten, Shadlen, Newsome & Movshon (1992) J Neurosci 12:4745"
    environment: ClassVar[str] = "PerceptualDecisionMaking"
    periods: ClassVar[tuple[str, ...]] = ("fixation", "stimulus", "delay", "decision")
    factors: ClassVar[tuple[str, ...]] = ("direction", "coherence")
    trials_per_update: ClassVar[int] = 20
    validation_trials: ClassVar[int] = 1000

    min_correct: float = setting(0.85, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation_until: CueScheme = setting(
        "fixation",
        "fixation cue is on in the fixation period only (fixation), to the end of the stimulus (stimulus), or until the"
        " decision (decision)",
    )
    fixation: Duration = setting(100.0, "duration of fixation before the stimulus", "ms")
    stimulus: Duration = setting(2000.0, "duration of the stimulus", "ms")
    delay: Duration = setting(0.0, "time between the stimulus and the decision", "ms")
    decision: float = setting(100.0, "time to choose in", "ms")
    coherences: list[float] = setting(
        [0.0, 6.4, 12.8, 25.6, 51.2], "coherences, drawn uniformly", "percent", min_length=1
    )

    _percentages = field_validator("coherences")(check_percentages)

    def categories(self) -> dict[str, Draw]:
        return {"direction": Choice(tuple(range(self.dim_ring))), "coherence": Choice(tuple(self.coherences))}

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        level = bump(self.dim_ring, self.angle(conditions["direction"]), conditions["coherence"])
        self.add_signals(inputs, during["stimulus"], level, rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.asarray(conditions["direction"], int) + 1
