"""Engine of continuous-time networks on the CPU: loss of a batch, its gradient by backpropagation through time, runs.

The equations are those of `ctrnn`; the backward pass is derived by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.networks.ctrnn import Ctrnn

Array = NDArray[np.floating]
Noise = tuple[Array | None, Array | None, Array | None]
"""Standard normal numbers of the units, the input channels and the output: (n_steps - 1, n_trials, n_units), (n_steps -
1, n_trials, n_inputs) and (n_steps, n_trials, n_units), or longer; None is no noise."""
StateTerms = Callable[[Array, Array], tuple[float, Array | None, Array | None]]
"""A penalty on (rates, states), both (n_steps, n_trials, n_units): its value and its gradients in them."""


@dataclass
class Update:
    """A batch's loss and gradient."""

    mse: float
    """Squared error of the outputs, its mean over outputs, and over steps and trials with the mask as weights."""
    mean_square_rate: float
    """Mean of r^2 over all steps, trials and units."""
    largest_state: float
    """Largest |x|; infinite if one is NaN."""
    gradients: dict[str, Array]
    """Gradient of mse + rate_penalty * mean_square_rate + further terms, by name of `ctrnn.ARRAYS`."""


class CtrnnEngine:
    """Loss and gradient of networks of one kind, the arrays of which are given anew each time.

    Args:
        network: Its equations are used, and the SDs of its noise.
        map_: Applies a function to the parts of a batch; `map` of a thread pool runs them side by side.
    """

    def __init__(self, network: Ctrnn, map_: Callable[..., Any] = map) -> None:
        self.network, self.map = network, map_

    def _noise(self, seed: int, shape: tuple[int, int, int], n_units: int) -> Noise:
        n_steps, n_trials, n_inputs = shape
        rng, kind, network = np.random.default_rng(seed), np.float32, self.network
        return (
            rng.standard_normal((n_steps - 1, n_trials, n_units), kind) if network.sigma_rec else None,
            rng.standard_normal((n_steps - 1, n_trials, n_inputs), kind) if network.sigma_in else None,
            rng.standard_normal((n_steps, n_trials, n_units), kind) if network.sigma_out else None,
        )

    def _forward(self, p: dict[str, Array], inputs: Array, noise: Noise) -> tuple[Array, Array, Array, Array, Array]:
        """States, rates, slopes, inputs and rates with their noise."""
        network, (noise_rec, noise_in, noise_out) = self.network, noise
        kind, alpha, phi = p["w_rec"].dtype, network.alpha, network.activation
        n_steps, n_trials, _ = inputs.shape
        scale = kind.type(np.sqrt(2 / alpha))
        given = inputs[:-1].astype(kind)
        if noise_in is not None:
            given = given + scale * kind.type(network.sigma_in) * noise_in[: n_steps - 1].astype(kind)
        drive = given @ p["w_in"].T + p["b_rec"]
        x = np.empty((n_steps, n_trials, len(p["w_rec"])), kind)
        slope = np.empty_like(x)
        x[0] = p["x_init"]
        for t in range(n_steps - 1):
            r = x[t] if network.form == "rate" else phi(x[t])
            z = r @ p["w_rec"].T + drive[t]
            xi = 0 if noise_rec is None else scale * kind.type(network.sigma_rec) * noise_rec[t].astype(kind)
            if network.form == "current":
                pull = z + xi
            else:
                if network.noise_site == "pre":
                    z = z + xi
                slope[t] = phi.derivative(z)
                pull = phi(z) + (xi if network.noise_site == "post" else 0)
            x[t + 1] = x[t] + alpha * (pull - x[t] - network.saturation * x[t] ** 3)
        r = x
        if network.form == "current":
            r, slope = phi(x), phi.derivative(x)
        shown = r if noise_out is None else r + kind.type(network.sigma_out) * noise_out[:n_steps].astype(kind)
        return x, r, slope, given, shown

    def update(
        self,
        arrays: dict[str, Array],
        inputs: Array,
        target: Array,
        mask: Array,
        seed: int,
        *,
        rate_penalty: float = 0.0,
        state_terms: StateTerms | None = None,
        noise: Noise | None = None,
    ) -> Update:
        """Loss of a batch and its gradient.

        Args:
            arrays: The network's arrays by name of `ctrnn.ARRAYS`, whose precision is computed in.
            inputs: (n_steps, n_trials, n_inputs).
            target: (n_steps, n_trials, n_outputs).
            mask: Weights of the squared errors, (n_steps, n_trials).
            seed: Decides the noise.
            rate_penalty: Weight of the mean squared rate in the loss.
            state_terms: Further terms of the loss.
            noise: Used instead of what `seed` decides.
        """
        p, network = arrays, self.network
        n_steps, n_trials, _ = inputs.shape
        if noise is None:
            noise = self._noise(seed, inputs.shape, len(p["w_rec"]))
        with np.errstate(over="ignore", invalid="ignore"):
            x, r, slope, given, shown = self._forward(p, inputs, noise)
            alpha, kind = network.alpha, x.dtype
            y = shown @ p["w_out"].T
            norm = y.shape[2] * float(mask.sum(dtype=np.float64))
            weight = mask.astype(kind)[..., None]
            error = y - target
            mse = float((weight * error**2).sum(dtype=np.float64)) / norm if norm else 0.0
            e = weight * error * kind.type(2 / norm if norm else 0.0)
            to_rates = e @ p["w_out"] + kind.type(2 * rate_penalty / x.size) * r
            to_states = np.zeros_like(x)
            if state_terms is not None:
                _, by_rates, by_states = state_terms(r, x)
                to_rates = to_rates if by_rates is None else to_rates + by_rates
                to_states = to_states if by_states is None else to_states + by_states
            through = to_states + (to_rates if network.form == "rate" else slope * to_rates)
            delta = np.empty_like(x[:-1])
            a = through[-1]
            for t in range(n_steps - 2, -1, -1):
                kept = (1 - alpha - 3 * alpha * network.saturation * x[t] ** 2) * a
                delta[t] = alpha * a if network.form == "current" else alpha * slope[t] * a
                back = delta[t] @ p["w_rec"]
                a = through[t] + kept + (back if network.form == "rate" else slope[t] * back)
            flat = delta.reshape(-1, delta.shape[2])
            gradients = {
                "w_rec": flat.T @ r[:-1].reshape(len(flat), -1),
                "w_in": flat.T @ given.reshape(len(flat), -1),
                "w_out": e.reshape(-1, e.shape[2]).T @ shown.reshape(-1, shown.shape[2]),
                "b_rec": flat.sum(0),
                "x_init": a.sum(0),
            }
            largest = float(np.abs(x).max())
            square = float(np.square(r).mean(dtype=np.float64))
        gradients = {name: np.asarray(value, kind) for name, value in gradients.items()}
        return Update(mse, square, largest if np.isfinite(largest) else float("inf"), gradients)

    def run(
        self,
        arrays: dict[str, Array],
        inputs: Array,
        seed: int | None = None,
        noise: Noise | None = None,
        states: bool = False,
    ) -> tuple[Array, Array | None]:
        """Outputs (n_steps, n_trials, n_outputs) of a batch and, if wanted, its states.

        Args:
            arrays: The network's arrays by name.
            inputs: (n_steps, n_trials, n_inputs).
            seed: Decides the noise; None is no noise.
            noise: Used instead of what `seed` decides.
            states: Whether states are wanted.
        """
        if noise is None:
            drawn = None if seed is None else self._noise(seed, inputs.shape, len(arrays["w_rec"]))
            noise = drawn or (None, None, None)
        with np.errstate(over="ignore", invalid="ignore"):
            x, _, _, _, shown = self._forward(arrays, inputs, noise)
            return shown @ arrays["w_out"].T, (x if states else None)
