"""Rate networks whose behaviour is known, and the plainest way to train one, for tests of the fast ways."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnpipe.networks import rate_reference as reference
from rnnpipe.networks.rate_network import RateNetwork
from rnnpipe.networks.rate_parameters import TRAINED, initial_network
from rnnpipe.networks.rate_settings import RateSettings

Array = NDArray[np.float64]
NAMES = ("w", "sign", "mask", "w_in", "w_out", "b_out", "b_rec", "gamma")
SIGMA, SIGMA_INIT = 0.1, 0.01


def toy() -> RateNetwork:
    """The six units of the golden numbers; time constants 20 to 100 ms (4 to 20 steps), units 4 and 5 inhibitory."""
    i, j = np.arange(6.0)[:, None], np.arange(6.0)
    return RateNetwork(
        w=np.where((i + 2 * j) % 3 == 0, 0.0, 0.9 + 0.6 * np.sin(1 + 3 * i + 5 * j)),
        sign=np.where(j >= 4, -1.0, 1.0),
        mask=np.ones((6, 6)),
        w_in=np.cos(i),
        w_out=(0.5 * (-1) ** j / (1 + j))[None],
        b_out=np.array([0.1]),
        b_rec=np.zeros(6),
        gamma=-1 + 0.4 * j,
        tau_min=20.0,
        tau_max=100.0,
        activation="sigmoid",
        dt=5.0,
    )


def toy_trial() -> tuple[Array, Array, Array, Array]:
    """A Go trial: inputs (201, 1, 1), target (200, 1, 1), and the standard normals x0 (1, 6), noise (1, 200, 6)."""
    inputs, target = np.zeros((201, 1, 1)), np.zeros((200, 1, 1))
    inputs[50:75], target[75:] = 1, 1
    t, i = np.arange(200)[:, None], np.arange(6)
    return inputs, target, np.sin(i + 1.0)[None], np.sin(0.37 * t + 1.3 * i)[None]


def a_network(seed: int = 0, n_inputs: int = 2, n_outputs: int = 1, **settings: Any) -> RateNetwork:
    """A random network in float64, its readout and constant input not small."""
    made = initial_network(
        RateSettings(**{"n_units": 14, "connection_probability": 0.4, "p_inhibitory": 0.35, **settings}),
        n_inputs, n_outputs, 5.0, np.random.default_rng(seed),
    )  # fmt: skip
    rng = np.random.default_rng(seed + 1)
    values = {name: getattr(made, name).astype(np.float64) for name in NAMES}
    values["w_out"] = values["w_out"] * 40
    values["b_out"] = 0.3 * rng.standard_normal(n_outputs)
    values["b_rec"] = 0.2 * rng.standard_normal(made.n_units)
    return RateNetwork(
        **values,
        **{k: getattr(made, k) for k in ("tau_min", "tau_max", "activation", "dt", "n_som", "dale")},
    )


def a_batch(network: RateNetwork, n_trials: int = 3, n_steps: int = 26, seed: int = 0) -> tuple[Array, ...]:
    """Inputs, target and standard normals of some trials, as `RateLearner.update` takes them."""
    rng = np.random.default_rng(seed + 100)
    inputs = rng.standard_normal((n_steps, n_trials, network.n_inputs))
    inputs[rng.random((n_steps, n_trials)) < 0.3] = 0
    target = rng.standard_normal((n_steps - 1, n_trials, network.n_outputs))
    n = network.n_units
    return inputs, target, rng.standard_normal((n_trials, n)), rng.standard_normal((n_trials, n_steps - 1, n))


def tensors(network: RateNetwork, w: Array | None = None) -> dict[str, Tensor]:
    """Arrays of a network as leaves of autograd; `w` may be given raw."""
    values = {name: torch.tensor(getattr(network, name)) for name in NAMES}
    if w is not None:
        values["w"] = torch.tensor(w)
    for name in TRAINED:
        values[name].requires_grad_()
    return values


def simulate(
    network: RateNetwork, w: Mapping[str, Tensor], inputs: Array, x0: Array, noise: Array
) -> tuple[Tensor, Tensor, Tensor]:
    """States, rates and output by the reference equations, from standard normals."""
    learned = network.tau_max > network.tau_min
    tau = reference.time_constants(w, network.tau_min, network.tau_max) if learned else torch.tensor(network.tau_min)
    x, r = reference.states(
        w, torch.tensor(inputs), SIGMA_INIT * torch.tensor(x0), SIGMA * torch.tensor(noise).transpose(0, 1),
        network.dt / tau * torch.ones(network.n_units, dtype=torch.float64), network.dale, network.activation,
    )  # fmt: skip
    return x, r, reference.outputs(w, r)


def losses(network: RateNetwork, w: Mapping[str, Tensor], batch: tuple[Array, ...], kind: str) -> Tensor:
    """Loss of each trial by the reference equations."""
    inputs, target, x0, noise = batch
    return reference.loss(simulate(network, w, inputs, x0, noise)[2], torch.tensor(target), kind)


class Plain:
    """Training of a dense matrix, rectified in the equations, by autograd and TensorFlow 1's Adam written out."""

    def __init__(self, network: RateNetwork, learning_rate: float, kind: str = "l2") -> None:
        self.network, self.learning_rate, self.kind, self.k = network, learning_rate, kind, 0
        self.w = tensors(network)
        self.m = {name: torch.zeros_like(self.w[name]) for name in TRAINED}
        self.v = {name: torch.zeros_like(self.w[name]) for name in TRAINED}

    def update(self, *batch: Array) -> Array:
        """One step; the losses of the trials."""
        out = losses(self.network, self.w, batch, self.kind)
        out.mean().backward()
        self.k += 1
        rate = self.learning_rate * math.sqrt(1 - 0.999**self.k) / (1 - 0.9**self.k)
        for name in TRAINED:
            p = self.w[name]
            if p.grad is None:  # one time constant: gamma has no effect
                continue
            g = p.grad
            self.m[name] = 0.9 * self.m[name] + 0.1 * g
            self.v[name] = 0.999 * self.v[name] + 0.001 * g**2
            with torch.no_grad():
                p -= rate * self.m[name] / (self.v[name].sqrt() + 1e-8)
            p.grad = None
        return out.detach().numpy()

    @property
    def rectified(self) -> Array:
        """The weights that act, without signs."""
        w = self.w["w"].detach()
        return (w.relu() if self.network.dale else w).numpy()
