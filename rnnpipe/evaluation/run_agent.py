"""Evaluation of agents of Stable-Baselines3 on a data set, as stage `evaluate` runs it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rnnpipe.environments.sb3 import Passed
from rnnpipe.evaluation.agents import Predicting, Recording, check_records
from rnnpipe.evaluation.run import Columns, Run
from rnnpipe.evaluation.simulate import trial_table
from rnnpipe.io.episodes import open_episodes
from rnnpipe.io.match import check_match
from rnnpipe.io.trials import TrialsFile, open_trials
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._environment import AnyTask, EnvironmentTask
from rnnpipe.training.sb3_agents import Agent, load_agent
from rnnpipe.trials import Trials

BATCH = 512
"""Trials that are played at once; where an agent's state lasts longer than a trial, those of one batch."""


@dataclass(frozen=True)
class _Named:
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
    if activity:
        check_records(agent.model)
    own, named = isinstance(agent.task, EnvironmentTask), _Named(path, agent.task)
    with open_episodes(dataset, named) if own else open_trials(dataset) as trials:
        if isinstance(trials, TrialsFile):
            check_match(named, trials)
        attributes = {
            "task": agent.task.name,
            "dt": agent.task.dt,
            "seed": agent.seed,
            "dataset_seed": int(trials.attributes.get("seed", -1)),
            "input_names": list(agent.task.input_names),
            "action_names": list(agent.task.action_names),
            "n_trials_trained": int(agent.score["n_trials_trained"]),
            "reached_criterion": bool(agent.score["reached_criterion"]),
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
    """Let an agent act on trials.

    Args:
        agent: The agent.
        trials: A batch of its task.
        activity: Also return what `record_agent` records.

    Returns:
        Actions (-1 after the end) and rewards, (n_steps, n_trials), and the activity (n_steps, n_trials, ...), which is
        0 after the end; empty if it was not asked for.
    """
    assert isinstance(agent.task, Task)
    mode, settings = agent.settings.mode, agent.settings
    n_steps, n = trials.phase.shape
    rows = n if mode == "trial" else min(settings.n_envs, n)
    queues = np.array_split(np.arange(n), rows)
    first = np.array([queue[0] for queue in queues])
    end = np.array([queue[-1] for queue in queues])
    actor = Recording(agent.model, True, rows) if activity else Predicting(agent.model, True)
    passed = Passed(rows, trials.n_actions, settings.pass_reward, settings.pass_action)
    frames = np.zeros((rows, settings.n_stack, agent.model.observation_space.shape[0] // settings.n_stack), np.float32)

    actions = np.full((n_steps, n), -1, np.int8)
    rewards = np.zeros((n_steps, n), np.float32)
    recorded: Columns = {}
    trial, t, starts = first.copy(), np.zeros(rows, int), np.ones(rows, bool)
    alive = np.ones(rows, bool)
    while alive.any():
        passed.forget(starts)
        frames[starts] = 0.0
        frames = np.roll(frames, -1, axis=1)
        frames[:, -1] = passed.append(trials.inputs[t, trial])
        action, seen = actor(frames.reshape(rows, -1), starts)
        at = t[alive], trial[alive]
        actions[at] = action[alive]
        for name, values in seen.items():
            if name not in recorded:
                recorded[name] = np.zeros((n_steps, n, *values.shape[1:]), values.dtype)
            recorded[name][at] = values[alive]
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
