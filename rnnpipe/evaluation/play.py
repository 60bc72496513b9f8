"""Some trials of any environment, played by a simple policy, an agent or a network, step by step."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rnnpipe.analysis.history import History, in_words, recorded, runs
from rnnpipe.environments import IDS, TrialEnv
from rnnpipe.errors import AnalysisError, SettingsError
from rnnpipe.settings import parse
from rnnpipe.tasks import choice_task_names, environment_task_names, task_class, task_names
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._environment import NEUROGYM, AnyTask, EnvironmentTask
from rnnpipe.trials import FIXATE

Info = dict[str, Any]
Environment = gymnasium.Env[Any, Any]

MODULE = "rnnpipe.environments:"
MOST_STEPS = 100_000
"""Steps after which trials that do not end are given up."""
MOST_INPUTS = 1000
"""Numbers of an observation that can be drawn."""


class Policy(Protocol):
    """Whoever acts."""

    def __call__(self, observation: NDArray[Any], info: Info, first: bool) -> Any:
        """The action on an observation; `first` with the first one of an episode."""


def nearest(name: str, known: Iterable[str]) -> str:
    """'; did you mean 'x'?' where something is called alike, else nothing."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def make_environment(name: str, settings: Mapping[str, Any], mode: str | None = None) -> Environment:
    """The environment of a task, of an id of gymnasium (`module:Name-v0`) or of one of NeuroGym (`neurogym:Name-v0`).

    Args:
        name: Name or id.
        settings: Settings of the task, or keyword arguments.
        mode: Of trials: "trial", "session" or "endless", which is the default.

    Raises:
        SettingsError: There is no such environment, it cannot be made, or it cannot be drawn.
    """
    task = IDS.get(name.removeprefix(MODULE), name)
    if name.startswith(NEUROGYM):
        from rnnpipe.environments.neurogym import NeurogymEnv

        return NeurogymEnv(name, mode=mode or "endless", **settings)
    if task in task_names():
        return TrialEnv(task, mode=mode or "endless", **settings)
    if mode is not None:
        raise SettingsError(f"--mode {mode}: {name!r} has no trials within its episodes; leave it out.")
    if task in environment_task_names():
        found = parse(task_class(task), settings, f"settings of task {task}")
        assert isinstance(found, EnvironmentTask)
        environment = found.make()
    elif ":" not in name and "-v" not in name:
        names = [*choice_task_names(), *environment_task_names()]
        raise SettingsError(
            f"there is no task {name!r}{nearest(name, [*names, *IDS])} (`rnnpipe train --help` lists the tasks; others"
            " are named `module:Name-v0` or `neurogym:Name-v0`)."
        )
    else:
        environment = _gymnasium(name, settings)
    _check(name, environment)
    return environment


