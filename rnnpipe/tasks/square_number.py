"""Square: the output is the square of a constant input."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._regression import TargetTask


class SquareNumber(TargetTask):
    """A number is shown throughout, beside an input that is 1; the output should be its square.

    Numbers are equally spaced from `low` to `high`, both included.

    Reference: engellab/trainRNNbrain, task SquareNumber, whose times are free.
    """

    name: ClassVar[str] = "square_number"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    input_names: ClassVar[tuple[str, ...]] = ("number", "bias")
    output_names: ClassVar[tuple[str, ...]] = ("square",)
    factors: ClassVar[tuple[str, ...]] = ("number",)
    trials_per_update: ClassVar[int] = 256
    validation_trials: ClassVar[int] = 256

    tmax: float = setting(60.0, "duration of a trial", "ms", gt=0)
    grace: float = setting(10.0, "time after the start in which the loss does not count yet", "ms", ge=0)
    low: float = setting(-1.0, "smallest number")
    high: float = setting(1.0, "largest number")
    n_numbers: int = setting(256, "how many numbers, equally spaced", gt=1)

    def variables(self) -> dict[str, Draw]:
        return {"number": Choice(tuple(np.linspace(self.low, self.high, self.n_numbers).tolist()))}

    def bounds(self, conditions: Conditions) -> Bounds:
        return {"stimulus": (0.0, self.tmax)}

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        inputs[..., 0], inputs[..., 1] = conditions["number"], 1.0

    def write_target(self, target: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        target[..., 0] = np.square(np.asarray(conditions["number"], float))

    def counted(self) -> dict[str, float]:
        return {"stimulus": self.grace}

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        return {f"number={v:g}": np.array([v, 1.0]) for v in (self.low, (self.low + self.high) / 2, self.high)}

    def shortest_periods(self) -> dict[str, float]:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g} must be below high = {self.high:g}")
        return {"tmax": self.tmax}

    def longest(self) -> float:
        return self.grace + self.dt
