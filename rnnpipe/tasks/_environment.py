"""Tasks that react to what is done: gymnasium environments, and episodes of them as a batch that is filled in.

A trial-structured task can be written down before it is played (`rnnpipe.trials`); an environment cannot. Its batch
starts as seeds alone, and whoever plays it fills in observations and ends as they come.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnpipe.errors import SettingsError
from rnnpipe.settings import Settings, canonical, setting
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._draws import Draw, Rng
from rnnpipe.trials import Trials

if TYPE_CHECKING:
    import gymnasium

NEUROGYM = "neurogym:"
"""Ids of NeuroGym begin with it; they are made by an adapter, because its own `reset` ignores the seed."""

GOES_ON, ENDED = 0, 1
"""Phases of an episode's step: more steps follow; none does."""


@dataclass(frozen=True)
class Episodes(Trials):
    """A batch of episodes of an environment: seeds before they are played, inputs, phases and returns after.

    `conditions["seed"]` is what the environment of each episode is reset with. Observations and ends are written into
    `inputs` and `phase` while a policy acts; rewards are no table of actions, so that `rewards` stays zero.
    """

    returns: NDArray[np.float64]
    """Sum of an episode's rewards as the environment gives them, neither scaled nor discounted, (n_trials,)."""

    def __getitem__(self, index: Any) -> Episodes:
        part = super().__getitem__(index)
        assert isinstance(part, Episodes)
        return dataclasses.replace(part, returns=self.returns[index])


@dataclass(frozen=True)
class Spaces:
    """What an environment shows and lets do."""

    n_inputs: int
    """Length of an observation, flattened."""
    n_actions: int
    first_action: int
    """What the environment calls its first action."""
    input_names: tuple[str, ...]
    """Names of the numbers of an observation, `obs_i` where the environment names none."""
    action_names: tuple[str, ...]
    """Names of the actions, `action_i` where the environment names none."""
    dt: float | None
    """Step of the environment, ms, of one that has a step in time."""


