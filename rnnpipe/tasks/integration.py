"""Integration of a speed on a line: two outputs give the position, one to each side."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._speeds import BlockSpeeds, Traveller


class Position(Traveller):
    """The answer to a speed: one output gives the position where it is to the left of the start, one to the right."""

    output_names: ClassVar[tuple[str, ...]] = ("left", "right")

    gain: float = setting(0.02, "change of position at a speed of 1", "1/ms", gt=0)

    def write_target(self, target: NDArray[np.float32], conditions: Conditions, during: During) -> None:
        position = self.gain * self.travelled(conditions)
        target[..., 0], target[..., 1] = np.maximum(position, 0), np.maximum(-position, 0)


class Integration(BlockSpeeds, Position):
    """Move left or right at speeds that change at random, with pauses, and give the position.

    Blocks of constant speed last 10 ms plus an exponential of mean 22 ms, with 10 ms between them; the speed of each is
    uniform in (-1, 1).

    Reference: engellab/trainRNNbrain, task Integration.
    """

    name: ClassVar[str] = "integration"
    reference: ClassVar[str] = "engellab/trainRNNbrain"
    trials_per_update: ClassVar[int] = 256
    validation_trials: ClassVar[int] = 256

    block_gap: float = setting(10.0, "time without speed after each block", "ms", ge=0)
