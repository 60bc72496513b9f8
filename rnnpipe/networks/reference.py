r"""The equations of the networks, as readable as possible.

Everything fast in this package is tested against this module; autograd differentiates it.

.. math::
    r_{t-1} &= [x_{t-1}]_+ \\
    \lambda_t &= \sigma(W_\lambda r_{t-1} + V_\lambda u_t + b_\lambda) \\
    \gamma_t &= \sigma(W_\gamma r_{t-1} + V_\gamma u_t + b_\gamma) \\
    x_t &= (1 - \alpha\lambda_t) x_{t-1} + \alpha\lambda_t (W (\gamma_t r_{t-1}) + V u_t + b + q_t)

for gated units, and lambda = gamma = 1 for simple ones,

.. math:: x_t = (1 - \alpha) x_{t-1} + \alpha (W r_{t-1} + V u_t + b + q_t)

with alpha = dt / tau and q_t normal of variance (2 tau / dt) var_rec, independent for each unit, step and trial.

Reference: Song, Yang & Wang (2017) eLife 6:e21492, Eqs. 34-37.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def gated_step(w: Weights, x: Tensor, u: Tensor, q: Tensor | float, alpha: float) -> Tensor:
    """Advance the state by one step.

    Args:
        w: Effective weights by name, w[to, from].
        x: State, (n_trials, n_units).
        u: Input, (n_trials, n_inputs).
        q: Noise, (n_trials, n_units), or 0.
        alpha: dt / tau.

    Returns:
        The next state, (n_trials, n_units); it may be negative, rates are its positive part.
    """
    n = x.shape[-1]
    r = x.relu()
    drive = u @ w["w_in"].T + w["b_in"]
    gates = torch.sigmoid(r @ w["w_gates"].T + drive[..., n:])
    lam, gam = gates[..., :n], gates[..., n:]
    target = (gam * r) @ w["w_rec"].T + drive[..., :n] + q
    return (1 - alpha * lam) * x + alpha * lam * target


def simple_step(w: Weights, x: Tensor, u: Tensor, q: Tensor | float, alpha: float) -> Tensor:
    """Advance the state of a simple network, whose gates are 1, by one step; arguments as for `gated_step`."""
    return (1 - alpha) * x + alpha * (x.relu() @ w["w_rec"].T + u @ w["w_in"].T + w["b_in"] + q)


def step(w: Weights, x: Tensor, u: Tensor, q: Tensor | float, alpha: float) -> Tensor:
    """`gated_step`, or `simple_step` for weights without gates."""
    return (gated_step if "w_gates" in w else simple_step)(w, x, u, q, alpha)


def readout(w: Weights, x: Tensor) -> Tensor:
    """Linear readout of the rates: logits of the policy, or the predicted return, (..., n_outputs)."""
    return x.relu() @ w["w_out"].T + w["b_out"]


def states(w: Weights, inputs: Tensor, noise: Tensor, alpha: float) -> list[Tensor]:
    """State (n_trials, n_units) of each step for given inputs; inputs[0] and noise[0] are not used."""
    x = w["x0"].expand(inputs.shape[1], -1)
    visited = [x]
    for u, q in zip(inputs[1:], noise[1:], strict=True):
        x = step(w, x, u, q, alpha)
        visited.append(x)
    return visited


def gated_states(w: Weights, inputs: Tensor, noise: Tensor, alpha: float) -> Tensor:
    """`states` as one array, (n_steps, n_trials, n_units)."""
    return torch.stack(states(w, inputs, noise, alpha))


def linear_states(w: Weights, inputs: Tensor) -> Tensor:
    """'States' of the linear value network: its inputs, and x0 at t = 0."""
    return torch.cat([w["x0"].expand(1, inputs.shape[1], -1), inputs[1:]])
