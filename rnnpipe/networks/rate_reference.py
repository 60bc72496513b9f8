r"""The equations of the rate networks, as readable as possible; autograd differentiates them.

.. math::
    x_0 &= 0.01 \xi_0, \quad r_t = \phi(x_t) \\
    x_t &= (1 - \alpha) x_{t-1} + \alpha (W r_{t-1} + b + W_{in} u_{t-1}) + \sigma \xi_t \\
    o_t &= W_{out} r_t + b_{out}, \quad t = 1 \ldots T - 1

with alpha = dt / tau of each unit, W_ij = [w_ij]_+ s_j M_ij (without Dale's principle W_ij = w_ij) and xi standard
normal. The noise is not scaled by the step.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Eqs. 1-5 and the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rnnpipe.networks.rate_network import CAP

Weights = Mapping[str, Tensor]


def activate(x: Tensor, activation: str) -> Tensor:
    """Rates of states."""
    if activation == "sigmoid":
        return torch.sigmoid(x)
    return (x.relu() if activation == "clipped_relu" else torch.nn.functional.softplus(x)).clamp(max=CAP)


def recurrent_matrix(w: Weights, dale: bool) -> Tensor:
    """The matrix that acts, (n_units, n_units)."""
    return (w["w"].relu() if dale else w["w"]) * w["sign"] * w["mask"]


def time_constants(w: Weights, tau_min: float, tau_max: float) -> Tensor:
    """Time constants, ms, (n_units,)."""
    return torch.sigmoid(w["gamma"]) * (tau_max - tau_min) + tau_min


def states(
    w: Weights, inputs: Tensor, x0: Tensor, noise: Tensor, alpha: Tensor, dale: bool, activation: str
) -> tuple[Tensor, Tensor]:
    """States and rates of some trials.

    Args:
        w: Arrays of a `RateNetwork` by name.
        inputs: (n_steps, n_trials, n_inputs); the last two columns are not used.
        x0: Initial states, (n_trials, n_units).
        noise: Noise with its SD, (n_steps - 1, n_trials, n_units); noise[0] is not used.
        alpha: dt / tau, (n_units,).
        dale: Whether Dale's principle holds.
        activation: Name of the activation.

    Returns:
        States and rates, (n_steps - 1, n_trials, n_units) each.
    """
    w_rec = recurrent_matrix(w, dale)
    x, visited = x0, [x0]
    for t in range(1, len(inputs) - 1):
        drive = activate(x, activation) @ w_rec.T + w["b_rec"] + inputs[t - 1] @ w["w_in"].T
        x = (1 - alpha) * x + alpha * drive + noise[t]
        visited.append(x)
    x = torch.stack(visited)
    return x, activate(x, activation)


def outputs(w: Weights, rates: Tensor) -> Tensor:
    """Output of every state but the first, (n_steps - 2, n_trials, n_outputs); sample k belongs to the time k * dt."""
    return rates[1:] @ w["w_out"].T + w["b_out"]


def loss(output: Tensor, target: Tensor, kind: str) -> Tensor:
    """Loss of each trial, (n_trials,): the root of the summed squared error (l2), or the summed error (l1).

    Args:
        output: (n_samples, n_trials, n_outputs).
        target: (>= n_samples, n_trials, n_outputs); what is beyond the last sample is not used.
        kind: "l2" or "l1".
    """
    error = output - target[: len(output)]
    if kind == "l1":
        return error.abs().sum((0, 2))
    return error.square().sum((0, 2)).sqrt()
