"""Blocked decision: give the sign of a coherence, unless a cue blocks the answer."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._motion import check_signed
from rnnpipe.tasks._regression import CategoricalTask
from rnnpipe.trials import FIXATE


class BlockDm(CategoricalTask):
    """A coherence is shown; the output should be its sign, or 0 on the trials on which the block cue is on.

    Periods: fixation 20 ms; stimulus from there to the end of the trial at 120 ms; decision from 50 ms to the end. The
    block cue is on throughout. At zero coherence the output should be 0, too. The loss counts in fixation (silence) and
    in the decision period. As an environment: choose the sign, or wait to the last step.

    Reference: engellab/trainRNNbrain, task BlockDM, whose times are free.
    """

    name: ClassVar[str] = "block_dm"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    environment: ClassVar[str] = "BlockDM"
    input_names: ClassVar[tuple[str, ...]] = ("block", "coherence")
    output_names: ClassVar[tuple[str, ...]] = ("choice",)
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "negative", "positive")
    factors: ClassVar[tuple[str, ...]] = ("coherence", "blocked")
    withholds: ClassVar[bool] = True
    trials_per_update: ClassVar[int] = 26
    validation_trials: ClassVar[int] = 260

    tmax: float = setting(120.0, "duration of a trial", "ms", gt=0)
    fixation: float = setting(20.0, "time before the stimulus, which lasts to the end", "ms")
    viewing: float = setting(30.0, "time from the start of the stimulus to the decision, which lasts to the end", "ms")
    coherences: list[float] = setting(
        [-0.8, -0.4, -0.2, -0.1, -0.05, -0.025, 0.0, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8],
        "signed coherences, from -1 to 1",
        min_length=1,
    )

    _signed = field_validator("coherences")(check_signed)

    def variables(self) -> dict[str, Draw]:
        return {"coherence": Choice(tuple(map(float, self.coherences))), "blocked": Choice((False, True))}

    def bounds(self, conditions: Conditions) -> Bounds:
        return {
            "fixation": (0.0, self.fixation),
            "stimulus": (self.fixation, self.tmax),
            "decision": (self.fixation + self.viewing, self.tmax),
        }

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        inputs[..., 0] = conditions["blocked"]
        inputs[..., 1] = during["stimulus"] * conditions["coherence"]

    def levels(self) -> NDArray[np.float64]:
        return np.array([[0.0], [-1.0], [1.0]])

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        coherence = np.where(conditions["blocked"], 0.0, conditions["coherence"])
        return np.where(coherence == 0, FIXATE, np.where(coherence > 0, 2, 1))

    def counted(self) -> dict[str, float]:
        return {"fixation": 0.0, "decision": self.grace}

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        found = {"rest": np.zeros(2), "negative": np.array([0.0, -1.0]), "positive": np.array([0.0, 1.0])}
        blocked = {f"{label}, blocked": u + [1.0, 0.0] for label, u in found.items()}
        return found | blocked

    def shortest_periods(self) -> dict[str, float]:
        return {"fixation": self.fixation, "viewing": self.viewing}

    def longest(self) -> float:
        return self.fixation + self.viewing + self.grace + self.dt
