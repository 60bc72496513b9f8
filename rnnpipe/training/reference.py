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

from rnnpipe.networks.penalties import rates_penalty, vanishing_gradients, weights_penalty
from rnnpipe.networks.reference import linear_states, readout, states, step
from rnnpipe.networks.settings import NO_PENALTY, Penalty
from rnnpipe.training.objective import advantage, entropy_loss, policy_loss, returns, risk_sensitive, value_loss
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
        value: Effective weights of the value network, of any kind.
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
                x = step(policy, x, inputs[t, i], noise[t, i], alpha)
                previous = torch.nn.functional.one_hot(out.actions[t - 1, i], n_actions).to(dtype)
                seen = torch.cat([x.relu(), previous])
                xv = step(value, xv, seen, value_noise[t, i], alpha) if "w_rec" in value else seen
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


def policy_states(policy: Weights, trials: Trials, noise: Tensor, alpha: float) -> list[Tensor]:
    """States of the policy network by a second simulation, (n_trials, n_units) each."""
    return states(policy, torch.from_numpy(trials.inputs).to(noise.dtype), noise, alpha)


def log_policy(policy: Weights, visited: list[Tensor]) -> Tensor:
    """Log-probability of every action, (n_steps, n_trials, n_actions)."""
    return torch.log_softmax(readout(policy, torch.stack(visited)), -1)


def chosen(log_z: Tensor, actions: Tensor) -> Tensor:
    """Log-probability of the actions taken, (n_steps, n_trials)."""
    return log_z.gather(-1, actions.clamp(min=0)[..., None])[..., 0]


def log_probability(policy: Weights, trials: Trials, noise: Tensor, actions: Tensor, alpha: float) -> Tensor:
    """Log pi(a_t) of given actions by a second simulation, (n_steps, n_trials)."""
    return chosen(log_policy(policy, policy_states(policy, trials, noise, alpha)), actions)


def value_states(
    value: Weights, rates: Tensor, actions: Tensor, noise: Tensor, n_actions: int, alpha: float
) -> list[Tensor]:
    """States of the value network in the learning pairing: at t it has seen rates and actions up to t - 1."""
    acts = torch.nn.functional.one_hot(actions.clamp(min=0), n_actions).to(rates.dtype)
    seen = torch.cat([rates, acts], -1)
    inputs = torch.cat([seen[:1], seen[:-1]])  # the first is not used
    return states(value, inputs, noise, alpha) if "w_rec" in value else list(linear_states(value, inputs))


def predicted(value: Weights, visited: list[Tensor]) -> Tensor:
    """Predicted return given the states of the value network, (n_steps, n_trials)."""
    x = torch.stack(visited)
    return (readout(value, x) if "w_rec" in value else x @ value["w_out"].T + value["b_out"])[..., 0]


def value_prediction(
    value: Weights, rates: Tensor, actions: Tensor, noise: Tensor, n_actions: int, alpha: float
) -> Tensor:
    """Predicted return in the learning pairing, (n_steps, n_trials)."""
    return predicted(value, value_states(value, rates, actions, noise, n_actions, alpha))


def penalised(
    loss: Tensor, w: Weights, visited: list[Tensor], mask: Tensor, penalty: Penalty, alpha: float
) -> tuple[Tensor, Tensor]:
    """A loss with its penalties, and apart from them the one on vanishing gradients, in which these are constants."""
    x = torch.stack(visited)
    total = loss + rates_penalty(x.relu() if "w_rec" in w else x, mask, penalty)
    vanishing = torch.zeros_like(loss)
    if penalty.gradient and len(visited) > 1:
        d = torch.stack(torch.autograd.grad(total, visited[1:], retain_graph=True, materialize_grads=True))
        n_valid = mask[1:].sum()
        active = (x[:-1] > 0).to(d.dtype)
        vanishing = penalty.gradient * vanishing_gradients(
            w["w_rec"], d.flatten(0, 1), active.flatten(0, 1), alpha, n_valid
        )
    return total + (weights_penalty(w, penalty) if "w_rec" in w else 0), vanishing


def gradients(
    policy: dict[str, Tensor],
    value: dict[str, Tensor],
    trials: Trials,
    noise: Tensor,
    uniform: Tensor,
    value_noise: Tensor,
    alpha: float,
    credit_t0: Literal["immediate", "return"] = "immediate",
    kappa: float = 0.0,
    entropy_bonus: float = 0.0,
    policy_penalty: Penalty = NO_PENALTY,
    value_penalty: Penalty = NO_PENALTY,
) -> tuple[Rollout, dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Rollout, gradients of both losses with respect to the effective weights, and the baseline, by autograd."""
    with torch.no_grad():
        out = rollout(policy, value, trials, noise, uniform, value_noise, alpha)
    leaves_p = {name: v.detach().clone().requires_grad_() for name, v in policy.items()}
    leaves_v = {name: v.detach().clone().requires_grad_() for name, v in value.items()}
    visited_v = value_states(leaves_v, out.rates, out.actions, value_noise, trials.n_actions, alpha)
    b = predicted(leaves_v, visited_v)
    loss_v = value_loss(b, out.rewards, out.mask, kappa)
    visited_p = policy_states(leaves_p, trials, noise, alpha)
    log_z = log_policy(leaves_p, visited_p)
    factor = risk_sensitive(advantage(out.rewards, out.mask, b.detach(), credit_t0), kappa)
    loss_p = policy_loss(chosen(log_z, out.actions), factor) + entropy_bonus * entropy_loss(log_z, out.mask)
    for loss, leaves, visited, penalty in (
        (loss_p, leaves_p, visited_p, policy_penalty),
        (loss_v, leaves_v, visited_v, value_penalty),
    ):
        for part in penalised(loss, leaves, visited, out.mask, penalty, alpha):
            if part.requires_grad:
                part.backward(retain_graph=True)  # type: ignore[no-untyped-call]

    def grads(leaves: dict[str, Tensor]) -> dict[str, Tensor]:
        return {k: torch.zeros_like(v) if v.grad is None else v.grad for k, v in leaves.items()}

    return out, grads(leaves_p), grads(leaves_v), b.detach() * out.mask


__all__ = ["Rollout", "gradients", "log_probability", "returns", "rollout", "value_prediction"]