def _gymnasium(name: str, settings: Mapping[str, Any]) -> Environment:
    try:
        return gymnasium.make(name, disable_env_checker=True, **settings)
    except gymnasium.error.UnregisteredEnv:
        raise SettingsError(
            f"there is no environment {name!r}{nearest(name, gymnasium.registry)} (its package must be installed; an id"
            " `module:Name-v0` imports the module that registers it)."
        ) from None
    except (gymnasium.error.Error, ImportError, TypeError, ValueError, AssertionError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        raise SettingsError(f"environment {name!r} cannot be made ({reason}); check its id and --settings.") from None


def _check(name: str, environment: Environment) -> None:
    seen, acts = environment.observation_space, environment.action_space
    if not isinstance(acts, spaces.Discrete | spaces.Box):
        raise SettingsError(
            f"environment {name!r} has actions {acts}, which cannot be drawn: they must be Discrete or a Box."
        )
    if not isinstance(seen, spaces.Box | spaces.Discrete) or np.prod(seen.shape or ()) > MOST_INPUTS:
        raise SettingsError(
            f"environment {name!r} has observations {seen}, which cannot be drawn: they must be a Box of at most"
            f" {MOST_INPUTS} numbers, or Discrete; wrap it and register it under an id of your own."
        )


def simple_policy(kind: str, environment: Environment, seed: int) -> Policy:
    """A policy that does not learn: "random" actions, the "ground_truth", or to "fixate" throughout.

    Raises:
        SettingsError: There is no ground truth.
    """
    acts = environment.action_space
    if kind == "random":
        acts.seed(seed)
        return lambda observation, info, first: acts.sample()
    if kind == "fixate":
        still = (
            int(acts.start) + FIXATE if isinstance(acts, spaces.Discrete) else np.zeros(acts.shape or (), acts.dtype)
        )
        return lambda observation, info, first: still

    def right(observation: NDArray[Any], info: Info, first: bool) -> Any:
        if "ground_truth" not in info:
            raise SettingsError("--policy ground_truth: this environment does not say what should be done.")
        return info["ground_truth"]

    return right


def play(
    environment: Environment,
    policy: Policy,
    name: str,
    seed: int,
    n_trials: int | None = None,
    n_steps: int | None = None,
    look: Callable[[], NDArray[Any] | None] = lambda: None,
) -> History:
    """Play until so many trials have ended, or for so many steps; where nothing ends trials, episodes are trials.

    Args:
        environment: The environment.
        policy: Who acts.
        name: What is played, and by whom.
        seed: Seed of the environment.
        n_trials: Trials to play.
        n_steps: Steps to play.
        look: Gives the activity of the units of the policy, (n_units,), after it has acted.

    Raises:
        AnalysisError: Trials do not end.
    """
    bare: Any = environment.unwrapped
    rows: dict[str, list[Any]] = {key: [] for key in ("seen", "action", "truth", "reward", "period", "rates")}
    starts, ends, scores, conditions = [0], [], [], []
    returned, judged = 0.0, True
    observation, info = environment.reset(seed=seed)
    first = True
    most = n_steps or MOST_STEPS
    for step in range(most):
        action = policy(observation, info, first)
        rows["seen"].append(np.ravel(observation))
        rows["action"].append(action)
        rows["truth"].append(info.get("ground_truth"))
        rows["period"].append(info.get("period", -1))
        rows["rates"].append(look())
        observation, reward, terminated, truncated, info = environment.step(action)
        rows["reward"].append(float(reward))
        returned += float(reward)
        first = over = bool(terminated or truncated)
        if ended := bool(info.get("new_trial", over)):
            ends.append(step)
            judged &= "performance" in info
            scores.append(float(info.get("performance", returned)))
            conditions.append(info.get("trial", {}))
        if n_trials is not None and len(ends) >= n_trials:
            break
        if over:
            observation, info = environment.reset()
        if ended or over:
            starts.append(step + 1)
            returned = 0.0
    if n_trials is not None and len(ends) < n_trials:
        raise AnalysisError(
            f"{name}: only {len(ends)} of {n_trials} trials ended within {MOST_STEPS} steps; give --steps."
        )
    done = len(rows["seen"])
    actions = np.array(rows["action"])
    acts = environment.action_space
    actions = actions.ravel() - int(acts.start) if isinstance(acts, spaces.Discrete) else actions.reshape(done, -1)
    known = all(truth is not None for truth in rows["truth"])
    task = getattr(bare, "task", None)
    factors = task.factors if isinstance(task, Task) else None
    ours = hasattr(bare, "period_names")  # others may count time in seconds
    observations = np.array(rows["seen"], float)
    named = tuple(getattr(bare, "input_names", ()))
    if named and observations.shape[1] % len(named) == 0:
        observations = observations[:, -len(named) :]  # of frames that are stacked the last is the newest
    return History(
        name=name,
        dt=getattr(bare, "dt", getattr(task, "dt", None)) if ours else None,
        input_names=(*named, *(f"obs_{i}" for i in range(len(named), observations.shape[1]))),
        action_names=_action_names(environment, actions),
        observations=observations,
        actions=actions,
        starts=np.array([start for start in starts if start < done], np.int64),
        ends=np.array(ends, np.int64),
        ground_truth=np.array(rows["truth"], float).reshape(actions.shape) if known else None,
        rewards=np.array(rows["reward"]),
        scores=np.array(scores) if scores else None,
        score_name="Performance" if judged else "Return",
        periods=_cut(runs(rows["period"], getattr(bare, "period_names", ())), starts),
        conditions=tuple(in_words(c, factors) for c in [*conditions, {}][: len([s for s in starts if s < done])]),
        rates=np.array(rows["rates"]) if rows["rates"][0] is not None else None,
    )


def _action_names(environment: Environment, actions: NDArray[Any]) -> tuple[str, ...]:
    space = environment.action_space
    n = int(space.n) if isinstance(space, spaces.Discrete) else actions.shape[1]
    kind = "action" if isinstance(space, spaces.Discrete) else "value"
    return tuple(getattr(environment.unwrapped, "action_names", [f"{kind}_{i}" for i in range(n)]))


def _cut(periods: Iterable[tuple[str, int, int]], starts: Iterable[int]) -> tuple[tuple[str, int, int], ...]:
    """Periods cut where trials start: the last one of a trial may have the name of the first one of the next."""
    cut = []
    for name, a, b in periods:
        edges = [a, *(start for start in starts if a < start < b), b]
        cut += [(name, x, y) for x, y in zip(edges[:-1], edges[1:], strict=True)]
    return tuple(cut)


class AgentEnvironment(gymnasium.Env[NDArray[Any], Any]):
    """The first of the vectorised environments of an agent as a single one, with all that was wrapped around them."""

    def __init__(self, vectorised: Any) -> None:
        bottom = vectorised.unwrapped
        self._vectorised, self._waiting = vectorised, False
        self._last: tuple[NDArray[Any], Info] = (np.zeros(0), {})
        self.observation_space, self.action_space = vectorised.observation_space, vectorised.action_space
        for name in ("task", "input_names", "action_names", "period_names"):
            if hasattr(bottom, name):
                setattr(self, name, getattr(bottom, name))

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[NDArray[Any], Info]:
        """Begin an episode; the one after an episode has begun by itself."""
        if not self._waiting:
            self._vectorised.seed(seed)
            self._last = self._vectorised.reset()[0], dict(self._vectorised.unwrapped.reset_infos[0])
        self._waiting = False
        return self._last

    def step(self, action: Any) -> tuple[NDArray[Any], float, bool, bool, Info]:
        """Act; where the episode ends, the observation and its ground truth are those of the next one."""
        observations, rewards, done, infos = self._vectorised.step(np.array([action]))
        self._last, self._waiting = (observations[0], infos[0]), bool(done[0])
        return observations[0], float(rewards[0]), bool(done[0]), False, infos[0]


class AgentPolicy:
    """An agent of Stable-Baselines3, which takes its most probable action."""

    def __init__(self, model: Any) -> None:
        self.model, self.state = model, None

    def __call__(self, observation: NDArray[Any], info: Info, first: bool) -> Any:
        """The most probable action."""
        action, self.state = self.model.predict(
            observation[None], state=self.state, episode_start=np.array([first]), deterministic=True
        )
        return action[0]

    def rates(self) -> NDArray[Any] | None:
        """Output of the units of its LSTM, if it has one, after its last action, (n_units,)."""
        return None if self.state is None else np.array(self.state[0])[-1, 0]


def task_of_agent(agent: AnyTask, name: str | None, settings: Mapping[str, Any], path: Path) -> AnyTask:
    """The task of an agent's or network's file with some settings changed.

    Raises:
        SettingsError: Another one was asked for, or it does not have these settings, or the agent does not fit them.
    """
    its = {agent.name, getattr(agent, "id", agent.name), *(id for id, task in IDS.items() if task == agent.name)}
    if name is not None and name.removeprefix(MODULE) not in its:
        raise SettingsError(f"{path}: was trained on task {agent.name!r}, not on {name!r}; name that one, or none.")
    if not settings:
        return agent
    task = parse(type(agent), {**agent.changed(), **settings}, f"settings of task {agent.name}")
    for what in ("dt", "input_names", "action_names"):
        had, has = getattr(agent, what), getattr(task, what)
        if had != has:
            raise SettingsError(f"--settings: {path} was trained with {what} {had}, which would be {has}; leave that.")
    return task


def play_network(path: Path, kind: str, name: str | None, settings: Mapping[str, Any], seed: int, n: int) -> History:
    """Trials played by a network of ours, each from its initial state, with its noise (and drawn actions).

    Args:
        path: The network.
        kind: Kind of its file.
        name: Name of its task, or None.
        settings: Settings of the task to change.
        seed: Seed of the trials, the noise and the actions.
        n: Number of trials.

    Raises:
        SettingsError: It is of another task, or does not fit the settings.
    """
    from rnnpipe.evaluation.run_analog import analog_run
    from rnnpipe.evaluation.run_policy import policy_run
    from rnnpipe.evaluation.run_regression import regression_run
    from rnnpipe.io import ctrnn, rate_network
    from rnnpipe.io.episodes import write_episodes
    from rnnpipe.io.evaluation import write_evaluation
    from rnnpipe.io.network import read_network
    from rnnpipe.io.trials import write_trials
    from rnnpipe.networks.lif_settings import LifSettings

    read: Any = {ctrnn.KIND: ctrnn.read_ctrnn, rate_network.KIND: rate_network.read_rate_network}.get(
        kind, read_network
    )
    task = task_of_agent(read(path).task, name, settings, path)
    rng, plain = np.random.default_rng(seed), {"task": {"name": task.name, **task.changed()}}
    with tempfile.TemporaryDirectory() as folder:
        dataset, out = Path(folder, "trials.h5"), Path(folder, "evaluation.h5")
        trials = None
        if isinstance(task, EnvironmentTask):
            seeds = task.sample(rng, n).conditions["seed"]
            about = {"task": task.name, "dt": task.dt, "environment_id": task.id, "seed": seed}
            write_episodes(dataset, seeds, plain, {}, **about)
        else:
            trials = task.sample(rng, n)
            write_trials(dataset, [trials], n, plain, {}, seed=seed)
        if kind == ctrnn.KIND:
            started = regression_run(path, dataset, seed, True, True, 1)
        elif kind == rate_network.KIND:
            own = task if settings and isinstance(task, Task) else None
            started = analog_run(path, dataset, own, LifSettings(), None, None, seed, True, 1)
        else:
            started = policy_run(path, dataset, LifSettings(), None, None, seed, "cpu", True, 1)
        with started as run:
            write_evaluation(
                out, run.batches, run.n_trials, run.settings, {}, run.attributes, run.extra, lambda done: None
            )
        return recorded(out, 0, n, trials)
