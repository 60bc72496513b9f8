"""The engine of the reward-learning networks on any torch device.

Same interface and same equations as `engine`, in torch operations on dense (time, trial, unit) arrays. Nothing in
the loop over steps waits for the device: actions are drawn, looked up in the rule table and masked there. Every
`BLOCK` steps it asks once whether any trial is still going on.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnpipe.errors import TrainingError
from rnnpipe.networks.draws import Draws
from rnnpipe.networks.engine import BLOCK, Episode, Grads, Pairing, ValuePass
from rnnpipe.networks.penalties import vanishing_gradients_slope
from rnnpipe.networks.settings import NO_PENALTY, Penalty
from rnnpipe.trials import Trials


@dataclass
class _Dense:
    """Records of one network, (n_steps done, n_trials, ...); lam, gam, s and d start at step 1."""

    x: Tensor
    r: Tensor
    lam: Tensor
    gam: Tensor
    s: Tensor
    d: Tensor
    inputs: Tensor
    """What drove steps 1, 2, ..."""
    mask: Tensor
    """1 while the trial was going on, (n_steps done, n_trials)."""
    z: Tensor | None = None


class TorchEngine:
    """Rollouts, value predictions and gradients on a torch device; arguments as for `CpuEngine`."""

    _records: tuple[str, ...] = ("lam", "gam", "s", "d")
    """What a step of the policy returns and a rollout keeps for the gradient, besides states and rates."""

    def __init__(
        self,
        alpha: float,
        noise_sd: float,
        value_noise_sd: float,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.dtype, self.device = dtype, torch.device(device)
        self._alpha, self._noise_sd, self._value_noise_sd = alpha, noise_sd, value_noise_sd

    # the policy's part, which other kinds of networks replace

    def _scaled(self, noise: Tensor, t0: int) -> Tensor:
        """Noise of the steps from t0 on, given noise of unit variance."""
        return noise * self._noise_sd

    def _start(self, w: Mapping[str, Tensor], noise: Tensor) -> Tensor:
        """State of the policy at t = 0."""
        return w["x0"].expand(len(noise), -1)

    def _rate(self, x: Tensor) -> Tensor:
        return x.relu()

    def _policy_step(
        self, w: Mapping[str, Tensor], x: Tensor, r: Tensor, drive: Tensor, q: Tensor
    ) -> tuple[Tensor, ...]:
        """The next state of the policy and what is kept of the step."""
        return self._step(w, x, r, drive, q)

    def _step(self, w: Mapping[str, Tensor], x: Tensor, r: Tensor, drive: Tensor, q: Tensor) -> tuple[Tensor, ...]:
        n = x.shape[1]
        gates = torch.sigmoid(torch.addmm(drive[:, n:], r, w["w_gates"].T))
        lam, gam = gates[:, :n], gates[:, n:]
        s = gam * r
        d = torch.addmm(drive[:, :n], s, w["w_rec"].T) + q - x
        return x + self._alpha * lam * d, lam, gam, s, d

    def rollout(self, policy: Mapping[str, Tensor], trials: Trials, draws: Draws, gradient: bool = True) -> Episode:
        """Let the policy act on a batch of trials; see `CpuEngine.rollout`."""
        n_steps, n_trials = trials.n_steps, trials.n_trials
        to: dict[str, Any] = {"dtype": self.dtype, "device": self.device}
        inputs = torch.from_numpy(trials.inputs).to(**to)
        phase = torch.from_numpy(trials.phase).to(self.device, torch.long)
        table = torch.from_numpy(trials.rewards).to(**to)
        stops = torch.from_numpy(trials.stops).to(self.device)
        discount = torch.from_numpy(trials.discount).to(**to)
        everyone = torch.arange(n_trials, device=self.device)
        shape = (n_steps, n_trials)
        actions = torch.full(shape, -1, device=self.device)
        rewards, mask = torch.zeros(shape, **to), torch.zeros(shape, **to)
        x, n_units = torch.empty(0, **to), policy["w_out"].shape[1]
        alive = torch.ones(n_trials, dtype=torch.bool, device=self.device)
        finite = torch.ones((), dtype=torch.bool, device=self.device)
        kept: dict[str, list[Tensor]] = {name: [] for name in ("x", "r", "lam", "gam", "s", "d", "z")}
        done = 0
        for t0 in range(0, n_steps, BLOCK):
            t1 = min(t0 + BLOCK, n_steps)
            drive = inputs[t0:t1] @ policy["w_in"].T + policy["b_in"]
            noise = self._scaled(draws.noise(t0, t1, everyone, n_units), t0)
            uniform = draws.uniform(t0, t1, everyone)
            for t in range(t0, t1):
                if t == 0:
                    x = self._start(policy, noise[0])
                else:
                    x, *records = self._policy_step(policy, x, kept["r"][-1], drive[t - t0], noise[t - t0])
                    if gradient:
                        for name, value in zip(self._records, records, strict=True):
                            kept[name].append(value)
                r = self._rate(x)
                z = torch.softmax(torch.addmm(policy["b_out"], r, policy["w_out"].T), -1)
                cumulative = torch.cumsum(z, -1)
                finite = finite & torch.isfinite(cumulative[:, -1]).all()
                action = (uniform[t - t0, :, None] * cumulative[:, -1:] >= cumulative[:, :-1]).sum(-1)
                actions[t] = torch.where(alive, action, actions[t])
                rewards[t] = discount[t] * table[phase[t], everyone, action] * alive
                mask[t] = alive
                alive = alive & ~stops[phase[t], everyone, action]
                kept["x"].append(x)
                kept["r"].append(r)
                kept["z"].append(z)
            done = t1
            if not bool(finite):
                raise TrainingError(f"the policy became NaN or infinite before step {t1} of a trial.")
            if not bool(alive.any()):
                break
        stacked = {name: torch.stack(value) if value else torch.zeros(0, **to) for name, value in kept.items()}
        return Episode(actions, rewards, mask, _Dense(**stacked, inputs=inputs[1:done], mask=mask[:done]))

    def policy_gradient(
        self,
        policy: Mapping[str, Tensor],
        episode: Episode,
        advantage: Tensor,
        entropy: float = 0.0,
        penalty: Penalty = NO_PENALTY,
    ) -> Grads:
        """Gradient of -sum (log pi(a_t) * advantage_t + entropy * H_t); see `CpuEngine.policy_gradient`."""
        record: _Dense = episode.record  # type: ignore[assignment]
        return self._gated_gradient(policy, record, self._logits_slope(record, episode, advantage, entropy), penalty)

    def _logits_slope(self, record: _Dense, episode: Episode, advantage: Tensor, entropy: float) -> Tensor:
        """Gradient of the policy's objective in the logits, (n_steps done, n_trials, n_actions)."""
        assert record.z is not None
        n = len(record.x)
        factor = (advantage * episode.mask)[:n, :, None]
        chosen = torch.nn.functional.one_hot(episode.actions[:n].clamp(min=0), record.z.shape[-1])
        d_logits = (record.z - chosen) * factor
        if entropy:
            surprise = torch.xlogy(record.z, record.z)  # minus each action's share of the entropy
            slope = surprise - record.z * surprise.sum(-1, keepdim=True)
            d_logits = d_logits + entropy * slope * record.mask[..., None]
        return d_logits

    def rollout_with_value(
        self,
        policy: Mapping[str, Tensor],
        value: Mapping[str, Tensor],
        trials: Trials,
        draws: Draws,
        helper: Executor | None = None,
    ) -> tuple[Episode, ValuePass]:
        """`rollout` and `value` (learning pairing); the device orders the work by itself, `helper` is not used."""
        episode = self.rollout(policy, trials, draws)
        return episode, self.value(value, episode, draws)

    def value(
        self,
        value: Mapping[str, Tensor],
        episode: Episode,
        draws: Draws,
        pairing: Pairing = "learning",
        gradient: bool = True,
    ) -> ValuePass:
        """Predicted return of every step that happened; see `CpuEngine.value`."""
        record: _Dense = episode.record  # type: ignore[assignment]
        n, n_trials = record.r.shape[:2]
        assert record.z is not None
        acts = torch.nn.functional.one_hot(episode.actions[: n - 1].clamp(min=0), record.z.shape[-1]).to(self.dtype)
        rates = record.r[:-1] if pairing == "learning" else record.r[1:]
        inputs = torch.cat([rates, acts], -1)
        if "w_rec" in value:
            step, trial = (
                i.reshape(-1) for i in torch.meshgrid(torch.arange(n), torch.arange(n_trials), indexing="ij")
            )
            noise = draws.value_noise(step, trial, len(value["x0"])).view(n, n_trials, -1) * self._value_noise_sd
            drive = inputs @ value["w_in"].T + value["b_in"]
            x = value["x0"].expand(n_trials, -1)
            kept: dict[str, list[Tensor]] = {name: [] for name in ("x", "r", "lam", "gam", "s", "d")}
            kept["x"].append(x)
            kept["r"].append(x.relu())
            for t in range(1, n):
                x, lam, gam, s, d = self._step(value, x, kept["r"][-1], drive[t - 1], noise[t])
                kept["r"].append(x.relu())
                for name, item in (("x", x), ("lam", lam), ("gam", gam), ("s", s), ("d", d)) if gradient else ():
                    kept[name].append(item)
            none = torch.zeros(0, n_trials, x.shape[1], **self._like(x))
            stacked = {k: torch.stack(v) if v else none for k, v in kept.items()}
            own = _Dense(**stacked, inputs=inputs, mask=record.mask)
        else:
            none = torch.zeros(0, **self._like(record.r))
            r = torch.cat([value["x0"].expand(1, n_trials, -1), inputs])
            own = _Dense(none, r, none, none, none, none, inputs, record.mask)
        dense = torch.zeros(episode.mask.shape, dtype=self.dtype, device=self.device)
        dense[:n] = own.r @ value["w_out"][0] + value["b_out"]
        return ValuePass(dense * episode.mask, own)

    def value_gradient(
        self, value: Mapping[str, Tensor], passed: ValuePass, d_value: Tensor, penalty: Penalty = NO_PENALTY
    ) -> Grads:
        """Gradient of a loss given its gradient in each predicted return; see `CpuEngine.value_gradient`."""
        record: _Dense = passed.record  # type: ignore[assignment]
        d_out = d_value[: len(record.r), :, None]
        if "w_rec" in value:
            return self._gated_gradient(value, record, d_out, penalty)
        flat = d_out.reshape(-1, 1)
        x0 = (d_out[0] @ value["w_out"]).sum(0)
        if penalty.l2_rate:
            x0 = x0 + record.r[0].sum(0) * self._rate_slope(record, penalty)
        return {"w_out": flat.T @ record.r.flatten(0, 1), "b_out": flat.sum(0), "x0": x0}

    def _rate_slope(self, p: _Dense, penalty: Penalty) -> Tensor:
        return 2 * penalty.l2_rate / (p.r.shape[2] * p.mask.sum())

    def _gated_gradient(self, w: Mapping[str, Tensor], p: _Dense, d_out: Tensor, penalty: Penalty) -> Grads:
        """Reverse sweep; the equations are those of `kernels.backward`."""
        on = p.x > 0
        readout = (d_out @ w["w_out"]) * on
        if penalty.l2_rate:
            readout = readout + p.r * p.mask[..., None] * self._rate_slope(p, penalty)
        g, d_state, d_gates = readout[-1], [], []
        for t in range(len(p.x) - 1, 0, -1):
            lam, gam = p.lam[t - 1], p.gam[t - 1]
            dc = self._alpha * lam * g
            ds = dc @ w["w_rec"]
            da = torch.cat([dc * p.d[t - 1] * (1 - lam), ds * p.r[t - 1] * gam * (1 - gam)], -1)
            dr = torch.addmm(ds * gam, da, w["w_gates"])
            g = g - self._alpha * lam * g + dr * on[t - 1] + readout[t - 1]
            d_state.append(dc)
            d_gates.append(da)
        n = p.x.shape[2]
        state = torch.stack(d_state[::-1]).view(-1, n) if d_state else torch.zeros(0, n, **self._like(p.x))
        gates = torch.stack(d_gates[::-1]).view(-1, 2 * n) if d_gates else torch.zeros(0, 2 * n, **self._like(p.x))
        pre = torch.cat([state, gates], 1)
        flat = d_out.reshape(-1, d_out.shape[2])
        w_rec = state.T @ p.s.reshape(-1, n)
        if penalty.gradient and len(state):
            # the gates are 1: what reaches a state is its d_state / alpha
            reaching, active, n_valid = state / self._alpha, on[:-1].reshape(-1, n), p.mask[1:].sum().clamp(min=1)
            slope = vanishing_gradients_slope(w["w_rec"], reaching, active, self._alpha, n_valid)
            w_rec = w_rec + penalty.gradient * slope
        return {
            "w_in": pre.T @ p.inputs.reshape(len(pre), -1),
            "b_in": pre.sum(0),
            "w_gates": gates.T @ p.r[:-1].reshape(-1, n),
            "w_rec": w_rec,
            "w_out": flat.T @ p.r.reshape(-1, n),
            "b_out": flat.sum(0),
            "x0": g.sum(0),
        }

    def _like(self, x: Tensor) -> dict[str, Any]:
        return {"dtype": x.dtype, "device": x.device}

    def activity(self, episode: Episode, passed: ValuePass | None = None) -> dict[str, NDArray[np.floating]]:
        """Dense records of a batch; see `CpuEngine.activity`."""
        record: _Dense = episode.record  # type: ignore[assignment]
        assert record.z is not None
        values = {"policy_rates": record.r, "probabilities": record.z}
        if passed is not None:
            values["value_rates"] = passed.record.r  # type: ignore[attr-defined]
        dense = {}
        for name, value in values.items():
            full = torch.zeros(*episode.mask.shape, value.shape[2], **self._like(value))
            full[: len(value)] = value * episode.mask[: len(value), :, None]
            dense[name] = full.cpu().numpy()
        return dense
