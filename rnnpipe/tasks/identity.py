"""Identity: outputs repeat constant inputs."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During
from rnnpipe.tasks._draws import Draw, Uniform
from rnnpipe.tasks._regression import TargetTask


class Identity(TargetTask):
    """Inputs are constant, uniform between `low` and `high`, each for itself; each output should repeat its input.

    Reference: engellab/trainRNNbrain, task Identity, whose times are free.
    """

    name: ClassVar[str] = "identity"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    trials_per_update: ClassVar[int] = 256
    validation_trials: ClassVar[int] = 256

    tmax: float = setting(60.0, "duration of a trial", "ms", gt=0)
    repeats: int = setting(256, "trials of a batch", "trials", gt=0)
    grace: float = setting(10.0, "time after the start in which the loss does not count yet", "ms", ge=0)
    n_values: int = setting(2, "number of inputs, and of outputs", gt=0)
    low: float = setting(-1.0, "smallest value")
    high: float = setting(1.0, "upper bound of the values")

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """One name for each value."""
        return tuple(f"value_{k}" for k in range(1, self.n_values + 1))

    @property
    def output_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the inputs."""
        return self.input_names

    def variables(self) -> dict[str, Draw]:
        return {name: Uniform(self.low, self.high) for name in self.input_names}

    def bounds(self, conditions: Conditions) -> Bounds:
        return {"stimulus": (0.0, self.tmax)}

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        for k, name in enumerate(self.input_names):
            inputs[..., k] = conditions[name]

    def write_target(self, target: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        self.write_inputs(target, conditions, during)

    def counted(self) -> dict[str, float]:
        return {"stimulus": self.grace}

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        levels = {"low": self.low, "middle": (self.low + self.high) / 2, "high": self.high}
        return {label: np.full(self.n_values, value) for label, value in levels.items()}

    def shortest_periods(self) -> dict[str, float]:
        return {"tmax": self.tmax}

    def longest(self) -> float:
        return self.grace + self.dt
