"""One update of reward-based learning in plain code: one trial and one step at a time, gradients by autograd.

It steps every trial on its own, as the equations are written, then simulates both networks again with a
computation graph, as the published implementations do. The engines are tested against it and the benchmark
measures their speed-up over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rnnpipe.networks.reference import gated_states, gated_step, linear_states, readout
from rnnpipe.training.objective import advantage, policy_loss, returns, value_loss
from rnnpipe.trials import Trials

Weights = Mapping[str, Tensor]


@dataclass
class Rollout:
    """A batch as it happened; arrays are (n_steps, n_trials, ...) and 0 (actions: -1) after a trial's end."""

    actions: Tensor
    rewards: Tensor
    mask: Tensor
    rates: Tensor
    probabilities: Tensor
    value: Tensor
    """Predicted return in the rollout's pairing: rates up to t, actions up to t - 1."""


def rollout(
    policy: Weights, value: Weights, trials: Trials, noise: Tensor, uniform: Tensor, value_noise: Tensor, alpha: float
) -> Rollout:
    """Simulate a batch, trial by trial.

    Args:
        policy: Effective weights of the policy network.
        value: Effective weights of the value network (gated or linear).
        trials: The batch.
        noise: Recurrent noise of the policy network, (n_steps, n_trials, n_units); noise[t] enters x_t.
        uniform: A number in [0, 1) an action, (n_steps, n_trials).
        value_noise: The same as `noise` for the value network.
        alpha: dt / tau.
    """
    n_steps, n_trials, n_actions = trials.n_steps, trials.n_trials, trials.n_actions
    dtype, n_units = noise.dtype, noise.shape[2]
    inputs = torch.from_numpy(trials.inputs).to(dtype)
    out = Rollout(
        actions=torch.full((n_steps, n_trials), -1),
        rewards=torch.zeros(n_steps, n_trials, dtype=dtype),
        mask=torch.zeros(n_steps, n_trials, dtype=dtype),
        rates=torch.zeros(n_steps, n_trials, n_units, dtype=dtype),
        probabilities=torch.zeros(n_steps, n_trials, n_actions, dtype=dtype),
        value=torch.zeros(n_steps, n_trials, dtype=dtype),
    )
    for i in range(n_trials):
        x, xv = policy["x0"], value["x0"]
        for t in range(n_steps):
            if t > 0:
                x = gated_step(policy, x, inputs[t, i], noise[t, i], alpha)
                previous = torch.nn.functional.one_hot(out.actions[t - 1, i], n_actions).to(dtype)
                seen = torch.cat([x.relu(), previous])
                xv = gated_step(value, xv, seen, value_noise[t, i], alpha) if "w_rec" in value else seen
            z = torch.softmax(readout(policy, x), -1)
            cumulative = torch.cumsum(z, -1)
            action = int(torch.searchsorted(cumulative / cumulative[-1], uniform[t, i], right=True))
            phase = trials.phase[t, i]
            out.actions[t, i] = action
            out.rewards[t, i] = float(trials.discount[t] * trials.rewards[phase, i, action])
            out.mask[t, i] = 1
            out.rates[t, i], out.probabilities[t, i] = x.relu(), z
            out.value[t, i] = readout(value, xv)[0] if "w_rec" in value else xv @ value["w_out"][0] + value["b_out"][0]
            if trials.stops[phase, i, action]:
                break
    return out


def log_probability(policy: Weights, trials: Trials, noise: Tensor, actions: Tensor, alpha: float) -> Tensor:
    """Log pi(a_t) of given actions by a second simulation, (n_steps, n_trials)."""
    states = gated_states(policy, torch.from_numpy(trials.inputs).to(noise.dtype), noise, alpha)
    log_z = torch.log_softmax(readout(policy, states), -1)
    return log_z.gather(-1, actions.clamp(min=0)[..., None])[..., 0]


def value_prediction(
    value: Weights, rates: Tensor, actions: Tensor, noise: Tensor, n_actions: int, alpha: float
) -> Tensor:
    """Predicted return in the learning pairing: at t it has seen rates and actions up to t - 1."""
    acts = torch.nn.functional.one_hot(actions.clamp(min=0), n_actions).to(rates.dtype)
    seen = torch.cat([rates, acts], -1)
    inputs = torch.cat([seen[:1], seen[:-1]])  # the first is not used
    if "w_rec" in value:
        return readout(value, gated_states(value, inputs, noise, alpha))[..., 0]
    return (linear_states(value, inputs) @ value["w_out"].T + value["b_out"])[..., 0]


def gradients(
    policy: dict[str, Tensor],
    value: dict[str, Tensor],
    trials: Trials,
    noise: Tensor,
    uniform: Tensor,
    value_noise: Tensor,
    alpha: float,
    credit_t0: Literal["immediate", "return"] = "immediate",
) -> tuple[Rollout, dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Rollout, gradients of both losses with respect to the effective weights, and the baseline, by autograd."""
    with torch.no_grad():
        out = rollout(policy, value, trials, noise, uniform, value_noise, alpha)
    leaves_p = {name: v.detach().clone().requires_grad_() for name, v in policy.items()}
    leaves_v = {name: v.detach().clone().requires_grad_() for name, v in value.items()}
    b = value_prediction(leaves_v, out.rates, out.actions, value_noise, trials.n_actions, alpha)
    value_loss(b, out.rewards, out.mask).backward()  # type: ignore[no-untyped-call]
    factor = advantage(out.rewards, out.mask, b.detach(), credit_t0)
    log_p = log_probability(leaves_p, trials, noise, out.actions, alpha)
    policy_loss(log_p, factor).backward()  # type: ignore[no-untyped-call]

    def grads(leaves: dict[str, Tensor]) -> dict[str, Tensor]:
        return {k: torch.zeros_like(v) if v.grad is None else v.grad for k, v in leaves.items()}

    return out, grads(leaves_p), grads(leaves_v), b.detach() * out.mask


__all__ = ["Rollout", "gradients", "log_probability", "returns", "rollout", "value_prediction"]
