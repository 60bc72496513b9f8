"""Reward-based learning with a policy network and a value network (REINFORCE with a learned baseline).

An update is: draw trials, let the policy act, improve the value network's prediction of the return, then the
policy with the prediction made before that. See `objective` for the equations.

Reference: Song, Yang & Wang (2017) eLife 6:e21492.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rnnpipe.errors import SettingsError
from rnnpipe.evaluation.outcomes import outcomes
from rnnpipe.io.network import Network
from rnnpipe.networks.draws import Fresh
from rnnpipe.networks.engine import Episode, ValuePass, batch_size
from rnnpipe.networks.engines import thread_pool
from rnnpipe.networks.parameters import Parameters, effective, initial_value, masked, own
from rnnpipe.networks.penalties import weights_slope
from rnnpipe.networks.policy_kind import policy_kind
from rnnpipe.networks.settings import GatedSettings, Penalty, ValueSettings
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._environment import AnyTask
from rnnpipe.training.adam import Adam
from rnnpipe.training.objective import advantage, returns, risk_sensitive
from rnnpipe.training.settings import PolicyGradientSettings
from rnnpipe.training.tracker import Tracker
from rnnpipe.trials import Trials

if TYPE_CHECKING:
    from rnnpipe.networks.rate_settings import RateSettings


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
        initial: Trained network whose weights and connections training starts from, whatever the seed.
    """

    def __init__(
        self,
        task: AnyTask,
        network: GatedSettings | RateSettings,
        value_network: ValueSettings,
        learning: PolicyGradientSettings,
        seed: int,
        device: torch.device,
        threads: int = 1,
        initial: Network | None = None,
    ) -> None:
        if isinstance(task, Task) and not task.chooses:
            raise SettingsError(
                f"task {task.name} has continuous outputs and nothing to choose that reward could teach; take a"
                " supervised rule or a task with choices."
            )
        self.task, self.learning, self.device = task, learning, device
        n_actions = len(task.action_names)
        self.trials_per_update = learning.trials_per_update or task.trials_per_update
        wanted = learning.validation_trials
        self.validation_trials = task.validation_trials if wanted is None else wanted
        self._tracker = None if self.validation_trials else Tracker(learning.tracked_trials)
        if self._tracker is not None and learning.max_updates == 0:
            raise SettingsError(
                "learning.max_updates = 0 makes no training trials, which are what would be scored without validations;"
                " raise it or learning.validation_trials."
            )
        self._kind = kind = policy_kind(network.kind)
        kind.check(network, task)
        self.engine = kind.engine(device, task, network, value_network)
        self._pool = thread_pool(threads) if threads > 1 else None
        self._helper = thread_pool(1) if threads > 1 else None
        policy, policy_masks = kind.initial(network, task, 3 * seed + 1)
        value, value_masks = initial_value(value_network, network, n_actions, 3 * seed + 2, task.reward_abort)
        if initial is not None:
            policy, value = Parameters(initial.parameters["policy"]), Parameters(initial.parameters["value"])
            policy_masks, value_masks = initial.masks["policy"], initial.masks["value"]
        self.masks = {
            "policy": {k: m.to(device) for k, m in policy_masks.items()},
            "value": {k: m.to(device) for k, m in value_masks.items()},
        }
        self.policy, self.value = policy.to(device), value.to(device)
        self.initial = {name: policy[name].clone() for name in kind.kept_initial}
        norm = learning.max_grad_norm
        self._policy_penalty, self._value_penalty = kind.penalty(network), value_network.penalty
        untrained = kind.untrained(network)
        self.policy_adam = Adam(self.policy, learning.learning_rate, norm, self.masks["policy"], untrained)
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
        due = self.n_updates % self.learning.validation_interval == 0 and (self._tracker is None or self.n_updates > 0)
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

        kappa, n = self.learning.kappa, self.trials_per_update

        def improve_value() -> torch.Tensor:
            error = risk_sensitive((returns(episode.rewards, mask) - predicted) * mask, kappa)
            gradient = self.engine.value_gradient(value, passed, -2 * error / mask.sum(), self._value_penalty)
            return self._step(self.value_adam, gradient, self.masks["value"], self._value_penalty)

        # both gradients use the networks as they were, so they may be made side by side
        other = self._helper.submit(improve_value) if self._helper else None
        credit = risk_sensitive(advantage(episode.rewards, mask, predicted, self.learning.credit_t0), kappa)
        entropy = self.learning.entropy_bonus / n
        gradient = self.engine.policy_gradient(policy, episode, credit / n, entropy, self._policy_penalty)
        policy_norm = self._step(self.policy_adam, gradient, self.masks["policy"], self._policy_penalty)
        self._kind.confine(self.policy)
        value_norm = other.result() if other else improve_value()
        self._norms.append(torch.stack([policy_norm, value_norm]))
        self.n_updates += 1
        if self._tracker is not None:
            errors = (predicted - returns(episode.rewards, mask)) * mask
            table = outcomes(trials, episode.actions.cpu().numpy(), episode.rewards.cpu().numpy())
            table["square_error"] = errors.double().square().sum(0).cpu().numpy()
            self._tracker.add(table | trials.conditions)

    def _step(
        self, adam: Adam, gradient: Mapping[str, torch.Tensor], masks: Mapping[str, torch.Tensor], penalty: Penalty
    ) -> torch.Tensor:
        """One step of an optimiser, given the gradient in the effective weights without the penalties on weights."""
        mine = own(gradient, adam.parameters)
        if penalty.l1_rec or penalty.l2_rec:
            for name, slope in weights_slope(masked(adam.parameters, masks), penalty).items():
                mine[name] = mine[name] + slope
        return adam.step(mine)

    def validate(self) -> dict[str, Any]:
        """Score the current networks on fresh trials, or on the last training trials; keep them if they are the best.

        Noise stays on and actions are drawn, as in training. The best networks are replaced if the mean reward is
        higher than ever, if the task's criterion is met even with a lower reward, or always with `keep: last`. Where
        training trials are scored, none of these counts before there are enough of them, unless training ends with
        fewer; the predicted return is then that of the learning pairing.
        """
        if self._tracker is None:
            table, square_error, n_steps = self._fresh_trials(self.validation_trials)
        else:
            table = self._tracker.table
            square_error, n_steps = float(table["square_error"].sum()), float(table["n_steps"].sum())
        enough = self._tracker is None or self._tracker.full
        performance = self.task.performance(table)
        mean_reward = float(table["reward"].sum(dtype=np.float64) / len(table["reward"]))
        self.reached_criterion = enough and self.task.criterion(performance)
        better = mean_reward > self.best["mean_reward"] and (enough or self.n_updates >= self.learning.max_updates)
        norms = torch.stack(self._norms).cpu().numpy() if self._norms else np.zeros((1, 2), np.float32)
        row = {
            "update": self.n_updates,
            "n_trials": self.n_trials,
            "mean_reward": mean_reward,
            **performance,
            "criterion": self.reached_criterion,
            "value_rmse": math.sqrt(square_error / n_steps),
            "policy_grad_norm": float(np.median(norms[:, 0])),
            "value_grad_norm": float(np.median(norms[:, 1])),
            "max_policy_grad_norm": float(norms[:, 0].max()),
            "max_value_grad_norm": float(norms[:, 1].max()),
            "new_best": better or self.reached_criterion or self.learning.keep == "last",
        }
        self._norms.clear()
        self.history.append(row)
        if row["new_best"]:
            self.best = {k: row[k] for k in ("update", "n_trials", "mean_reward", *performance)}
            self.best_policy, self.best_value = self.policy.clone(), self.value.clone()
        return row

    def _fresh_trials(self, n: int) -> tuple[dict[str, np.ndarray], float, float]:
        """Outcomes of new trials, the summed squared error of the predicted return and the number of steps."""
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
        return joined | trials.conditions, sum(errors), sum(lengths)

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
            "tracked": self._tracker.state() if self._tracker is not None else {},
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
        if self._tracker is not None:
            self._tracker.load_state(state["tracked"])
        self._norms = list(state["norms"].to(self.device))
