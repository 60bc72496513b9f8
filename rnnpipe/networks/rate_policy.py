r"""Rate networks as policies: engines and gradients for learning from reward, with the equations of `rate_reference`.

.. math::
    x_0 &= \sigma_{init} \xi_0, \quad r_t = \phi(x_t), \quad \pi_t = \mathrm{softmax}(W_{out} r_t + b_{out}) \\
    x_t &= (1 - \alpha) x_{t-1} + \alpha (W r_{t-1} + b + W_{in} u_t) + \sigma_{rec} \xi_t

As with every policy network the state of step t >= 1 is reached with the input of step t (in `rate_reference` with that
of step t - 1), and the first action is taken without input.

Under Dale's principle W_ij = w_ij s_j with magnitudes w that are not negative. A magnitude at zero has no effect, no
gradient, and stays there, so that connections die and none is made, as in training by backpropagation through time.
Magnitudes that a step of the optimiser makes negative are set to zero, which changes nothing of this.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811 (network); Song, Yang & Wang (2017) eLife 6:e21492 (learning).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnpipe.errors import SettingsError
from rnnpipe.networks import rate_policy_kernels as kernels
from rnnpipe.networks.draws import Draws
from rnnpipe.networks.engine import Array, CpuEngine, Episode, Grads, Stepper, _numpy, _Packed
from rnnpipe.networks.engine_environment import EnvironmentEngine
from rnnpipe.networks.engine_torch import TorchEngine, _Dense
from rnnpipe.networks.engines import Engine, hold_libraries
from rnnpipe.networks.parameters import Parameters, effective
from rnnpipe.networks.rate_kernels import ACTIVATIONS
from rnnpipe.networks.rate_network import CAP, RateNetwork
from rnnpipe.networks.rate_parameters import initial_network
from rnnpipe.networks.rate_reference import activate, time_constants
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.networks.settings import NO_PENALTY, Penalty, ValueSettings
from rnnpipe.settings import Settings
from rnnpipe.tasks._environment import AnyTask, EnvironmentTask
from rnnpipe.trials import Trials

VALUE_TAU = 100.0
"""Time constant of the value network beside a rate network, ms: that of the published value networks."""


def slope(r: Tensor, activation: str) -> Tensor:
    """Derivative of the activation at states whose rates are r."""
    if activation == "sigmoid":
        return r * (1 - r)
    if activation == "clipped_relu":
        return ((r > 0) & (r < CAP)).to(r.dtype)
    return torch.where(r < CAP, -torch.expm1(-r), torch.zeros_like(r))


def alpha(gamma: Tensor, settings: RateSettings, dt: float) -> Tensor:
    """Dt / tau of each unit, (n_units,)."""
    return dt / time_constants({"gamma": gamma}, settings.tau_min, settings.tau_max)


def alpha_slope(gamma: Tensor, settings: RateSettings, dt: float) -> Tensor:
    """Derivative of `alpha` in gamma: -alpha^2 / dt (tau_max - tau_min) sigmoid'(gamma), (n_units,)."""
    s = torch.sigmoid(gamma)
    return -(alpha(gamma, settings, dt) ** 2) / dt * (settings.tau_max - settings.tau_min) * s * (1 - s)


