"""Go-NoGo: answer a pulse, stay silent without one."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.tasks._base import Bounds, Conditions
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.trials import FIXATE


class GoNogo(AnalogTask):
    """Answer once a pulse has ended; on half of the trials there is none, and nothing should happen.

    Periods: fixation 250 ms; stimulus 125 ms, an input of 1 on Go trials, 0 on NoGo trials; decision to the end of the
    trial at 1000 ms. The output should be 1 from the end of the pulse on Go trials and 0 throughout on NoGo trials. As
    an environment: action "go" in the decision period is the answer; waiting to the last step withholds it, which is
    correct on NoGo trials.

    Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Fig. 1, and the authors' code.
    """

    name: ClassVar[str] = "go_nogo"
    reference: ClassVar[str] = "Kim, Li & Sejnowski (2019) PNAS 116:22811"
    environment: ClassVar[str] = "GoNogo"
    input_names: ClassVar[tuple[str, ...]] = ("pulse",)
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "go")
    factors: ClassVar[tuple[str, ...]] = ("go",)
    withholds: ClassVar[bool] = True
    trials_per_update: ClassVar[int] = 20
    validation_trials: ClassVar[int] = 200

    tmax: float = setting(1000.0, "duration of a trial", "ms", gt=0)
    fixation: float = setting(250.0, "time before the stimulus", "ms")
    stimulus: float = setting(125.0, "duration of the pulse", "ms")
    threshold_nogo: float = setting(0.3, "an output that stays below it is no answer", gt=0)
    rate_window: float = setting(375.0, "time from which the output of a rate network counts", "ms", ge=0)
    spiking_window: float = setting(500.0, "time from which the output of a spiking network counts", "ms", ge=0)

    def variables(self) -> dict[str, Draw]:
        return {"go": Choice((False, True))}

    def bounds(self, conditions: Conditions) -> Bounds:
        on, off = self.fixation, self.fixation + self.stimulus
        return {"fixation": (0.0, on), "stimulus": (on, off), "target": (off, self.tmax), "decision": (off, self.tmax)}

    def observe(
        self, inputs: NDArray[np.float32], conditions: Conditions, during: dict[str, NDArray[np.bool_]], rng: Rng
    ) -> None:
        pulse = during["stimulus"]
        if self.var_in > 0:
            self.add_noisy(inputs, pulse, [(0, conditions["go"] * 1.0)], rng)
        else:
            inputs[..., 0] = pulse & conditions["go"]

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(conditions["go"], 1, FIXATE)

    def judge(self, conditions: Conditions) -> tuple[NDArray[np.floating[Any]], NDArray[np.int8]]:
        go = np.asarray(conditions["go"], bool)
        correct = np.stack([~go, go], axis=1).astype(np.int8)
        return np.where(correct == 1, self.reward_correct, self.reward_wrong), correct

    def level(self, conditions: Conditions) -> NDArray[np.floating[Any]]:
        return np.asarray(conditions["go"], dtype=float)

    def output_correct(
        self, conditions: Conditions, highest: NDArray[Any], lowest: NDArray[Any], spiking: bool = False
    ) -> NDArray[np.bool_]:
        """See `AnalogTask`; on NoGo trials a rate network's output must stay small to both sides."""
        largest = highest if spiking else np.maximum(highest, -lowest)
        return np.where(conditions["go"], highest > self.threshold, largest < self.threshold_nogo)

    def shortest_periods(self) -> dict[str, float]:
        return {"fixation": self.fixation, "stimulus": self.stimulus}

    def longest(self) -> float:
        return self.fixation + self.stimulus + self.dt

    @model_validator(mode="after")
    def _thresholds_are_ordered(self) -> GoNogo:
        if self.threshold_nogo >= self.threshold:
            raise ValueError(
                f"threshold_nogo = {self.threshold_nogo:g} must be below threshold = {self.threshold:g}, or one output"
                " would be an answer and none"
            )
        return self
