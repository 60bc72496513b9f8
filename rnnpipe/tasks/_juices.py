"""Offers of two juices, and what they are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from rnnpipe.settings import Settings, setting
from rnnpipe.tasks._base import Conditions
from rnnpipe.tasks._draws import Choice

if TYPE_CHECKING:
    from rnnpipe.tasks._base import Task as Base
else:
    Base = Settings  # the settings of a task as such must not take the place of those of the task it is added to


def offer_name(n_b: int, n_a: int) -> str:
    """An offer as a label: n_b drops of juice B against n_a of juice A."""
    return f"{n_b}B:{n_a}A"


class JuiceTask(Base):
    """A choice between a side with some drops of juice A and one with some drops of juice B.

    Each side has a channel for either juice, which is 1 where that juice is offered, and one for the amount. It is no
    task of its own, but what one has in addition to its periods: its settings take the place of those of a task.
    """

    input_names: ClassVar[tuple[str, ...]] = ("fixation", "left_a", "left_b", "right_a", "right_b", "n_left", "n_right")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "left", "right")
    factors: ClassVar[tuple[str, ...]] = ("juices", "offer")
    trials_per_update: ClassVar[int] = 18
    validation_trials: ClassVar[int] = 900
    stimulus_onset: ClassVar[str] = "offer"

    min_correct: float = setting(0.95, "training criterion: fraction of decisions that are correct", ge=0, le=1)
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

    def juices_and_offers(self) -> dict[str, Choice]:
        """What is offered: the juice of the left and of the right side, and the amounts, in drawing order."""
        return {"juices": Choice(("AB", "BA")), "offer": Choice(tuple(offer_name(*offer) for offer in self.offers))}

    def amounts(self, offer: NDArray[Any]) -> NDArray[np.int64]:
        """Drops of B and of A of offers given by name, (n, 2)."""
        table = {offer_name(*amounts): amounts for amounts in self.offers}
        return np.array([table[str(name)] for name in offer]).reshape(-1, 2)

    def sides(self, conditions: Conditions) -> tuple[NDArray[np.bool_], NDArray[Any], NDArray[Any]]:
        """Whether A is on the left, and the drops on the left and on the right."""
        n_b, n_a = self.amounts(conditions["offer"]).T
        a_left = conditions["juices"] == "AB"
        return a_left, np.where(a_left, n_a, n_b), np.where(a_left, n_b, n_a)

    def show_juices(
        self, inputs: NDArray[np.float32], conditions: Conditions, offer: NDArray[np.bool_]
    ) -> list[tuple[int, NDArray[np.floating[Any]]]]:
        """Write which juice is where; returns the channel and the level of each amount, which may have noise."""
        a_left, left, right = self.sides(conditions)
        for channel, on in ((1, a_left), (2, ~a_left), (3, ~a_left), (4, a_left)):
            inputs[..., channel] = offer & on
        return [(5, left / self.amount_scale), (6, right / self.amount_scale)]

    def judge(self, conditions: Conditions) -> tuple[NDArray[np.floating[Any]], NDArray[np.int8]]:
        a_left, left, right = self.sides(conditions)
        reward_a = self.value_ratio * self.reward_b
        sides = [left * np.where(a_left, reward_a, self.reward_b), right * np.where(a_left, self.reward_b, reward_a)]
        reward = np.stack([np.zeros(len(left)), *sides], axis=1)
        best = (reward[:, 1:] >= reward[:, 1:].max(1, keepdims=True) - 1e-12).astype(np.int8)
        return reward, np.concatenate([np.full((len(left), 1), -1, np.int8), best], axis=1)