class RateEngine(CpuEngine):
    """Rate networks on the CPU, with a value network of the usual kinds beside them.

    Args:
        settings: Settings of the policy network.
        dt: Time step, ms.
        *others: Arguments of the engine that this one refines.
        **options: More of them.
    """

    def __init__(self, settings: RateSettings, dt: float, *others: Any, **options: Any) -> None:
        super().__init__(*others, **options)
        self._settings, self._dt = settings, dt
        self._records = ("d",) if settings.learns_tau else ()

    def _stepper(self, w: Mapping[str, Array], trials: Trials, p: _Packed) -> Stepper:
        """See `CpuEngine`."""
        settings, weights_t = self._settings, [np.ascontiguousarray(w[k].T) for k in ("w_rec", "w_out")]
        each, kind = _numpy(alpha(torch.from_numpy(w["gamma"]), settings, self._dt)), ACTIVATIONS[settings.activation]

        def advance(
            t0: int, t1: int, drive: Array, noise: Array, uniform: Array, alive: NDArray[Any]
        ) -> tuple[int, bool]:
            first = 1 if t0 == 0 else 0
            noise[:first] *= settings.sigma_init
            noise[first:] *= settings.sigma_rec
            return kernels.rollout(
                t0, t1, trials.n_steps - 1, each, kind, drive, noise, uniform, alive, trials.phase, trials.stops,
                *weights_t, w["b_out"], p.start, p.trial, p.prev, p.action, p.z, p.x, p.r, p.d, len(p.d) > 0,
            )  # fmt: skip

        return advance

    def policy_gradient(
        self,
        policy: Mapping[str, Tensor],
        episode: Episode,
        advantage: Tensor,
        entropy: float = 0.0,
        penalty: Penalty = NO_PENALTY,
    ) -> Grads:
        """Gradient in the effective weights; see `CpuEngine.policy_gradient`. There are no penalties."""
        assert penalty == NO_PENALTY
        p: _Packed = episode.record  # type: ignore[assignment]
        assert p.inputs is not None, "the rollout kept no gradient"
        w = {name: np.ascontiguousarray(_numpy(policy[name])) for name in ("w_out", "w_rec", "gamma")}
        gamma, first, n = torch.from_numpy(w["gamma"]), p.start[1], p.r.shape[1]
        d_logits = np.ascontiguousarray(self._logits_slope(p, advantage, entropy))
        d_drive, d_alpha = np.empty((p.rows - first, n), self._type), np.empty(n, self._type)
        kernels.backward(
            p.n_steps, _numpy(alpha(gamma, self._settings, self._dt)), p.start, p.prev,
            _numpy(slope(torch.from_numpy(p.r), self._settings.activation)), p.d, d_logits, w["w_out"], w["w_rec"],
            d_drive, d_alpha,
        )  # fmt: skip
        ones = np.ones(p.rows, self._type)
        grads = {
            "w_in": d_drive.T @ p.inputs[first:],
            "b_in": ones[first:] @ d_drive,
            "w_rec": d_drive.T @ p.r[p.prev[first:]],
            "w_out": d_logits.T @ p.r,
            "b_out": ones @ d_logits,
            "gamma": d_alpha * _numpy(alpha_slope(gamma, self._settings, self._dt)),
        }
        return {name: torch.from_numpy(g) for name, g in grads.items()}


class RateEnvironmentEngine(RateEngine, EnvironmentEngine):
    """Rate networks that act in environments."""


class RateTorchEngine(TorchEngine):
    """Rate networks on a torch device; arguments as for `RateEngine`."""

    _records = ("d",)

    def __init__(self, settings: RateSettings, dt: float, *others: Any, **options: Any) -> None:
        super().__init__(*others, **options)
        self._settings, self._dt = settings, dt

    def rollout(self, policy: Mapping[str, Tensor], trials: Trials, draws: Draws, gradient: bool = True) -> Episode:
        """See `CpuEngine.rollout`."""
        each = alpha(policy["gamma"], self._settings, self._dt)
        return super().rollout({**policy, "alpha": each}, trials, draws, gradient)

    def _scaled(self, noise: Tensor, t0: int) -> Tensor:
        scaled = noise * self._settings.sigma_rec
        if t0 == 0:
            scaled[0] = noise[0] * self._settings.sigma_init
        return scaled

    def _start(self, w: Mapping[str, Tensor], noise: Tensor) -> Tensor:
        return noise

    def _rate(self, x: Tensor) -> Tensor:
        return activate(x, self._settings.activation)

    def _policy_step(
        self, w: Mapping[str, Tensor], x: Tensor, r: Tensor, drive: Tensor, q: Tensor
    ) -> tuple[Tensor, ...]:
        d = torch.addmm(drive, r, w["w_rec"].T) - x
        return x + w["alpha"] * d + q, d

    def policy_gradient(
        self,
        policy: Mapping[str, Tensor],
        episode: Episode,
        advantage: Tensor,
        entropy: float = 0.0,
        penalty: Penalty = NO_PENALTY,
    ) -> Grads:
        """See `RateEngine.policy_gradient`; the equations are those of `rate_policy_kernels.backward`."""
        assert penalty == NO_PENALTY
        p: _Dense = episode.record  # type: ignore[assignment]
        gamma, n = policy["gamma"], p.r.shape[2]
        each, slopes = alpha(gamma, self._settings, self._dt), slope(p.r, self._settings.activation)
        d_logits = self._logits_slope(p, episode, advantage, entropy)
        readout = (d_logits @ policy["w_out"]) * slopes
        g, reaching = readout[-1], []
        for t in range(len(p.r) - 1, 0, -1):
            reaching.append(g)
            drive = each * g
            g = g - drive + slopes[t - 1] * (drive @ policy["w_rec"]) + readout[t - 1]
        # without a step after the first there is nothing to propagate
        state = torch.stack(reaching[::-1]) if reaching else p.r[:0]
        d_drive, flat = (each * state).view(-1, n), d_logits.reshape(-1, d_logits.shape[2])
        d_alpha = (state * p.d).sum((0, 1)) if reaching else torch.zeros_like(gamma)
        return {
            "w_in": d_drive.T @ p.inputs.reshape(len(d_drive), -1),
            "b_in": d_drive.sum(0),
            "w_rec": d_drive.T @ p.r[:-1].reshape(-1, n),
            "w_out": flat.T @ p.r.reshape(-1, n),
            "b_out": flat.sum(0),
            "gamma": d_alpha * alpha_slope(gamma, self._settings, self._dt),
        }


