"""Training of rate networks on any torch device, many at once: the leading axis of every array is the network.

Same equations as `rate_engine`, the backward pass derived by hand as in `rate_kernels`, on dense matrices. A step of
all networks is a handful of operations, so a device that is slow to start an operation but fast in it trains many
networks in about the time of one. Nothing in an update waits for the device. Networks that have ended cost nothing: an
update names those that go on.

Each network has its own trials, noise, optimiser and end. Batched products may round differently in other company, so
that a network trained here is the same in every run of the same networks, but not to the bit with other ones.

It has been tested against `rate_engine` and the reference equations on the CPU; it has not run on a CUDA device yet.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnpipe.networks import rate_reference as reference
from rnnpipe.networks.rate_engine import EPSILON
from rnnpipe.networks.rate_network import CAP, RateNetwork
from rnnpipe.networks.rate_parameters import TRAINED

NAMES = ("w", "sign", "mask", "w_in", "w_out", "b_out", "b_rec", "gamma")
DRAWN = 16
"""Steps whose noise is drawn at a time in evaluations."""


class TorchNoise:
    """Standard normal numbers on a device.

    Args:
        seed: Decides the numbers, together with the kind of the device.
        device: Where they are made.
        dtype: Of the numbers.
    """

    def __init__(self, seed: int, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self._to: dict[str, Any] = {"device": device, "dtype": dtype}
        self.generator = torch.Generator(device).manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        """Numbers of this shape."""
        return torch.empty(*shape, **self._to).normal_(generator=self.generator)

    def state(self) -> Tensor:
        """What the numbers to come depend on."""
        return self.generator.get_state().clone()

    def load_state(self, state: Tensor) -> None:
        """Continue from `state`."""
        self.generator.set_state(state)


class TorchRateLearners:
    """Rate networks of the same settings in training.

    Args:
        networks: The networks to start from; they are not changed.
        sigma_rec: SD of the noise of a step.
        sigma_init: SD of the initial states.
        learning_rate: Step of Adam.
        loss: "l2" or "l1".
        fixed: Parameters that are not trained.
        device: Where to train.
        dtype: float32, or float64 for tests.
    """

    def __init__(
        self,
        networks: list[RateNetwork],
        sigma_rec: float,
        sigma_init: float,
        learning_rate: float,
        loss: str = "l2",
        fixed: tuple[str, ...] = (),
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._initial, self.device, self.dtype = networks, torch.device(device), dtype
        self.sigma_rec, self.sigma_init = sigma_rec, sigma_init
        self.learning_rate, self._loss = learning_rate, loss
        first = networks[0]
        self._learns_tau = first.tau_max > first.tau_min
        self._trained = [n for n in TRAINED if n not in fixed and (n != "gamma" or self._learns_tau)]
        self._p = {
            name: torch.stack([self.tensor(getattr(network, name)) for network in networks]).contiguous()
            for name in NAMES
        }
        self._m = {name: torch.zeros_like(self._p[name]) for name in self._trained}
        self._v = {name: torch.zeros_like(self._p[name]) for name in self._trained}
        self.n_updates = [0] * len(networks)
        self._last: tuple[list[int], dict[str, Tensor]] = ([], {})

    def tensor(self, array: NDArray[Any]) -> Tensor:
        """An array on the device."""
        return torch.as_tensor(np.ascontiguousarray(array)).to(self.device, self.dtype)

    def _of(self, values: dict[str, Tensor], going: list[int]) -> dict[str, Tensor]:
        """Those of some networks; of all of them without a copy."""
        if going == list(range(len(self._initial))):
            return dict(values)
        return {name: value[going] for name, value in values.items()}

    def _alpha(self, p: dict[str, Tensor]) -> Tensor:
        """Dt / tau, (n_networks, 1, n_units)."""
        first = self._initial[0]
        if not self._learns_tau:
            return torch.full_like(p["gamma"], first.dt / first.tau_min)[:, None]
        return (first.dt / reference.time_constants(p, first.tau_min, first.tau_max))[:, None]

    def _w_rec(self, p: dict[str, Tensor]) -> Tensor:
        w = p["w"].relu() if self._initial[0].dale else p["w"]
        return w * p["sign"][:, None] * p["mask"]

    def gradients(
        self, inputs: Tensor, target: Tensor, x0: Tensor, noise: Tensor, going: list[int] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Losses of some trials of each network and the gradient of their mean.

        Args:
            inputs: (n_networks, n_steps, n_trials, n_inputs).
            target: (n_networks, n_steps - 1, n_trials, n_outputs).
            x0: Standard normal, (n_networks, n_trials, n_units).
            noise: Standard normal, (n_networks, n_trials, n_steps - 1, n_units); the first step's is not used.
            going: Networks that the arrays are of; by default all.

        Returns:
            Losses (n_networks, n_trials) and gradients by parameter, (n_networks, ...).
        """
        going = list(range(len(self._initial))) if going is None else going
        p = self._of(self._p, going)
        alpha, w_rec = self._alpha(p), self._w_rec(p)
        n_networks, n_steps, n_trials, _ = inputs.shape
        n_states, n = n_steps - 1, w_rec.shape[-1]
        kind = self._initial[0].activation
        # time first: a step is one contiguous piece
        shape = (n_states, n_networks, n_trials, n)
        x, r, d = (torch.empty(shape, dtype=self.dtype, device=self.device) for _ in range(3))
        drive = self._drive(p, inputs[:, : n_states - 1])
        pushes = (self.sigma_rec * noise).permute(2, 0, 1, 3)
        forward = w_rec.transpose(1, 2)
        x[0] = self.sigma_init * x0
        r[0] = reference.activate(x[0], kind)
        for t in range(1, n_states):
            torch.baddbmm(drive[t - 1], r[t - 1], forward, out=d[t])
            d[t] -= x[t - 1]
            torch.addcmul(x[t - 1], d[t], alpha, out=x[t])
            x[t] += pushes[t]
            r[t] = reference.activate(x[t], kind)
        o = torch.einsum("tmbn,mon->tmbo", r[1:], p["w_out"]) + p["b_out"][:, None]
        error = o - target[:, : n_states - 1].permute(1, 0, 2, 3)
        if self._loss == "l2":
            losses = error.square().sum((0, 3)).sqrt()
            g = error / torch.where(losses > 0, losses, torch.ones_like(losses))[..., None]
        else:
            losses, g = error.abs().sum((0, 3)), error.sign()
        g = g / n_trials

        back = torch.einsum("tmbo,mon->tmbn", g, p["w_out"])
        slope = self._slope(x[1:], r[1:], kind)
        lam, sent = torch.zeros_like(x[0]), torch.zeros_like(x[0])
        grad_alpha = torch.zeros_like(x[0])
        for t in range(n_states - 1, 0, -1):
            reaching = torch.baddbmm(back[t - 1], sent, w_rec) if t < n_states - 1 else back[t - 1]
            lam = reaching * slope[t - 1] + lam - sent
            grad_alpha.addcmul_(lam, d[t])
            sent = alpha * lam
            d[t] = sent
        grad_w = torch.einsum("tmbi,tmbj->mij", d[1:], r[:-1]) * p["sign"][:, None] * p["mask"]
        if self._initial[0].dale:
            grad_w = grad_w * (p["w"] > 0)
        first = self._initial[0]
        sigmoid = torch.sigmoid(p["gamma"])
        d_tau = (first.tau_max - first.tau_min) * sigmoid * (1 - sigmoid)
        self._last = going, {"x": x[:, :, -1], "r": r[:, :, -1], "o": o[:, :, -1]}
        return losses, {
            "w": grad_w,
            "w_out": torch.einsum("tmbo,tmbn->mon", g, r[1:]),
            "b_out": g.sum((0, 2)),
            "gamma": -(alpha[:, 0] ** 2) / first.dt * d_tau * grad_alpha.sum(1),
        }

    def _drive(self, p: dict[str, Tensor], inputs: Tensor) -> Tensor:
        """Input of each step, (n_steps, n_networks, n_trials, n_units)."""
        return torch.einsum("mtbi,mni->tmbn", inputs, p["w_in"]) + p["b_rec"][:, None]

    def _slope(self, x: Tensor, r: Tensor, kind: str) -> Tensor:
        """Derivative of the rates."""
        if kind == "sigmoid":
            return r * (1 - r)
        if kind == "clipped_relu":
            return ((x > 0) & (x < CAP)).to(self.dtype)
        return torch.sigmoid(x) * (r < CAP)

    def update(
        self, inputs: Tensor, target: Tensor, x0: Tensor, noise: Tensor, going: list[int] | None = None
    ) -> Tensor:
        """One step of Adam of each network; arguments and losses as of `gradients`.

        It does not wait for the losses: whoever reads them looks for NaN.
        """
        going = list(range(len(self._initial))) if going is None else going
        losses, grad = self.gradients(inputs, target, x0, noise, going)
        whole = len(going) == len(self._initial)
        rates = []
        for k in going:
            self.n_updates[k] += 1
            rates.append(math.sqrt(1 - 0.999 ** self.n_updates[k]) / (1 - 0.9 ** self.n_updates[k]))
        # networks that go on have made the same number of updates, unless someone trains them apart
        rate = self.learning_rate * (rates[0] if len(set(rates)) == 1 else self.tensor(np.array(rates)))
        for name in self._trained:
            g, (m, v, p) = grad[name], (kept[name] for kept in (self._m, self._v, self._p))
            if not whole:
                m, v, p = m[going], v[going], p[going]
            m.mul_(0.9).add_(g, alpha=0.1)
            v.mul_(0.999).addcmul_(g, g, value=0.001)
            factor = rate.view(-1, *[1] * (g.dim() - 1)) if isinstance(rate, Tensor) else rate
            p.sub_(factor * m / (v.sqrt() + EPSILON))
            if not whole:
                for kept, new in ((self._m, m), (self._v, v), (self._p, p)):
                    kept[name][going] = new
        return losses

    def outputs(self, inputs: Tensor, noise: list[TorchNoise], going: list[int] | None = None) -> Tensor:
        """Output of trials of each network, with fresh noise.

        Args:
            inputs: (n_networks, n_steps, n_trials, n_inputs).
            noise: Where the noise of each network comes from.
            going: Networks that the arrays are of; by default all.

        Returns:
            (n_networks, n_steps - 2, n_trials, n_outputs), see `rate_engine.run_outputs`.
        """
        p = self._of(self._p, list(range(len(self._initial))) if going is None else going)
        alpha, forward, readout = self._alpha(p), self._w_rec(p).transpose(1, 2), p["w_out"].transpose(1, 2)
        n_states, n_trials, n = inputs.shape[1] - 1, inputs.shape[2], forward.shape[-1]
        kind, found = self._initial[0].activation, []
        x = self.sigma_init * torch.stack([source.normal(n_trials, n) for source in noise])
        r = reference.activate(x, kind)
        for first in range(1, n_states, DRAWN):
            last = min(first + DRAWN, n_states)
            push = self.sigma_rec * torch.stack([source.normal(last - first, n_trials, n) for source in noise])
            drive = self._drive(p, inputs[:, first - 1 : last - 1])
            for t in range(first, last):
                x = torch.addcmul(x, torch.baddbmm(drive[t - first], r, forward) - x, alpha) + push[:, t - first]
                r = reference.activate(x, kind)
                found.append(torch.baddbmm(p["b_out"][:, None], r, readout))
        return torch.stack(found, 1)

    def network(self, k: int) -> RateNetwork:
        """One network as it is now: w is rectified under Dale's principle."""
        initial = self._initial[k]
        own: dict[str, Any] = {name: self._p[name][k].cpu().numpy().astype(initial.w.dtype) for name in TRAINED}
        if initial.dale:
            own["w"] = np.maximum(own["w"], 0)
        return replace(initial, **own)

    def last_trial(self, k: int) -> dict[str, NDArray[Any]]:
        """States, rates and output of a network's last trial, see `RateLearner.last_trial`."""
        going, record = self._last
        return {name: value[:, going.index(k)].cpu().numpy() for name, value in record.items()}

    # -- state ----------------------------------------------------------------------------------------------

    def state(self, k: int) -> dict[str, Any]:
        """Everything the rest of the training of a network depends on, as tensors and plain values."""
        kept = {"n_updates": self.n_updates[k], **{name: self._p[name][k].cpu().clone() for name in TRAINED}}
        for name in self._trained:
            kept |= {f"m_{name}": self._m[name][k].cpu().clone(), f"v_{name}": self._v[name][k].cpu().clone()}
        return kept

    def load_state(self, k: int, state: dict[str, Any]) -> None:
        """Continue a network from its `state`."""
        self.n_updates[k] = state["n_updates"]
        for name in TRAINED:
            self._p[name][k] = state[name].to(self.device)
        for name in self._trained:
            self._m[name][k], self._v[name][k] = (state[f"{part}_{name}"].to(self.device) for part in "mv")
