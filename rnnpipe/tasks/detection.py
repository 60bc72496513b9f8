"""Detection: go as soon as there is a signal, and not before."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng, Uniform
from rnnpipe.tasks._durations import Duration, ends, floored
from rnnpipe.tasks._periods import CueScheme, PeriodTask
from rnnpipe.trials import FIXATE


class Detection(PeriodTask):
    """Listen to noise, and go as soon as there is a signal in it; on half of the trials there is none.

    Periods: fixation 500 ms; stimulus, truncated exponential (mean parameter 1000 ms, 500-1500 ms), with whose end the
    trial ends. The channel has noise throughout the stimulus, and on trials with a signal it is raised by `level` for
    `signal` ms. The signal begins at random: at `place` (0 to 1) between the first and the last step at which all of it
    is still within the stimulus. The decision period is from its onset on, and without a signal all of the stimulus. To
    go before the signal or without one earns `reward_wrong`; to wait to the end is correct without a signal, earning
    `reward_correct`, and else a miss, earning `reward_timeout`. Reaction times are from the onset of the signal.

    Reference: the yes-no task of Green & Swets (1966) at uncertain times; NeuroGym, where hits alone count.
    """

    name: ClassVar[str] = "detection"
    reference: ClassVar[str] = "Green & Swets (1966) Signal Detection Theory and Psychophysics"
    environment: ClassVar[str] = "Detection"
    input_names: ClassVar[tuple[str, ...]] = ("fixation", "signal")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "go")
    periods: ClassVar[tuple[str, ...]] = ("fixation", "stimulus")
    early: ClassVar[tuple[str, ...]] = ("stimulus",)
    stimulus_onset: ClassVar[str] = "decision"
    factors: ClassVar[tuple[str, ...]] = ("present",)
    withholds: ClassVar[bool] = True
    trials_per_update: ClassVar[int] = 20
    validation_trials: ClassVar[int] = 500

    reward_wrong: float = setting(-1.0, "reward of going before the signal, or without one")
    reward_timeout: float = setting(-1.0, "reward of a miss: waiting to the end of a trial with a signal")
    min_correct: float = setting(0.9, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation_until: CueScheme = setting(
        "fixation", "fixation cue is on in the fixation period (fixation, or decision) or all the time (stimulus)"
    )
    fixation: Duration = setting(500.0, "duration of fixation before the noise", "ms")
    stimulus: Duration = setting(
        {"mean": 1000.0, "min": 500.0, "max": 1500.0}, "duration of the noise in which there may be a signal", "ms"
    )
    signal: float = setting(100.0, "duration of the signal", "ms", gt=0)
    level: float = setting(0.5, "strength of the signal", gt=0)

    def categories(self) -> dict[str, Draw]:
        return {"present": Choice((False, True)), "place": Uniform(0.0, 1.0)}

    def bounds(self, conditions: Conditions) -> Bounds:
        """Start and end of each period, ms; the decision period begins with the signal; see `PeriodTask`."""
        bounds = super().bounds(conditions)
        on, off = (np.asarray(x) for x in bounds["stimulus"])
        last = np.maximum(off - on - floored(self.signal, self.dt), 0)
        onset = np.floor(np.asarray(conditions["place"]) * (last / self.dt + 1)) * self.dt
        onset = np.where(conditions["present"], np.minimum(onset, last), 0)
        return {**bounds, "decision": (on + onset, off)}

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        self.add_signals(inputs, during["stimulus"], np.zeros((inputs.shape[1], 1)), rng)
        since = np.cumsum(during["decision"], axis=0)
        there = during["decision"] & (since <= self.steps(floored(self.signal, self.dt)))
        inputs[..., 1] += self.level * (there & np.asarray(conditions["present"], bool))

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(conditions["present"], 1, FIXATE)

    def shortest_periods(self) -> dict[str, float]:
        return {**super().shortest_periods(), "signal": self.signal}

    @model_validator(mode="after")
    def _signal_fits(self) -> Detection:
        shortest = min(ends(self.stimulus))
        if self.signal > shortest:
            raise ValueError(f"signal = {self.signal:g} ms is longer than the shortest stimulus ({shortest:g} ms)")
        return self
