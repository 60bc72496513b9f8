"""Fast engine of the rate networks on the CPU: training one network by backpropagation, and running it on many trials.

The equations are those of `rate_reference`; the backward pass is derived by hand in `rate_kernels`. Networks are
independent of each other, so that an ensemble is trained by several threads, each network with its own trials, noise,
optimiser and end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.errors import TrainingError
from rnnpipe.networks import rate_kernels as kernels
from rnnpipe.networks.rate_network import RateNetwork, activate
from rnnpipe.trials import Trials

Array = NDArray[np.floating]

EPSILON = 1e-8


@dataclass
class _Moments:
    """Adam's moments of one parameter."""

    m: Array
    v: Array


class RateLearner:
    """A rate network in training.

    Args:
        network: The network to start from; it is not changed.
        sigma_rec: SD of the noise of a step.
        sigma_init: SD of the initial states.
        learning_rate: Step of Adam.
        loss: "l2" or "l1".
        fixed: Parameters that are not trained.
        dtype: float32, or float64 for tests.
    """

    def __init__(
        self,
        network: RateNetwork,
        sigma_rec: float,
        sigma_init: float,
        learning_rate: float,
        loss: str = "l2",
        fixed: tuple[str, ...] = (),
        dtype: type[np.floating[Any]] = np.float32,
    ) -> None:
        self._initial, self._type = network, dtype
        self.sigma_rec, self.sigma_init = sigma_rec, sigma_init
        self.learning_rate, self._loss, self._fixed = learning_rate, kernels.LOSSES[loss], fixed
        self._kind = kernels.ACTIVATIONS[network.activation]
        n = network.n_units
        names = ("w_in", "w_out", "b_out", "b_rec", "gamma", "sign", "mask")
        self._p = {name: np.array(getattr(network, name), dtype=dtype) for name in names}
        w = np.array(network.w, dtype=dtype)
        # without Dale's principle every entry is trained, those that are zero at first too
        kept = (w > 0) & (network.mask != 0) if network.dale else np.ones((n, n), bool)
        rows, columns = np.nonzero(kept)
        self._dense = not network.dale
        self._start = np.concatenate([[0], np.cumsum(kept.sum(1))]).astype(np.int64)
        self._index, self._w = columns.astype(np.int32), w[rows, columns]
        # what the mask rules out has no effect and no gradient: it keeps its value
        self._ruled_out = np.where(network.mask == 0, w, 0) if network.dale else np.zeros_like(w)
        self._moments = {k: _Moments(np.zeros_like(v), np.zeros_like(v)) for k, v in self._trained().items()}
        self.n_updates = 0
        self._arrange()
        self._space: dict[str, Array] = {}

    def _trained(self) -> dict[str, Array]:
        return {"w": self._w, "w_out": self._p["w_out"], "b_out": self._p["b_out"], "gamma": self._p["gamma"]}

    def _arrange(self) -> None:
        n, count = len(self._start) - 1, int(self._start[-1])
        self._index, self._w = self._index[:count], self._w[:count]
        moments = self._moments["w"]
        moments.m, moments.v = moments.m[:count], moments.v[:count]
        if not self._dense:
            self._start_t, self._index_t = np.empty(n + 1, np.int64), np.empty(count, np.int32)
            self._place_t = np.empty(count, np.int32)
            kernels.transpose(self._start, self._index, self._start_t, self._index_t, self._place_t)
        else:
            self._start_t, self._index_t, self._place_t = self._start, self._index[:0], self._index[:0]

    @property
    def alpha(self) -> Array:
        """Dt / tau of each unit."""
        network = self._initial
        if network.tau_max == network.tau_min:
            return np.full(network.n_units, network.dt / network.tau_min, self._type)
        width = network.tau_max - network.tau_min
        tau = 0.5 * (1 + np.tanh(0.5 * self._p["gamma"].astype(float))) * width + network.tau_min
        return (network.dt / tau).astype(self._type)

    def dense(self, values: dict[str, Array]) -> dict[str, Array]:
        """Values by parameter, those of w (along the list of entries that act) as a matrix; the other entries are 0."""
        n = self._initial.n_units
        w = np.zeros((n, n), self._type)
        w[np.repeat(np.arange(n), np.diff(self._start)), self._index] = values["w"]
        return {**values, "w": w}

    def network(self) -> RateNetwork:
        """The network as it is now: w is rectified under Dale's principle."""
        w = self.dense({"w": self._w})["w"] + self._ruled_out
        own = {name: value.copy() for name, value in self._p.items()}
        return replace(self._initial, w=np.maximum(w, 0) if self._initial.dale else w, **own)

    @property
    def density(self) -> float:
        """Fraction of recurrent connections that act."""
        return len(self._w) / self._initial.n_units**2 if self._initial.dale else float((self._w != 0).mean())

    def gradients(
        self, inputs: Array, target: Array, x0: Array, noise: Array
    ) -> tuple[NDArray[np.float64], dict[str, Array]]:
        """Losses of some trials and the gradient of their mean.

        Args:
            inputs: (n_steps, n_trials, n_inputs).
            target: (n_steps - 1, n_trials, n_outputs).
            x0: Standard normal, (n_trials, n_units).
            noise: Standard normal, (n_trials, n_steps - 1, n_units); the first step's is not used.

        Returns:
            Losses (n_trials,) and gradients by parameter; that of w along the list of entries that act.
        """
        p, alpha, kind = self._p, self.alpha, self._type
        n_states, n, n_outputs = len(inputs) - 1, len(alpha), len(p["w_out"])
        if self._space.get("x", np.empty(0)).shape != (n_states, n):
            shapes = {"x": (n_states, n), "r": (n_states, n), "d": (n_states, n), "o": (n_states - 1, n_outputs)}
            shapes |= {"x_t": (n, n_states), "r_t": (n, n_states)}
            self._space = {name: np.zeros(shape, kind) for name, shape in shapes.items()}
        s = self._space
        grad = {name: np.zeros_like(value) for name, value in self._trained().items()}
        n_trials = inputs.shape[1]
        losses = np.empty(n_trials)
        for i in range(n_trials):
            losses[i] = kernels.gradient(
                np.ascontiguousarray(inputs[:, i], kind), np.ascontiguousarray(target[:, i], kind),
                (self.sigma_init * x0[i]).astype(kind), noise[i], kind(self.sigma_rec),
                self._start, self._index, self._w, self._start_t, self._index_t, self._place_t,
                p["sign"], p["mask"], p["w_in"], p["w_out"], p["b_out"], p["b_rec"], alpha,
                self._kind, self._loss, self._dense, kind(1 / n_trials),
                s["x"], s["r"], s["d"], s["x_t"], s["r_t"], s["o"],
                grad["w"], grad["w_out"], grad["b_out"], grad["gamma"],
            )  # fmt: skip
        # the kernel gave the gradient in alpha = dt / tau(gamma)
        network = self._initial
        sigmoid = 0.5 * (1 + np.tanh(0.5 * p["gamma"]))
        width = (network.tau_max - network.tau_min) / network.dt
        grad["gamma"] *= -(alpha**2) * kind(width) * sigmoid * (1 - sigmoid)
        return losses, grad

    def update(self, inputs: Array, target: Array, x0: Array, noise: Array) -> NDArray[np.float64]:
        """One step of Adam on the mean loss of some trials; arguments and losses as of `gradients`.

        Raises:
            TrainingError: The loss is NaN or infinite.
        """
        losses, grad = self.gradients(inputs, target, x0, noise)
        if not np.isfinite(losses).all():
            raise TrainingError("the loss became NaN or infinite.")
        self.n_updates += 1
        k = self.n_updates
        rate = self.learning_rate * math.sqrt(1 - 0.999**k) / (1 - 0.9**k)
        for name, value in self._trained().items():
            if name in self._fixed or (name == "gamma" and self._initial.tau_max == self._initial.tau_min):
                continue
            moments = self._moments[name]
            kernels.adam(
                value.reshape(-1), grad[name].reshape(-1), moments.m.reshape(-1), moments.v.reshape(-1),
                self._type(rate), self._type(EPSILON),
            )  # fmt: skip
        moments = self._moments["w"]
        if not self._dense and kernels.drop_dead(self._start, self._index, self._w, moments.m, moments.v):
            self._arrange()
        return losses

    def last_trial(self) -> dict[str, Array]:
        """States, rates (n_steps - 1, n_units) and output (n_steps - 2, n_outputs) of the last trial simulated."""
        return {name: self._space[name].copy() for name in ("x", "r", "o")}

    # -- state ----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything the rest of the training depends on, as tensors and plain values."""
        arrays = {"start": self._start, "index": self._index, "ruled_out": self._ruled_out}
        for name, value in self._trained().items():
            arrays |= {name: value, f"m_{name}": self._moments[name].m, f"v_{name}": self._moments[name].v}
        return {"n_updates": self.n_updates, **{k: torch.from_numpy(v.copy()) for k, v in arrays.items()}}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        arrays = {k: v.numpy().copy() for k, v in state.items() if k != "n_updates"}
        self.n_updates = state["n_updates"]
        self._start, self._index, self._ruled_out = arrays["start"], arrays["index"], arrays["ruled_out"]
        self._w = arrays["w"]
        for name in ("w_out", "b_out", "gamma"):
            self._p[name] = arrays[name]
        for name in self._trained():
            self._moments[name] = _Moments(arrays[f"m_{name}"], arrays[f"v_{name}"])
        self._arrange()


