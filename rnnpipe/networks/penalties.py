r"""What is added to a network's loss: penalties on recurrent weights, on rates and on gradients that vanish.

.. math::
    \Omega_{w} &= \frac{\ell_1}{N^2} \sum |W| + \frac{\ell_2}{n_w} \Big(\sum W^2 + \sum W_{gates}^2\Big) \\
    \Omega_{r} &= \ell_r \sum_{t,n,i} r_{t,n,i}^2 M_{t,n} \Big/ \Big(N \sum_{t,n} M_{t,n}\Big) \\
    \Omega_{g} &= \ell_g \big\langle \big(|J_t^T d_t|^2 / |d_t|^2 - 1\big)^2 \big\rangle, \qquad
        J_t = \partial x_t / \partial x_{t-1}

with effective weights W, n_w the number of recurrent weights (absent ones count: 3 N^2 with gates, N^2 without), M
the mask of valid steps (t = 0 included), and d_t the gradient that reaches x_t. The third is of simple networks, see
`vanishing_gradients`.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, the authors' code; Pascanu, Mikolov & Bengio (2013), section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rnnpipe.networks.settings import Penalty

SMALLEST = 1e-20
"""Gradients whose squared norm is below this do not count as vanishing."""


def weights_penalty(w: Mapping[str, Tensor], penalty: Penalty) -> Tensor:
    """Penalty on the recurrent weights, given effective weights by name (without w_gates: of a simple network)."""
    blocks = [w[name] for name in ("w_rec", "w_gates") if name in w]
    l2 = torch.stack([block.square().sum() for block in blocks]).sum() / sum(block.numel() for block in blocks)
    return penalty.l1_rec * w["w_rec"].abs().mean() + penalty.l2_rec * l2


def rates_penalty(rates: Tensor, mask: Tensor, penalty: Penalty) -> Tensor:
    """Penalty on rates (n_steps, n_trials, n_units) at the steps where `mask` (n_steps, n_trials) is 1."""
    return penalty.l2_rate * (rates.square().mean(-1) * mask).sum() / mask.sum()


def vanishing_gradients(w_rec: Tensor, d: Tensor, active: Tensor, alpha: float, n_valid: int | Tensor) -> Tensor:
    """Penalty on what a step of a simple network does to the gradient's norm, without its weight.

    It is differentiated through w_rec as written here: the gradients that reach the states count as constants.

    Args:
        w_rec: Effective weights, w[to, from].
        d: Gradient that reaches the states of steps t >= 1, (rows, n_units).
        active: Whether the units were active one step before, (rows, n_units).
        alpha: dt / tau.
        n_valid: Number of (step, trial) pairs with t >= 1 that happened, over which the mean is taken.
    """
    before = (1 - alpha) * d + alpha * (d @ w_rec) * active
    size = d.square().sum(-1)
    counts = size >= SMALLEST
    ratio = before.square().sum(-1) / torch.where(counts, size, 1.0)
    return torch.where(counts, (ratio - 1).square(), 0.0).sum() / n_valid


def vanishing_gradients_slope(w_rec: Tensor, d: Tensor, active: Tensor, alpha: float, n_valid: int | Tensor) -> Tensor:
    """Gradient of `vanishing_gradients` in w_rec, (n_units, n_units)."""
    before = (1 - alpha) * d + alpha * (d @ w_rec) * active
    size = d.square().sum(-1, keepdim=True)
    counts = size >= SMALLEST
    safe = torch.where(counts, size, 1.0)
    ratio = before.square().sum(-1, keepdim=True) / safe
    factor = torch.where(counts, 4 * alpha * (ratio - 1) / safe, 0.0)
    return (factor * d / n_valid).T @ (before * active)


def weights_slope(w: Mapping[str, Tensor], penalty: Penalty) -> dict[str, Tensor]:
    """Gradient of `weights_penalty` by name; absent connections, whose weight is 0, have none."""
    blocks = {name: w[name] for name in ("w_rec", "w_gates") if name in w}
    n = sum(block.numel() for block in blocks.values())
    slope = {name: 2 * penalty.l2_rec / n * block for name, block in blocks.items()}
    slope["w_rec"] += penalty.l1_rec / w["w_rec"].numel() * w["w_rec"].sign()
    return slope
