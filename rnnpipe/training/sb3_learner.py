"""Learning of an agent of Stable-Baselines3, one rollout and its updates at a time, so that it can stop and go on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.errors import TrainingError
from rnnpipe.tasks._environment import AnyTask, EnvironmentTask
from rnnpipe.training.sb3_models import BaseCallback, finite, make_env, make_model
from rnnpipe.training.sb3_settings import Sb3Settings

MEASURES = {False: ("performance", "mean_reward", "mean_length"), True: ("mean_return", "mean_length", "mean_reward")}
"""What the learning curve has of trials, and of the episodes of an environment (True)."""


class Learner:
    """An agent that learns.

    It does what the library's `learn` does, bit for bit. Its state can be kept between any two rollouts: the policy,
    the optimiser, the random generators, and the actions of all steps so far, by which equal environments are taken to
    where these were.
    """

    def __init__(
        self,
        task: AnyTask,
        settings: Sb3Settings,
        seed: int,
        device: str = "cpu",
        start: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        """Make an untrained agent and its environments.

        Args:
            task: What it learns.
            settings: Algorithm and agent.
            seed: Seed of the initial weights, the actions, the minibatches and, by streams of their own, the trials. It
                seeds the global generators of torch, numpy and Python.
            device: Of torch.
            start: Weights of the policy that learning starts from; by default new ones.

        Raises:
            SettingsError: The task has nothing to choose, or the agent no frame to stack.
        """
        self.task, self.settings = task, settings
        env = make_env(task, settings, settings.n_envs)
        self.model = make_model(env, settings, seed, device)
        if start is not None:
            self.model.policy.load_state_dict(start)
        # the learner has passed its own seed on, under which neighbouring seeds would share all rows but one
        env.seed(int(np.random.SeedSequence(seed).generate_state(1)[0]) >> 1)
        self._watch = _Watch(task, settings)
        self._watch.learner = self
        _, callback = self.model._setup_learn(settings.max_steps, self._watch)  # resets the environments
        callback.on_training_start({}, {})
        self.n_updates = 0
        """Rollouts that were learned from."""

    @property
    def n_steps(self) -> int:
        """Steps of all environments so far."""
        return int(self.model.num_timesteps)

    @property
    def n_trials(self) -> int:
        """Trials (episodes of an environment) that have ended."""
        return self._watch.n_trials + len(self._watch.trials)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The learning curve, one row for each `block_trials` training trials, with the names of a history."""
        return self._watch.rows

    @property
    def reached_target(self) -> bool:
        """Whether the performance of a block reached `target_performance`."""
        target = self.settings.target_performance
        return target is not None and any(row["performance"] >= target for row in self.rows)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.n_steps >= self.settings.max_steps or self.reached_target

    def update(self) -> list[dict[str, Any]]:
        """Act for one rollout and learn from it; an agent that has reached its target is left as it is.

        Returns:
            The new rows of the learning curve.

        Raises:
            TrainingError: The agent's weights became NaN or infinite.
        """
        before, model = len(self.rows), self.model
        try:
            model.collect_rollouts(model.env, self._watch, model.rollout_buffer, n_rollout_steps=model.n_steps)
            buffer = model.rollout_buffer
            error = float(np.sqrt(np.mean(np.subtract(buffer.returns, buffer.values, dtype=np.float64) ** 2)))
            for row in self.rows[before:]:
                row["value_rmse"] = error
            if not self.reached_target:
                model.train()
                self.n_updates += 1
        except (ValueError, RuntimeError) as error:  # torch refuses a distribution whose parameters are NaN
            if finite(model):
                raise
            raise TrainingError(_diverged(self.settings)) from error
        if not finite(model):
            raise TrainingError(_diverged(self.settings))
        return self.rows[before:]

    def finish(self) -> None:
        """Make a last row of the learning curve if there is none.

        Raises:
            TrainingError: No trial has ended.
        """
        if not self.n_trials:
            raise TrainingError(
                f"no trial ended in {self.n_steps} steps of {self.settings.n_envs} environments; raise"
                " learning.max_steps."
            )
        if not self.rows:
            self._watch.add_row(len(self._watch.trials))
            self.rows[-1]["value_rmse"] = math.nan

    def state(self) -> dict[str, Any]:
        """Plain values and tensors from which `load_state` goes on, bit for bit."""
        model, watch = self.model, self._watch
        optimizer = model.policy.optimizer.state_dict()
        lstm = getattr(model, "_last_lstm_states", None)
        return {
            "policy": dict(model.policy.state_dict()),
            "optimizer": {**optimizer, "state": {str(k): v for k, v in optimizer["state"].items()}},
            "n_steps": self.n_steps,
            "n_updates": self.n_updates,
            "library_updates": model._n_updates,
            "observation": torch.from_numpy(np.array(model._last_obs)),
            "starts": torch.from_numpy(np.array(model._last_episode_starts)),
            "lstm": [] if lstm is None else [x for pair in lstm for x in pair],
            "generators": _generators(model.device),
            "actions": torch.from_numpy(watch.all_actions()),
            "rows": [dict(row) for row in watch.rows],
            "trials": [list(trial) for trial in watch.trials],
            "n_trials": watch.n_trials,
        }

    def load_state(self, state: Mapping[str, Any]) -> bool:
        """Go on from a state; to be called before any update.

        Returns:
            Whether the environments did what they had done before: where not, this learner is of no more use.
        """
        model, watch = self.model, self._watch
        actions = state["actions"].numpy()
        seen = model._last_obs
        for action in actions:
            seen = model.env.step(action.astype(np.int64))[0]
        if not np.array_equal(seen, state["observation"].numpy()):
            return False
        optimizer = {**state["optimizer"], "state": {int(k): v for k, v in state["optimizer"]["state"].items()}}
        model.policy.load_state_dict(state["policy"])
        model.policy.optimizer.load_state_dict(optimizer)
        model.num_timesteps, model._n_updates = state["n_steps"], state["library_updates"]
        model._last_obs, model._last_episode_starts = seen, state["starts"].numpy().copy()
        if state["lstm"]:
            h, c, value_h, value_c = (x.to(model.device) for x in state["lstm"])
            model._last_lstm_states = type(model._last_lstm_states)((h, c), (value_h, value_c))
        watch.actions = [actions]
        watch.rows, watch.n_trials = [dict(row) for row in state["rows"]], state["n_trials"]
        watch.trials = [tuple(trial) for trial in state["trials"]]
        self.n_updates = state["n_updates"]
        _set_generators(state["generators"], model.device)
        return True


