"""Integration of an angular velocity: outputs code the heading."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._angles import AngleTask
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._speeds import BlockSpeeds, Traveller
from rnnpipe.trials import Trials


class Heading(Traveller, AngleTask):
    """The answer to a speed: outputs code the angle that it has turned by since the start, which is at 0 degrees."""

    encoding: Literal["cos_sin", "triangular"] = setting("triangular", "how channels code an angle")
    amplitude: float = setting(1.0, "largest activity of a channel", gt=0)
    gain: float = setting(0.15, "change of the angle at a speed of 1", "radians/ms", gt=0)

    def turned(self, conditions: Conditions) -> NDArray[np.float64]:
        """Angle turned by, degrees, positive to the left, (n_steps, n_trials)."""
        return np.asarray(np.rad2deg(self.gain * self.travelled(conditions)))

    def write_target(self, target: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        target[:] = self.encode(self.turned(conditions))

    def own_scores(self, output: NDArray[np.floating[Any]], trials: Trials) -> dict[str, float]:
        """`angular_error`: median error of the angle over all steps at which the loss counts, degrees."""
        counts = trials.loss_mask
        angle = self.turned(trials.conditions)
        return {"angular_error": self.angular_error(output[counts], angle[counts])}


class AngleIntegration(BlockSpeeds, Heading):
    """Turn left or right at speeds that change at random, and code the angle turned by.

    Blocks of constant speed last 10 ms plus an exponential of mean 22 ms, a tenth of the trial; the speed of each is
    uniform in (-1, 1), and turns by 0.15 radians a millisecond at 1.

    Reference: engellab/trainRNNbrain, task AngleIntegration.
    """

    name: ClassVar[str] = "angle_integration"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    trials_per_update: ClassVar[int] = 256
    validation_trials: ClassVar[int] = 256
