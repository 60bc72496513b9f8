"""Economic choice between offers of two juices."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from rnnpipe.settings import setting
from rnnpipe.tasks._base import Bounds, Conditions, TimeoutTask
from rnnpipe.tasks._draws import Choice, Draw, Rng, Uniform


def offer_name(n_b: int, n_a: int) -> str:
    """An offer as a label: n_b drops of juice B against n_a of juice A."""
    return f"{n_b}B:{n_a}A"


class PadoaSchioppa2006(TimeoutTask):
    """See on each side which juice is offered and how much of it, then choose a side.

    Periods: fixation 750 ms; offer, uniform between 1000 and 2000 ms; decision to the end of the trial. During the
    offer the juice of each side is a 1 on its own channel, and the amount n drives the side's amount channel with n/5
    plus noise. `juices` names the juice of the left and of the right side. A drop of B earns `reward_b`, a drop of A
    `value_ratio` times as much; a choice is correct if it earns at least what the other would have.

    Reference: Song, Yang & Wang (2017) eLife 6:e21492, Fig. 4; after Padoa-Schioppa & Assad (2006).
    """

    name: ClassVar[str] = "padoaschioppa2006"
    reference: ClassVar[str] = "Song, Yang & Wang (2017) eLife 6:e21492"
    environment: ClassVar[str] = "PadoaSchioppa2006"
    input_names: ClassVar[tuple[str, ...]] = ("fixation", "left_a", "left_b", "right_a", "right_b", "n_left", "n_right")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "left", "right")
    factors: ClassVar[tuple[str, ...]] = ("juices", "offer")
    trials_per_update: ClassVar[int] = 18
    validation_trials: ClassVar[int] = 900
    stimulus_onset: ClassVar[str] = "offer"

    tmax: float = setting(3500.0, "duration of a trial", "ms", gt=0)
    var_in: float = setting(0.001, "input noise variance; a step's SD is sqrt(2 * 100 ms / dt * var_in)", ge=0)
    min_correct: float = setting(0.95, "training criterion: fraction of decisions that are correct", ge=0, le=1)
    fixation: float = setting(750.0, "duration of fixation before the offer", "ms")
    offer_min: float = setting(1000.0, "shortest offer", "ms")
    offer_max: float = setting(2000.0, "upper bound of the offer's duration", "ms")
    offers: list[tuple[int, int]] = setting(
        [(0, 1), (1, 3), (1, 2), (1, 1), (2, 1), (3, 1), (4, 1), (6, 1), (2, 0)],
        "drops of B and of A in each offer, drawn uniformly",
        min_length=1,
    )
    value_ratio: float = setting(2.2, "what a drop of A is worth, in drops of B", gt=0)
    reward_b: float = setting(0.1, "reward of a drop of B", gt=0)
    amount_scale: float = setting(5.0, "amount that drives an input with 1", "drops", gt=0)

    # strict settings take no list for a tuple, which is all that YAML and JSON have
    @field_validator("offers", mode="before")
    @classmethod
    def _pairs(cls, offers: Any) -> Any:
        if not isinstance(offers, list):
            return offers
        pairs = [tuple(o) if isinstance(o, list) else o for o in offers]
        if any(
            isinstance(o, tuple) and len(o) == 2 and all(isinstance(n, int) for n in o) and min(o) < 0 for o in pairs
        ):
            raise ValueError("amounts cannot be negative")
        if len(set(pairs)) < len(pairs):
            raise ValueError("an offer stands there twice")
        return pairs

    def variables(self) -> dict[str, Draw]:
        return {
            "duration": Uniform(self.offer_min, self.offer_max, self.dt),
            "juices": Choice(("AB", "BA")),
            "offer": Choice(tuple(offer_name(*offer) for offer in self.offers)),
        }

    def amounts(self, offer: NDArray[Any]) -> NDArray[np.int64]:
        """Drops of B and of A of offers given by name, (n, 2)."""
        table = {offer_name(*amounts): amounts for amounts in self.offers}
        return np.array([table[str(name)] for name in offer]).reshape(-1, 2)

    def bounds(self, conditions: Conditions) -> Bounds:
        off = self.fixation + conditions["duration"]
        return {"fixation": (0.0, self.fixation), "offer": (self.fixation, off), "decision": (off, self.tmax)}

    def _sides(self, conditions: Conditions) -> tuple[NDArray[np.bool_], NDArray[Any], NDArray[Any]]:
        """Whether A is on the left, and the drops on the left and on the right."""
        n_b, n_a = self.amounts(conditions["offer"]).T
        a_left = conditions["juices"] == "AB"
        return a_left, np.where(a_left, n_a, n_b), np.where(a_left, n_b, n_a)

    def observe(
        self, inputs: NDArray[np.float32], conditions: Conditions, during: dict[str, NDArray[np.bool_]], rng: Rng
    ) -> None:
        a_left, left, right = self._sides(conditions)
        inputs[..., 0] = during["fixation"] | during["offer"]
        for channel, on in ((1, a_left), (2, ~a_left), (3, ~a_left), (4, a_left)):
            inputs[..., channel] = during["offer"] & on
        levels = [(5, left / self.amount_scale), (6, right / self.amount_scale)]
        self.add_noisy(inputs, during["offer"], levels, rng)

    def judge(self, conditions: Conditions) -> tuple[NDArray[np.floating[Any]], NDArray[np.int8]]:
        a_left, left, right = self._sides(conditions)
        reward_a = self.value_ratio * self.reward_b
        sides = [left * np.where(a_left, reward_a, self.reward_b), right * np.where(a_left, self.reward_b, reward_a)]
        reward = np.stack([np.zeros(len(left)), *sides], axis=1)
        best = (reward[:, 1:] >= reward[:, 1:].max(1, keepdims=True) - 1e-12).astype(np.int8)
        return reward, np.concatenate([np.full((len(left), 1), -1, np.int8), best], axis=1)

    def shortest_periods(self) -> dict[str, float]:
        return {"fixation": self.fixation, "offer": self.offer_min}

    def longest(self) -> float:
        return self.fixation + self.offer_max + self.dt
