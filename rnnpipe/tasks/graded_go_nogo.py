"""Graded Go-NoGo: answer at the cue if a number is large enough, stay silent otherwise."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._regression import CategoricalTask
from rnnpipe.trials import FIXATE


class GradedGoNogo(CategoricalTask):
    """A number is shown throughout; from the cue on the output should be 1 if it is above a threshold, 0 otherwise.

    Periods: silence 30 ms; decision, with the cue on, to the end of the trial at 60 ms. Numbers are equally spaced from
    0 to 1. A third input is 1 throughout. The loss counts from `grace` on in either period. As an environment: action
    "go" in the decision period, or waiting to the last step.

    Reference: engellab/trainRNNbrain, task GoNoGo. `go_nogo` is that of Kim, Li & Sejnowski (2019).
    """

    name: ClassVar[str] = "graded_go_nogo"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    environment: ClassVar[str] = "GradedGoNogo"
    input_names: ClassVar[tuple[str, ...]] = ("number", "cue", "bias")
    output_names: ClassVar[tuple[str, ...]] = ("go",)
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "go")
    factors: ClassVar[tuple[str, ...]] = ("number",)
    withholds: ClassVar[bool] = True
    trials_per_update: ClassVar[int] = 256
    validation_trials: ClassVar[int] = 256

    tmax: float = setting(60.0, "duration of a trial", "ms", gt=0)
    grace: float = setting(10.0, "time after the start and after the cue in which the loss does not count", "ms", ge=0)
    fixation: float = setting(30.0, "time before the cue", "ms")
    n_numbers: int = setting(256, "how many numbers, equally spaced from 0 to 1", gt=1)
    threshold: float = setting(0.5, "the answer is go above it", gt=0, lt=1)

    def variables(self) -> dict[str, Draw]:
        return {"number": Choice(tuple(np.linspace(0.0, 1.0, self.n_numbers).tolist()))}

    def bounds(self, conditions: Conditions) -> Bounds:
        return {
            "stimulus": (0.0, self.tmax),
            "silence": (0.0, self.fixation),
            "decision": (self.fixation, self.tmax),
        }

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        inputs[..., 0] = conditions["number"]
        inputs[..., 1] = during["decision"]
        inputs[..., 2] = 1.0

    def levels(self) -> NDArray[np.float64]:
        return np.array([[0.0], [1.0]])

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(np.asarray(conditions["number"]) > self.threshold, 1, FIXATE)

    def counted(self) -> dict[str, float]:
        return {"silence": self.grace, "decision": self.grace}

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        levels = (0.0, self.threshold, 1.0)
        silent = {f"number={v:g}": np.array([v, 0.0, 1.0]) for v in levels}
        return silent | {f"number={v:g}, cue": np.array([v, 1.0, 1.0]) for v in levels}

    def shortest_periods(self) -> dict[str, float]:
        return {"fixation less grace": self.fixation - self.grace}

    def longest(self) -> float:
        return self.fixation + self.grace + self.dt
