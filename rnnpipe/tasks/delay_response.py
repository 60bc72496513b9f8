"""Perceptual decision making with a delayed response: the answer has to be kept until a go cue."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.settings import setting
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._periods import CueScheme
from rnnpipe.tasks.perceptual_decision_making import PerceptualDecisionMaking


class DelayResponse(PerceptualDecisionMaking):
    """Watch noisy evidence and choose after a delay, when the fixation cue goes off.

    Periods: fixation, none; stimulus 1150 ms (1100 at steps of 100 ms); delay, one of eight from 300 to 4000 ms;
    decision 1500 ms. Signals and rewards are those of `perceptual_decision_making`. The ideal observer is correct on
    .886 of the trials at steps of 100 ms.

    Reference: Inagaki, Fontolan, Romani & Svoboda (2019) Nature 566:212; NeuroGym.
    """

    name: ClassVar[str] = "delay_response"
    reference: ClassVar[str] = "Inagaki, Fontolan, Romani & Svoboda (2019) Nature 566:212"
    environment: ClassVar[str] = "PerceptualDecisionMakingDelayResponse"

    min_correct: float = setting(0.84, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation_until: CueScheme = setting(
        "decision",
        "fixation cue is on in the fixation period only (fixation), to the end of the stimulus (stimulus), or until the"
        " decision (decision)",
    )
    fixation: Duration = setting(0.0, "duration of fixation before the stimulus", "ms")
    stimulus: Duration = setting(1150.0, "duration of the stimulus", "ms")
    delay: Duration = setting(
        [300.0, 500.0, 700.0, 900.0, 1200.0, 2000.0, 3200.0, 4000.0],
        "time between the stimulus and the decision",
        "ms",
    )
    decision: float = setting(1500.0, "time to choose in", "ms")
