"""Probabilistic reasoning: which of two targets do four shapes make more likely to be rewarded?"""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Conditions, During
from rnnpipe.tasks._draws import Choice, Draw, Rng, Uniform
from rnnpipe.tasks._durations import Duration
from rnnpipe.tasks._periods import PeriodTask

ORDERS = np.array(list(itertools.permutations(range(4))))
"""Location of the first to the last shape, for each value of the condition `order`."""


class ProbabilisticReasoning(PeriodTask):
    """See four shapes one after the other, add up their weights, then choose the target that they speak for.

    Periods: fixation 500 ms; first to fourth shape 500 ms each; delay, uniform between 450 and 550 ms; decision 500 ms.
    A shape appears in its period at a location that is still free and stays until the delay. Each location has a
    channel for each shape, at 1 while it is there, without noise unless `sigma` is set; `order` indexes the 24 orders
    of the locations. The shapes `first` to `fourth` are drawn independently, and the second choice is the rewarded one
    with probability 1 / (1 + 10**-w), w being the sum of their weights: where the uniform number `reward_draw` is below
    it. The best that can be done is to choose by the sign of w, which is correct on .916 of the trials at the defaults.
    Acting at any time before the decision costs `reward_abort`.

    Reference: Yang & Shadlen (2007) Nature 447:1075; NeuroGym.
    """

    name: ClassVar[str] = "probabilistic_reasoning"
    reference: ClassVar[str] = "Yang & Shadlen (2007) Nature 447:1075"
    environment: ClassVar[str] = "ProbabilisticReasoning"
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "choice_1", "choice_2")
    periods: ClassVar[tuple[str, ...]] = (
        "fixation", "first_shape", "second_shape", "third_shape", "fourth_shape", "delay", "decision",
    )  # fmt: skip
    stimuli: ClassVar[tuple[str, ...]] = ("first_shape", "second_shape", "third_shape", "fourth_shape")
    stimulus_onset: ClassVar[str] = "first_shape"
    waiting: ClassVar[tuple[str, ...]] = ("fixation", *stimuli, "delay")
    factors: ClassVar[tuple[str, ...]] = ("first", "second")
    trials_per_update: ClassVar[int] = 40
    validation_trials: ClassVar[int] = 1000

    sigma: float = setting(0.0, "input noise; a step's SD is sigma / sqrt(dt)", "sqrt(ms)", ge=0)
    min_correct: float = setting(0.87, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: Duration = setting(500.0, "duration of fixation before the first shape", "ms")
    first_shape: Duration = setting(500.0, "time from the first to the second shape", "ms")
    second_shape: Duration = setting(500.0, "time from the second to the third shape", "ms")
    third_shape: Duration = setting(500.0, "time from the third to the fourth shape", "ms")
    fourth_shape: Duration = setting(500.0, "time from the fourth shape to the delay", "ms")
    delay: Duration = setting({"min": 450.0, "max": 550.0}, "time between the last shape and the decision", "ms")
    decision: float = setting(500.0, "time to choose in", "ms")
    weights: list[float] = setting(
        [-10.0, -0.9, -0.7, -0.5, -0.3, 0.3, 0.5, 0.7, 0.9, 10.0],
        "weight of each shape: log10 of the odds of the second choice",
        min_length=2,
    )

    @property
    def input_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The fixation cue and, for each of four locations, a channel for each shape."""
        n = len(self.weights)
        return "fixation", *(f"location_{place + 1}_shape_{k + 1}" for place in range(4) for k in range(n))

    def categories(self) -> dict[str, Draw]:
        shapes = Choice(tuple(range(len(self.weights))))
        drawn = dict.fromkeys(("first", "second", "third", "fourth"), shapes)
        return {**drawn, "order": Choice(tuple(range(len(ORDERS)))), "reward_draw": Uniform(0.0, 1.0)}

    def shapes(self, conditions: Conditions) -> NDArray[np.int64]:
        """Index of each shape, in the order of their appearance, (n_trials, 4)."""
        return np.stack([np.asarray(conditions[which], int) for which in ("first", "second", "third", "fourth")], 1)

    def probability(self, conditions: Conditions) -> NDArray[np.float64]:
        """Probability that the second choice is the correct one, given the shapes, (n_trials,)."""
        odds = np.asarray(self.weights)[self.shapes(conditions)].sum(1)
        p: NDArray[np.float64] = 1 / (1 + 10.0**-odds)
        return p

    def show(self, inputs: NDArray[np.float32], conditions: Conditions, during: During, rng: Rng) -> None:
        n = len(self.weights)
        channel = n * ORDERS[np.asarray(conditions["order"], int)] + self.shapes(conditions)
        level = np.zeros((inputs.shape[1], 4 * n))
        for period, there in zip(self.stimuli, channel.T, strict=True):
            level[np.arange(len(level)), there] = 1
            self.add_signals(inputs, during[period], level, rng)

    def answer(self, conditions: Conditions) -> NDArray[Any]:
        return np.where(np.asarray(conditions["reward_draw"]) < self.probability(conditions), 2, 1)
