"""Delayed comparison: which of two stimuli, one before and one after a delay, was stronger."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._periods import PeriodTask


class DelayComparison(PeriodTask):
    """Feel a vibration, remember its frequency, and say which of two was higher.

    Periods: fixation 500 ms; first stimulus 500 ms; delay 1000 ms; second stimulus 500 ms; decision 100 ms. A pair is a
    higher and a lower frequency, of which the higher comes first where `order` is +1, last where it is -1. A frequency
    f drives the one stimulus channel with (1 + (f - low) / (high - low)) / 2, low and high being the extremes of all
    pairs. An observer who compares the means over T ms of both is correct with probability
    Phi(d sqrt(T) / (sqrt(2) sigma)), d being the difference between the levels: .996 at the defaults.

    Reference: Barak, Tsodyks & Romo (2010) J Neurosci 30:9424; NeuroGym. `romo` is that of Song, Yang & Wang (2017).
    """

    name: ClassVar[str] = "delay_comparison"
    reference: ClassVar[str] = "Barak, Tsodyks & Romo (2010) J Neurosci 30:9424"
    environment: ClassVar[str] = "DelayComparison"
    input_names: ClassVar[tuple[str, ...]] = ("fixation", "stimulus")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "first_higher", "second_higher")
    periods: ClassVar[tuple[str, ...]] = ("fixation", "first_stimulus", "delay", "second_stimulus", "decision")
    stimuli: ClassVar[tuple[str, ...]] = ("first_stimulus", "second_stimulus")
    stimulus_onset: ClassVar[str] = "second_stimulus"
    factors: ClassVar[tuple[str, ...]] = ("order", "pair")
    trials_per_update: ClassVar[int] = 20
    validation_trials: ClassVar[int] = 500

    min_correct: float = setting(0.95, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: Duration = setting(500.0, "duration of fixation before the first stimulus", "ms")
    first_stimulus: Duration = setting(500.0, "duration of the first stimulus", "ms")
    delay: Duration = setting(1000.0, "time between the stimuli", "ms")
    second_stimulus: Duration = setting(500.0, "duration of the second stimulus", "ms")
    decision: float = setting(100.0, "time to choose in", "ms")
    pairs: list[list[float]] = setting(
        [[18.0, 10.0], [22.0, 14.0], [26.0, 18.0], [30.0, 22.0], [34.0, 26.0]],
        "higher and lower frequency of each pair, drawn uniformly",
        "Hz",
        min_length=1,
    )

    @field_validator("pairs")
    @classmethod
    def _higher_then_lower(cls, pairs: list[list[float]]) -> list[list[float]]:
        if not all(len(pair) == 2 and pair[0] > pair[1] for pair in pairs):
            raise ValueError("every pair must be two frequencies, the higher one first")
        return pairs

    def levels(self, conditions: Conditions) -> dict[str, NDArray[np.float64]]:
        """Level of the channel in each of the stimuli, (n_trials,)."""
        pairs = np.asarray(self.pairs)
        scaled = (1 + (pairs - pairs.min()) / (pairs.max() - pairs.min())) / 2
        higher, lower = scaled[np.asarray(conditions["pair"], int)].T
        first = np.asarray(conditions["order"]) > 0
        return {"first_stimulus": np.where(first, higher, lower), "second_stimulus": np.where(first, lower, higher)}

    def categories(self) -> dict[str, Draw]:
        return {"order": Choice((1, -1)), "pair": Choice(tuple(range(len(self.pairs))))}

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        for period, level in self.levels(conditions).items():
            self.add_signals(inputs, during[period], level[:, None], rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(np.asarray(conditions["order"]) > 0, 1, 2)
