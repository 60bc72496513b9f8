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


def policy_loss(log_probability: Tensor, advantage: Tensor) -> Tensor:
    """-J: minus the mean over trials of the sum over time of log pi(a_t) * advantage_t."""
    return -(log_probability * advantage).sum() / advantage.shape[1]


def value_loss(value: Tensor, rewards: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of the predicted return over all valid steps of the batch."""
    return (mask * (value - returns(rewards, mask)) ** 2).sum() / mask.sum()
