"""Memory of a number: hold a number that was shown briefly, and give it, or its negative, at the cue."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._memory import MemoryTask
from rnnpipe.tasks._regression import write
from rnnpipe.trials import Trials


class MemoryNumber(MemoryTask):
    """A number v is shown for 10 ms at a random time; from the cue at 160 ms on the output should be gain * v.

    The input is v during the stimulus, 0 otherwise; the cue is 1 during recall. The output should be 0 before. With
    `gain` -1 it is the "anti" task. Numbers are equally spaced from `low` to `high`, both included.

    Reference: engellab/trainRNNbrain, tasks MemoryAntiNumber and MemoryNumber.
    """

    name: ClassVar[str] = "memory_number"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    output_names: ClassVar[tuple[str, ...]] = ("number",)
    factors: ClassVar[tuple[str, ...]] = ("number",)
    trials_per_update: ClassVar[int] = 352
    validation_trials: ClassVar[int] = 352

    low: float = setting(-2.0, "smallest number")
    high: float = setting(2.0, "largest number")
    n_numbers: int = setting(32, "how many numbers, equally spaced", gt=1)
    gain: Literal[1, -1] = setting(-1, "what the number is multiplied by in the answer")

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The number, the cue, and the bias if there is one."""
        return ("number", "recall", "bias") if self.bias else ("number", "recall")

    def variables(self) -> dict[str, Draw]:
        return {
            "number": Choice(tuple(np.linspace(self.low, self.high, self.n_numbers).tolist())),
            "onset": self.onset(),
        }

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        write(inputs[..., :1], during["stimulus"], np.asarray(conditions["number"], float)[:, None])
        inputs[..., 1] = during["recall"]
        inputs[..., 2:] = 1.0

    def write_target(self, target: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        write(target, during["recall"], self.gain * np.asarray(conditions["number"], float)[:, None])

    def own_scores(self, output: NDArray[np.floating[Any]], trials: Trials) -> dict[str, float]:
        """`slope` of the recalled number over the one shown; `r2_recalled`, explained variance of the right answers."""
        shown, recalled = np.asarray(trials.conditions["number"], float), self.recalled(output, trials)[:, 0]
        spread = shown - shown.mean()
        total = float(spread @ spread)
        if total == 0:
            return {"slope": float("nan"), "r2_recalled": float("nan")}
        error = recalled - self.gain * shown
        return {"slope": float(spread @ recalled) / total, "r2_recalled": 1 - float(error @ error) / total}

    def shortest_periods(self) -> dict[str, float]:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g} must be below high = {self.high:g}")
        return super().shortest_periods()
