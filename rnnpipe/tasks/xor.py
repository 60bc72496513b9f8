"""Temporal XOR: say whether two pulses had the same sign."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.tasks._base import Bounds, Conditions
from rnnpipe.tasks._draws import Choice, Draw, Rng


class Xor(AnalogTask):
    """Two pulses of +1 or -1, one in each input, with a short delay between them: were their signs the same?

    Periods: fixation 250 ms; first stimulus 250 ms; delay 50 ms; second stimulus 250 ms; 50 ms later the decision, to
    the end of the trial at 1500 ms. The output should be +1 (same) or -1 (different) for 500 ms from the start of the
    decision, 0 elsewhere. As an environment: choose "different" or "same".

    Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, SI Appendix and the authors' code.
    """

    name: ClassVar[str] = "xor"
    reference: ClassVar[str] = "Kim, Li & Sejnowski (2019) PNAS 116:22811"
    environment: ClassVar[str] = "XOR"
    input_names: ClassVar[tuple[str, ...]] = ("first", "second")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "different", "same")
    factors: ClassVar[tuple[str, ...]] = ("first", "second")
    trials_per_update: ClassVar[int] = 20
    validation_trials: ClassVar[int] = 200

    tmax: float = setting(1500.0, "duration of a trial", "ms", gt=0)
    fixation: float = setting(250.0, "time before the first stimulus", "ms")
    stimulus: float = setting(250.0, "duration of each pulse", "ms")
    delay: float = setting(50.0, "time between the pulses", "ms", ge=0)
    answer_delay: float = setting(50.0, "time between the second pulse and the decision", "ms", ge=0)
    answer_duration: float = setting(500.0, "how long the output should keep its answer", "ms")
    rate_window: float = setting(1000.0, "time from which the output of a rate network counts", "ms", ge=0)
    spiking_window: float = setting(1000.0, "time from which the output of a spiking network counts", "ms", ge=0)

    def variables(self) -> dict[str, Draw]:
        return {"first": Choice((-1, 1)), "second": Choice((-1, 1))}

    def bounds(self, conditions: Conditions) -> Bounds:
        on = self.fixation
        second = on + self.stimulus + self.delay
        answer = second + self.stimulus + self.answer_delay
        return {
            "fixation": (0.0, on),
            "stimulus": (on, on + self.stimulus),
            "second_stimulus": (second, second + self.stimulus),
            "target": (answer, answer + self.answer_duration),
            "decision": (answer, self.tmax),
        }

    def observe(
        self, inputs: NDArray[np.float32], conditions: Conditions, during: dict[str, NDArray[np.bool_]], rng: Rng
    ) -> None:
        for k, (period, name) in enumerate((("stimulus", "first"), ("second_stimulus", "second"))):
            if self.var_in > 0:
                self.add_noisy(inputs, during[period], [(k, conditions[name])], rng)
            else:
                inputs[..., k] = during[period] * conditions[name]

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(conditions["first"] == conditions["second"], 2, 1)

    def level(self, conditions: Conditions) -> NDArray[np.floating[Any]]:
        return np.where(conditions["first"] == conditions["second"], 1.0, -1.0)

    def shortest_periods(self) -> dict[str, float]:
        return {"fixation": self.fixation, "stimulus": self.stimulus, "answer_duration": self.answer_duration}

    def longest(self) -> float:
        return self.fixation + 2 * self.stimulus + self.delay + self.answer_delay + self.answer_duration
