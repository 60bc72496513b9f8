"""Engine whose policy acts in gymnasium environments, step by step.

It is the CPU engine, where the environments live: after each step the actions of the episodes that go on are given to
their environments, whose answers become the inputs of the next step. Gradients and value predictions are the same.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnpipe.errors import TrainingError
from rnnpipe.networks.draws import Draws
from rnnpipe.networks.engine import CpuEngine, Episode, OnBlock, ValuePass
from rnnpipe.tasks._environment import ENDED, EnvironmentTask, Episodes
from rnnpipe.trials import Trials


class EnvironmentEngine(CpuEngine):
    """Rollouts in the environments of a task; everything else as in `CpuEngine`.

    Each thread keeps environments of its own, one for each episode of a batch, and uses them again for the next. An
    episode's environment is reset with the episode's seed, so that nothing of it needs to be saved. It is not stepped
    once its episode has ended, which gymnasium's vector environments would do.
    """

    def __init__(self, task: EnvironmentTask, alpha: float, noise_sd: float, value_noise_sd: float) -> None:
        super().__init__(alpha, noise_sd, value_noise_sd)
        self._task = task
        self._own = threading.local()

    def rollout(
        self,
        policy: Mapping[str, Tensor],
        trials: Trials,
        draws: Draws,
        gradient: bool = True,
        on_block: OnBlock | None = None,
        block: int = 1,
    ) -> Episode:
        """Let the policy act on episodes, whose inputs, phases and returns are filled in; see `CpuEngine.rollout`.

        Raises:
            TrainingError: The policy or the environment became NaN or infinite.
        """
        assert isinstance(trials, Episodes), "an environment's task draws episodes"
        play = _Play(self._task, self._environments(trials.n_trials), trials)

        def after_step(p: Any, t0: int, t1: int) -> None:
            if on_block is not None:
                on_block(p, t0, t1)
            rows = slice(p.start[t0], p.start[t1])
            play.step(t0, p.trial[rows], p.action[rows])

        episode = super().rollout(policy, trials, draws, gradient, after_step, block=1)
        return dataclasses.replace(episode, rewards=torch.from_numpy(play.rewards).to(self.dtype))

    def rollout_with_value(
        self,
        policy: Mapping[str, Tensor],
        value: Mapping[str, Tensor],
        trials: Trials,
        draws: Draws,
        helper: Executor | None = None,
        on_block: OnBlock | None = None,
        block: int = 1,
    ) -> tuple[Episode, ValuePass]:
        """`rollout` and then `value` (learning pairing): following step by step would cost more than it saves."""
        episode = self.rollout(policy, trials, draws, on_block=on_block)
        return episode, self.value(value, episode, draws, "learning", gradient=True)

    def _environments(self, n: int) -> list[Any]:
        kept: list[Any] = self._own.__dict__.setdefault("environments", [])
        while len(kept) < n:
            kept.append(self._task.make())
        return kept


class _Play:
    """One batch of episodes being played."""

    def __init__(self, task: EnvironmentTask, environments: list[Any], episodes: Episodes) -> None:
        self._task, self._environments, self._episodes = task, environments, episodes
        self._first_action = task.spaces.first_action
        self.rewards = np.zeros(episodes.phase.shape, np.float32)
        """Scaled and discounted, (n_steps, n_trials)."""

    def step(self, t: int, trials: Any, actions: Any) -> None:
        """Give the actions of step t to the environments; at t = 0 reset them instead."""
        episodes = self._episodes
        last = episodes.n_steps - 1
        for i, action in zip(trials.tolist(), actions.tolist(), strict=True):
            environment = self._environments[i]
            if t == 0:
                seen, _ = environment.reset(seed=int(episodes.conditions["seed"][i]))
                ended = False
            else:
                seen, reward, terminated, truncated, _ = environment.step(self._first_action + action)
                ended = terminated or truncated
                episodes.returns[i] += reward
                self.rewards[t, i] = episodes.discount[t] * (float(reward) / self._task.reward_scale)
                if not np.isfinite(self.rewards[t, i]):
                    raise self._not_finite("reward", t)
            if ended:
                episodes.phase[t, i] = ENDED
            elif t < last:
                episodes.inputs[t + 1, i] = np.ravel(seen)
                if not np.isfinite(episodes.inputs[t + 1, i]).all():
                    raise self._not_finite("observation", t)

    def _not_finite(self, what: str, t: int) -> TrainingError:
        return TrainingError(
            f"environment {self._task.id!r} gave a NaN or infinite {what} at step {t} of an episode;"
            " mend the environment or its options."
        )
