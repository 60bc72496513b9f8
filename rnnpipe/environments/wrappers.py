"""Wrappers that append the reward or the action of the step before to what an environment shows.

    from rnnpipe.environments.wrappers import PassAction, PassReward
    env = PassAction(PassReward(gymnasium.make("rnnpipe/PerceptualDecisionMaking-v0", mode="session")))
    envs = VectorPassReward(gymnasium.make_vec("rnnpipe/PerceptualDecisionMaking-v0", num_envs=16))

They depend on what is done, so that they are no transforms of trials: only who acts can learn with them. Values are
float32, zeros after a reset, and are carried from one trial to the next within an episode. Agents of the workflow have
them as settings, `pass_reward` and `pass_action`.

Reference: Wang, Kurth-Nelson, Kumaran et al. (2018) Nat Neurosci 21:860; PassReward and PassAction of NeuroGym.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from rnnpipe.environments._vector_api import AutoresetMode, VectorEnv, VectorWrapper
from rnnpipe.errors import SettingsError

Info = dict[str, Any]
Floats = NDArray[np.float32]


def _longer(space: Any, n_more: int, what: str) -> spaces.Box:
    """A space of observations with more numbers at the end.

    Raises:
        SettingsError: It is no Box of one axis.
    """
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        raise SettingsError(
            f"{what} appends numbers to a list of numbers, but the observation space is {space}; wrap the environment"
            " in gymnasium.wrappers.FlattenObservation first."
        )
    low = np.concatenate([space.low.astype(np.float32), np.full(n_more, -np.inf, np.float32)])
    high = np.concatenate([space.high.astype(np.float32), np.full(n_more, np.inf, np.float32)])
    return spaces.Box(low, high, dtype=np.float32)


def _n_actions(space: Any, what: str) -> int:
    if not isinstance(space, spaces.Discrete):
        raise SettingsError(f"{what} needs actions that are one of n, but the action space is {space}.")
    return int(space.n)


def _action_names(env: Any, n: int) -> tuple[str, ...]:
    return tuple(getattr(env.unwrapped, "action_names", tuple(f"action_{i}" for i in range(n))))


class _Passing(gymnasium.Wrapper[Floats, Any, Floats, Any], gymnasium.utils.RecordConstructorArgs):
    """What both single wrappers share: `n_more` numbers after the observation."""

    def __init__(self, env: gymnasium.Env[Floats, Any], n_more: int, names: Sequence[str]) -> None:
        super().__init__(env)
        self.observation_space = _longer(env.observation_space, n_more, type(self).__name__)  # type: ignore[assignment]
        self.n_more = n_more
        if env.has_wrapper_attr("input_names"):
            self.input_names: tuple[str, ...] = (*env.get_wrapper_attr("input_names"), *names)

    def _passed(self, action: Any, reward: Any) -> Any:
        """The numbers to append after a step, (n_more,)."""
        raise NotImplementedError

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Floats, Info]:
        """Begin an episode; see the environment."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._append(observation, np.zeros(self.n_more)), info

    def step(self, action: Any) -> tuple[Floats, Any, bool, bool, Info]:
        """Act; see the environment."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._append(observation, self._passed(action, reward)), reward, terminated, truncated, info

    @staticmethod
    def _append(observation: Floats, more: Any) -> Floats:
        return np.concatenate([observation, more], dtype=np.float32)


class PassReward(_Passing):
    """The observation ends with the reward of the step that it follows, `previous_reward`."""

    def __init__(self, env: gymnasium.Env[Floats, Any]) -> None:
        """Wrap an environment whose observations are lists of numbers."""
        gymnasium.utils.RecordConstructorArgs.__init__(self)
        _Passing.__init__(self, env, 1, ("previous_reward",))

    def _passed(self, action: Any, reward: Any) -> Any:
        return np.array([reward])


class PassAction(_Passing):
    """The observation ends with the action that it follows: one-hot, `previous_<action>`, or its index."""

    def __init__(self, env: gymnasium.Env[Floats, Any], one_hot: bool = True) -> None:
        """Wrap an environment whose observations are lists of numbers, and whose actions are one of n."""
        gymnasium.utils.RecordConstructorArgs.__init__(self, one_hot=one_hot)
        n = _n_actions(env.action_space, "PassAction")
        names = tuple(f"previous_{name}" for name in _action_names(env, n)) if one_hot else ("previous_action",)
        self.one_hot, self._values = one_hot, np.eye(n) if one_hot else np.arange(n, dtype=float)[:, None]
        _Passing.__init__(self, env, len(names), names)

    def _passed(self, action: Any, reward: Any) -> Any:
        return self._values[int(action) - int(self.env.action_space.start)]  # type: ignore[attr-defined]


class _VectorPassing(VectorWrapper[Floats, Any, Floats]):
    """What both vector wrappers share; every autoreset mode keeps zeros for the first observation of an episode."""

    def __init__(self, env: VectorEnv[Any, Any, Any], n_more: int, names: Sequence[str]) -> None:
        super().__init__(env)
        self._mode = env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        self.single_observation_space = _longer(env.single_observation_space, n_more, type(self).__name__)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self._last = np.zeros((env.num_envs, n_more), np.float32)
        self._over = np.zeros(env.num_envs, bool)
        if hasattr(env, "input_names"):
            self.input_names: tuple[str, ...] = (*env.input_names, *names)

    def _passed(self, actions: Any, rewards: NDArray[Any]) -> NDArray[Any]:
        """The numbers to append after a step, (num_envs, n_more)."""
        raise NotImplementedError

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Info | None = None
    ) -> tuple[Floats, Info]:
        """Begin episodes; see the environment."""
        options = dict(options or {})
        mask = options.get("reset_mask", slice(None))  # before gymnasium's own environments take it out
        observation, info = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        self._last[mask], self._over[mask] = 0.0, False
        return self._append(observation, self._last), info

    def step(self, actions: Any) -> tuple[Floats, NDArray[Any], NDArray[Any], NDArray[Any], Info]:
        """Act; see the environment."""
        observation, rewards, terminated, truncated, info = self.env.step(actions)
        self._last = np.asarray(self._passed(actions, rewards), np.float32)
        over = terminated | truncated
        if self._mode is AutoresetMode.NEXT_STEP:
            self._last[self._over] = 0.0  # this step began a new episode, whatever the action
        elif self._mode is AutoresetMode.SAME_STEP and over.any():
            info = {**info, "final_obs": self._final(info["final_obs"], over)}
            self._last[over] = 0.0
        self._over = over
        return self._append(observation, self._last), rewards, terminated, truncated, info

    def _final(self, final: NDArray[Any], over: NDArray[np.bool_]) -> NDArray[Any]:
        """The last observations of episodes, with what they follow; those of other rows stay what they are."""
        if final.dtype != object:
            return self._append(final, self._last * over[:, None])
        longer = final.copy()
        for row in np.flatnonzero(over):
            longer[row] = np.concatenate([final[row], self._last[row]], dtype=np.float32)
        return longer

    @staticmethod
    def _append(observation: NDArray[Any], more: NDArray[Any]) -> Floats:
        return np.concatenate([observation, more], axis=1, dtype=np.float32)


class VectorPassReward(_VectorPassing):
    """`PassReward` of a vector environment."""

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        """Wrap environments whose observations are lists of numbers."""
        super().__init__(env, 1, ("previous_reward",))

    def _passed(self, actions: Any, rewards: NDArray[Any]) -> NDArray[Any]:
        return rewards[:, None]


class VectorPassAction(_VectorPassing):
    """`PassAction` of a vector environment."""

    def __init__(self, env: VectorEnv[Any, Any, Any], one_hot: bool = True) -> None:
        """Wrap environments whose observations are lists of numbers, and whose actions are one of n."""
        n = _n_actions(env.single_action_space, "VectorPassAction")
        names = tuple(f"previous_{name}" for name in _action_names(env, n)) if one_hot else ("previous_action",)
        self.one_hot, self._values = one_hot, np.eye(n) if one_hot else np.arange(n, dtype=float)[:, None]
        super().__init__(env, len(names), names)

    def _passed(self, actions: Any, rewards: NDArray[Any]) -> NDArray[Any]:
        return self._values[np.asarray(actions) - int(self.env.single_action_space.start)]  # type: ignore[attr-defined]
