"""The Go and Anti families of Yang et al. (2019): respond to a stimulus, or away from it, at once or when told to."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._yang import YangTask


class YangReach(YangTask):
    """See a stimulus of either modality and respond in its direction, or in the opposite one if `anti`.

    The modality is drawn for each trial, independently. There is no noise unless `sigma` is set.
    """

    anti: ClassVar[bool] = False
    """Whether the response is opposite to the stimulus."""
    factors: ClassVar[tuple[str, ...]] = ("modality", "direction")
    trials_per_update: ClassVar[int] = 32

    sigma: float = setting(0.0, "input noise; a step's SD is sigma / sqrt(dt)", "sqrt(ms)", ge=0)
    min_correct: float = setting(0.95, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: Duration = setting(500.0, "duration of fixation before the stimulus", "ms")

    def categories(self) -> dict[str, Draw]:
        return {"modality": Choice((1, 2)), "direction": Choice(tuple(range(self.dim_ring)))}

    def levels(self, conditions: Conditions) -> dict[str, NDArray[np.float64]]:
        return {self.stimuli[0]: self.shown_in(conditions["modality"], conditions["direction"])}

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        turned = self.dim_ring // 2 if self.anti else 0
        return (np.asarray(conditions["direction"], int) + turned) % self.dim_ring + 1


class YangReachOnCue(YangReach):
    """Respond when the fixation cue goes off, after the stimulus and perhaps a delay."""

    periods: ClassVar[tuple[str, ...]] = ("fixation", "stimulus", "delay", "decision")

    stimulus: Duration = setting(500.0, "duration of the stimulus", "ms")
    delay: Duration = setting(0.0, "time between the stimulus and the decision", "ms")
    decision: float = setting(500.0, "time to respond in", "ms")


class YangReachFromMemory(YangReachOnCue):
    """The same, with a delay."""

    delay: Duration = setting(500.0, "time between the stimulus and the decision", "ms")


class YangReachAtOnce(YangReach):
    """Respond as soon as the stimulus is there, which stays on until the trial ends."""

    periods: ClassVar[tuple[str, ...]] = ("fixation", "decision")
    stimuli: ClassVar[tuple[str, ...]] = ("decision",)
    stimulus_onset: ClassVar[str] = "decision"

    decision: float = setting(500.0, "longest duration of the stimulus, in which to respond", "ms")
