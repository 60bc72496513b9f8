"""Environments and untrained learners of Stable-Baselines3, from plain settings."""

from __future__ import annotations

from typing import Any

import torch

from rnnpipe.environments.sb3 import make_sb3_env
from rnnpipe.environments.sb3_episodes import make_episode_env
from rnnpipe.errors import ArtefactError
from rnnpipe.tasks._environment import AnyTask, EnvironmentTask
from rnnpipe.training.sb3_settings import Sb3Settings

try:
    from sb3_contrib import RecurrentPPO
    from stable_baselines3 import A2C, PPO
    from stable_baselines3.common.callbacks import BaseCallback as BaseCallback
    from stable_baselines3.common.vec_env import VecEnv, VecFrameStack
except ModuleNotFoundError as error:
    if error.name not in ("sb3_contrib", "stable_baselines3"):
        raise
    raise ArtefactError(
        f"the package {error.name.replace('_', '-')!r} is not installed; install it with `pip install 'rnnpipe[sb3]'`."
    ) from None

UNCLIPPED = 1e9
"""Clip range under which nothing is clipped: recurrent A2C makes one update, from probability ratios of 1."""


def make_env(task: AnyTask, settings: Sb3Settings, n_envs: int, seed: int | None = None) -> VecEnv:
    """Environments of a task in the mode, and with the inputs and stacked frames, that the settings ask for.

    Raises:
        SettingsError: The task has nothing to choose, or the agent no frame to stack.
    """
    settings.check(task)
    env: VecEnv
    if isinstance(task, EnvironmentTask):
        env = make_episode_env(task, n_envs, settings.pass_reward, settings.pass_action)
        if seed is not None:
            env.seed(seed)
    else:
        env = make_sb3_env(
            task,
            n_envs,
            settings.mode,
            seed,
            settings.pass_reward,
            settings.pass_action,
            session_trials=settings.session_trials,
        )
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


def finite(model: Any) -> bool:
    """Whether all weights of an agent are."""
    return all(bool(torch.isfinite(p).all()) for p in model.policy.parameters())
