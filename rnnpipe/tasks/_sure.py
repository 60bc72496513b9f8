"""A small, sure reward that may be taken instead of an answer, on some trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from rnnpipe.settings import Settings, setting
from rnnpipe.tasks._base import Conditions

if TYPE_CHECKING:
    from rnnpipe.tasks._base import Task as Base
else:
    Base = Settings  # the settings of a task as such must not take the place of those of the task it is added to

SURE = 3
"""Index of the action that takes the sure reward."""


class WagerTask(Base):
    """What a task of two alternatives has in addition if some trials, of condition `wager`, have a sure option.

    Taking it earns `reward_sure` and is neither correct nor wrong. Taking it where it is not offered ends the trial as
    an abort.
    """

    input_names: ClassVar[tuple[str, ...]] = ("fixation", "left", "right", "sure")
    action_names: ClassVar[tuple[str, ...]] = ("fixate", "left", "right", "sure")

    min_sure: float = setting(0.4, "training criterion: sure choices, as a fraction of wager trials, above this", ge=0)
    max_sure: float = setting(0.5, "training criterion: sure choices, as a fraction of wager trials, at most", le=1)
    reward_sure: float = setting(0.7, "reward of the sure option")

    def judge(self, conditions: Conditions) -> tuple[NDArray[np.floating[Any]], NDArray[np.int8]]:
        reward, correct = super().judge(conditions)
        reward[:, SURE], correct[:, SURE] = self.reward_sure, -1
        return reward, correct

    def offered(self, conditions: Conditions) -> NDArray[np.bool_]:
        return np.where(np.arange(len(self.action_names)) == SURE, conditions["wager"][:, None], True)

    def performance(self, table: Mapping[str, NDArray[Any]]) -> dict[str, float]:
        """Adds `p_sure`: the fraction of sure choices among the decisions of wager trials."""
        decided = table["decision"] & table["wager"]
        p_sure = float((table["choice"][decided] == SURE).mean()) if decided.any() else 0.0
        return {**super().performance(table), "p_sure": p_sure}

    def criterion(self, performance: Mapping[str, float]) -> bool:
        return super().criterion(performance) and self.min_sure < performance["p_sure"] <= self.max_sure

    @model_validator(mode="after")
    def _sure_choices_have_room(self) -> WagerTask:
        if self.min_sure >= self.max_sure:
            raise ValueError(f"min_sure ({self.min_sure:g}) must be below max_sure ({self.max_sure:g})")
        return self
