"""Tasks that ask whether a test matches a sample that was shown before a delay."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Rng
from rnnpipe.tasks._ring import RingTask, bump


class MatchTask(RingTask):
    """Two directions on a ring, the sample and the test, at full coherence; answer whether they match."""

    stimuli: ClassVar[tuple[str, ...]] = ("sample_stimulus", "test_stimulus")
    stimulus_onset: ClassVar[str] = "test_stimulus"
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "match", "non_match")
    validation_trials: ClassVar[int] = 500

    min_correct: float = setting(0.95, "training criterion: fraction of decisions that are correct", ge=0, le=1)

    def directions(self, conditions: Conditions) -> dict[str, NDArray[np.floating[Any]]]:
        """Angle that is shown in each of these two periods, radians, (n_trials,)."""
        raise NotImplementedError

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        for period, angle in self.directions(conditions).items():
            self.add_signals(inputs, during[period], bump(self.dim_ring, angle), rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(conditions["match"], 1, 2)
