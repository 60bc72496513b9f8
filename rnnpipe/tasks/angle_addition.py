"""Change of reference frame: add two angles, and keep the sum."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._angles import AngleTask
from rnnpipe.tasks._base import Bounds, Conditions, During
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._regression import write
from rnnpipe.trials import Trials


class AngleAddition(AngleTask):
    """See where a target is on the retina and where the head points, and give the target's direction in space.

    Periods: stimulus 20 ms, both angles; answer from 30 ms to the end of the trial at 120 ms. In the answer period the
    outputs should code the sum of the angles, modulo 360 degrees, which therefore has to be kept without input. The
    loss counts in the answer period. In the reference the target is on during the stimulus only, where its loss does
    not count.

    Reference: engellab/trainRNNbrain, task AngleAddition (ReferenceFrame).
    """

    name: ClassVar[str] = "angle_addition"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    factors: ClassVar[tuple[str, ...]] = ("retinal", "head")
    trials_per_update: ClassVar[int] = 225
    validation_trials: ClassVar[int] = 225

    tmax: float = setting(120.0, "duration of a trial", "ms", gt=0)
    encoding: Literal["cos_sin", "triangular"] = setting("triangular", "how channels code an angle")
    n_channels: int = setting(6, "channels of the triangular code, of each angle", gt=2)
    amplitude: float = setting(1.0, "largest activity of a channel", gt=0)
    stimulus: float = setting(20.0, "duration of the stimulus", "ms")
    answer_onset: float = setting(30.0, "start of the answer, which lasts to the end", "ms")
    n_angles: int = setting(15, "how many retinal and how many head angles, equally spaced", gt=1)

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Channels of the retinal angle, then of the head's."""
        return self.channel_names("retinal_") + self.channel_names("head_")

    def variables(self) -> dict[str, Draw]:
        angles = Choice(tuple((np.arange(self.n_angles) * 360.0 / self.n_angles).tolist()))
        return {"retinal": angles, "head": angles}

    def bounds(self, conditions: Conditions) -> Bounds:
        return {"stimulus": (0.0, self.stimulus), "answer": (self.answer_onset, self.tmax)}

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        code = np.concatenate([self.encode(conditions[name]) for name in ("retinal", "head")], axis=-1)
        write(inputs, during["stimulus"], code)

    def _sum(self, conditions: Conditions) -> NDArray[np.float64]:
        return np.asarray(conditions["retinal"], float) + np.asarray(conditions["head"], float)

    def write_target(self, target: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        write(target, during["answer"], self.encode(self._sum(conditions)))

    def counted(self) -> dict[str, float]:
        return {"answer": self.grace}

    def protocol_inputs(self) -> dict[str, NDArray[np.float64]]:
        zero = self.encode(0.0)
        return {"rest": np.zeros(2 * len(zero)), "both at 0 degrees": np.concatenate([zero, zero])}

    def own_scores(self, output: NDArray[np.floating[Any]], trials: Trials) -> dict[str, float]:
        """`angular_error`: median error of the sum over all steps at which the loss counts, degrees."""
        counts = trials.loss_mask
        angle = np.broadcast_to(self._sum(trials.conditions), counts.shape)
        return {"angular_error": self.angular_error(output[counts], angle[counts])}

    def shortest_periods(self) -> dict[str, float]:
        if self.stimulus > self.answer_onset:
            raise ValueError(f"the stimulus ends after answer_onset = {self.answer_onset:g} ms; make it shorter")
        return {"stimulus": self.stimulus}

    def longest(self) -> float:
        return self.answer_onset + self.grace + self.dt