def policy_engine(network: RateNetwork, sigma: tuple[float, float]) -> tuple[RateEngine, dict[str, Tensor]]:
    """What runs a rate network as a policy on the CPU, and its effective weights.

    Args:
        network: The network; its outputs are the logits of the actions.
        sigma: SD of the noise of a step and of the initial states.
    """
    settings = RateSettings(
        n_units=network.n_units,
        tau_min=network.tau_min,
        tau_max=network.tau_max,
        activation=network.activation,
        dale=network.dale,
        sigma_rec=sigma[0],
        sigma_init=sigma[1],
    )
    return RateEngine(settings, network.dt, 1.0, sigma[0], 0.0), effective(*as_parameters(network))


class RateKind:
    """Rate networks; see `policy_kind.PolicyKind`."""

    settings: ClassVar[type[Settings]] = RateSettings
    kept_initial: ClassVar[tuple[str, ...]] = ("w", "gamma")

    def check(self, network: RateSettings, task: AnyTask) -> None:
        """See `PolicyKind`."""
        limits = {"network.tau_min": network.tau_min, "the value network's time constant": VALUE_TAU}
        for name, tau in limits.items():
            if task.dt > tau:
                raise SettingsError(f"task.dt = {task.dt:g} ms is longer than {name}, {tau:g} ms; take a shorter step.")

    def engine(self, device: torch.device, task: AnyTask, network: RateSettings, value: ValueSettings) -> Engine:
        """See `PolicyKind`."""
        value_alpha = task.dt / VALUE_TAU
        scales = value_alpha, network.sigma_rec, math.sqrt(2 / value_alpha * value.var_rec)
        if device.type != "cpu":
            return RateTorchEngine(network, task.dt, *scales, device=device)
        hold_libraries()
        if isinstance(task, EnvironmentTask):
            return RateEnvironmentEngine(network, task.dt, task, *scales)
        return RateEngine(network, task.dt, *scales)

    def initial(self, network: RateSettings, task: AnyTask, seed: int) -> tuple[Parameters, dict[str, Tensor]]:
        """See `PolicyKind`; the network is `initial_network` of the seed's generator."""
        rng = np.random.default_rng(seed)
        return as_parameters(initial_network(network, len(task.input_names), len(task.action_names), task.dt, rng))

    def untrained(self, network: RateSettings) -> Collection[str]:
        """See `PolicyKind`."""
        return {"sign", "w_in", "b_rec", *network.fixed, *(() if network.learns_tau else ("gamma",))}

    def penalty(self, network: RateSettings) -> Penalty:
        """See `PolicyKind`."""
        return NO_PENALTY

    def confine(self, parameters: Mapping[str, Tensor]) -> None:
        """See `PolicyKind`: magnitudes are not negative under Dale's principle."""
        if "sign" in parameters:
            parameters["w"].clamp_(min=0)

    def shapes(self, network: RateSettings, n_inputs: int, n_actions: int) -> dict[str, tuple[int, ...]]:
        """See `PolicyKind`."""
        n = network.n_units
        shapes: dict[str, tuple[int, ...]] = {
            "w": (n, n),
            "w_in": (n, n_inputs),
            "b_rec": (n,),
            "w_out": (n_actions, n),
            "b_out": (n_actions,),
            "gamma": (n,),
        }
        return {**shapes, "sign": (n,)} if network.dale else shapes

    def structure(self, network: RateSettings) -> dict[str, object]:
        """See `PolicyKind`."""
        names = ("n_units", "activation", "dale", "tau_min", "tau_max", "n_som")
        return {name: getattr(network, name) for name in names}


KIND = RateKind()


def as_parameters(network: RateNetwork) -> tuple[Parameters, dict[str, Tensor]]:
    """Parameters and masks of a rate network."""
    names = ("w", "w_in", "b_rec", "w_out", "b_out", "gamma", *(("sign",) if network.dale else ()))
    values = {name: torch.from_numpy(np.array(getattr(network, name), np.float32)) for name in names}
    masks = {} if (network.mask == 1).all() else {"w": torch.from_numpy(np.array(network.mask, np.float32))}
    return Parameters(values), masks
