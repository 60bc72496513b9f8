"""Detection of a noisy signal: a small, complete task to start a new one from."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, Discrimination
from rnnpipe.tasks._draws import Choice, Draw, Rng, Uniform


class YesNo(Discrimination):
    """Listen while the cue is on, then say whether there was a signal.

    Periods: fixation 300 ms; stimulus, uniform between 300 and 600 ms; decision to the end of the trial. On half of the
    trials the signal channel is at `level` during the stimulus, on the others at 0, both with noise.

    Reference: the yes-no task of Green & Swets (1966), with the trial structure of Song, Yang & Wang (2017).
    """

    name: ClassVar[str] = "_template"  # the file's name: what the configuration calls the task
    reference: ClassVar[str] = "Green & Swets (1966) Signal Detection Theory and Psychophysics"
    environment: ClassVar[str] = "YesNo"
    input_names: ClassVar[tuple[str, ...]] = ("fixation", "signal")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "absent", "present")
    factors: ClassVar[tuple[str, ...]] = ("present",)
    trials_per_update: ClassVar[int] = 10
    validation_trials: ClassVar[int] = 200

    tmax: float = setting(1500.0, "duration of a trial", "ms", gt=0)
    min_correct: float = setting(0.9, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: float = setting(300.0, "duration of fixation before the stimulus", "ms")
    stimulus_min: float = setting(300.0, "shortest stimulus", "ms")
    stimulus_max: float = setting(600.0, "upper bound of the stimulus duration", "ms")
    level: float = setting(0.5, "strength of the signal", gt=0)

    def variables(self) -> dict[str, Draw]:
        """What differs between trials, in drawing order; durations are floored to a multiple of dt."""
        return {
            "duration": Uniform(self.stimulus_min, self.stimulus_max, self.dt),
            "present": Choice((False, True)),
        }

    def bounds(self, conditions: Conditions) -> Bounds:
        """Start and end of each period, ms; "decision" is the one in which choices count."""
        off = self.fixation + conditions["duration"]
        return {"fixation": (0.0, self.fixation), "stimulus": (self.fixation, off), "decision": (off, self.tmax)}

    def observe(
        self, inputs: NDArray[np.float32], conditions: Conditions, during: dict[str, NDArray[np.bool_]], rng: Rng
    ) -> None:
        """Fill in the inputs, zeros of (time, trial, input): cues as they are, signals with noise."""
        inputs[..., 0] = during["fixation"] | during["stimulus"]
        self.add_noisy(inputs, during["stimulus"], [(1, self.level * conditions["present"])], rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        """The correct action of each trial; it earns `reward_correct`, the other choice `reward_wrong`."""
        return np.where(conditions["present"], 2, 1)

    def shortest_periods(self) -> dict[str, float]:
        """Settings that are durations: none may be shorter than a step."""
        return {"fixation": self.fixation, "stimulus": self.stimulus_min}

    def longest(self) -> float:
        """When the last period begins at the latest, plus one step, ms: it must not be after tmax."""
        return self.fixation + self.stimulus_max + self.dt
