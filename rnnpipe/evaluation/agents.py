"""Agents of Stable-Baselines3 on trials of our tasks: the trial table and the activity that our own networks have."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch
from gymnasium.utils.seeding import np_random
from numpy.typing import NDArray

from rnnpipe.environments._trials import Stream
from rnnpipe.environments.sb3 import TrialVecEnv, make_sb3_env
from rnnpipe.errors import AnalysisError, SettingsError
from rnnpipe.evaluation.simulate import trial_table
from rnnpipe.tasks._base import Task
from rnnpipe.trials import Trials

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

Columns = dict[str, NDArray[Any]]
Reset = Literal["episode", "trial", "never"]
RESETS = ("episode", "trial", "never")


def evaluate_agent(
    model: Any,
    on: str | Task | VecEnv,
    n_trials: int,
    seed: int,
    deterministic: bool = True,
    reset_state: Reset = "episode",
    n_envs: int = 16,
) -> pd.DataFrame:
    """Play a number of trials with an agent; it always ends, also where episodes never do.

    The trials are the first ones of every environment, as many of each as it takes, so that short trials are not
    favoured: those of environment 0 in their order, then those of environment 1, and so on. They are determined by the
    seed, whatever the agent does.

    Args:
        model: A learner of Stable-Baselines3, or anything with its `predict(observation, state, episode_start,
            deterministic)`.
        on: Name of a task, a task, or environments made by `make_sb3_env` or `Agent.make_env`, wrapped or not. These
            are reset.
        n_trials: Number of trials.
        seed: Seed of the trials and of drawn actions. Take another than the agent was trained with.
        deterministic: Take the most probable action; otherwise actions are drawn.
        reset_state: When the state of a recurrent agent is reset: with every episode, as in its training if the
            environment has the mode that it was trained in; with every trial; or never after the first.
        n_envs: Environments side by side, where a task is given.

    Returns:
        One row a trial, in the columns of `rnnpipe.io.evaluation`: conditions, periods (ms), `decision`, `choice`,
        `correct`, `choice_time` and `reaction_time` (ms), `reward`, `n_steps`.

    Raises:
        SettingsError: An unknown task, an environment that is none of ours, or one that the agent does not fit.
    """
    env = _environment(on, n_trials, n_envs, reset_state)
    _check_spaces(model, env)
    with _seeded(seed):
        played = _play(Predicting(model, deterministic), env, n_trials, seed, reset_state)
    return _table(played)


def record_agent(
    model: Any,
    on: str | Task | VecEnv,
    n_trials: int,
    seed: int,
    deterministic: bool = True,
    reset_state: Reset = "episode",
    n_envs: int = 16,
) -> tuple[pd.DataFrame, Columns]:
    """The same for a recurrent agent, with the activity of its units.

    Returns:
        The table of `evaluate_agent`, and arrays (time, trial, ...) as in the group `activity` of our evaluations:
        `policy_rates`, the output h of the units of the LSTM that acts, and `states`, its cell states c, both of the
        step at which the observation is seen and the action taken; `value_rates`, the same as `policy_rates` of an LSTM
        that only the value has; `value`, `probabilities`, `actions` (-1 after the end), `rewards`, `observations`,
        `mask` (True until the end) and `time` (ms). All else is 0 after the end.

    Raises:
        SettingsError: As `evaluate_agent`.
        AnalysisError: The agent has no recurrent units.
    """
    check_records(model)
    env = _environment(on, n_trials, n_envs, reset_state)
    _check_spaces(model, env)
    with _seeded(seed):
        played = _play(Recording(model, deterministic, env.num_envs), env, n_trials, seed, reset_state)
    parts: list[Columns] = []
    for part in played:
        past = part.actions < 0
        activity = {
            name: np.where(past.reshape(*past.shape, *[1] * (x.ndim - 2)), x.dtype.type(0), x)
            for name, x in part.recorded.items()
        }
        parts.append(activity | {"actions": part.actions, "rewards": part.rewards, "mask": ~past})
    joined = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
    return _table(played), joined | {"time": np.arange(len(joined["mask"])) * played[0].task.dt}


def check_records(model: Any) -> None:
    """Check that an agent has units whose activity can be recorded.

    Raises:
        AnalysisError: It has no recurrent ones.
    """
    if not hasattr(getattr(model, "policy", None), "lstm_actor"):
        raise AnalysisError(
            f"the agent ({type(model).__name__}) has no recurrent units whose activity could be recorded; train one"
            " with algorithm: recurrent_ppo or recurrent_a2c."
        )


@dataclass(frozen=True)
class _Played:
    """What was done in a batch of trials, (n_steps, n_trials, ...)."""

    task: Task
    trials: Trials
    actions: NDArray[np.int8]
    rewards: NDArray[np.float32]
    recorded: Columns


def _table(played: list[_Played]) -> pd.DataFrame:
    tables = [pd.DataFrame(trial_table(p.trials, p.task, p.actions, p.rewards)) for p in played]
    return pd.concat(tables, ignore_index=True)


def _environment(on: str | Task | VecEnv, n_trials: int, n_envs: int, reset_state: str) -> VecEnv:
    if n_trials < 1:
        raise SettingsError(f"evaluation of an agent: n_trials = {n_trials}: must be at least 1.")
    if reset_state not in RESETS:
        raise SettingsError(
            f"evaluation of an agent: reset_state = {reset_state!r}: must be one of {', '.join(RESETS)}."
        )
    if isinstance(on, (str, Task)):
        return make_sb3_env(on, min(n_envs, n_trials))
    bottom: Any = getattr(on, "unwrapped", None)
    if not isinstance(bottom, TrialVecEnv):
        raise SettingsError(
            f"evaluation of an agent: {type(on).__name__} is no environment of one of our tasks; make it with"
            " rnnpipe.environments.sb3.make_sb3_env."
        )
    if bottom.env.max_episode_steps is not None:
        raise SettingsError("evaluation of an agent: the environment has max_episode_steps, which cuts trials short.")
    return on


def _check_spaces(model: Any, env: VecEnv) -> None:
    for name in ("observation_space", "action_space"):
        mine, its = getattr(model, name, None), getattr(env, name)
        if mine is not None and mine != its:
            raise SettingsError(
                f"evaluation of an agent: its {name.replace('_', ' ')} is {mine}, that of the environment {its}; make"
                " the environment with the settings that the agent was trained with."
            )


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Drawn actions come from a seed, and the generators of a training that goes on are left as they were."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


class Predicting:
    """Any agent, through its `predict`."""

    def __init__(self, model: Any, deterministic: bool) -> None:
        self.model, self.deterministic, self.state = model, deterministic, None

    def __call__(self, observation: NDArray[Any], starts: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Columns]:
        """Actions on observations, which may start an episode; nothing is recorded."""
        action, self.state = self.model.predict(
            observation, state=self.state, episode_start=starts, deterministic=self.deterministic
        )
        return np.asarray(action), {}


class Recording:
    """An agent, through the parts of its policy, which show what `predict` does not; units only of a recurrent one."""

    def __init__(self, model: Any, deterministic: bool, n_envs: int) -> None:
        from sb3_contrib.common.recurrent.type_aliases import RNNStates

        self.policy, self.deterministic = model.policy, deterministic
        self.policy.set_training_mode(False)
        self.recurrent = hasattr(self.policy, "lstm_actor")
        if not self.recurrent:
            return
        lstm = self.policy.lstm_actor
        zeros = torch.zeros(lstm.num_layers, n_envs, lstm.hidden_size, device=self.policy.device)
        self.states = RNNStates((zeros, zeros), (zeros, zeros))
        self.own_critic = self.policy.lstm_critic is not None

    @torch.no_grad()
    def __call__(self, observation: NDArray[Any], starts: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Columns]:
        """Actions on observations, which may start an episode, and what is recorded, (n_envs, ...) each."""
        policy = self.policy
        seen, _ = policy.obs_to_tensor(observation)
        recorded = {"observations": np.asarray(observation, np.float32)}
        if not self.recurrent:
            action, value, _ = policy(seen, deterministic=self.deterministic)
            recorded["value"] = value[:, 0].cpu().numpy()
            recorded["probabilities"] = policy.get_distribution(seen).distribution.probs.cpu().numpy()
            return action.cpu().numpy(), recorded
        starting = torch.as_tensor(starts, dtype=torch.float32, device=policy.device)
        distribution, _ = policy.get_distribution(seen, self.states.pi, starting)
        action, value, _, self.states = policy(seen, self.states, starting, deterministic=self.deterministic)
        h, c = self.states.pi
        recorded |= {
            "policy_rates": h[-1].cpu().numpy(),
            "states": c[-1].cpu().numpy(),
            "value": value[:, 0].cpu().numpy(),
            "probabilities": distribution.distribution.probs.cpu().numpy(),
        }
        if self.own_critic:
            recorded["value_rates"] = self.states.vf[0][-1].cpu().numpy()
        return action.cpu().numpy(), recorded


def _play(agent: Predicting | Recording, env: VecEnv, n_trials: int, seed: int, reset_state: str) -> list[_Played]:
    """Play, and sort what was done by trials; each trial is looked up again by the seed of its environment."""
    bottom: Any = env.unwrapped
    task, n = bottom.task, env.num_envs
    share = np.full(n, n_trials // n)
    share[: n_trials % n] += 1
    n_steps = bottom.face.example.n_steps
    actions = [np.full((n_steps, k), -1, np.int8) for k in share]
    recorded: list[Columns] = [{} for _ in share]
    t, n_done = np.zeros((2, n), int)

    env.seed(seed)
    observation: Any = env.reset()
    starts = np.ones(n, bool)
    while (n_done < share).any():
        action, seen = agent(observation, starts)
        for row in np.flatnonzero(n_done < share):
            at = t[row], n_done[row]
            actions[row][at] = action[row]
            for name, values in seen.items():
                if name not in recorded[row]:
                    shape = (n_steps, share[row], *values.shape[1:])
                    recorded[row][name] = np.zeros(shape, values.dtype)
                recorded[row][name][at] = values[row]
        observation, _, done, infos = env.step(action)
        new = np.array([info["new_trial"] for info in infos])
        t = np.where(new, 0, t + 1)
        n_done += new
        starts = {"episode": done, "trial": new, "never": np.zeros(n, bool)}[reset_state]

    played = []
    for row in np.flatnonzero(share):
        start = 0
        for trials, done_in, rewards in _again(bottom, seed + int(row), actions[row]):
            part = slice(start, start + trials.n_trials)
            start = part.stop
            played.append(_Played(task, trials, done_in, rewards, {k: x[:, part] for k, x in recorded[row].items()}))
    return played


def _again(
    env: TrialVecEnv, seed: int, actions: NDArray[np.int8]
) -> Iterator[tuple[Trials, NDArray[np.int8], NDArray[np.float32]]]:
    """The first trials that an environment with a seed shows, with what was done and earned in them.

    Args:
        env: The environments.
        seed: Seed of this one.
        actions: What was done, -1 after the end of a trial, (n_steps, n_trials).
    """
    stream, rng = Stream(env.task, env.face.n_ahead), np_random(seed)[0]
    start, n = 0, actions.shape[1]
    while start < n:
        trials = stream.draw(rng)
        trials = trials[: n - start]
        these = actions[:, start : start + trials.n_trials]
        rewards = np.stack([trials.reward(step, np.maximum(a, 0)) * (a >= 0) for step, a in enumerate(these)])
        if env.task.reacts:
            last = (these[:, 0] >= 0).sum() - 1
            action = these[last, 0]
            chose = trials.choices[trials.phase[last, 0], 0, action]
            stream.note(int(trials.correct[0, action]) if chose else -1, float(rewards.sum(dtype=float)))
        yield trials, these, rewards
        start += trials.n_trials
