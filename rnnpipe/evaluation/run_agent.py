"""Evaluation of agents of Stable-Baselines3 on a data set, as stage `evaluate` runs it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.environments.sb3 import Passed
from rnnpipe.environments.sb3_episodes import EpisodeEnv
from rnnpipe.evaluation.agents import Predicting, Recording
from rnnpipe.evaluation.run import Columns, Run
from rnnpipe.evaluation.simulate import trial_table
from rnnpipe.io.episodes import open_episodes
from rnnpipe.io.match import check_match
from rnnpipe.io.trials import TrialsFile, open_trials
from rnnpipe.tasks._environment import ENDED, AnyTask, EnvironmentTask, Episodes
from rnnpipe.training.sb3_agents import Agent, load_agent
from rnnpipe.trials import Trials

BATCH = 512
"""Trials that are played at once; where an agent's state lasts longer than a trial, those of one batch."""


@dataclass(frozen=True)
class Named:
    """An agent's task and file."""

    path: Path
    task: AnyTask


@contextlib.contextmanager
def agent_run(path: Path, dataset: Path, device: str, activity: bool) -> Iterator[Run]:
    """An evaluation of an agent, which takes the most probable action at every step.

    The state of an agent is reset as it was in training: with every trial (mode: trial), or it goes from trial to trial
    through the data set, which `n_envs` copies of the agent share, a batch at a time.
    """
    torch.set_num_threads(1)
    agent = load_agent(path, "cuda" if device == "cuda" else "cpu")
    own, named = isinstance(agent.task, EnvironmentTask), Named(path, agent.task)
    passed = Passed(1, len(agent.task.action_names), agent.settings.pass_reward, agent.settings.pass_action)
    with open_episodes(dataset, named) if own else open_trials(dataset) as trials:
        if isinstance(trials, TrialsFile):
            check_match(named, trials)
        attributes = {
            "task": agent.task.name,
            "dt": agent.task.dt,
            "seed": agent.seed,
            "dataset_seed": int(trials.attributes.get("seed", -1)),
            "input_names": [*agent.task.input_names, *passed.names(agent.task.action_names)],
            "action_names": list(agent.task.action_names),
            "n_trials_trained": int(agent.score.get("n_trials_trained", -1)),
            "reached_criterion": bool(agent.score.get("reached_criterion", False)),
        }
        settings = {
            "task": {"name": agent.task.name, **agent.task.model_dump(mode="json")},
            "learning": agent.settings.model_dump(mode="json"),
        }

        def batches() -> Iterator[tuple[Columns, Columns, Columns]]:
            for batch in trials.batches(BATCH):
                actions, rewards, recorded = play(agent, batch, activity)
                table = trial_table(batch, agent.task, actions, rewards)
                if activity:
                    mask = actions >= 0
                    recorded |= {"actions": actions, "rewards": rewards, "mask": mask}
                    recorded["time"] = np.arange(len(mask)) * agent.task.dt
                yield table, recorded, {}

        yield Run(trials.n_trials, settings, attributes, batches())


def play(agent: Agent, trials: Trials, activity: bool) -> tuple[NDArray[np.int8], NDArray[np.float32], Columns]:
    """Let an agent act on trials, or on episodes of an environment, which are filled in.

    Args:
        agent: The agent.
        trials: A batch of its task.
        activity: Also return what `record_agent` records.

    Returns:
        Actions (-1 after the end) and rewards, (n_steps, n_trials), and the activity (n_steps, n_trials, ...), which is
        0 after the end; empty if it was not asked for.
    """
    if isinstance(trials, Episodes):
        return _play_episodes(agent, trials, activity)
    mode, settings = agent.settings.mode, agent.settings
    n_steps, n = trials.phase.shape
    rows = n if mode == "trial" else min(settings.n_envs, n)
    queues = np.array_split(np.arange(n), rows)
    first = np.array([queue[0] for queue in queues])
    end = np.array([queue[-1] for queue in queues])
    actor = Recording(agent.model, True, rows) if activity else Predicting(agent.model, True)
    passed = Passed(rows, trials.n_actions, settings.pass_reward, settings.pass_action)
    frames = _Frames(agent, rows)

    actions = np.full((n_steps, n), -1, np.int8)
    rewards = np.zeros((n_steps, n), np.float32)
    recorded: Columns = {}
    trial, t, starts = first.copy(), np.zeros(rows, int), np.ones(rows, bool)
    alive = np.ones(rows, bool)
    while alive.any():
        passed.forget(starts)
        action, seen = actor(frames.shown(passed.append(trials.inputs[t, trial]), starts), starts)
        at = t[alive], trial[alive]
        actions[at] = action[alive]
        _record(recorded, seen, alive, at, (n_steps, n))
        phase = trials.phase[t, trial]
        reward = trials.discount[t] * trials.rewards[phase, trial, action]
        rewards[at] = reward[alive]
        passed.note(reward, action)
        ended = trials.stops[phase, trial, action] | (t + 1 == n_steps)
        alive &= ~(ended & (trial == end))
        if mode == "session":
            starts = ended & ((trial - first + 1) % settings.session_trials == 0)
        else:
            starts = ended & (mode == "trial")
        trial = np.where(ended & (trial < end), trial + 1, trial)
        t = np.where(ended, 0, t + 1)
    return actions, rewards, recorded


