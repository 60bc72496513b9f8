"""Tasks as vectorised environments of Stable-Baselines3, whose learners take nothing else that is batched.

    from rnnpipe.environments.sb3 import make_sb3_env
    env = make_sb3_env("perceptual_decision_making", n_envs=16, mode="trial", seed=1, fixation=300.0)

It needs the extra: `pip install 'rnnpipe[sb3]'`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rnnpipe.environments._trials import NO_PERIOD
from rnnpipe.environments._vector_api import AutoresetMode
from rnnpipe.environments.vector import TrialVectorEnv
from rnnpipe.errors import ArtefactError
from rnnpipe.tasks._base import Task

try:
    from stable_baselines3.common.vec_env import VecEnv
except ModuleNotFoundError as error:
    if error.name != "stable_baselines3":
        raise
    raise ArtefactError(
        "the package 'stable-baselines3' is not installed; install it with `pip install 'rnnpipe[sb3]'`."
    ) from None

if TYPE_CHECKING:
    from gymnasium import Wrapper

Info = dict[str, Any]
Indices = int | Iterable[int] | None


class Passed:
    """Reward and action of the step before, as further inputs of several environments (Wang et al., 2018)."""

    def __init__(self, n_envs: int, n_actions: int, reward: bool, action: bool) -> None:
        self._reward, self._n_actions = int(reward), n_actions
        self._values = np.zeros((n_envs, self._reward + n_actions * action), np.float32)

    def names(self, action_names: Sequence[str]) -> tuple[str, ...]:
        """Names of the inputs."""
        acts = self._values.shape[1] > self._reward
        return ("previous_reward",) * self._reward + tuple(f"previous_{name}" for name in action_names if acts)

    def note(self, reward: NDArray[Any], action: NDArray[Any]) -> None:
        """What was done and earned at this step, (n_envs,) each."""
        if self._reward:
            self._values[:, 0] = reward
        if self._values.shape[1] > self._reward:
            self._values[:, self._reward :] = action[:, None] == np.arange(self._n_actions)

    def forget(self, rows: Any) -> None:
        """Set the inputs of some environments to 0."""
        self._values[rows] = 0.0

    def append(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Observations (n_envs, n_inputs) with these inputs behind them."""
        if not self._values.shape[1]:
            return observation
        return np.concatenate([observation, self._values], axis=1)


