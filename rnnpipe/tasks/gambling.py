"""Gambling: choose between two options of different size and probability of reward, each shown as a color."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, TimeoutTask
from rnnpipe.tasks._draws import Choice, Draw, Rng, Uniform

PROBABILITIES = (0.1, 0.3, 0.5, 0.7, 0.9)
EXPECTED = (1.0, 1.375, 1.75, 2.125, 2.5)
"""Expected value of the five options of each probability, before scaling."""

# fmt: off
COLORS = np.array([
    [(1, 0, 1), (.75, 0, 1), (.5, .25, 1), (.25, .25, 1), (0, .5, 1)],
    [(1, 0, .75), (.75, .25, .75), (.5, .25, .75), (.25, .5, .75), (0, .5, .75)],
    [(1, .25, .5), (.75, .25, .5), (.5, .5, .5), (.25, .5, .5), (0, .75, .5)],
    [(1, .25, .25), (.75, .5, .25), (.5, .5, .25), (.25, .75, .25), (0, .75, .25)],
    [(1, .5, 0), (.75, .5, 0), (.5, .75, 0), (.25, .75, 0), (0, 1, 0)],
]).reshape(25, 3)
# fmt: on
"""Red, green and blue of each option: rows of increasing probability, within a row of increasing size."""


class Gambling(TimeoutTask):
    """See two colored options, then choose one; it pays its size with its probability, else nothing.

    Periods: fixation 250 ms; stimulus 250 ms; decision 260 ms. Options are numbered 0 to 24, five sizes of each of
    five probabilities (0.1 to 0.9) such that the expected values of each five are 1, 1.375, 1.75, 2.125 and 2.5,
    divided by `reward_scale`. What each option would pay is drawn beforehand: `left_draw` and `right_draw` are uniform
    numbers, and an option pays where its number is below its probability. A choice is correct if its expected value is
    the higher one or within `tolerance` of it.

    Reference: risk-sensitive variant of the networks of Song, Yang & Wang (2017) eLife 6:e21492.
    """

    name: ClassVar[str] = "gambling"
    reference: ClassVar[str] = "Nakazawa, Isa & Sasaki (2023), poster"
    environment: ClassVar[str] = "Gambling"
    input_names: ClassVar[tuple[str, ...]] = (
        "fixation", "left_red", "left_green", "left_blue", "right_red", "right_green", "right_blue",
    )  # fmt: skip
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "left", "right")
    factors: ClassVar[tuple[str, ...]] = ("left", "right")
    trials_per_update: ClassVar[int] = 64
    validation_trials: ClassVar[int] = 500
    random_rewards: ClassVar[bool] = True

    tmax: float = setting(760.0, "duration of a trial", "ms", gt=0)
    var_in: float = setting(0.0005, "input noise variance; a step's SD is sqrt(2 * 100 ms / dt * var_in)", ge=0)
    reward_abort: float = setting(-0.5, "reward of an action outside the decision period, which ends the trial")
    min_correct: float = setting(
        1.0, "training criterion: fraction of decisions that are correct; the original trains without one", ge=0, le=1
    )
    fixation: float = setting(250.0, "duration of fixation before the stimulus", "ms")
    stimulus: float = setting(250.0, "duration of the stimulus", "ms")
    decision: float = setting(260.0, "time to choose in, from the end of the stimulus", "ms")
    reward_scale: float = setting(2.5, "sizes are divided by this", gt=0)
    tolerance: float = setting(0.05, "expected values that differ by less, before scaling, count as equal", ge=0)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Probability of each option, (25,)."""
        return np.repeat(PROBABILITIES, len(EXPECTED))

    @property
    def expected(self) -> NDArray[np.float64]:
        """Expected reward of each option, (25,)."""
        return np.tile(EXPECTED, len(PROBABILITIES)) / self.reward_scale

    def variables(self) -> dict[str, Draw]:
        option, number = Choice(tuple(range(len(COLORS)))), Uniform(0.0, 1.0)
        return {"left": option, "right": option, "left_draw": number, "right_draw": number}

    def bounds(self, conditions: Conditions) -> Bounds:
        on, off = self.fixation, self.fixation + self.stimulus
        return {"fixation": (0.0, on), "stimulus": (on, off), "decision": (off, off + self.decision)}

    def observe(
        self, inputs: NDArray[np.float32], conditions: Conditions, during: dict[str, NDArray[np.bool_]], rng: Rng
    ) -> None:
        inputs[..., 0] = during["fixation"] | during["stimulus"]
        colors = np.concatenate([COLORS[conditions["left"]], COLORS[conditions["right"]]], axis=1)
        self.add_noisy(inputs, during["stimulus"], [(1 + k, colors[:, k]) for k in range(6)], rng)

    def judge(self, conditions: Conditions) -> tuple[NDArray[np.floating[Any]], NDArray[np.int8]]:
        options = np.stack([conditions["left"], conditions["right"]], axis=1)
        draws = np.stack([conditions["left_draw"], conditions["right_draw"]], axis=1)
        size = self.expected / self.probabilities
        paid = np.where(draws < self.probabilities[options], size[options], 0.0)
        expected = self.expected[options]
        best = (expected >= expected.max(1, keepdims=True) - self.tolerance / self.reward_scale).astype(np.int8)
        wait = np.zeros((len(options), 1))
        return np.concatenate([wait, paid], 1), np.concatenate([wait.astype(np.int8) - 1, best], 1)

    def shortest_periods(self) -> dict[str, float]:
        return {"fixation": self.fixation, "stimulus": self.stimulus, "decision": self.decision}

    def longest(self) -> float:
        return self.fixation + self.stimulus + self.decision
