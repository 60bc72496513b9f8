"""Agents of Stable-Baselines3 on our tasks: made from plain settings, trained, and kept as plain tensors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rnnpipe.environments.sb3 import make_sb3_env
from rnnpipe.errors import ArtefactError, SettingsError, TrainingError
from rnnpipe.io.network import SCHEMA_VERSION, read_tensors, write_tensors
from rnnpipe.settings import parse
from rnnpipe.tasks import trial_task_class
from rnnpipe.tasks._base import Task
from rnnpipe.training.sb3_settings import Sb3Settings

try:
    from sb3_contrib import RecurrentPPO
    from stable_baselines3 import A2C, PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import VecEnv, VecFrameStack
except ModuleNotFoundError as error:
    if error.name not in ("sb3_contrib", "stable_baselines3"):
        raise
    raise ArtefactError(
        f"the package {error.name.replace('_', '-')!r} is not installed; install it with `pip install 'rnnpipe[sb3]'`."
    ) from None

KIND = "sb3_agent"

UNCLIPPED = 1e9
"""Clip range under which nothing is clipped: recurrent A2C makes one update, from probability ratios of 1."""


@dataclass(frozen=True)
class Agent:
    """An agent and all that it was made from."""

    model: Any
    """The learner of Stable-Baselines3, with its policy in `.policy`."""
    task: Task
    settings: Sb3Settings
    seed: int
    curve: pd.DataFrame = field(repr=False)
    """Learning curve, one row for each `block_trials` training trials: `n_steps` of all environments and `n_trials` so
    far, and means over the block: `performance` (fraction of trials with the correct choice), `mean_reward` (of a
    trial, summed) and `mean_length` (steps)."""

    def make_env(self, n_envs: int = 16, seed: int | None = None) -> VecEnv:
        """Environments as the agent was trained in."""
        return make_env(self.task, self.settings, n_envs, seed)


def make_env(task: Task, settings: Sb3Settings, n_envs: int, seed: int | None = None) -> VecEnv:
    """Environments of a task in the mode, and with the frames stacked, that the settings ask for."""
    env: VecEnv = make_sb3_env(task, n_envs, settings.mode, seed, session_trials=settings.session_trials)
    return VecFrameStack(env, settings.n_stack) if settings.n_stack > 1 else env


def make_model(env: VecEnv, settings: Sb3Settings, seed: int | None, device: str = "cpu") -> Any:
    """The untrained learner.

    Its seed, where there is one, seeds the global generators of torch, numpy and Python, too.
    """
    algorithm, rollout = settings.algorithm, env.num_envs * settings.filled("n_steps")
    arguments: dict[str, Any] = {
        "n_steps": settings.filled("n_steps"),
        "learning_rate": settings.filled("learning_rate"),
        "gamma": settings.filled("gamma"),
        "gae_lambda": settings.filled("gae_lambda"),
        "ent_coef": settings.filled("entropy_bonus"),
        "vf_coef": settings.value_weight,
        "max_grad_norm": settings.max_grad_norm,
        "normalize_advantage": settings.filled("normalize_advantage"),
        "policy_kwargs": {"net_arch": list(settings.hidden_layers)},
        "seed": seed,
        "device": device,
    }
    if algorithm == "a2c":
        return A2C("MlpPolicy", env, **arguments)
    arguments |= {
        "batch_size": min(settings.filled("batch_size") or rollout, rollout),
        "n_epochs": settings.filled("n_epochs"),
        "clip_range": UNCLIPPED if algorithm == "recurrent_a2c" else settings.clip_range,
    }
    if algorithm == "ppo":
        return PPO("MlpPolicy", env, **arguments)
    arguments["policy_kwargs"] |= {
        "lstm_hidden_size": settings.n_units,
        "shared_lstm": settings.critic == "shared",
        "enable_critic_lstm": settings.critic == "own",
    }
    return RecurrentPPO("MlpLstmPolicy", env, **arguments)


def train_agent(
    task: Task,
    settings: Sb3Settings,
    seed: int,
    device: str = "cpu",
    progress: Callable[[dict[str, float]], None] | None = None,
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
        TrainingError: The agent's weights became NaN or infinite.
    """
    _check(settings)
    env = make_env(task, settings, settings.n_envs)
    model = make_model(env, settings, seed, device)
    # the learner has passed its own seed on, under which neighbouring seeds would share all rows but one
    env.seed(int(np.random.SeedSequence(seed).generate_state(1)[0]) >> 1)
    blocks = _Blocks(settings.block_trials, settings.target_performance, progress)
    try:
        model.learn(settings.max_steps, callback=blocks)
    except (ValueError, RuntimeError) as error:  # torch refuses a distribution whose parameters are NaN
        if _finite(model):
            raise
        raise TrainingError(_diverged(settings)) from error
    if not _finite(model):
        raise TrainingError(_diverged(settings))
    return Agent(model, task, settings, seed, blocks.curve())


