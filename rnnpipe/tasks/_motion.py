"""Random-dot motion to the left or right: what the fixed-duration and the reaction-time task share."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, Task
from rnnpipe.tasks._draws import Choice, Rng


class Motion(Task):
    """Fixation cue and two channels of noisy evidence; choose the side of the stronger one.

    A stimulus of coherence c (percent) drives the channel of the true side with (1 + c/100)/2 and the other with
    (1 - c/100)/2, each plus independent Gaussian noise of SD sqrt(2 * 100 ms / dt * var_in) per step. At zero
    coherence the true side is still drawn, so either answer is rewarded on half of the trials.
    """

    input_names: ClassVar[tuple[str, ...]] = ("fixation", "left", "right")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "left", "right")
    factors: ClassVar[tuple[str, ...]] = ("side", "coherence")

    fixation: float = setting(750.0, "duration of fixation before the stimulus", "ms")
    coherences: list[float] = setting([], "motion coherences, drawn uniformly", "percent", min_length=1)

    @field_validator("coherences")
    @classmethod
    def _are_percentages(cls, coherences: list[float]) -> list[float]:
        if not all(0 <= c <= 100 for c in coherences):
            raise ValueError("every coherence must be between 0 and 100")
        return coherences

    def _categories(self) -> dict[str, Choice]:
        return {"side": Choice((-1, 1)), "coherence": Choice(tuple(map(float, self.coherences)))}

    def _evidence(
        self, inputs: NDArray[np.float32], conditions: Conditions, stimulus: NDArray[np.bool_], rng: Rng
    ) -> None:
        side, coherence = conditions["side"], conditions["coherence"]
        t, i = np.nonzero(stimulus)
        true = np.where(side > 0, 2, 1)[i]
        noise = self.sigma_step * rng.standard_normal((2, len(i)))  # the true side's channel first
        inputs[t, i, true] = (1 + coherence[i] / 100) / 2 + noise[0]
        inputs[t, i, 3 - true] = (1 - coherence[i] / 100) / 2 + noise[1]

    def judge(self, conditions: Conditions) -> tuple[NDArray[np.floating[Any]], NDArray[np.int8]]:
        side = conditions["side"][:, None]
        correct = np.where(np.array([0, -1, 1]) == 0, -1, side == np.array([0, -1, 1])).astype(np.int8)
        return np.where(correct == 1, self.reward_correct, self.reward_wrong), correct
