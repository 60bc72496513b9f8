"""Loss, gradient and runs of continuous-time networks on any torch device: what `ctrnn_engine` does on the CPU.

Same equations, the backward pass derived by hand as in `ctrnn_kernels`. A step is a product of all trials at once and a
few operations on them; projections of inputs, outputs and gradients of weights are single products over all steps.
Arrays of one size are kept from call to call, and nothing between the first step and the last gradient waits for the
device, so that this part can be captured as a CUDA graph.

It has been tested against the reference equations on the CPU; it has not run on a CUDA device yet.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnpipe.networks.activations import Activation
from rnnpipe.networks.ctrnn import ARRAYS, Ctrnn
from rnnpipe.networks.ctrnn_engine import Array, Noise, StateTerms, Update


def activate(phi: Activation, z: Tensor) -> tuple[Tensor, Tensor]:
    """Rates of inputs, and their derivatives."""
    s, k = phi.slope, phi.sharpness
    match phi.name:
        case "relu":
            active = z > 0
            return torch.where(z <= 0, 0.0, s * z), s * active.to(z.dtype)
        case "leaky_relu":
            steepness = phi.leak + (s - phi.leak) * (z > 0).to(z.dtype)
            return steepness * z, steepness
        case "tanh":
            r = torch.tanh(s * z)
            return r, s * (1 - r * r)
        case "sigmoid":
            r = torch.sigmoid(s * (z - phi.shift))
            return r, s * r * (1 - r)
        case "softplus":
            y = k * s * z
            return torch.nn.functional.softplus(y, threshold=1e9) / k, s * torch.sigmoid(y)
        case "gelu":
            y = k * z
            phase = 0.5 * (1 + torch.erf(y / math.sqrt(2)))
            return z * phase, phase + y / math.sqrt(2 * math.pi) * torch.exp(-0.5 * y * y)


class TorchCtrnnEngine:
    """Loss and gradient of networks of one kind, the arrays of which are given anew each time, see `CtrnnEngine`.

    Args:
        network: Its equations are used, and the SDs of its noise.
        device: Where to compute.
    """

    def __init__(self, network: Ctrnn, device: torch.device | str = "cuda") -> None:
        self.network, self.device = network, torch.device(device)
        self._generator = torch.Generator(self.device)
        scale = math.sqrt(2 / network.alpha)
        self._sigmas = (scale * network.sigma_rec, scale * network.sigma_in, network.sigma_out)
        self._kept: dict[str, Tensor] = {}

    def _room(self, name: str, *shape: int, dtype: torch.dtype) -> Tensor:
        """An array that is kept from call to call, of any content."""
        found = self._kept.get(name)
        if found is None or found.shape != shape or found.dtype != dtype:
            found = self._kept[name] = torch.empty(shape, dtype=dtype, device=self.device)
        return found

    def _put(self, name: str, values: Any, dtype: torch.dtype) -> Tensor:
        return self._room(name, *values.shape, dtype=dtype).copy_(torch.as_tensor(values))

    def _load(
        self, arrays: dict[str, Array], inputs: Array, seed: int | None, noise: Noise | None
    ) -> dict[str, Tensor]:
        """Everything a forward pass needs, on the device; noise with its SD, and none where there is none."""
        dtype = torch.from_numpy(arrays["w_rec"][:0]).dtype
        n_steps, n_trials, n_in = inputs.shape
        n = len(arrays["w_rec"])
        at = {name: self._put(name, arrays[name], dtype) for name in ARRAYS}
        at["given"] = self._put("given", inputs, dtype)
        if seed is not None:
            self._generator.manual_seed(seed)
        shapes = {"rec": (n_steps - 1, n_trials, n), "in": (n_steps - 1, n_trials, n_in), "out": (n_steps, n_trials, n)}
        for k, (name, shape) in enumerate(shapes.items()):
            own = None if noise is None else noise[k]
            if self._sigmas[k] == 0 or (own is None and (noise is not None or seed is None)):
                continue
            xi = self._room(f"noise_{name}", *shape, dtype=dtype)
            if own is None:
                xi.normal_(generator=self._generator)
            else:
                xi.copy_(torch.as_tensor(own[: shape[0]]))
            at[name] = xi.mul_(self._sigmas[k])
        return at

    def _forward(self, at: dict[str, Tensor]) -> dict[str, Tensor]:
        """States, rates, derivatives, shown rates and outputs."""
        network, given = self.network, at["given"]
        alpha, gamma, phi, current = network.alpha, network.saturation, network.activation, network.form == "current"
        n_steps, n_trials, _ = given.shape
        shape, kind = (n_steps, n_trials, len(at["w_rec"])), {"dtype": given.dtype}
        x, slope = self._room("x", *shape, **kind), self._room("slope", *shape, **kind)
        r = self._room("r", *shape, **kind) if current else x
        z = self._room("z", *shape, **kind)
        if "in" in at:
            given[:-1] += at["in"]
        torch.matmul(given, at["w_in"].T, out=z)
        z += at["b_rec"]
        x[0] = at["x_init"]
        if current:
            r[0], slope[0] = activate(phi, x[0])
        if "rec" in at and (current or network.noise_site == "pre"):
            z[:-1] += at["rec"]
        for t in range(n_steps - 1):
            now = z[t].addmm_(r[t], at["w_rec"].T)
            if current:
                torch.lerp(x[t], now, alpha, out=x[t + 1])
            else:
                rate, slope[t] = activate(phi, now)
                torch.lerp(x[t], rate, alpha, out=x[t + 1])
                if "rec" in at and network.noise_site == "post":
                    x[t + 1].add_(at["rec"][t], alpha=alpha)
            if gamma:
                x[t + 1].sub_(x[t] ** 3, alpha=alpha * gamma)
            if current:
                r[t + 1], slope[t + 1] = activate(phi, x[t + 1])
        shown = r + at["out"] if "out" in at else r
        y = torch.matmul(shown, at["w_out"].T)
        return {"x": x, "r": r, "slope": slope, "shown": shown, "y": y}

    def _backward(
        self, at: dict[str, Tensor], ran: dict[str, Tensor], e: Tensor, per_rate: float, more: list[Tensor | None]
    ) -> dict[str, Tensor]:
        """Gradients by name, with `e` the gradient in the outputs and `more` further ones in rates and states."""
        network, x, r, slope = self.network, ran["x"], ran["r"], ran["slope"]
        alpha, current = network.alpha, network.form == "current"
        delta = self._room("delta", *x[:-1].shape, dtype=x.dtype)
        reaching = torch.matmul(e, at["w_out"], out=self._room("z", *x.shape, dtype=x.dtype))
        reaching.add_(r, alpha=per_rate)
        by_rates, by_states = more
        if by_rates is not None:
            reaching += by_rates
        if current:
            reaching *= slope
        if by_states is not None:
            reaching += by_states
        a = reaching[-1]
        for t in range(len(x) - 2, -1, -1):
            if current:
                torch.mul(a, alpha, out=delta[t])
                back = (delta[t] @ at["w_rec"]) * slope[t]
            else:
                torch.mul(a, slope[t], out=delta[t]).mul_(alpha)
                back = delta[t] @ at["w_rec"]
            keep: float | Tensor = 1 - alpha
            if network.saturation:
                keep = keep - 3 * alpha * network.saturation * x[t] ** 2
            a = reaching[t].add_(back).add_(a * keep)
        flat = delta.flatten(0, 1)
        return {
            "w_rec": flat.T @ r[:-1].flatten(0, 1),
            "w_in": flat.T @ at["given"][:-1].flatten(0, 1),
            "w_out": e.flatten(0, 1).T @ ran["shown"].flatten(0, 1),
            "b_rec": flat.sum(0),
            "x_init": a.sum(0),
        }

    @torch.no_grad()
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
        """Loss of a batch and its gradient; arguments and result as of `CtrnnEngine.update`."""
        at = self._load(arrays, inputs, seed, noise)
        dtype = at["given"].dtype
        wanted, weight = self._put("target", target, dtype), self._put("mask", mask, dtype)[..., None]
        norm = target.shape[2] * float(mask.sum(dtype=np.float64))
        ran = self._forward(at)
        off = ran["y"] - wanted
        e = weight * off
        error = (e * off).sum(dtype=torch.float64) / norm if norm else torch.zeros(())
        e *= 2 / norm if norm else 0.0
        more: list[Tensor | None] = [None, None]
        if state_terms is not None:
            _, *own = state_terms(ran["r"].cpu().numpy(), ran["x"].cpu().numpy())
            more = [None if a is None else torch.as_tensor(a).to(self.device, dtype) for a in own]
        square, largest = ran["r"].square().sum(dtype=torch.float64) / ran["r"].numel(), ran["x"].abs().max()
        found = self._backward(at, ran, e, 2 * rate_penalty / ran["x"].numel(), more)
        size = float(largest)
        gradients = {name: found[name].cpu().numpy() for name in ARRAYS}
        return Update(float(error), float(square), size if math.isfinite(size) else math.inf, gradients)

    @torch.no_grad()
    def run(
        self,
        arrays: dict[str, Array],
        inputs: Array,
        seed: int | None = None,
        noise: Noise | None = None,
        states: bool = False,
    ) -> tuple[Array, Array | None]:
        """Outputs of a batch and, if wanted, its states; arguments and result as of `CtrnnEngine.run`."""
        ran = self._forward(self._load(arrays, inputs, seed, noise))
        return ran["y"].cpu().numpy(), ran["x"].cpu().numpy().copy() if states else None
