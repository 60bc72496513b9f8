"""Settings of the learners of Stable-Baselines3, without importing it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from rnnpipe.errors import SettingsError
from rnnpipe.settings import Settings, setting
from rnnpipe.tasks._environment import AnyTask, EnvironmentTask

Algorithm = Literal["a2c", "ppo", "recurrent_ppo", "recurrent_a2c"]

DEFAULTS: dict[str, dict[str, Any]] = {
    "a2c": {
        "n_steps": 5, "batch_size": None, "n_epochs": 1, "learning_rate": 7e-4, "gamma": 0.99, "gae_lambda": 1.0,
        "entropy_bonus": 0.0, "normalize_advantage": False,
    },
    "ppo": {
        "n_steps": 128, "batch_size": 512, "n_epochs": 10, "learning_rate": 1e-3, "gamma": 0.9, "gae_lambda": 0.95,
        "entropy_bonus": 0.01, "normalize_advantage": True,
    },
    "recurrent_ppo": {
        "n_steps": 64, "batch_size": 512, "n_epochs": 10, "learning_rate": 1e-3, "gamma": 0.9, "gae_lambda": 0.95,
        "entropy_bonus": 0.01, "normalize_advantage": True,
    },
    "recurrent_a2c": {
        "n_steps": 20, "batch_size": None, "n_epochs": 1, "learning_rate": 1e-3, "gamma": 0.9, "gae_lambda": 1.0,
        "entropy_bonus": 0.01, "normalize_advantage": False,
    },
}  # fmt: skip
"""What a setting that is None means for each algorithm. A2C has the library's values."""

_OWN = "by default the algorithm's"


class Sb3Settings(Settings):
    """Actor-critic learning by Stable-Baselines3, with or without an LSTM.

    `recurrent_a2c`, which the library does not have, is its recurrent PPO with one update on each whole rollout, where
    the clipped objective is the policy gradient itself: no epochs, no minibatches, no clipping, and advantages that are
    neither normalised nor shortened by lambda.

    References: Mnih et al. (2016) arXiv:1602.01783 (A2C); Schulman et al. (2017) arXiv:1707.06347 (PPO); Raffin et al.
    (2021) JMLR 22:268 (Stable-Baselines3).
    """

    rule: Literal["sb3"] = setting("sb3", "sb3: learning from reward by Stable-Baselines3")
    algorithm: Algorithm = setting("recurrent_ppo", "a2c and ppo have no memory; recurrent_ppo and recurrent_a2c have")
    max_steps: int = setting(200_000, "steps of all environments together, rounded up to whole rollouts", "steps", ge=1)
    n_envs: int = setting(16, "environments side by side", gt=0)
    mode: Literal["trial", "session", "endless"] = setting(
        "trial",
        "an episode, at whose end an LSTM is reset and returns stop, is a trial (trial), session_trials of them"
        " (session), or never ends (endless)",
    )
    session_trials: int = setting(100, "trials of an episode in mode session", "trials", gt=0)
    n_stack: int = setting(1, "observations of that many steps are shown at once (frame stacking)", "steps", gt=0)
    pass_reward: bool = setting(False, "observations end with the reward of the step before, 0 after a reset")
    pass_action: bool = setting(
        False, "observations end with the action of the step before, one-hot, zeros after a reset"
    )
    n_units: int = setting(64, "units of the LSTM, of recurrent algorithms", gt=0)
    critic: Literal["shared", "own", "linear"] = setting(
        "shared",
        "value of recurrent algorithms: read from the policy's LSTM, which it does not train (shared), from an LSTM of"
        " its own (own), or from the observation (linear)",
    )
    hidden_layers: list[int] = setting([64, 64], "sizes of the tanh layers of policy and value, behind an LSTM")
    n_steps: int | None = setting(None, f"steps of each environment in a rollout; {_OWN}", "steps", gt=0)
    batch_size: int | None = setting(
        None, f"steps of a minibatch, at most a rollout's; {_OWN}; not of a2c and recurrent_a2c", "steps", gt=1
    )
    n_epochs: int | None = setting(
        None, f"passes over a rollout; {_OWN}; not of a2c and recurrent_a2c, which make one", gt=0
    )
    learning_rate: float | None = setting(None, f"learning rate; {_OWN}", gt=0)
    gamma: float | None = setting(None, f"discount of the reward of the next step; {_OWN}", ge=0, le=1)
    gae_lambda: float | None = setting(None, f"lambda of the advantages; {_OWN}", ge=0, le=1)
    entropy_bonus: float | None = setting(None, f"weight of the policy's entropy in the objective; {_OWN}", ge=0)
    value_weight: float = setting(0.5, "weight of the squared value error in the objective", ge=0)
    max_grad_norm: float = setting(0.5, "gradients are scaled down to this norm", gt=0)
    clip_range: float = setting(0.2, "largest change of an action's probability ratio, of ppo and recurrent_ppo", gt=0)
    normalize_advantage: bool | None = setting(None, f"advantages are normalised; {_OWN}")
    block_trials: int = setting(300, "trials of one row of the learning curve", "trials", gt=0)
    target_performance: float | None = setting(
        None, "stop when the performance of a block of trials reaches this; by default never", ge=0, le=1
    )

    @property
    def recurrent(self) -> bool:
        """Whether the agent has an LSTM."""
        return self.algorithm.startswith("recurrent")

    def filled(self, name: str) -> Any:
        """A setting, or what it is for this algorithm where it was left out."""
        value = getattr(self, name)
        return DEFAULTS[self.algorithm][name] if value is None else value

    def check(self, task: AnyTask) -> None:
        """Check that an agent of these settings can learn a task.

        Raises:
            SettingsError: It has frames to stack and a memory, or asks for what an environment does not have.
        """
        if self.recurrent and self.n_stack > 1:
            raise SettingsError(
                f"learning: n_stack = {self.n_stack}: frames are stacked for agents without memory; leave it out or"
                " take algorithm: ppo."
            )
        if not isinstance(task, EnvironmentTask):
            return
        if self.target_performance is not None:
            raise SettingsError(
                f"learning: target_performance = {self.target_performance:g}: task {task.name} is an environment, which"
                " has returns and no right choices; leave it out."
            )
        if self.mode != "trial":
            raise SettingsError(
                f"learning: mode = {self.mode!r}: episodes of task {task.name} are those of its environment, at most"
                " max_steps long; leave it out."
            )

    @model_validator(mode="after")
    def _fit_the_algorithm(self) -> Sb3Settings:
        if self.algorithm.endswith("a2c"):
            for name in ("batch_size", "n_epochs"):
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"{name}: {self.algorithm} makes one update on each whole rollout; leave it out or take"
                        f" {'recurrent_ppo' if self.recurrent else 'ppo'}"
                    )
        if any(size < 1 for size in self.hidden_layers):
            raise ValueError("hidden_layers: every layer must have at least 1 unit")
        rollout = self.n_envs * self.filled("n_steps")
        if rollout < 2:
            raise ValueError("n_envs and n_steps are 1 each: a rollout must have at least 2 steps")
        if self.batch_size is not None and self.batch_size > rollout:
            raise ValueError(
                f"batch_size = {self.batch_size} steps, but a rollout has {rollout} (n_envs = {self.n_envs} times"
                f" n_steps = {self.filled('n_steps')})"
            )
        return self
