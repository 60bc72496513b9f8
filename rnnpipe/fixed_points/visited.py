"""States that a network passes through in its task: where the search for fixed points begins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.fixed_points.response import Array
from rnnpipe.networks.ctrnn import Ctrnn
from rnnpipe.networks.rate_network import RateNetwork, activate

MOST = 20_000
"""States that are kept, at most."""


def visited_states(network: Ctrnn | RateNetwork, inputs: NDArray[Any], sigma: float, rng: np.random.Generator) -> Array:
    """States on trials in the order of time, (n, n_units); every other trial without noise.

    Args:
        network: The network.
        inputs: Inputs, (n_steps, n_trials, n_inputs).
        sigma: SD of the noise of units, in the sense of the network's kind.
        rng: Generator of that noise.
    """
    u = np.asarray(inputs, np.float64)
    n_steps, n_trials = u.shape[:2]
    noise = rng.standard_normal((n_steps, n_trials, network.n_units))
    noise[:, ::2] = 0
    if isinstance(network, Ctrnn):
        states = network.astype(np.float64).simulate(u, noise_rec=noise)[0]
    else:
        states = _rate_states(network, u, sigma * noise)
    states = states.reshape(-1, network.n_units)
    states = states[np.isfinite(states).all(1)]
    return states[np.linspace(0, len(states) - 1, min(len(states), MOST)).astype(int)] if len(states) else states


def _rate_states(network: RateNetwork, u: Array, noise: Array) -> Array:
    alpha = network.dt / network.tau.astype(np.float64)
    w, w_in = network.w_rec.astype(np.float64), network.w_in.astype(np.float64)
    states = np.zeros((len(u), u.shape[1], network.n_units))
    for t in range(len(u) - 1):
        x = states[t]
        drive = activate(x, network.activation) @ w.T + network.b_rec + u[t] @ w_in.T
        states[t + 1] = (1 - alpha) * x + alpha * drive + noise[t]
    return states
