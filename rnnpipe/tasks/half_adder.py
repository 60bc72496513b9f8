"""Half adder: the sum of two bits, and its carry if wanted."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._regression import CategoricalTask


class HalfAdder(CategoricalTask):
    """Two bits are shown throughout; the output should be their sum modulo 2 for a while, a second one the carry.

    Periods: the decision period is from 30 to 120 ms, after which outputs should be 0 until the end of the trial at
    150 ms. The loss counts from the start of the decision period on. As an environment: choose the sum, "zero" or "one"
    (modulo 2), and with `carry` also "two".

    Reference: engellab/trainRNNbrain, task HalfAdder, which has no carry.
    """

    name: ClassVar[str] = "half_adder"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    environment: ClassVar[str] = "HalfAdder"
    input_names: ClassVar[tuple[str, ...]] = ("first", "second")
    factors: ClassVar[tuple[str, ...]] = ("first", "second")
    trials_per_update: ClassVar[int] = 256
    validation_trials: ClassVar[int] = 256

    tmax: float = setting(150.0, "duration of a trial", "ms", gt=0)
    repeats: int = setting(64, "trials of each condition in a batch", "trials", gt=0)
    fixation: float = setting(30.0, "time before the decision period", "ms")
    decision: float = setting(90.0, "duration of the decision period", "ms")
    carry: bool = setting(False, "a second output for the carry")

    @property
    def output_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The sum bit, and the carry if there is one."""
        return ("sum", "carry") if self.carry else ("sum",)

    @property
    def action_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Waiting and the sums that can be told apart."""
        return ("fixate", "zero", "one", "two") if self.carry else ("fixate", "zero", "one")

    def variables(self) -> dict[str, Draw]:
        return {"first": Choice((0, 1)), "second": Choice((0, 1))}

    def bounds(self, conditions: Conditions) -> Bounds:
        off = self.fixation + self.decision
        periods = {"stimulus": (0.0, self.tmax), "decision": (self.fixation, off)}
        return {**periods, "silence": (off, self.tmax)} if off < self.tmax else periods

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        inputs[..., 0], inputs[..., 1] = conditions["first"], conditions["second"]

    def levels(self) -> NDArray[np.float64]:
        return np.array([[np.nan, np.nan], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])[
            : len(self.action_names), : self.n_outputs
        ]

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        total = np.asarray(conditions["first"], int) + np.asarray(conditions["second"], int)
        return 1 + (total if self.carry else total % 2)

    def counted(self) -> dict[str, float]:
        counted = {"decision": self.grace}
        return {**counted, "silence": 0.0} if self.fixation + self.decision < self.tmax else counted

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        return {f"{a} + {b}": np.array([a, b], float) for a in (0, 1) for b in (0, 1)}

    def shortest_periods(self) -> dict[str, float]:
        return {"fixation": self.fixation, "decision less grace": self.decision - self.grace}

    def longest(self) -> float:
        return self.fixation + self.decision
