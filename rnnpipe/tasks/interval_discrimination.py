"""Interval discrimination: which of two stimuli lasted longer?"""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng
from rnnpipe.tasks._durations import Duration, floored
from rnnpipe.tasks._periods import PeriodTask


class IntervalDiscrimination(PeriodTask):
    """See two stimuli, each for a while, and say which of them lasted longer.

    Periods: fixation 300 ms; first stimulus; delay, uniform between 800 and 1500 ms; second stimulus; second delay 500
    ms; decision 300 ms. The stimuli last any two different ones of the `intervals`: `pair` indexes the ordered pairs,
    so that neither answer is more frequent and there are no ties. Each has a channel of its own, at 1 while it is on,
    without noise unless `sigma` is set.

    Reference: Genovesio, Tsujimoto & Wise (2009) Neuron 63:254; NeuroGym, where both durations are uniform, and a
    fourth of them are equal once they are floored to a step.
    """

    name: ClassVar[str] = "interval_discrimination"
    reference: ClassVar[str] = "Genovesio, Tsujimoto & Wise (2009) Neuron 63:254"
    environment: ClassVar[str] = "IntervalDiscrimination"
    input_names: ClassVar[tuple[str, ...]] = ("fixation", "first_stimulus", "second_stimulus")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "first_longer", "second_longer")
    periods: ClassVar[tuple[str, ...]] = (
        "fixation", "first_stimulus", "delay", "second_stimulus", "second_delay", "decision",
    )  # fmt: skip
    stimuli: ClassVar[tuple[str, ...]] = ("first_stimulus", "second_stimulus")
    stimulus_onset: ClassVar[str] = "second_stimulus"
    optional: ClassVar[tuple[str, ...]] = ("fixation", "delay", "second_delay")
    factors: ClassVar[tuple[str, ...]] = ("pair",)
    trials_per_update: ClassVar[int] = 24
    validation_trials: ClassVar[int] = 500

    sigma: float = setting(0.0, "input noise; a step's SD is sigma / sqrt(dt)", "sqrt(ms)", ge=0)
    min_correct: float = setting(0.9, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: Duration = setting(300.0, "duration of fixation before the first stimulus", "ms")
    intervals: list[float] = setting(
        [300.0, 400.0, 500.0, 600.0], "durations of the stimuli, of which any two are drawn", "ms", min_length=2
    )
    delay: Duration = setting({"min": 800.0, "max": 1500.0}, "time between the stimuli", "ms")
    second_delay: Duration = setting(500.0, "time between the second stimulus and the decision", "ms")
    decision: float = setting(300.0, "time to choose in", "ms")

    @model_validator(mode="after")
    def _intervals_differ(self) -> IntervalDiscrimination:
        shown = [floored(ms, self.dt) for ms in self.intervals]
        if len(set(shown)) < len(shown):
            raise ValueError(
                f"two of the intervals are the same on a grid of dt = {self.dt:g} ms, where neither stimulus would be"
                " longer; shorten dt or change intervals"
            )
        return self

    def durations(self) -> dict[str, Duration]:
        return {p: self.intervals if p in self.stimuli else getattr(self, p) for p in self.periods}

    def derived(self, conditions: Conditions) -> dict[str, NDArray[np.floating[Any]]]:
        pairs = np.array(list(itertools.permutations(self.intervals, 2)))
        return dict(zip(self.stimuli, pairs[np.asarray(conditions["pair"], int)].T, strict=True))

    def categories(self) -> dict[str, Draw]:
        n = len(self.intervals)
        return {"pair": Choice(tuple(range(n * (n - 1))))}

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        for k, period in enumerate(self.stimuli):
            self.add_signals(inputs, during[period], np.tile(np.eye(2)[k], (inputs.shape[1], 1)), rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        first, second = self.derived(conditions).values()
        return np.where(first > second, 1, 2)
