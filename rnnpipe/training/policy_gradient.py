"""Reward-based learning with a policy network and a value network (REINFORCE with a learned baseline).

An update is: draw trials, let the policy act, improve the value network's prediction of the return, then the
policy with the prediction made before that. See `objective` for the equations.

Reference: Song, Yang & Wang (2017) eLife 6:e21492.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import torch

from rnnpipe.errors import SettingsError
from rnnpipe.evaluation.outcomes import outcomes
from rnnpipe.networks.draws import Fresh
from rnnpipe.networks.engine import Episode, ValuePass, batch_size
from rnnpipe.networks.engines import make_engine, thread_pool
from rnnpipe.networks.parameters import Parameters, effective, initial_policy, initial_value
from rnnpipe.networks.settings import GatedSettings, ValueSettings, check_inputs
from rnnpipe.tasks._base import Task
from rnnpipe.training.adam import Adam
from rnnpipe.training.objective import advantage, returns
from rnnpipe.training.settings import PolicyGradientSettings
from rnnpipe.trials import Trials


class PolicyGradient:
    """State of one training and its two operations, `update` and `validate`.

    Args:
        task: The task.
        network: Settings of the policy network.
        value_network: Settings of the value network.
        learning: Settings of the learning rule.
        seed: Seed s; trials are drawn from a Mersenne Twister seeded 3s, the policy network from 3s + 1, the value
            network from 3s + 2 (the published rule); recurrent noise and actions have streams derived from 3s.
        device: Where the networks run.
        threads: CPU threads; the result does not depend on their number.
    """

    def __init__(
        self,
        task: Task,
        network: GatedSettings,
        value_network: ValueSettings,
        learning: PolicyGradientSettings,
        seed: int,
        device: torch.device,
        threads: int = 1,
    ) -> None:
        self.task, self.learning, self.device = task, learning, device
        n_actions = len(task.action_names)
        self.trials_per_update = learning.trials_per_update or task.trials_per_update
        self.validation_trials = learning.validation_trials or task.validation_trials
        if task.dt > network.tau:
            raise SettingsError(
                f"task.dt = {task.dt:g} ms is longer than network.tau = {network.tau:g} ms; take a shorter step."
            )
        alpha = task.dt / network.tau
        self.engine = make_engine(
            device,
            alpha,
            math.sqrt(2 / alpha * network.var_rec),
            math.sqrt(2 / alpha * value_network.var_rec),
        )
        self._pool = thread_pool(threads) if threads > 1 else None
        self._helper = thread_pool(1) if threads > 1 else None
        check_inputs(network, task.input_names)
        policy, policy_masks = initial_policy(network, task.input_names, n_actions, 3 * seed + 1)
        value, value_masks = initial_value(value_network, network, n_actions, 3 * seed + 2, task.reward_abort)
        self.masks = {
            "policy": {k: m.to(device) for k, m in policy_masks.items()},
            "value": {k: m.to(device) for k, m in value_masks.items()},
        }
        self.policy, self.value = policy.to(device), value.to(device)
        norm = learning.max_grad_norm
        self.policy_adam = Adam(self.policy, learning.learning_rate, norm, self.masks["policy"], network.fixed)
        self.value_adam = Adam(self.value, learning.value_learning_rate, norm, self.masks["value"], value_network.fixed)
        self.rng = np.random.RandomState(3 * seed)
        streams = np.random.SeedSequence(3 * seed).generate_state(3, np.uint64) >> np.uint64(1)
        self.generators = [torch.Generator(device).manual_seed(int(s)) for s in streams[:2]]
        self.validation_rng = np.random.default_rng(int(streams[2]))
        self.n_updates = 0
        self.best_policy, self.best_value = self.policy.clone(), self.value.clone()
        self.best: dict[str, Any] = {"mean_reward": -math.inf}
        self.history: list[dict[str, Any]] = []
        self.reached_criterion = False
        self._norms: list[torch.Tensor] = []

    @property
    def n_trials(self) -> int:
        """Training trials seen so far."""
        return self.n_updates * self.trials_per_update

    @property
    def validation_due(self) -> bool:
        """Whether the networks as they are now should be validated before the next update."""
        done = bool(self.history) and self.history[-1]["update"] == self.n_updates
        due = self.n_updates % self.learning.validation_interval == 0
        return not done and (due or self.n_updates >= self.learning.max_updates)

    @property
    def finished(self) -> bool:
        """Whether a stop rule holds or no updates are left."""
        target = self.learning.target_reward
        enough = target is not None and self.best["mean_reward"] >= target
        out_of_updates = self.n_updates >= self.learning.max_updates and not self.validation_due
        return self.reached_criterion or enough or out_of_updates

    def update(self) -> None:
        """One gradient step of both networks."""
        trials = self.task.sample(self.rng, self.trials_per_update)
        draws = Fresh(self.generators[0], self.generators[1])
        policy, value = effective(self.policy, self.masks["policy"]), effective(self.value, self.masks["value"])
        episode, passed = self.engine.rollout_with_value(policy, value, trials, draws, self._helper)
        mask, predicted = episode.mask, passed.value

        def improve_value() -> torch.Tensor:
            error = (predicted - returns(episode.rewards, mask)) * mask
            return self.value_adam.step(self.engine.value_gradient(value, passed, 2 * error / mask.sum()))

        # both gradients use the networks as they were, so they may be made side by side
        other = self._helper.submit(improve_value) if self._helper else None
        credit = advantage(episode.rewards, mask, predicted, self.learning.credit_t0)
        policy_norm = self.policy_adam.step(
            self.engine.policy_gradient(policy, episode, credit / self.trials_per_update)
        )
        value_norm = other.result() if other else improve_value()
        self._norms.append(torch.stack([policy_norm, value_norm]))
        self.n_updates += 1

    def validate(self) -> dict[str, Any]:
        """Score the current networks on fresh trials; keep them if they are the best so far.

        Noise stays on and actions are drawn, as in training. The best networks are replaced if the mean reward is
        higher than ever, or if the task's criterion is met even with a lower reward.
        """
        n = self.validation_trials
        trials = self.task.sample(self.rng, n)
        policy, value = effective(self.policy, self.masks["policy"]), effective(self.value, self.masks["value"])
        seed, chunk = int(self.validation_rng.integers(2**62)), batch_size(trials.n_steps)

        def simulate(start: int) -> tuple[dict[str, np.ndarray], float, float]:
            part = trials[start : start + chunk]
            # a stream for each part, so that it does not matter which is simulated first
            episode, passed = self._simulate(part, policy, value, Fresh.seeded(seed + start, self.device))
            error = (passed.value - returns(episode.rewards, episode.mask)) * episode.mask
            result = outcomes(part, episode.actions.cpu().numpy(), episode.rewards.cpu().numpy())
            return result, float(error.double().square().sum()), float(episode.mask.sum())

        parts, errors, lengths = zip(
            *(self._pool.map if self._pool else map)(simulate, range(0, n, chunk)), strict=True
        )
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        performance = self.task.performance(joined | trials.conditions)
        mean_reward = float(joined["reward"].sum(dtype=np.float64) / n)
        self.reached_criterion = self.task.criterion(performance)
        norms = torch.stack(self._norms).cpu().numpy() if self._norms else np.zeros((1, 2), np.float32)
        row = {
            "update": self.n_updates,
            "n_trials": self.n_trials,
            "mean_reward": mean_reward,
            **performance,
            "criterion": self.reached_criterion,
            "value_rmse": math.sqrt(sum(errors) / sum(lengths)),
            "policy_grad_norm": float(np.median(norms[:, 0])),
            "value_grad_norm": float(np.median(norms[:, 1])),
            "max_policy_grad_norm": float(norms[:, 0].max()),
            "max_value_grad_norm": float(norms[:, 1].max()),
            "new_best": mean_reward > self.best["mean_reward"] or self.reached_criterion,
        }
        self._norms.clear()
        self.history.append(row)
        if row["new_best"]:
            self.best = {k: row[k] for k in ("update", "n_trials", "mean_reward", *performance)}
            self.best_policy, self.best_value = self.policy.clone(), self.value.clone()
        return row

    def _simulate(self, trials: Trials, policy: Any, value: Any, draws: Fresh) -> tuple[Episode, ValuePass]:
        episode = self.engine.rollout(policy, trials, draws, gradient=False)
        return episode, self.engine.value(value, episode, draws, pairing="rollout", gradient=False)

    # -- state ----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything the rest of the training depends on, as tensors and plain values."""
        twister: Any = self.rng.get_state(legacy=True)
        kind, key, position, has_gauss, cached = twister
        return {
            "policy": self.policy.flat.cpu().clone(),
            "value": self.value.flat.cpu().clone(),
            "best_policy": self.best_policy.flat.cpu().clone(),
            "best_value": self.best_value.flat.cpu().clone(),
            "adam": [
                {"m": a.m.cpu().clone(), "v": a.v.cpu().clone(), "step_count": a.step_count}
                for a in (self.policy_adam, self.value_adam)
            ],
            "rng": [str(kind), torch.from_numpy(key.astype(np.int64)), int(position), int(has_gauss), float(cached)],
            "generators": [g.get_state().clone() for g in self.generators],
            "validation_rng": json.dumps(self.validation_rng.bit_generator.state),
            "n_updates": self.n_updates,
            "best": dict(self.best),
            "history": [dict(row) for row in self.history],
            "reached_criterion": self.reached_criterion,
            "norms": torch.stack(self._norms).cpu() if self._norms else torch.zeros(0, 2),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        for name in ("policy", "value", "best_policy", "best_value"):
            parameters: Parameters = getattr(self, name)
            parameters.flat.copy_(state[name])
        for adam, kept in zip((self.policy_adam, self.value_adam), state["adam"], strict=True):
            adam.m.copy_(kept["m"])
            adam.v.copy_(kept["v"])
            adam.step_count = kept["step_count"]
        kind, key, position, has_gauss, cached = state["rng"]
        self.rng.set_state((kind, key.numpy().astype(np.uint32), position, has_gauss, cached))
        for generator, kept_state in zip(self.generators, state["generators"], strict=True):
            generator.set_state(kept_state)
        self.validation_rng.bit_generator.state = json.loads(state["validation_rng"])
        self.n_updates = state["n_updates"]
        self.best, self.history = dict(state["best"]), [dict(row) for row in state["history"]]
        self.reached_criterion = state["reached_criterion"]
        self._norms = list(state["norms"].to(self.device))