def run_network(
    network: RateNetwork,
    inputs: Array,
    sigma_rec: float,
    sigma_init: float,
    generator: torch.Generator,
    given: tuple[Array, Array] | None = None,
) -> Iterator[tuple[int, Array, Array]]:
    """Simulate trials side by side, without keeping anything.

    Args:
        network: The network; it computes in the precision of its w.
        inputs: (n_steps, n_trials, n_inputs).
        sigma_rec: SD of the noise of a step.
        sigma_init: SD of the initial states.
        generator: Where the noise comes from.
        given: Initial states (n_trials, n_units) and noise (n_steps - 1, n_trials, n_units), standard normal (tests).

    Yields:
        t, rates (n_trials, n_units) and output (n_trials, n_outputs) of each state t = 0 .. n_steps - 2. The arrays are
        reused by the next step. The output at t = 0 does not count.
    """
    kind = network.w.dtype
    n_trials, n = inputs.shape[1], network.n_units
    alpha = (network.dt / network.tau).astype(kind)
    w_rec, w_in, w_out = (np.ascontiguousarray(a.T, kind) for a in (network.w_rec, network.w_in, network.w_out))
    dtype = torch.float32 if kind == np.float32 else torch.float64
    normal = torch.empty(n_trials, n, dtype=dtype)

    def noise(t: int) -> Array:
        if given is not None:
            return given[0] if t < 0 else given[1][t]
        return normal.normal_(generator=generator).numpy()

    x = (sigma_init * noise(-1)).astype(kind)
    rates = np.empty_like(x)
    drive = np.empty_like(x)
    fast = kernels.ACTIVATIONS[network.activation]
    for t in range(len(inputs) - 1):
        if t > 0:
            np.matmul(rates, w_rec, out=drive)
            drive += inputs[t - 1].astype(kind) @ w_in
            drive += network.b_rec
            drive -= x
            drive *= alpha
            x += drive
            x += kind.type(sigma_rec) * noise(t)
        if kind == np.float32:
            kernels.rates(x.reshape(-1), rates.reshape(-1), fast)
        else:
            rates[...] = activate(x, network.activation)
        yield t, rates, rates @ w_out + network.b_out.astype(kind)


def run_outputs(
    network: RateNetwork, trials: Trials, sigma_rec: float, sigma_init: float, generator: torch.Generator
) -> Array:
    """Output of every trial, (n_steps - 2, n_trials, n_outputs); sample k belongs to the time k * dt."""
    run = run_network(network, trials.inputs, sigma_rec, sigma_init, generator)
    return np.stack([output for t, _, output in run if t > 0])
