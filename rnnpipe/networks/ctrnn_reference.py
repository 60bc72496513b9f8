"""Continuous-time networks in plain PyTorch, a step at a time, differentiated by autograd: for tests of engines.

The equations are those of `ctrnn`, with explicit noise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rnnpipe.networks.activations import Activation
from rnnpipe.networks.ctrnn import Ctrnn

Noise = tuple[Tensor | None, Tensor | None, Tensor | None]
"""Standard normal numbers of the units, the input channels and the output, (time, trial, ·); None is no noise."""


def activate(phi: Activation, z: Tensor) -> Tensor:
    """Rates of inputs; the derivative of a rectification at its kink is 0 (relu) or the leak."""
    s, k = phi.slope, phi.sharpness
    match phi.name:
        case "relu":
            return torch.relu(s * z)
        case "leaky_relu":
            return torch.where(z > 0, s * z, phi.leak * z)
        case "tanh":
            return torch.tanh(s * z)
        case "sigmoid":
            return torch.sigmoid(s * (z - phi.shift))
        case "softplus":
            return torch.nn.functional.softplus(k * s * z, threshold=1e9) / k
        case "gelu":
            return 0.5 * z * (1 + torch.erf(k * z / math.sqrt(2)))


def states(network: Ctrnn, w: dict[str, Tensor], inputs: Tensor, noise: Noise) -> Tensor:
    """States (n_steps, n_trials, n_units) of inputs (n_steps, n_trials, n_inputs).

    Args:
        network: Its equations and SDs are used.
        w: Its arrays, by name of `ctrnn.ARRAYS`.
        inputs: (n_steps, n_trials, n_inputs).
        noise: Of units and input channels, of at least n_steps - 1 steps.
    """
    alpha, phi, (noise_rec, noise_in, _) = network.alpha, network.activation, noise
    scale = math.sqrt(2 / alpha)
    x = w["x_init"].expand(inputs.shape[1], -1)
    record = [x]
    for t in range(len(inputs) - 1):
        u = inputs[t] if noise_in is None else inputs[t] + scale * network.sigma_in * noise_in[t]
        r = x if network.form == "rate" else activate(phi, x)
        z = r @ w["w_rec"].T + u @ w["w_in"].T + w["b_rec"]
        xi = torch.zeros_like(z) if noise_rec is None else scale * network.sigma_rec * noise_rec[t]
        if network.form == "current":
            pull = z + xi
        elif network.noise_site == "pre":
            pull = activate(phi, z + xi)
        else:
            pull = activate(phi, z) + xi
        x = x + alpha * (pull - x - network.saturation * x**3)
        record.append(x)
    return torch.stack(record)


def loss(
    network: Ctrnn,
    w: dict[str, Tensor],
    inputs: Tensor,
    target: Tensor,
    mask: Tensor,
    noise: Noise,
    rate_penalty: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Squared error + rate_penalty * mean squared rate, the squared error alone, and the states.

    Args:
        network: Its equations and SDs are used.
        w: Its arrays, by name of `ctrnn.ARRAYS`.
        inputs: (n_steps, n_trials, n_inputs).
        target: (n_steps, n_trials, n_outputs).
        mask: Weights of the squared errors, (n_steps, n_trials).
        noise: As of `states`; the output's noise is of n_steps steps.
        rate_penalty: Weight of the mean squared rate.
    """
    x = states(network, w, inputs, noise)
    r = x if network.form == "rate" else activate(network.activation, x)
    shown = r if noise[2] is None else r + network.sigma_out * noise[2][: len(r)]
    y = shown @ w["w_out"].T
    mse = (mask[..., None] * (y - target) ** 2).sum() / (y.shape[2] * mask.sum())
    return mse + rate_penalty * (r**2).mean(), mse, x