class TrialVecEnv(VecEnv):
    """A trial-structured task, `n_envs` environments at once, as Stable-Baselines3 wants them.

    What each one does, its modes and its seeds are those of `TrialVectorEnv`: an environment whose episode ends begins
    the next one at the same step, and row i, seeded with s, is the `TrialEnv` seeded with s + i.

    Infos, one dictionary for each environment and step: `new_trial`, whether the action just scored ended a trial;
    `ground_truth`, the action to take on the observation that is returned; `period`, index into `period_names`. Where
    a trial ended also `performance`, `trial` (its conditions), `reaction_time` (ms) if there was one, and `episode`,
    the statistics of this one trial (`r` summed reward, `l` steps, `t` seconds since the environment was made): in
    every mode, so that the learners log a reward per trial even where episodes never end. Where an episode ended also
    `terminal_observation` and `TimeLimit.truncated`, which is True at the end of a session: its value continues.

    Where no trial ended, environments share their infos, which cannot be changed: change a copy (`info.copy()`).

    The rows are one object. An attribute is therefore the same for all of them, and can be set for all only.
    """

    def __init__(self, env: TrialVectorEnv, pass_reward: bool = False, pass_action: bool = False) -> None:
        """Wrap a vector environment with same-step autoreset.

        Args:
            env: The environments.
            pass_reward: Observations end with the reward of the step before, 0 after a reset.
            pass_action: Then follows its action, one-hot, zeros after a reset. In an episode of several trials both
                are carried from one to the next.

        Raises:
            ValueError: It begins its next episodes at another time.
        """
        if env.autoreset_mode is not AutoresetMode.SAME_STEP:
            raise ValueError(f"the environment must have autoreset_mode 'SameStep', not {env.autoreset_mode.value!r}.")
        self.env = env  # the base class asks for its attributes
        self.face, self.task = env.face, env.task
        self.action_names, self.period_names = env.action_names, env.period_names
        self.ground_truth: NDArray[np.int64] = np.zeros(env.num_envs, np.int64)
        """Action to take on the last observation, (n_envs,)."""
        self._actions: NDArray[np.int64] = np.zeros(env.num_envs, np.int64)
        self._began = time.monotonic()
        self._passed = Passed(env.num_envs, len(env.action_names), pass_reward, pass_action)
        self._going_on = _GoingOn(len(env.action_names), len(env.period_names))
        self.input_names = (*env.input_names, *self._passed.names(env.action_names))
        space = env.single_observation_space
        if len(self.input_names) > len(env.input_names):
            space = spaces.Box(-np.inf, np.inf, (len(self.input_names),), np.float32)
        super().__init__(env.num_envs, space, env.single_action_space)

    def reset(self) -> NDArray[np.float32]:
        """Begin new episodes, with the seeds that `seed` was given, if any; these are used once."""
        observation, info = self.env.reset(seed=self._seeds if self._seeds[0] is not None else None)
        self._reset_seeds()
        self._reset_options()
        self.ground_truth = info["ground_truth"]
        self.reset_infos = [dict(plain) for plain in self._going_on.of(info["ground_truth"], info["period"])]
        self._passed.forget(slice(None))
        return self._passed.append(observation)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Note the actions of the next step, one of each environment."""
        self._actions = np.asarray(actions)

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[Info]]:
        """Score the actions and advance by one step of `dt`.

        Returns:
            Observations (n_envs, n_inputs), rewards of float32, whether the episode ended, and the infos.
        """
        step = self.env.advance(self._actions)
        scored = step.scored
        done = scored.terminated | scored.truncated
        self.ground_truth = step.answer
        infos = self._going_on.of(step.answer, step.period)
        seconds = round(time.monotonic() - self._began, 6)
        for row, outcome in zip(step.ended, step.outcomes, strict=True):
            outcome["episode"]["t"] = seconds
            infos[row] = {**infos[row], **outcome, "new_trial": True}
        self._passed.note(scored.reward, self._actions)
        if step.final is not None:
            ends = self._passed.append(step.final)[done]
            cut = (scored.truncated & ~scored.terminated)[done].tolist()
            for row, end, truncated in zip(np.flatnonzero(done).tolist(), ends, cut, strict=True):
                infos[row] = {**infos[row], "terminal_observation": end, "TimeLimit.truncated": truncated}
            self._passed.forget(done)
        return self._passed.append(step.observation), scored.reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Close the environments."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """An attribute, once for each of the environments asked for.

        Raises:
            AttributeError: There is no such attribute.
        """
        return [getattr(self.env, attr_name)] * self._n_of(indices)

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of all environments.

        Raises:
            ValueError: Of some of them only, which they cannot have, being one object.
        """
        self._all(indices, f"attribute {attr_name!r} can be set")
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Indices = None, **kwargs: Any) -> list[Any]:
        """Call a method of the environments, which are one object, once, and return its result for each of them.

        Raises:
            ValueError: Of some of them only, or `step` or `reset`, which this class itself keeps account of.
        """
        if method_name in ("step", "reset"):
            raise ValueError(f"call {method_name} on the vectorised environment itself.")
        self._all(indices, f"method {method_name!r} can be called")
        return [getattr(self.env, method_name)(*args, **kwargs)] * self.num_envs

    def env_is_wrapped(self, wrapper_class: type[Wrapper[Any, Any, Any, Any]], indices: Indices = None) -> list[bool]:
        """Whether the environments are wrapped: they never are."""
        return [False] * self._n_of(indices)

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Nothing: there is nothing to render."""
        return [None] * self.num_envs

    def _n_of(self, indices: Indices) -> int:
        return len(list(self._get_indices(indices)))

    def _all(self, indices: Indices, what: str) -> None:
        if sorted(self._get_indices(indices)) != list(range(self.num_envs)):
            raise ValueError(f"{what} for all environments only, which are one object.")


class _Shared(dict[str, Any]):
    """An info of several environments at once, which cannot be changed; a copy can."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("an info of a step that ended no trial is that of other environments, too; change a copy.")

    __setitem__ = __delitem__ = update = pop = popitem = setdefault = clear = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class _GoingOn:
    """Infos of environments whose trials go on: there are few different ones, which are made once."""

    def __init__(self, n_actions: int, n_periods: int) -> None:
        self._n_periods = n_periods
        self._infos: list[Info] = [
            _Shared(new_trial=False, ground_truth=action, period=period)
            for action in range(n_actions)
            for period in range(NO_PERIOD, n_periods)
        ]

    def of(self, answer: NDArray[np.int64], period: NDArray[np.int64]) -> list[Info]:
        """The infos of all environments, from the action to take next and the index of its period."""
        codes = answer * (self._n_periods + 1) + (period - NO_PERIOD)
        return list(map(self._infos.__getitem__, codes.tolist()))


def make_sb3_env(
    task: str | Task,
    n_envs: int = 1,
    mode: str = "trial",
    seed: int | None = None,
    pass_reward: bool = False,
    pass_action: bool = False,
    **settings: Any,
) -> TrialVecEnv:
    """Environments of a task for the learners of Stable-Baselines3.

    A learner that is itself given a seed passes it on and replaces the one given here.

    Args:
        task: Name of the task, or a task with all its settings.
        n_envs: Number of environments.
        mode: An episode is a trial ("trial"), `session_trials` of them ("session"), or never ends ("endless").
        seed: s seeds environment i with s + i at the first reset; None for seeds that nobody knows.
        pass_reward: Observations end with the reward of the step before.
        pass_action: Observations end with the action of the step before, one-hot.
        **settings: Settings of the task, e.g. dt=20.0 (ms), and session_trials.

    Raises:
        SettingsError: Unknown task, mode or setting, or an impossible value.
    """
    if isinstance(task, Task):
        settings = task.changed() | settings
        task = task.name
    env = TrialVecEnv(
        TrialVectorEnv(task, num_envs=n_envs, mode=mode, autoreset_mode=AutoresetMode.SAME_STEP, **settings),
        pass_reward,
        pass_action,
    )
    if seed is not None:
        env.seed(seed)
    return env
