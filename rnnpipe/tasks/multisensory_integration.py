"""Multisensory integration: one direction, shown by two modalities of unequal strength."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng, Uniform
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._motion import check_percentages
from rnnpipe.tasks._ring import RingChoiceTask, bump


class MultiSensoryIntegration(RingChoiceTask):
    """Watch two modalities that show the same direction, then choose that direction.

    Periods: fixation 300 ms; stimulus 750 ms; decision 100 ms. The coherence c (percent) is split at random: the first
    modality has a `share` u of it, uniform between 0 and 1, the second the rest. Each is a ring of `dim_ring` channels,
    at 0.5 + c u / 200 * cos(2 pi k / dim_ring - angle) and 0.5 + c (1 - u) / 200 * cos(...). An observer who weights
    two channels of both equally is correct with probability Phi(c / 100 * sqrt(T) / (2 sigma)) after T ms, whatever the
    share: .908 on average at the defaults. One who relies on a single modality is worse.

    Reference: Fetsch, DeAngelis & Angelaki (2013) Nat Rev Neurosci 14:429; NeuroGym. `multisensory` is that of Song,
    Yang & Wang (2017).
    """

    name: ClassVar[str] = "multisensory_integration"
    reference: ClassVar[str] = "Fetsch, DeAngelis & Angelaki (2013) Nat Rev Neurosci 14:429"
    environment: ClassVar[str] = "MultiSensoryIntegration"
    periods: ClassVar[tuple[str, ...]] = ("fixation", "stimulus", "decision")
    factors: ClassVar[tuple[str, ...]] = ("direction", "coherence")
    trials_per_update: ClassVar[int] = 20
    validation_trials: ClassVar[int] = 1000

    min_correct: float = setting(0.87, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: Duration = setting(300.0, "duration of fixation before the stimulus", "ms")
    stimulus: Duration = setting(750.0, "duration of the stimulus", "ms")
    decision: float = setting(100.0, "time to choose in", "ms")
    coherences: list[float] = setting(
        [5.0, 15.0, 50.0], "coherences of both modalities together, drawn uniformly", "percent", min_length=1
    )

    _percentages = field_validator("coherences")(check_percentages)

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The fixation cue and a ring for each modality."""
        return "fixation", *(f"modality_{m}_ring_{k + 1}" for m in (1, 2) for k in range(self.dim_ring))

    def categories(self) -> dict[str, Draw]:
        return {
            "direction": Choice(tuple(range(self.dim_ring))),
            "coherence": Choice(tuple(self.coherences)),
            "share": Uniform(0.0, 1.0),
        }

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        angle, coherence, share = self.angle(conditions["direction"]), conditions["coherence"], conditions["share"]
        levels = [bump(self.dim_ring, angle, coherence * part) for part in (share, 1 - share)]
        self.add_signals(inputs, during["stimulus"], np.concatenate(levels, axis=1), rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.asarray(conditions["direction"], int) + 1
