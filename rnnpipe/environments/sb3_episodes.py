"""Tasks that are environments, as Stable-Baselines3 wants them: side by side, with rewards as the task scales them."""

from __future__ import annotations

import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import DummyVecEnv

from rnnpipe.environments.sb3 import Passed
from rnnpipe.errors import TrainingError
from rnnpipe.tasks._environment import EnvironmentTask

Info = dict[str, Any]
Floats = NDArray[np.float32]


class EpisodeEnv(gymnasium.Env[Floats, np.int64]):
    """An environment of a task, with flat observations, actions from 0, and rewards that are scaled and discounted.

    Where an episode ends its info has `episode`: `r` the sum of the rewards as the environment gives them, `l` steps,
    `t` seconds since the environment was made. An episode that is cut after the task's `max_steps` is truncated: its
    value continues.
    """

    def __init__(self, task: EnvironmentTask, pass_reward: bool = False, pass_action: bool = False) -> None:
        self.task, self.env = task, task.make()
        seen = task.spaces
        self._passed = Passed(1, seen.n_actions, pass_reward, pass_action)
        self.action_names = seen.action_names
        self.input_names = (*seen.input_names, *self._passed.names(seen.action_names))
        self.observation_space = spaces.Box(-np.inf, np.inf, (len(self.input_names),), np.float32)
        self.action_space = spaces.Discrete(seen.n_actions)
        self._first_action = seen.first_action
        self._returned, self._length, self._began = 0.0, 0, time.monotonic()

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Floats, Info]:
        """Begin an episode."""
        super().reset(seed=seed)
        observation, info = self.env.reset(seed=seed, options=options)
        self._returned, self._length = 0.0, 0
        self._passed.forget(slice(None))
        return self._seen(observation), info

    def step(self, action: Any) -> tuple[Floats, float, bool, bool, Info]:
        """Act.

        Raises:
            TrainingError: The environment gave a reward or an observation that is NaN or infinite.
        """
        observation, earned, terminated, truncated, info = self.env.step(self._first_action + int(action))
        self._returned += float(earned)
        self._length += 1
        reward = float(earned) / self.task.reward_scale
        if self.task.tau_reward is not None:
            reward *= float(np.exp(-self._length * self.task.dt / self.task.tau_reward))
        self._passed.note(np.array([reward]), np.array([int(action)]))
        if terminated or truncated:
            ended = {"r": self._returned, "l": self._length, "t": round(time.monotonic() - self._began, 6)}
            info = {**info, "episode": ended}
        seen = self._seen(observation)
        if not (np.isfinite(reward) and np.isfinite(seen).all()):
            raise TrainingError(
                f"environment {self.task.id!r} gave a NaN or infinite reward or observation at step {self._length} of"
                " an episode; mend the environment or its options."
            )
        return seen, reward, bool(terminated), bool(truncated), info

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def _seen(self, observation: Any) -> Floats:
        return self._passed.append(np.ravel(observation).astype(np.float32)[None])[0]


def make_episode_env(
    task: EnvironmentTask, n_envs: int, pass_reward: bool = False, pass_action: bool = False
) -> DummyVecEnv:
    """Environments of a task, side by side.

    Raises:
        SettingsError: There is no such environment, or its spaces are not of the kind that is learned.
    """
    return DummyVecEnv([lambda: EpisodeEnv(task, pass_reward, pass_action)] * n_envs)
