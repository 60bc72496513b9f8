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
from rnnpipe.networks.random_kernels import LANES, normal, start_lanes
from rnnpipe.networks.rate_network import RateNetwork, activate, time_constants
from rnnpipe.networks.rate_products import lay_out, padded
from rnnpipe.trials import Trials

Array = NDArray[np.floating]

EPSILON = 1e-8
DEAD = 0.04
"""Fraction of the list of entries that may be dead before it is made anew."""


class Noise:
    """Standard normal numbers in float32, made as those of the spiking networks are; its state is an array.

    Args:
        seed: Decides the numbers.
    """

    def __init__(self, seed: int) -> None:
        self.lanes = np.zeros((4, LANES), np.uint32)
        start_lanes(np.uint64(seed), self.lanes)

    def normal(self, *shape: int) -> NDArray[np.float32]:
        """Numbers of this shape."""
        count, block = math.prod(shape), 2 * LANES
        out = np.empty(-(-count // block) * block, np.float32)
        normal(self.lanes, out)
        return out[:count].reshape(shape)

    def state(self) -> torch.Tensor:
        """What the numbers to come depend on."""
        return torch.from_numpy(self.lanes.view(np.int32).copy())

    def load_state(self, state: torch.Tensor) -> None:
        """Continue from `state`."""
        self.lanes[...] = state.numpy().view(np.uint32)


@dataclass
class _Moments:
    """Adam's moments of one parameter."""

    m: Array
    v: Array


@dataclass
class _Layouts:
    """The recurrent matrix and its transpose as `rate_products` wants them; `slot` is where entries of the list go."""

    forward: tuple[Array, NDArray[np.uint8], NDArray[np.int32]]
    slot: NDArray[np.int32]
    transposed: tuple[Array, NDArray[np.uint8], NDArray[np.int32]]
    slot_t: NDArray[np.int32]


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
        self._dense = not network.dale
        kept = (w > 0) & (network.mask != 0) if network.dale else np.ones((n, n), bool)
        rows, columns = np.nonzero(kept)
        self._start = np.concatenate([[0], np.cumsum(kept.sum(1))]).astype(np.int64)
        self._index, self._w = columns.astype(np.int32), w[rows, columns]
        # what the mask rules out has no effect and no gradient: it keeps its value
        self._ruled_out = np.where(network.mask == 0, w, 0) if network.dale else np.zeros_like(w)
        self._moments = {k: _Moments(np.zeros_like(v), np.zeros_like(v)) for k, v in self._trained().items()}
        self.n_updates = 0
        self._n_padded = padded(n) if network.dale else -(-n // 16) * 16
        self._w_in_t, self._b_rec = self._fill_up(self._p["w_in"].T), self._fill_up(self._p["b_rec"])
        self._arrange()
        self._space: dict[str, Array] = {}

    def _trained(self) -> dict[str, Array]:
        return {"w": self._w, "w_out": self._p["w_out"], "b_out": self._p["b_out"], "gamma": self._p["gamma"]}

    def _fill_up(self, values: Array) -> Array:
        """The same with zeros behind the last axis, over units."""
        filled = np.zeros((*values.shape[:-1], self._n_padded), self._type)
        filled[..., : values.shape[-1]] = values
        return filled

    def _arrange(self) -> None:
        """Cut the list where it ends, and lay it out for the products."""
        count = int(self._start[-1])
        moments = self._moments["w"]
        self._index, self._w = self._index[:count], self._w[:count]
        moments.m, moments.v = moments.m[:count], moments.v[:count]
        start, index = (self._start, self._index) if not self._dense else (np.zeros(1, np.int64), self._index[:0])
        made = []
        for transposed in (False, True):
            value, column, span, slot = lay_out(start, index, self._n_padded, transposed)
            made += [(value.astype(self._type), column, span), slot]
        self._layouts = _Layouts(*made)

    def _matrices(self) -> tuple[Array, Array]:
        """The recurrent matrix and its transpose, if whole matrices are used; lists are put into their layouts."""
        none = np.zeros((0, 0), self._type)
        if not self._dense:
            to = self._layouts
            kernels.fill(
                self._start, self._index, self._w, self._p["sign"], to.slot, to.slot_t, to.forward[0], to.transposed[0]
            )
            return none, none
        n = self._initial.n_units
        full = np.zeros((self._n_padded, self._n_padded), self._type)
        full[:n, :n] = self._w.reshape(n, n) * self._p["sign"] * self._p["mask"]
        return full, np.ascontiguousarray(full.T)

    @property
    def alpha(self) -> Array:
        """Dt / tau of each unit."""
        network = self._initial
        if network.tau_max == network.tau_min:
            return np.full(network.n_units, network.dt / network.tau_min, self._type)
        tau = time_constants(self._p["gamma"].astype(float), network.tau_min, network.tau_max)
        return (network.dt / tau).astype(self._type)

    def dense(self, values: dict[str, Array]) -> dict[str, Array]:
        """Values by parameter, those of w (along the list of entries) as a matrix; the other entries are 0."""
        n = self._initial.n_units
        w = np.zeros((n, n), self._type)
        w[np.repeat(np.arange(n), np.diff(self._start)), self._index] = values["w"]
        return {**values, "w": w}

    def network(self) -> RateNetwork:
        """The network as it is now: w is rectified under Dale's principle."""
        w = self.dense({"w": self._w})["w"]
        own: dict[str, Any] = {name: value.copy() for name, value in self._p.items()}
        return replace(self._initial, w=np.maximum(w, 0) + self._ruled_out if self._initial.dale else w, **own)

    @property
    def density(self) -> float:
        """Fraction of recurrent connections that act."""
        acting = int((self._w > 0 if self._initial.dale else self._w != 0).sum())
        return acting / self._initial.n_units**2

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
            Losses (n_trials,) and gradients by parameter; that of w along the list of entries (see `dense`).
        """
        p, kind, n, n_padded = self._p, self._type, self._initial.n_units, self._n_padded
        n_states, n_outputs = len(inputs) - 1, len(p["w_out"])
        if self._space.get("x", np.empty(0)).shape != (n_states, n_padded):
            time = -(-(n_states - 1) // kernels.TIME_BLOCK) * kernels.TIME_BLOCK
            shapes = {"x": (n_states, n_padded), "r": (time + 1, n_padded), "d": (time + 1, n_padded)}
            shapes |= {"d_t": (n_padded, time), "r_t": (n_padded, time)}
            self._space = {name: np.zeros(shape, kind) for name, shape in shapes.items()}
            self._space["o"] = np.zeros((n_states - 1, n_outputs), kind)
        s, to = self._space, self._layouts
        full, full_t = self._matrices()
        alpha, w_out = self._fill_up(self.alpha), self._fill_up(p["w_out"])
        grad_w = np.zeros(full.shape if self._dense else self._w.shape, kind)
        grad_w_out, grad_b_out, grad_alpha = np.zeros_like(w_out), np.zeros_like(p["b_out"]), np.zeros_like(alpha)
        n_trials = inputs.shape[1]
        losses = np.empty(n_trials)
        for i in range(n_trials):
            losses[i] = kernels.gradient(
                np.ascontiguousarray(inputs[:, i], kind), np.ascontiguousarray(target[:, i], kind),
                (self.sigma_init * x0[i]).astype(kind), noise[i], kind(self.sigma_rec),
                self._start, self._index, self._w, p["sign"], to.forward, to.transposed, full, full_t, self._dense,
                alpha, self._b_rec, self._w_in_t, w_out, p["b_out"], self._kind, self._loss, kind(1 / n_trials),
                s["x"], s["r"], s["d"], s["d_t"], s["r_t"], s["o"], grad_w, grad_w_out, grad_b_out, grad_alpha,
            )  # fmt: skip
        if self._dense:
            grad_w = (grad_w[:n, :n] * p["sign"] * p["mask"]).reshape(-1)
        # the kernel gave the gradient in alpha = dt / tau(gamma)
        network = self._initial
        sigmoid = 0.5 * (1 + np.tanh(0.5 * p["gamma"]))
        width = (network.tau_max - network.tau_min) / network.dt
        gamma = grad_alpha[:n] * -(alpha[:n] ** 2) * kind(width) * sigmoid * (1 - sigmoid)
        return losses, {
            "w": grad_w,
            "w_out": np.ascontiguousarray(grad_w_out[:, :n]),
            "b_out": grad_b_out,
            "gamma": gamma,
        }

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
        # dead entries do no harm; a new layout takes as long as some products
        if not self._dense and kernels.count_dead(self._w) > DEAD * len(self._w):
            moments = self._moments["w"]
            kernels.drop_dead(self._start, self._index, self._w, moments.m, moments.v)
            self._arrange()
        return losses

    def outputs(self, inputs: Array, noise: Noise) -> Array:
        """Output of trials (n_steps, n_trials, n_inputs): (n_steps - 2, n_trials, n_outputs), see `run_outputs`."""
        p, kind = self._p, self._type
        full, _ = self._matrices()
        out = np.empty((len(inputs) - 2, inputs.shape[1], len(p["w_out"])), kind)
        kernels.outputs(
            np.ascontiguousarray(inputs, kind), noise.lanes, kind(self.sigma_rec), kind(self.sigma_init),
            self._initial.n_units, self._layouts.forward, full, self._dense, self._fill_up(self.alpha), self._b_rec,
            self._w_in_t, self._fill_up(p["w_out"]), p["b_out"], self._kind, out,
        )  # fmt: skip
        return out

    def last_trial(self) -> dict[str, Array]:
        """States, rates (n_steps - 1, n_units) and output (n_steps - 2, n_outputs) of the last trial simulated."""
        o, n = self._space["o"], self._initial.n_units
        return {"o": o.copy(), **{name: self._space[name][: len(o) + 1, :n].copy() for name in ("x", "r")}}

    # -- state ----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything the rest of the training depends on, as tensors and plain values."""
        arrays = {"start": self._start, "index": self._index, "ruled_out": self._ruled_out}
        for name, value in self._trained().items():
            arrays |= {name: value, f"m_{name}": self._moments[name].m, f"v_{name}": self._moments[name].v}
        return {"n_updates": self.n_updates, **{k: torch.from_numpy(np.array(v)) for k, v in arrays.items()}}

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
