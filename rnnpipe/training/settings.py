"""Settings of the learners; the defaults are those of the published protocols."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from rnnpipe.settings import Settings, setting


class PolicyGradientSettings(Settings):
    """REINFORCE with a learned value baseline, as in Song, Yang & Wang (2017)."""

    rule: Literal["policy_gradient"] = setting("policy_gradient", "policy_gradient: learning from reward")
    learning_rate: float = setting(0.004, "Adam learning rate of the policy network", gt=0)
    value_learning_rate: float = setting(0.004, "Adam learning rate of the value network", gt=0)
    max_grad_norm: float = setting(1.0, "gradients of each network are scaled down to this norm", gt=0)
    trials_per_update: int | None = setting(
        None, "trials of one gradient step; by default the task's number of conditions", "trials", gt=0
    )
    validation_interval: int = setting(50, "updates between validations", "updates", gt=0)
    validation_trials: int | None = setting(
        None,
        "trials of one validation; by default the task's number; 0: none, the last training trials are scored instead",
        "trials",
        ge=0,
    )
    tracked_trials: int = setting(100, "training trials that are scored where validation_trials is 0", "trials", gt=0)
    max_updates: int = setting(100_000, "largest number of updates", "updates", ge=0)
    target_reward: float | None = setting(
        None, "stop also when the best mean validation reward reaches this; by default never"
    )
    credit_t0: Literal["immediate", "return"] = setting(
        "immediate",
        "what the first action is credited with: its immediate reward (the published rule, which is what starts"
        " learning) or the full return",
    )
    entropy_bonus: float = setting(
        0.0, "weight in the objective of the policy's entropy, summed over the steps of a trial", ge=0
    )
    kappa: float = setting(
        0.0,
        "risk sensitivity: prediction errors above 0 are weighted by 1 - kappa, those below by 1 + kappa, so that > 0"
        " is risk-averse and < 0 risk-seeking; at 1 or -1 one side is not learned from",
        ge=-1,
        le=1,
    )
    mode: Literal["episodic", "continuous"] = setting(
        "episodic", "episodic: every trial starts from the initial state; continuous is refused, with the reason"
    )
    keep: Literal["best", "last"] = setting(
        "best",
        "which validated network is kept: that of highest mean reward, or the last, for rules that do not maximise it",
    )
    on_failure: Literal["error", "keep"] = setting(
        "error", "not reaching the criterion: a failed job that keeps its history, or keep the best network"
    )

    @model_validator(mode="after")
    def _can_be_done(self) -> PolicyGradientSettings:
        if self.mode == "continuous":
            raise ValueError(
                "mode: continuous, which carries states over from trial to trial, cannot train: the initial state would"
                " drop out of the gradient, and the trials of an update are simulated side by side, so that none has a"
                " predecessor; use mode: episodic and, where trials should follow each other, one longer trial"
            )
        return self
