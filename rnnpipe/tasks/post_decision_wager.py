"""Post-decision wagering in consecutive periods."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator, model_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, If, Rng
from rnnpipe.tasks._durations import Duration, drawn, ends
from rnnpipe.tasks._motion import check_percentages
from rnnpipe.tasks._periods import PeriodTask
from rnnpipe.tasks._ring import bump
from rnnpipe.tasks._sure import WagerTask


class PostDecisionWagerNeuroGym(WagerTask, PeriodTask):
    """Watch noisy evidence, wait, then answer, or, where it is offered, take the sure option.

    Periods: fixation 100 ms; stimulus, truncated exponential (mean parameter 180 ms, 100-900 ms); delay, truncated
    exponential (mean parameter 1350 ms, 1200-1800 ms); decision 100 ms. The channel of the true side is at
    (1 + coherence / 100) / 2 in the stimulus, the other one at (1 - coherence / 100) / 2. On wager trials, half of all,
    the sure target appears `sure_onset` ms (uniform between 500 and 750) after the stimulus and stays on, without
    noise. The ideal observer of the evidence is correct on .788 of the trials, and takes the sure option, where it is
    offered, if it is less certain than `reward_sure`.

    Reference: Kiani & Shadlen (2009) Science 324:759; NeuroGym, where the left side is never rewarded and sure pays
    what it says only after a correct answer is scaled. `postdecisionwager` is that of Song, Yang & Wang (2017).
    """

    name: ClassVar[str] = "post_decision_wager"
    reference: ClassVar[str] = "Kiani & Shadlen (2009) Science 324:759"
    environment: ClassVar[str] = "PostDecisionWagerNeuroGym"
    periods: ClassVar[tuple[str, ...]] = ("fixation", "stimulus", "delay", "decision")
    factors: ClassVar[tuple[str, ...]] = ("wager", "side", "coherence")
    trials_per_update: ClassVar[int] = 24
    validation_trials: ClassVar[int] = 1200

    min_correct: float = setting(0.75, "training criterion: fraction of left and right choices correct", ge=0, le=1)
    coherences: list[float] = setting(
        [0.0, 3.2, 6.4, 12.8, 25.6, 51.2], "coherences, drawn uniformly", "percent", min_length=1
    )
    fixation: Duration = setting(100.0, "duration of fixation before the stimulus", "ms")
    stimulus: Duration = setting({"mean": 180.0, "min": 100.0, "max": 900.0}, "duration of the stimulus", "ms")
    delay: Duration = setting({"mean": 1350.0, "min": 1200.0, "max": 1800.0}, "time before the decision", "ms")
    sure_onset: Duration = setting(
        {"min": 500.0, "max": 750.0}, "onset of the sure target, from the end of the stimulus", "ms"
    )
    decision: float = setting(100.0, "time to choose in", "ms")

    _percentages = field_validator("coherences")(check_percentages)

    def categories(self) -> dict[str, Draw]:
        sure = If("wager", drawn(self.sure_onset, self.dt), min(ends(self.sure_onset)))
        return {
            "wager": Choice((True, False)),
            "sure_onset": sure,
            "side": Choice((-1, 1)),
            "coherence": Choice(tuple(map(float, self.coherences))),
        }

    def bounds(self, conditions: Conditions) -> Bounds:
        """Start and end of each period, ms; the sure target is on in "sure", on wager trials."""
        bounds = super().bounds(conditions)
        return {**bounds, "sure": (bounds["delay"][0] + conditions["sure_onset"], bounds["decision"][1])}

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        angle = np.pi * (self.answer(conditions) - 1)
        self.add_signals(inputs[..., :3], during["stimulus"], bump(2, angle, conditions["coherence"]), rng)
        inputs[..., 3] = during["sure"] & conditions["wager"]

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(conditions["side"] > 0, 2, 1)

    @model_validator(mode="after")
    def _sure_target_is_in_time(self) -> PostDecisionWagerNeuroGym:
        latest, earliest = max(ends(self.sure_onset)), min(ends(self.delay))
        if latest > earliest:
            raise ValueError(
                f"the sure target can appear {latest:g} ms after the stimulus (sure_onset), when the delay can be over"
                f" after {earliest:g} ms (delay); it must appear during the delay"
            )
        return self