class EnvironmentTask(Settings):
    """A gymnasium environment with discrete actions, learned as a trial-structured task is.

    Steps are those of a trial: at t = 0 the policy acts once from its initial state, which does nothing and earns
    nothing; the observation on reset drives its state at t = 1; the action of step t >= 1 is given to the environment,
    whose reward is credited to it and whose observation drives the state at t + 1. The trial ends when the environment
    terminates or truncates it, and after `max_steps` actions, which is no failure and costs nothing.
    """

    name: ClassVar[str]
    reference: ClassVar[str]
    trials_per_update: ClassVar[int] = 1
    validation_trials: ClassVar[int] = 0
    factors: ClassVar[tuple[str, ...]] = ()
    stimulus_onset: ClassVar[str] = "stimulus"
    measures: ClassVar[dict[str, str]] = {"mean_return": "return", "mean_length": "steps"}
    targets: ClassVar[tuple[str, ...]] = ("min_return",)

    id: str = setting(
        ..., "gymnasium id; `module:Name-v0` imports the module first, `neurogym:Name-v0` is adapted", min_length=1
    )
    options: dict[str, Any] = setting({}, "keyword arguments of the environment")
    max_steps: int = setting(..., "longest episode, in place of the registered limit", "steps", gt=0)
    dt: float = setting(1.0, "time step", "ms", gt=0)
    reward_scale: float = setting(1.0, "rewards of the environment are divided by it", gt=0)
    reward_abort: float = setting(0.0, "initial prediction of the value network, unless its own settings give one")
    tau_reward: float | None = setting(
        None, "time constant of discounting from the start of an episode; by default none", "ms", gt=0
    )
    min_return: float = setting(
        ..., "training criterion: mean return (sum of unscaled rewards) of the episodes that are scored"
    )

    @property
    def n_steps(self) -> int:
        """Number of steps t = 0 .. n_steps - 1; the first of them does not reach the environment."""
        return self.max_steps + 1

    @property
    def spaces(self) -> Spaces:
        """Sizes of the environment's spaces; the first look makes the environment.

        Raises:
            SettingsError: It cannot be made, or its spaces are not of the kind that is learned.
        """
        spaces = _spaces(self.name, self.id, canonical(self.options))
        if self.id.startswith(NEUROGYM) and spaces.dt != self.dt:
            raise SettingsError(
                f"task {self.name}: dt = {self.dt:g} ms, but a step of {self.id!r} is {spaces.dt:g} ms; set dt to that,"
                f" or `options: {{dt: {self.dt:g}}}`."
            )
        return spaces

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules below `rnnpipe` that are imported by name because of the id."""
        return ("environments.neurogym",) if self.id.startswith(NEUROGYM) else ()

    @property
    def input_names(self) -> tuple[str, ...]:
        """One name for each number of an observation."""
        return self.spaces.input_names

    @property
    def action_names(self) -> tuple[str, ...]:
        """One name for each action."""
        return self.spaces.action_names

    def make(self) -> gymnasium.Env[Any, Any]:
        """The environment, limited to `max_steps`.

        Raises:
            SettingsError: There is no such environment, or it does not take the options.
        """
        return _make(self.name, self.id, self.options, max_episode_steps=self.max_steps)

    def variables(self) -> dict[str, Draw]:
        """Variables that could be fixed: none, what an environment draws is its own affair."""
        return {}

    def factorial(self) -> list[dict[str, Any]]:
        """Every combination of conditions: one, without any."""
        return [{}]

    def sample(self, rng: Rng, n_trials: int) -> Episodes:
        """Draw the seeds of a batch of episodes."""
        integers = rng.randint if isinstance(rng, np.random.RandomState) else rng.integers
        return self.episodes(np.asarray(integers(0, 2**31 - 1, n_trials), np.int64))

    def episodes(self, seeds: NDArray[np.int64]) -> Episodes:
        """Episodes of these seeds, to be played."""
        n, spaces = len(seeds), self.spaces
        phase = np.full((self.n_steps, n), GOES_ON, np.uint8)
        phase[-1] = ENDED
        table = (2, n, spaces.n_actions)
        stops = np.zeros(table, bool)
        stops[ENDED] = True
        time = np.arange(self.n_steps) * self.dt
        discount = np.ones(self.n_steps) if self.tau_reward is None else np.exp(-time / self.tau_reward)
        return Episodes(
            task=self.name,
            dt=self.dt,
            inputs=np.zeros((self.n_steps, n, spaces.n_inputs), np.float32),
            phase=phase,
            rewards=np.zeros(table, np.float32),
            stops=stops,
            choices=np.zeros(table, bool),
            correct=np.full((n, spaces.n_actions), -1, np.int8),
            discount=discount.astype(np.float32),
            periods={},
            conditions={"seed": np.asarray(seeds, np.int64)},
            returns=np.zeros(n),
        )

    def performance(self, table: Mapping[str, NDArray[Any]]) -> dict[str, float]:
        """`mean_return`, unscaled and undiscounted, and `mean_length`, the steps the environment made."""
        return {
            "mean_return": float(np.mean(table["return"], dtype=np.float64)),
            "mean_length": float(np.mean(table["n_steps"] - 1, dtype=np.float64)),
        }

    def criterion(self, performance: Mapping[str, float]) -> bool:
        """Whether a performance ends training."""
        return performance["mean_return"] >= self.min_return


AnyTask: TypeAlias = Task | EnvironmentTask
"""What a learner learns."""


def _make(task: str, id: str, options: Mapping[str, Any], **limit: int) -> gymnasium.Env[Any, Any]:
    import gymnasium  # late: settings are read where nothing heavy may be imported

    if id.startswith(NEUROGYM):
        id, options = "rnnpipe.environments.neurogym:rnnpipe/NeuroGym-v0", {**options, "task": id}
    try:
        return gymnasium.make(id, disable_env_checker=True, **limit, **options)
    except (gymnasium.error.Error, ImportError, TypeError, ValueError, AssertionError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        raise SettingsError(
            f"task {task}: environment {id!r} cannot be made ({reason}); check id and options, and that its package is"
            " installed (an id `module:Name-v0` imports the module that registers it)."
        ) from None


@cache
def _spaces(task: str, id: str, options: str) -> Spaces:
    """The spaces of an environment, options as JSON."""
    from gymnasium.spaces import Box, Discrete

    environment = _make(task, id, json.loads(options))
    seen, acts = environment.observation_space, environment.action_space
    environment.close()
    if not isinstance(acts, Discrete):
        raise SettingsError(
            f"task {task}: environment {id!r} has actions {acts}, but a policy here chooses one of n: the action space"
            " must be Discrete; wrap the environment and register it under an id of your own."
        )
    if not isinstance(seen, Box):
        raise SettingsError(
            f"task {task}: environment {id!r} has observations {seen}, but inputs here are numbers: the observation"
            " space must be a Box; wrap it (gymnasium.wrappers.FlattenObservation) and register it under an id of"
            " your own."
        )
    n_inputs, n_actions = int(np.prod(seen.shape)), int(acts.n)
    named = environment.unwrapped

    def names(of: str, n: int, otherwise: str) -> tuple[str, ...]:
        given = getattr(named, of, None)
        if isinstance(given, tuple) and len(given) == n and all(isinstance(name, str) for name in given):
            return given
        return tuple(f"{otherwise}_{i}" for i in range(n))

    return Spaces(
        n_inputs=n_inputs,
        n_actions=n_actions,
        first_action=int(acts.start),
        input_names=names("input_names", n_inputs, "obs"),
        action_names=names("action_names", n_actions, "action"),
        dt=getattr(named, "dt", None) if id.startswith(NEUROGYM) else None,
    )
