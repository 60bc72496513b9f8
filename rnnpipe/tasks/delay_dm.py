"""Delayed decision: see one of two stimuli, and say which at the cue."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.tasks._base import Bounds, Conditions
from rnnpipe.tasks._cued import CuedDecision


class DelayDm(CuedDecision):
    """A stimulus is shown from 7 ms, give or take 7 ms, to the end; say which one it is from the cue at 110 ms on.

    Unlike in `memory_dm` nothing has to be remembered, only the answer withheld. The trial ends at 157 ms. See
    `CuedDecision` for outputs, catch trials and what counts.

    Reference: engellab/trainRNNbrain, task DelayDM, whose times are free.
    """

    name: ClassVar[str] = "delay_dm"
    environment: ClassVar[str] = "DelayDM"

    def bounds(self, conditions: Conditions) -> Bounds:
        onset = conditions["onset"]
        return {
            "silence": (0.0, self.decision_onset),
            "stimulus": (onset, self.tmax),
            "delay": (onset, self.decision_onset),
            "decision": (self.decision_onset, self.tmax),
        }

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        first, second, cue = np.eye(3)
        waiting = {"rest": np.zeros(3), "first": first, "second": second}
        return waiting | {"cue": cue, "first, cue": first + cue, "second, cue": second + cue}

    def shortest_periods(self) -> dict[str, float]:
        return {"the delay before decision_onset": self.delay_min()}