class _Watch(BaseCallback):
    """Notes trials and actions as they come."""

    learner: Learner

    def __init__(self, task: AnyTask, settings: Sb3Settings) -> None:
        super().__init__()
        self.block_trials = settings.block_trials
        self.environment = isinstance(task, EnvironmentTask)
        self.scale = task.reward_scale if isinstance(task, EnvironmentTask) else 1.0
        if isinstance(task, EnvironmentTask):
            self.column, self.target = "mean_return", task.min_return
        else:
            self.column, self.target = "performance", target_of(task, settings)
        self.rows: list[dict[str, Any]] = []
        self.trials: list[tuple[float, ...]] = []
        self.n_trials = 0
        self.actions: list[NDArray[Any]] = []

    def all_actions(self) -> NDArray[Any]:
        """Actions of all steps, (n, n_envs)."""
        if len(self.actions) > 1:
            self.actions = [np.concatenate([a.reshape(-1, a.shape[-1]) for a in self.actions])]
        return self.actions[0].reshape(-1, self.actions[0].shape[-1])

    def _on_step(self) -> bool:
        space: Any = self.model.action_space
        taken = self.locals["clipped_actions"]
        self.actions.append(taken.astype(np.uint8 if space.n <= 256 else np.int32))
        for info in self.locals["infos"]:
            if "episode" not in info:
                continue
            earned, length = info["episode"]["r"], info["episode"]["l"]
            if self.environment:
                self.trials.append((earned, length, earned / self.scale))
            else:
                self.trials.append((info["performance"], earned, length))
        while len(self.trials) >= self.block_trials:
            self.add_row(self.block_trials)
        return True

    def add_row(self, n: int) -> None:
        """A row of the learning curve from the next n trials."""
        block, self.trials = self.trials[:n], self.trials[n:]
        self.n_trials += n
        means = [float(x) for x in np.mean(block, axis=0)]
        row = {
            "update": self.learner.n_updates,
            "n_trials": self.n_trials,
            "n_steps": int(self.num_timesteps),
            **dict(zip(MEASURES[self.environment], means, strict=True)),
        }
        self.rows.append(row | {"criterion": row[self.column] >= self.target})


def target_of(task: Any, settings: Sb3Settings) -> float:
    """Fraction of correct trials that is the training criterion."""
    return float(task.min_correct if settings.target_performance is None else settings.target_performance)


def _generators(device: torch.device) -> dict[str, Any]:
    """State of the global generators, which the library draws actions and minibatches from."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    state = {
        "torch": torch.get_rng_state(),
        "numpy": [str(kind), torch.from_numpy(np.asarray(keys, np.int64)), int(position), int(has_gauss), float(gauss)],
    }
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _set_generators(state: Mapping[str, Any], device: torch.device) -> None:
    torch.set_rng_state(state["torch"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


def _diverged(settings: Sb3Settings) -> str:
    return (
        f"the agent's weights became NaN or infinite; lower learning.learning_rate"
        f" ({settings.filled('learning_rate'):g}) or learning.max_grad_norm ({settings.max_grad_norm:g})."
    )
