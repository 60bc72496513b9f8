"""Random-dot motion to the left or right: what the fixed-duration and the reaction-time task share."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, Discrimination, evidence
from rnnpipe.tasks._draws import Choice, Rng


def check_percentages(coherences: list[float]) -> list[float]:
    """Validator of a list of coherences."""
    if not all(0 <= c <= 100 for c in coherences):
        raise ValueError("every coherence must be between 0 and 100")
    return coherences


def check_signed(coherences: list[float]) -> list[float]:
    """Validator of a list of signed coherences."""
    if not all(-1 <= c <= 1 for c in coherences):
        raise ValueError("every coherence must be between -1 and 1")
    if len(set(coherences)) < len(coherences):
        raise ValueError("a coherence is given twice; give each once")
    return coherences


class Motion(Discrimination):
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

    _percentages = field_validator("coherences")(check_percentages)

    def _categories(self) -> dict[str, Choice]:
        return {"side": Choice((-1, 1)), "coherence": Choice(tuple(map(float, self.coherences)))}

    def _evidence(
        self, inputs: NDArray[np.float32], conditions: Conditions, stimulus: NDArray[np.bool_], rng: Rng
    ) -> None:
        coherence, true = conditions["coherence"], self.answer(conditions)
        self.add_noisy(inputs, stimulus, [(true, evidence(1, coherence)), (3 - true, evidence(-1, coherence))], rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(conditions["side"] > 0, 2, 1)
