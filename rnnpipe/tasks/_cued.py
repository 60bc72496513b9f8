"""A decision about which of two stimuli there is, given at a cue: what memory-guided and delayed decisions share."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._regression import CategoricalTask, jittered


class CuedDecision(CategoricalTask):
    """One of two stimuli, or none (direction 0), is shown; from the cue on the output of that stimulus should be 1.

    The stimulus starts at `stimulus_start`, give or take `jitter`; the decision period, with the cue on, is from
    `decision_onset` to the end of the trial. On catch trials (direction 0) both outputs should stay 0. The loss counts
    before the decision (silence) and, after `grace`, during it. As an environment: choose the stimulus, or wait to the
    last step.
    """

    reference: ClassVar[str] = "engellab/trainRNNbrain"
    input_names: ClassVar[tuple[str, ...]] = ("first", "second", "cue")
    output_names: ClassVar[tuple[str, ...]] = ("first", "second")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "first", "second")
    factors: ClassVar[tuple[str, ...]] = ("direction",)
    withholds: ClassVar[bool] = True
    trials_per_update: ClassVar[int] = 3
    validation_trials: ClassVar[int] = 300

    tmax: float = setting(157.0, "duration of a trial", "ms", gt=0)
    stimulus_start: float = setting(7.0, "start of the stimulus, without jitter", "ms", ge=0)
    jitter: float = setting(7.0, "the start is drawn from [start - jitter, start + jitter)", "ms", ge=0)
    decision_onset: float = setting(110.0, "start of the decision period, which lasts to the end", "ms")

    def variables(self) -> dict[str, Draw]:
        return {"direction": Choice((0, 1, 2)), "onset": jittered(self.stimulus_start, self.jitter, self.dt)}

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        for k in (0, 1):
            inputs[..., k] = during["stimulus"] & (conditions["direction"] == k + 1)
        inputs[..., 2] = during["decision"]

    def levels(self) -> NDArray[np.float64]:
        return np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.asarray(conditions["direction"], int)

    def counted(self) -> dict[str, float]:
        return {"silence": 0.0, "decision": self.grace}

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        first, second, cue = np.eye(3)
        return {"delay": np.zeros(3), "first": first, "second": second, "decision": cue}

    def delay_min(self) -> float:
        """Shortest time between the start of the stimulus and the cue, ms."""
        if self.stimulus_start < self.jitter:
            raise ValueError(f"the stimulus could start before the trial: jitter = {self.jitter:g} ms is too large")
        return self.decision_onset - self.stimulus_start - self.jitter

    def longest(self) -> float:
        return self.decision_onset + self.grace + self.dt
