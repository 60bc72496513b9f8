"""Memory-guided decision: hold which of two stimuli was shown, and say it at the cue."""

from __future__ import annotations

from typing import ClassVar

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions
from rnnpipe.tasks._cued import CuedDecision


class MemoryDm(CuedDecision):
    """A stimulus is shown for 30 ms, from 7 ms give or take 7 ms; say which one it was from the cue at 110 ms on.

    The trial ends at 157 ms. See `CuedDecision` for outputs, catch trials and what counts.

    Reference: engellab/trainRNNbrain, task MemoryDM.
    """

    name: ClassVar[str] = "memory_dm"
    environment: ClassVar[str] = "MemoryDM"

    stimulus: float = setting(30.0, "duration of the stimulus", "ms")

    def bounds(self, conditions: Conditions) -> Bounds:
        onset = conditions["onset"]
        return {
            "silence": (0.0, self.decision_onset),
            "stimulus": (onset, onset + self.stimulus),
            "delay": (onset + self.stimulus, self.decision_onset),
            "decision": (self.decision_onset, self.tmax),
        }

    def shortest_periods(self) -> dict[str, float]:
        return {"stimulus": self.stimulus, "the delay before decision_onset": self.delay_min() - self.stimulus}
