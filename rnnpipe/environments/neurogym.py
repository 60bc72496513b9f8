"""Tasks of NeuroGym: seeded batches for supervised learning, and gymnasium environments that keep our conventions.

    source = NeurogymSource("PerceptualDecisionMaking-v0", dt=20)
    trials = source.batch(128, 0)
    env = gymnasium.make("rnnpipe.environments.neurogym:rnnpipe/NeuroGym-v0", task="PerceptualDecisionMaking-v0")

In a configuration it is `task: environment` with `id: neurogym:PerceptualDecisionMaking-v0`. NeuroGym is no requirement
of this package: docs/neurogym.md says how to install it beside, and which of its tasks we have ourselves.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from rnnpipe.environments._neurogym import (
    NO_GROUND_TRUTH,
    PREFIX,
    WITHHOLDS,
    WRONG_GROUND_TRUTH,
    WRONG_REWARD,
    TrialStream,
    neurogym_ids,
    plain,
)
from rnnpipe.environments._trials import MODES, NO_PERIOD
from rnnpipe.errors import SettingsError
from rnnpipe.settings import suggest
from rnnpipe.trials import FIXATE

__all__ = ["NeurogymEnv", "NeurogymSource", "NeurogymTrials", "neurogym_ids"]

Info = dict[str, Any]


@dataclass(frozen=True)
class NeurogymTrials:
    """A batch of trials to learn from their ground truth, shorter ones filled up with zeros.

    Row t of the ground truth is what to do on row t of the inputs, at once: a network whose output at step t has seen
    inputs up to step t - 1 is compared with row t - 1.
    """

    id: str
    """Id of the task, without prefix."""
    dt: float
    """Step, ms."""
    inputs: NDArray[np.float32]
    """Observations, (n_steps, n_trials, n_inputs)."""
    ground_truth: NDArray[Any]
    """Action to take, int64 (n_steps, n_trials), or the values to give, float32 (n_steps, n_trials, n_values)."""
    mask: NDArray[np.float32]
    """1 on the steps of a trial, 0 after its end, (n_steps, n_trials)."""
    lengths: NDArray[np.int32]
    """Steps of each trial, (n_trials,)."""
    periods: dict[str, NDArray[np.int32]]
    """Half-open [onset, offset) of each period in steps, -1 where a trial lacks it, (n_trials, 2) each."""
    conditions: dict[str, NDArray[Any]]
    """What was drawn for each trial, (n_trials, ...) each; objects where trials differ in kind."""


class NeurogymSource:
    """One of NeuroGym's tasks, drawn from seeds.

    Args:
        id: Id, with or without `neurogym:`.
        **kwargs: Keyword arguments of the task, e.g. dt=20, timing={"delay": 500} (ms).

    Raises:
        SettingsError: NeuroGym is missing, there is no such id, or it cannot be made with these arguments.
    """

    def __init__(self, id: str, **kwargs: Any) -> None:
        self._stream = TrialStream(id, kwargs)
        self.id, self.dt = self._stream.id, self._stream.dt
        self.input_names, self.action_names = self._stream.input_names, self._stream.action_names
        self.period_names = self._stream.period_names
        _warn_of_vanished(self._stream)

    def batch(self, n_trials: int, rng: np.random.Generator | int) -> NeurogymTrials:
        """Draw trials with their ground truth; what is drawn depends on the generator, or the seed, alone.

        Raises:
            SettingsError: The task has no ground truth, or there is nothing to draw.
        """
        if n_trials < 1:
            raise SettingsError(f"n_trials = {n_trials}: must be at least 1.")
        stream = self._stream
        if not stream.has_ground_truth:
            raise SettingsError(
                f"NeuroGym's {self.id} has no ground truth to learn from, as all of {', '.join(NO_GROUND_TRUTH)}; learn"
                f" it by reward, as task environment with id {PREFIX}{self.id}."
            )
        if self.id in WRONG_GROUND_TRUTH:
            warnings.warn(f"ground truth of NeuroGym's {self.id}: {WRONG_GROUND_TRUTH[self.id]}.", stacklevel=2)
        if self.id == "DelayMatchCategory-v0" and len(self.input_names) == 3:
            warnings.warn(
                f"NeuroGym's {self.id} shows both categories alike with dim_ring = 2; take dim_ring = 8.", stacklevel=2
            )
        stream.seed(np.random.default_rng(rng))
        inputs, truths, periods, conditions = [], [], [], []
        for _ in range(n_trials):
            stream.begin()
            base = stream.base
            inputs.append(np.array(base.ob, np.float32).reshape(len(base.ob), -1))
            truths.append(np.array(base.gt))
            periods.append(stream.periods())
            conditions.append(stream.conditions())
        lengths = np.array([len(x) for x in inputs], np.int32)
        steps = np.arange(lengths.max())[:, None]
        return NeurogymTrials(
            id=self.id,
            dt=self.dt,
            inputs=_padded(inputs, np.float32),
            ground_truth=_padded(truths, np.int64 if hasattr(stream.action_space, "n") else np.float32),
            mask=(steps < lengths).astype(np.float32),
            lengths=lengths,
            periods={
                name: np.array([p.get(name, (NO_PERIOD, NO_PERIOD)) for p in periods], np.int32)
                for name in dict.fromkeys(name for p in periods for name in p)
            },
            conditions={
                name: _column([c.get(name) for c in conditions])
                for name in dict.fromkeys(name for c in conditions for name in c)
            },
        )


def _padded(rows: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """Arrays of (step, ...) side by side as (step, trial, ...), zeros after the end of each."""
    out = np.zeros((max(map(len, rows)), len(rows), *rows[0].shape[1:]), dtype)
    for i, row in enumerate(rows):
        out[: len(row), i] = row
    return out


def _column(values: list[Any]) -> NDArray[Any]:
    """Values of a condition as an array, of objects where they have no common shape."""
    if len({(np.shape(v), v is None) for v in values if not _ragged(v)}) == 1 and not any(map(_ragged, values)):
        return np.array(values)
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _ragged(value: Any) -> bool:
    return isinstance(value, list) and len({isinstance(v, list) and len(v) for v in value}) > 1


def _warn_of_vanished(stream: TrialStream) -> None:
    if vanished := stream.vanished():
        warnings.warn(
            f"NeuroGym's {stream.id}: {', '.join(vanished)} is shorter than a step of {stream.dt:g} ms, so that it"
            " never appears; take a smaller dt.",
            stacklevel=3,
        )


class NeurogymEnv(gymnasium.Env[NDArray[np.float32], Any]):
    """One of NeuroGym's tasks, with the conventions of `TrialEnv`.

    `reset` returns row 0 of a trial and a seed determines everything that follows; `step(a)` scores action a at row t
    and returns row t + 1. Observations are float32 copies, flat. Modes are those of `TrialEnv`: "trial" (the last
    observation is zeros, the end is a termination), "session" and "endless". Rewards are NeuroGym's.

    Info, with every observation: `new_trial`, `period` and, in tasks that have one, `ground_truth`; at the end of a
    trial `performance`, `trial` (conditions of the trial that just ended) and, if an action other than 0 ended a trial
    that has a period "stimulus", `reaction_time` (ms from its onset). Performance is NeuroGym's except where that is
    wrong: to withhold to the end counts where it is right, both answers of DualDelayMatchSample must be right, a choice
    of PostDecisionWager is compared with the ground truth, and an arm of Bandit with the one that pays most.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __new__(cls, *args: Any, render_mode: str | None = None, **kwargs: Any) -> NeurogymEnv:
        """One that renders is of a class of its own, so that the others pay nothing for it."""
        if render_mode is not None and cls is NeurogymEnv:
            cls = importlib.import_module("rnnpipe.environments.render").ShownNeurogymEnv
        return super().__new__(cls)

    def __init__(
        self,
        task: str,
        mode: str = "trial",
        session_trials: int = 100,
        render_mode: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Make the environment of a task.

        Args:
            task: Id of NeuroGym, with or without `neurogym:`.
            mode: "trial", "session" or "endless".
            session_trials: Trials of an episode in mode "session".
            render_mode: "rgb_array" for pictures of the running trial by `render`; None for none.
            **kwargs: Keyword arguments of the task, e.g. dt=20 (ms).

        Raises:
            SettingsError: NeuroGym is missing, an unknown id or mode, or arguments that the task does not take.
        """
        if mode not in MODES:
            raise SettingsError(f"environment of {task}: unknown mode {mode!r} ({suggest(str(mode), MODES)}).")
        if session_trials < 1:
            raise SettingsError(f"environment of {task}: session_trials = {session_trials}: must be at least 1.")
        self._stream = stream = TrialStream(task, kwargs)
        _warn_of_vanished(stream)
        if stream.id in WRONG_REWARD:
            warnings.warn(f"reward of NeuroGym's {stream.id}: {WRONG_REWARD[stream.id]}.", stacklevel=2)
        self.id, self.mode, self.session_trials, self.render_mode = stream.id, mode, session_trials, render_mode
        self.dt, self.period_names = stream.dt, stream.period_names
        self.input_names, self.action_names = stream.input_names, stream.action_names
        self.observation_space = spaces.Box(-np.inf, np.inf, (stream.n_inputs,), np.float32)
        acts = stream.action_space
        self._discrete = hasattr(acts, "n")
        self.action_space = spaces.Discrete(int(acts.n)) if self._discrete else spaces.Box(acts.low, acts.high)
        self._seeded = self._running = self._drawn = False
        self._n_done = self._t = 0
        self._periods: list[int] = []
        self._answers: dict[str, bool] = {}

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[NDArray[np.float32], Info]:
        """Begin an episode with a new trial; a seed determines everything that follows."""
        super().reset(seed=seed)
        if seed is not None or not self._seeded:
            self._stream.seed(self.np_random)
            self._seeded, self._drawn = True, False
        if not self._drawn:
            self._stream.begin()
        self._drawn, self._running, self._n_done = False, True, 0
        self._enter()
        return self._stream.first_row(), self._info(False)

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, Info]:
        """Score an action and advance by one step of `dt`.

        Raises:
            ResetNeeded: The episode is over or has not begun.
            ValueError: There is no such action.
        """
        if not self._running:
            raise ResetNeeded("the episode is over or has not begun; call reset().")
        if self._discrete:
            action = int(action)
            if not 0 <= action < len(self.action_names):
                raise ValueError(f"action {action!r} is not one of 0 .. {len(self.action_names) - 1}.")
        stream, base, t = self._stream, self._stream.base, self._t
        self._note(base, t, action)
        before = (base.gt if stream.has_ground_truth else None, dict(base.trial or {}), stream.periods())
        seen, reward, _, _, theirs = base.step(action)
        if not theirs["new_trial"]:
            self._t = t + 1
            return stream.row(seen), float(reward), False, False, self._info(False)

        outcome = self._outcome(action, t, float(theirs["performance"]), *before)
        self._n_done += 1
        if self.mode == "trial":
            self._running, self._drawn = False, True
            info: Info = {"new_trial": True, "period": NO_PERIOD, **outcome}
            if stream.has_ground_truth:
                info["ground_truth"] = FIXATE if self._discrete else np.zeros(self.action_space.shape, np.float32)
            return np.zeros(stream.n_inputs, np.float32), float(reward), True, False, info
        self._enter()
        truncated = self.mode == "session" and self._n_done == self.session_trials
        self._running = not truncated
        return stream.first_row(), float(reward), False, truncated, self._info(True) | outcome

    def render(self) -> Any:
        """Nothing, unless the environment was made with a `render_mode`; see `rnnpipe.environments.render`."""
        return None

    def _enter(self) -> None:
        """Stand at the first row of the trial that was drawn."""
        self._t = 0
        self._periods = self._stream.period_of_steps()
        self._answers = {}

    def _note(self, base: Any, t: int, action: Any) -> None:
        """Remember whether the first answer to each of two tests is right."""
        if self.id == "DualDelayMatchSample-v0" and action != FIXATE:
            for test in ("test1", "test2"):
                if base.start_ind[test] <= t < base.end_ind[test]:
                    self._answers.setdefault(test, bool(action == base.gt[t]))

    def _outcome(
        self, action: Any, t: int, performance: float, truth: Any, trial: Mapping[str, Any], periods: Mapping[str, Any]
    ) -> Info:
        """What there is to say at the end of a trial, of the action that ended it at step t."""
        if self.id == "DualDelayMatchSample-v0":
            performance = float(len(self._answers) == 2 and all(self._answers.values()))
        elif self.id == "PostDecisionWager-v0" and action in (1, 2):
            performance = float(action == truth[t])
        elif self.id == "Bandit-v0":
            expected = np.asarray(trial["p"]) * np.asarray(trial["rewards"])
            performance = float(expected[action] == expected.max())
        elif self.id in WITHHOLDS and action == FIXATE:
            performance = float(not np.any(truth))
        outcome: Info = {"performance": performance, "trial": {str(k): plain(v) for k, v in trial.items()}}
        if self._discrete and action != FIXATE and "stimulus" in periods:
            outcome["reaction_time"] = (t - periods["stimulus"][0]) * self.dt
        return outcome

    def _info(self, new_trial: bool) -> Info:
        t = self._t
        info: Info = {"new_trial": new_trial, "period": self._periods[t] if t < len(self._periods) else NO_PERIOD}
        if self._stream.has_ground_truth:
            truth = self._stream.base.gt[t]
            info["ground_truth"] = int(truth) if self._discrete else np.array(truth, np.float32)
        return info


ID = "rnnpipe/NeuroGym-v0"
"""Id of `NeurogymEnv`; which task it is of is its argument `task`."""

if ID not in gymnasium.registry:
    gymnasium.register(ID, entry_point="rnnpipe.environments.neurogym:NeurogymEnv")