def _play_episodes(
    agent: Agent, episodes: Episodes, activity: bool
) -> tuple[NDArray[np.int8], NDArray[np.float32], Columns]:
    """Let an agent act on episodes, as many at once as it was trained on; the first step of the task does nothing."""
    task, settings = agent.task, agent.settings
    assert isinstance(task, EnvironmentTask)
    n_steps, n = episodes.phase.shape
    actions = np.full((n_steps, n), -1, np.int8)
    actions[0] = 0
    rewards = np.zeros((n_steps, n), np.float32)
    recorded: Columns = {}
    envs = [EpisodeEnv(task, settings.pass_reward, settings.pass_action) for _ in range(min(settings.n_envs, n))]
    n_inputs = task.spaces.n_inputs
    for start in range(0, n, len(envs)):
        which = np.arange(start, min(start + len(envs), n))
        rows = len(which)
        actor = Recording(agent.model, True, rows) if activity else Predicting(agent.model, True)
        frames, starts, alive = _Frames(agent, rows), np.ones(rows, bool), np.ones(rows, bool)
        observation = np.stack(
            [envs[k].reset(seed=int(episodes.conditions["seed"][i]))[0] for k, i in enumerate(which)]
        )
        for t in range(1, n_steps):
            episodes.inputs[t, which[alive]] = observation[alive, :n_inputs]
            action, seen = actor(frames.shown(observation, starts), starts)
            at = t, which[alive]
            actions[at] = action[alive]
            _record(recorded, seen, alive, at, (n_steps, n))
            starts = np.zeros(rows, bool)
            for k in np.flatnonzero(alive):
                observation[k], rewards[t, which[k]], terminated, truncated, info = envs[k].step(action[k])
                if terminated or truncated:
                    alive[k], episodes.phase[t, which[k]] = False, ENDED
                    episodes.returns[which[k]] = info["episode"]["r"]
            if not alive.any():
                break
    for env in envs:
        env.close()
    return actions, rewards, recorded


class _Frames:
    """The observations of the last steps, as `VecFrameStack` shows them."""

    def __init__(self, agent: Agent, rows: int) -> None:
        n_stack = agent.settings.n_stack
        self._frames = np.zeros((rows, n_stack, agent.model.observation_space.shape[0] // n_stack), np.float32)

    def shown(self, observation: NDArray[np.float32], starts: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Observations (n, n_inputs), which may start an episode, behind those before."""
        self._frames[starts] = 0.0
        self._frames[:, :-1] = self._frames[:, 1:].copy()
        self._frames[:, -1] = observation
        return self._frames.reshape(len(observation), -1).copy()


def _record(
    recorded: Columns, seen: Columns, alive: NDArray[np.bool_], at: tuple[Any, Any], shape: tuple[int, int]
) -> None:
    """Note what was seen in the rows that go on, by (step, trial)."""
    for name, values in seen.items():
        if name not in recorded:
            recorded[name] = np.zeros((*shape, *values.shape[1:]), values.dtype)
        recorded[name][at] = values[alive]
