"""Agents of Stable-Baselines3 on our tasks: trained, and kept as plain tensors and plain settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from rnnpipe.errors import ArtefactError, SettingsError, brief
from rnnpipe.io.network import SCHEMA_VERSION, read_tensors, write_tensors
from rnnpipe.io.plain import mapping_of, score_of, seed_of, settings_of
from rnnpipe.settings import parse
from rnnpipe.tasks import task_class
from rnnpipe.tasks._environment import AnyTask
from rnnpipe.training.sb3_learner import Learner
from rnnpipe.training.sb3_models import finite, make_env, make_model
from rnnpipe.training.sb3_settings import Sb3Settings

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

KIND = "sb3_agent"


@dataclass(frozen=True)
class Agent:
    """An agent and all that it was made from."""

    model: Any
    """The learner of Stable-Baselines3, with its policy in `.policy`."""
    task: AnyTask
    settings: Sb3Settings
    seed: int
    curve: pd.DataFrame = field(repr=False)
    """Learning curve, one row for each `block_trials` training trials: `n_steps` of all environments and `n_trials` so
    far, and means over the block: `performance` (fraction of trials with the correct choice), `mean_reward` (of a
    trial, summed) and `mean_length` (steps); of an environment, over episodes and without `performance`, but with
    `mean_return`. `value_rmse` is the error of the predicted return in the rollout in which the block ended."""
    score: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """How learning ended: `n_steps`, `n_trials_trained`, `n_updates`, `reached_criterion`, and the last block's
    measures."""
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What made it, where stage `train` did."""

    def make_env(self, n_envs: int = 16, seed: int | None = None) -> VecEnv:
        """Environments as the agent was trained in."""
        return make_env(self.task, self.settings, n_envs, seed)


def train_agent(
    task: AnyTask,
    settings: Sb3Settings,
    seed: int,
    device: str = "cpu",
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Agent:
    """Train an agent.

    Equal arguments give equal agents on the same machine and number of threads. Environments of different seeds share
    no trials.

    Args:
        task: What it learns, in the trials and with the rewards that this task has.
        settings: Algorithm and agent.
        seed: Seed of the initial weights, the actions, the minibatches and, by streams of their own, the trials.
        device: Of torch.
        progress: Called with each new row of the learning curve.

    Raises:
        SettingsError: The task has nothing to choose, or the agent no frame to stack.
        TrainingError: The agent's weights became NaN or infinite, or no trial ended.
    """
    learner = Learner(task, settings, seed, device)
    while not learner.finished:
        for row in learner.update():
            if progress is not None:
                progress(row)
    return trained(learner, seed)


def trained(learner: Learner, seed: int, provenance: Mapping[str, Any] | None = None) -> Agent:
    """The agent of a learner at the end of its training.

    Raises:
        TrainingError: No trial has ended.
    """
    learner.finish()
    curve = pd.DataFrame(learner.rows)
    last = learner.rows[-1]
    measures = ("performance", "mean_reward", "mean_return", "mean_length")
    score: dict[str, Any] = {
        **{name: last[name] for name in measures if name in last},
        "reached_criterion": any(row["criterion"] for row in learner.rows),
        "n_updates": learner.n_updates,
        "n_steps": learner.n_steps,
        "n_trials_trained": learner.n_trials,
    }
    return Agent(learner.model, learner.task, learner.settings, seed, curve, score, provenance or {})


def save_agent(path: str | Path, agent: Agent) -> None:
    """Write an agent as plain tensors and plain settings (.pth).

    The state of the optimiser is left out: the agent can act, be analysed and be the start of another training.

    Raises:
        ArtefactError: The file cannot be written.
    """
    settings = {
        "task": {"name": agent.task.name, **agent.task.model_dump(mode="json")},
        "learning": agent.settings.model_dump(mode="json"),
    }
    content = {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "settings": json.dumps(settings, sort_keys=True),
        "seed": agent.seed,
        "policy": dict(agent.model.policy.state_dict()),
        "curve": {str(name): column.tolist() for name, column in agent.curve.items()},
        "score": dict(agent.score),
        "provenance": json.dumps(dict(agent.provenance), sort_keys=True),
    }
    write_tensors(path, content)


def load_agent(path: str | Path, device: str = "cpu") -> Agent:
    """Read an agent; nothing in the file is run.

    Raises:
        ArtefactError: Missing, truncated, foreign, hostile or of another version, or its tensors are not finite or not
            those that its settings ask for.
    """
    content, where = read_tensors(path, KIND), str(path)
    try:
        settings = settings_of(where, content["settings"])
        values = dict(settings["task"])
        task = parse(task_class(values.pop("name")), values, "task")
        learning = parse(Sb3Settings, settings["learning"], "learning")
        curve = pd.DataFrame(dict(content["curve"]))
        if not {"n_steps", "n_trials"} <= set(curve):
            raise KeyError("curve")
        with torch.random.fork_rng(devices=[]):  # its weights are drawn, and then replaced
            model = make_model(make_env(task, learning, learning.n_envs), learning, None, device)
        model.policy.load_state_dict(content["policy"])
        score = score_of(where, content["score"])
        made_by = mapping_of(where, "'provenance'", content["provenance"])
        rest = seed_of(where, content["seed"]), curve, score, made_by
    except SettingsError as error:
        raise ArtefactError(f"{path}: was made with settings this rnnpipe does not know: {error}") from None
    except RuntimeError as error:
        reason = brief(error)
        raise ArtefactError(f"{path}: its tensors are not those that its settings ask for ({reason}).") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(f"{path}: is damaged or incomplete ({error!r}); train the agent again.") from None
    if not finite(model):
        raise ArtefactError(f"{path}: holds NaN or infinite values; train the agent again.")
    return Agent(model, task, learning, *rest)
