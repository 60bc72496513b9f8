"""Settings of the learners; the defaults are those of the published protocols."""

from __future__ import annotations

from typing import Literal

from rnnpipe.settings import Settings, setting


class PolicyGradientSettings(Settings):
    """REINFORCE with a learned value baseline, as in Song, Yang & Wang (2017)."""

    learning_rate: float = setting(0.004, "Adam learning rate of the policy network", gt=0)
    value_learning_rate: float = setting(0.004, "Adam learning rate of the value network", gt=0)
    max_grad_norm: float = setting(1.0, "gradients of each network are scaled down to this norm", gt=0)
    trials_per_update: int | None = setting(
        None, "trials of one gradient step; by default the task's number of conditions", "trials", gt=0
    )
    validation_interval: int = setting(50, "updates between validations", "updates", gt=0)
    validation_trials: int | None = setting(
        None, "trials of one validation; by default the task's number", "trials", gt=0
    )
    max_updates: int = setting(100_000, "largest number of updates", "updates", ge=0)
    target_reward: float | None = setting(
        None, "stop also when the best mean validation reward reaches this; by default never"
    )
    credit_t0: Literal["immediate", "return"] = setting(
        "immediate",
        "what the first action is credited with: its immediate reward (the published rule, which is what starts"
        " learning) or the full return",
    )
    on_failure: Literal["error", "keep"] = setting(
        "error", "not reaching the criterion: a failed job that keeps its history, or keep the best network"
    )
