"""Context-dependent integration with a continuous output: a cue says which of two noisy inputs to integrate."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.tasks._base import Bounds, Conditions
from rnnpipe.tasks._draws import Choice, Draw, Fixed, Rng


class ContextIntegration(AnalogTask):
    """Two noisy inputs of mean +0.5 or -0.5 at once; give the sign of the one that the context names.

    Periods: fixation 250 ms; stimulus 1000 ms, white noise of SD 1 a step (of 5 ms) around the means; decision to the
    end of the trial at 2500 ms. The context's input is 1 throughout the trial. The output should be the sign, +1 or -1,
    from the end of the stimulus on. As an environment: choose "negative" or "positive". It is the task `mante` of the
    authors' code; `mante` here is that of Song, Yang & Wang (2017). A data set may give each input other offsets
    (`conditions: {offset_1: [0.1, 0.5]}`), which networks were not trained on.

    Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Fig. 3; after Mante, Sussillo, Shenoy & Newsome (2013).
    """

    name: ClassVar[str] = "context_integration"
    reference: ClassVar[str] = "Kim, Li & Sejnowski (2019) PNAS 116:22811"
    environment: ClassVar[str] = "ContextIntegration"
    input_names: ClassVar[tuple[str, ...]] = ("modality_1", "modality_2", "context_1", "context_2")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "negative", "positive")
    factors: ClassVar[tuple[str, ...]] = ("context", "sign_1", "sign_2")
    trials_per_update: ClassVar[int] = 40
    validation_trials: ClassVar[int] = 400

    tmax: float = setting(2500.0, "duration of a trial", "ms", gt=0)
    var_in: float = setting(0.025, "input noise variance; a step's SD is sqrt(2 * 100 ms / dt * var_in)", ge=0)
    fixation: float = setting(250.0, "time before the stimulus", "ms")
    stimulus: float = setting(1000.0, "duration of the stimulus", "ms")
    offset: float = setting(0.5, "mean of the inputs, to either side, unless a data set gives others", gt=0)
    rate_window: float = setting(1495.0, "time from which the output of a rate network counts", "ms", ge=0)
    spiking_window: float = setting(1300.0, "time from which the output of a spiking network counts", "ms", ge=0)

    def variables(self) -> dict[str, Draw]:
        drawn = {"sign_1": Choice((-1, 1)), "sign_2": Choice((-1, 1)), "context": Choice((1, 2))}
        return {**drawn, "offset_1": Fixed(self.offset), "offset_2": Fixed(self.offset)}

    def bounds(self, conditions: Conditions) -> Bounds:
        on, off = self.fixation, self.fixation + self.stimulus
        return {"fixation": (0.0, on), "stimulus": (on, off), "target": (off, self.tmax), "decision": (off, self.tmax)}

    def observe(
        self, inputs: NDArray[np.float32], conditions: Conditions, during: dict[str, NDArray[np.bool_]], rng: Rng
    ) -> None:
        for k in (1, 2):
            inputs[..., 1 + k] = conditions["context"] == k
        channels = [(k - 1, conditions[f"offset_{k}"] * conditions[f"sign_{k}"]) for k in (1, 2)]
        self.add_noisy(inputs, during["stimulus"], channels, rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(self.level(conditions) > 0, 2, 1)

    def level(self, conditions: Conditions) -> NDArray[np.floating[Any]]:
        first = np.asarray(conditions["context"]) == 1
        return np.where(first, conditions["sign_1"], conditions["sign_2"]).astype(float)

    def shortest_periods(self) -> dict[str, float]:
        return {"fixation": self.fixation, "stimulus": self.stimulus}

    def longest(self) -> float:
        return self.fixation + self.stimulus + self.dt
