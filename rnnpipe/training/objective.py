"""The objective of reward-based learning, as plain functions of (time, trial) arrays.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Eqs. 3-10, with the credit rule of the published code.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


def returns(rewards: Tensor, mask: Tensor) -> Tensor:
    """Return-to-go G_t = sum over k >= t of R_k M_k, (n_steps, n_trials).

    Rewards carry their discount, which is measured from the start of the trial, so returns are plain sums.
    """
    return torch.flip(torch.cumsum(torch.flip(rewards * mask, (0,)), 0), (0,))


def advantage(
    rewards: Tensor, mask: Tensor, value: Tensor, credit_t0: Literal["immediate", "return"] = "immediate"
) -> Tensor:
    """What each log-probability is multiplied by: G_t - b_t, and at t = 0 R_0 - b_0, (n_steps, n_trials).

    Crediting the first action with its immediate reward is what starts learning: at first every trial ends in an
    abort, all returns equal the predicted -1, and R_0 - b_0 = +1 for waiting is the only non-zero term.
    The difference is formed before anything is multiplied, so that exact zeros stay exact.
    """
    credited = returns(rewards, mask)
    if credit_t0 == "immediate":
        credited = torch.cat([rewards[:1], credited[1:]])
    return (credited - value) * mask


def risk_sensitive(error: Tensor, kappa: float) -> Tensor:
    """Prediction errors (what was earned minus what was predicted) as a risk-sensitive learner weighs them.

    Positive ones are multiplied by 1 - kappa, negative ones by 1 + kappa: with kappa > 0 disappointments weigh more,
    the predicted return falls below the mean and the learner avoids risk; kappa < 0 seeks it. At 1 (-1) nothing is
    learned from positive (negative) errors. A fair coin flip between 0 and 1 is valued at (1 - kappa) / 2, where the
    two sides balance.

    Reference: Mihatsch & Neuneier (2002) Machine Learning 49:267.
    """
    if kappa == 0:
        return error
    return torch.where(error > 0, (1 - kappa) * error, (1 + kappa) * error)


def policy_loss(log_probability: Tensor, advantage: Tensor) -> Tensor:
    """-J: minus the mean over trials of the sum over time of log pi(a_t) * advantage_t."""
    return -(log_probability * advantage).sum() / advantage.shape[1]


def entropy_loss(log_policy: Tensor, mask: Tensor) -> Tensor:
    """Minus the mean over trials of the sum over valid steps of the policy's entropy.

    Args:
        log_policy: Log-probability of every action, (n_steps, n_trials, n_actions).
        mask: 1 while a trial is going on, (n_steps, n_trials).
    """
    return ((log_policy.exp() * log_policy).sum(-1) * mask).sum() / mask.shape[1]


def value_loss(value: Tensor, rewards: Tensor, mask: Tensor, kappa: float = 0.0) -> Tensor:
    """Mean squared error of the predicted return over all valid steps of the batch.

    Risk sensitivity weighs each squared error once, so that its slope, which moves the prediction, is the weighted
    error.
    """
    error = (returns(rewards, mask) - value) * mask
    return (error * risk_sensitive(error, kappa)).sum() / mask.sum()
