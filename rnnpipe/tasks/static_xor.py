"""Static XOR: say whether two bits that are shown throughout are the same."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._regression import CategoricalTask


class StaticXor(CategoricalTask):
    """Two bits, each as one of two inputs at 1, are shown throughout: are they different?

    Periods: the decision period is from 15 ms to the end of the trial at 150 ms. There the first output should be 1 if
    the bits differ, the second one if they are the same. The loss counts in the decision period.

    Reference: engellab/trainRNNbrain, task XOR. `xor` is that of Kim, Li & Sejnowski (2019), with pulses.
    """

    name: ClassVar[str] = "static_xor"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    environment: ClassVar[str] = "StaticXOR"
    input_names: ClassVar[tuple[str, ...]] = ("first_0", "first_1", "second_0", "second_1")
    output_names: ClassVar[tuple[str, ...]] = ("different", "same")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "different", "same")
    factors: ClassVar[tuple[str, ...]] = ("first", "second")
    trials_per_update: ClassVar[int] = 256
    validation_trials: ClassVar[int] = 256

    tmax: float = setting(150.0, "duration of a trial", "ms", gt=0)
    repeats: int = setting(64, "trials of each condition in a batch", "trials", gt=0)
    fixation: float = setting(15.0, "time before the decision period, which lasts to the end", "ms")

    def variables(self) -> dict[str, Draw]:
        return {"first": Choice((0, 1)), "second": Choice((0, 1))}

    def bounds(self, conditions: Conditions) -> Bounds:
        return {"stimulus": (0.0, self.tmax), "decision": (self.fixation, self.tmax)}

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        for k, bit in enumerate(("first", "second")):
            inputs[..., 2 * k : 2 * k + 2] = np.eye(2)[np.asarray(conditions[bit], int)]

    def levels(self) -> NDArray[np.float64]:
        return np.array([[np.nan, np.nan], [1.0, 0.0], [0.0, 1.0]])

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(conditions["first"] == conditions["second"], 2, 1)

    def counted(self) -> dict[str, float]:
        return {"decision": self.grace}

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        one = np.eye(2)
        return {f"{a} xor {b}": np.concatenate([one[a], one[b]]) for a in (0, 1) for b in (0, 1)}

    def shortest_periods(self) -> dict[str, float]:
        return {"fixation": self.fixation}

    def longest(self) -> float:
        return self.fixation + self.grace + self.dt