def _check(settings: Sb3Settings) -> None:
    if settings.recurrent and settings.n_stack > 1:
        raise SettingsError(
            f"learning: n_stack = {settings.n_stack}: frames are stacked for agents without memory; leave it out or"
            " take algorithm: ppo."
        )


def _finite(model: Any) -> bool:
    return all(bool(torch.isfinite(p).all()) for p in model.policy.parameters())


def _diverged(settings: Sb3Settings) -> str:
    return (
        f"the agent's weights became NaN or infinite; lower learning.learning_rate"
        f" ({settings.filled('learning_rate'):g}) or learning.max_grad_norm ({settings.max_grad_norm:g})."
    )


CURVE = ("n_steps", "n_trials", "performance", "mean_reward", "mean_length")


class _Blocks(BaseCallback):
    """The learning curve, and the end of training at a performance."""

    def __init__(
        self, block_trials: int, target: float | None, progress: Callable[[dict[str, float]], None] | None
    ) -> None:
        super().__init__()
        self.block_trials, self.target, self.progress = block_trials, target, progress
        self.rows: list[dict[str, float]] = []
        self.trials: list[tuple[float, float, int]] = []
        self.n_trials = 0

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if "performance" in info:
                self.trials.append((info["performance"], info["episode"]["r"], info["episode"]["l"]))
        goes_on = True
        while len(self.trials) >= self.block_trials:
            block, self.trials = self.trials[: self.block_trials], self.trials[self.block_trials :]
            self.n_trials += len(block)
            means = [float(x) for x in np.mean(block, axis=0)]
            row = dict(zip(CURVE, [self.num_timesteps, self.n_trials, *means], strict=True))
            self.rows.append(row)
            if self.progress is not None:
                self.progress(row)
            goes_on &= self.target is None or row["performance"] < self.target
        return goes_on

    def curve(self) -> pd.DataFrame:
        table = pd.DataFrame(self.rows, columns=list(CURVE), dtype=float)
        return table.astype({"n_steps": int, "n_trials": int})


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
        "curve": {name: agent.curve[name].tolist() for name in CURVE},
    }
    write_tensors(path, content)


def load_agent(path: str | Path, device: str = "cpu") -> Agent:
    """Read an agent; nothing in the file is run.

    Raises:
        ArtefactError: Missing, truncated, foreign, hostile or of another version, or its tensors are not finite or not
            those that its settings ask for.
    """
    content = read_tensors(path, KIND)
    try:
        settings = json.loads(content["settings"])
        values = dict(settings["task"])
        task = parse(trial_task_class(values.pop("name")), values, "task")
        learning = parse(Sb3Settings, settings["learning"], "learning")
        _check(learning)
        seed, curve = int(content["seed"]), pd.DataFrame({name: content["curve"][name] for name in CURVE})
        with torch.random.fork_rng(devices=[]):  # its weights are drawn, and then replaced
            model = make_model(make_env(task, learning, learning.n_envs), learning, None, device)
        model.policy.load_state_dict(content["policy"])
    except SettingsError as error:
        raise ArtefactError(f"{path}: was made with settings this rnnpipe does not know: {error}") from None
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ArtefactError(f"{path}: its tensors are not those that its settings ask for ({reason}).") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(f"{path}: is damaged or incomplete ({error!r}); train the agent again.") from None
    if not _finite(model):
        raise ArtefactError(f"{path}: holds NaN or infinite values; train the agent again.")
    return Agent(model, task, learning, seed, curve)
