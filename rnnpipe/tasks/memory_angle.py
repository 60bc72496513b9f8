"""Memory of an angle: hold an angle that was shown briefly, and give it, or its opposite, at the cue."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._angles import AngleTask
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw
from rnnpipe.tasks._memory import MemoryTask
from rnnpipe.tasks._regression import write
from rnnpipe.trials import Trials


class MemoryAngle(MemoryTask, AngleTask):
    """An angle is shown for 10 ms at a random time; from the cue at 160 ms on the outputs should code angle + offset.

    Inputs code the angle during the stimulus and are 0 otherwise; the cue is 1 during recall. Outputs should be 0
    before. With `offset` 180 it is the "anti" task. Angles are equally spaced on the circle.

    Reference: engellab/trainRNNbrain, tasks MemoryAntiAngle and MemoryAngle; related to Driscoll, Shenoy & Sussillo
    (2024) Nat Neurosci 27:1349.
    """

    name: ClassVar[str] = "memory_angle"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    factors: ClassVar[tuple[str, ...]] = ("angle",)
    trials_per_update: ClassVar[int] = 396
    validation_trials: ClassVar[int] = 396

    n_angles: int = setting(36, "how many angles, equally spaced", gt=1)
    offset: float = setting(180.0, "angle that is added in the answer", "degrees", ge=0, lt=360)

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The channels of the angle, the bias if there is one, and the cue."""
        return (*self.channel_names(), *(("bias",) if self.bias else ()), "recall")

    def variables(self) -> dict[str, Draw]:
        angles = np.arange(self.n_angles) * 360.0 / self.n_angles
        return {"angle": Choice(tuple(angles.tolist())), "onset": self.onset()}

    def write_inputs(self, inputs: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        write(inputs[..., : self.n_outputs], during["stimulus"], self.encode(conditions["angle"]))
        inputs[..., self.n_outputs :] = 1.0
        inputs[..., -1] = during["recall"]

    def _answer(self, conditions: Conditions) -> NDArray[np.float64]:
        return np.asarray(conditions["angle"], float) + self.offset

    def write_target(self, target: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        write(target, during["recall"], self.encode(self._answer(conditions)))

    def own_scores(self, output: NDArray[np.floating[Any]], trials: Trials) -> dict[str, float]:
        """`angular_error`: median error of the recalled angle over trials, degrees."""
        return {"angular_error": self.angular_error(self.recalled(output, trials), self._answer(trials.conditions))}
