"""Many trials at once as a gymnasium vector environment, without a loop over them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils.seeding import np_random
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from rnnpipe.environments._kernels import begin, score, show
from rnnpipe.environments._store import Store
from rnnpipe.environments._trials import MODES, Stream, make_face
from rnnpipe.environments._vector_api import AutoresetMode, VectorEnv
from rnnpipe.errors import SettingsError
from rnnpipe.settings import suggest

Info = dict[str, Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Result = tuple[NDArray[np.float32], Floats, Bools, Bools, Info]


class Scored(NamedTuple):
    """What came of one action of each row, (num_envs,) each, and counts; see `_kernels.score`."""

    reward: Floats
    terminated: Bools
    truncated: Bools
    new_trial: Bools
    performance: Floats
    timed: Bools
    reaction: Floats
    n_empty: int
    n_ended: int
    n_timed: int
    n_over: int
    n_cut: int


class Advance(NamedTuple):
    """A step with same-step autoreset, less its infos."""

    observation: NDArray[np.float32]
    answer: Ints
    """Action to take on the observation, (num_envs,)."""
    period: Ints
    final: NDArray[np.float32] | None
    """Last observations of the episodes that are over, (num_envs, n_inputs); None if none is."""
    scored: Scored
    ended: list[int]
    """Rows whose trial ended."""
    outcomes: list[Info]
    """Of each of these `performance`, `trial`, `reaction_time` (ms) if there is one, and `episode`, the trial's summed
    reward `r` and number of steps `l`."""


class TrialVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]]):
    """A trial-structured task, `num_envs` environments at once; see `TrialEnv` for what each one does.

    Row i, seeded with s, is the `TrialEnv` seeded with s + i, step by step: every row has a generator of its own.
    Info holds arrays (num_envs,) and, as is the custom, for every key a mask under `_key`.
    """

    def __new__(cls, *args: Any, render_mode: str | None = None, **kwargs: Any) -> TrialVectorEnv:
        """One that renders is of a class of its own, so that the others pay nothing for it."""
        if render_mode is not None and cls is TrialVectorEnv:
            cls = importlib.import_module("rnnpipe.environments.render").ShownTrialVectorEnv
        return super().__new__(cls)

    def __init__(
        self,
        task: str,
        num_envs: int = 1,
        mode: str = "trial",
        session_trials: int = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        """Make the environments of a task.

        Args:
            task: Name of the task.
            num_envs: Number of environments.
            mode: "trial", "session" or "endless".
            session_trials: Trials of an episode in mode "session".
            autoreset_mode: When an environment whose episode ended begins the next one: at the next step, which
                ignores its action; at the same step, whose info then holds `final_obs` and `final_info`; or only
                by `reset(options={"reset_mask": ...})`.
            max_episode_steps: Steps after which an episode is truncated; None for no limit.
            render_mode: "rgb_array" for pictures of the running trial by `render`; None for none.
            **settings: Settings of the task, e.g. dt=20.0 (ms).

        Raises:
            SettingsError: Unknown task, mode or setting, or an impossible value.
        """
        self.face = make_face(task, mode, session_trials, settings)
        self.task = self.face.task
        if num_envs < 1:
            raise SettingsError(f"environment of task {task}: num_envs = {num_envs}: must be at least 1.")
        try:
            self.autoreset_mode = AutoresetMode(autoreset_mode)
        except ValueError:
            known = [m.value for m in AutoresetMode]
            raise SettingsError(
                f"environment of task {task}: unknown autoreset_mode {autoreset_mode!r}"
                f" ({suggest(str(autoreset_mode), known)})."
            ) from None
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": 20, "autoreset_mode": self.autoreset_mode}
        self.num_envs, self.max_episode_steps, self.render_mode = num_envs, max_episode_steps, render_mode
        self.single_observation_space, self.single_action_space = self.face.observation_space, self.face.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.input_names, self.action_names = self.task.input_names, self.task.action_names
        self.period_names = self.face.period_names

        self._store = Store(self.task, self.face.example, num_envs, self.face.n_ahead)
        self._blank_ends = mode == "trial"
        self._mode = MODES.index(mode)
        self._generators: list[np.random.Generator] = []
        self._streams = [self._stream() for _ in range(num_envs)]
        self._trial, self._drawn, self._t, self._n_done, self._n_taken = np.zeros((5, num_envs), int)
        self._over, self._fresh = np.ones(num_envs, bool), np.zeros(num_envs, bool)
        self._reacts = self.task.reacts
        self._none = np.zeros(num_envs, bool)
        self._earned = np.zeros(num_envs)
        self._empty, self._ended, self._places, self._lasts, self._judged = np.zeros((5, num_envs), int)
        self._sums = np.zeros(num_envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Info | None = None
    ) -> tuple[NDArray[np.float32], Info]:
        """Begin new episodes.

        Args:
            seed: s seeds row i with s + i; a sequence has one for each row, None leaves a row's generator alone.
            options: `reset_mask`, (num_envs,) of bool, restricts the reset to some rows.
        """
        mask = self._mask(options)
        seeds: list[int | None]
        if seed is None or isinstance(seed, (int, np.integer)):
            super().reset(seed=None if seed is None else int(seed))
            seeds = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
            if len(seeds) != self.num_envs:
                raise ValueError(f"there must be one seed for each of {self.num_envs} rows, got {len(seeds)}.")
        if not self._generators:
            self._generators = [np.random.default_rng(s) for s in self.np_random.integers(2**63, size=self.num_envs)]
        for row in np.flatnonzero(mask):
            if (s := seeds[row]) is not None:
                self._generators[row] = np_random(s)[0]
                self._streams[row] = self._stream()
                self._trial[row] = self._drawn[row] = 0
                self._fresh[row] = False
        self._begin(np.flatnonzero(mask))
        observation, info = self._show(self._none, self._over)
        for name in [name for name in info if name.startswith("_")]:
            info[name] = mask.copy()
        return observation, info

    def step(self, actions: ArrayLike) -> Result:
        """Score one action per environment and advance by one step of `dt`.

        Raises:
            ResetNeeded: The environments were never reset, or, without autoreset, an episode is over.
            ValueError: There is no such action, or not one per environment.
        """
        scored = self._score(actions)
        new_trial, outcome = scored.new_trial, {}
        if scored.n_ended:
            conditions = self._store.conditions(self._places, self._ended, scored.n_ended, new_trial)
            outcome = {"performance": scored.performance, "trial": conditions}
            outcome |= {"_performance": new_trial.copy(), "_trial": new_trial.copy()}
            if scored.n_timed:
                outcome |= {"reaction_time": scored.reaction, "_reaction_time": scored.timed}
        self._draw(scored.n_empty)
        if self.autoreset_mode is AutoresetMode.SAME_STEP and scored.n_over:
            observation, info = self._restart(scored, outcome)
        else:
            observation, info = self._show(new_trial, new_trial if self._blank_ends else self._none)
            info |= outcome
        return observation, scored.reward, scored.terminated, scored.truncated, info

    def advance(self, actions: ArrayLike) -> Advance:
        """The same, in mode "SameStep", for those who make infos of their own."""
        scored = self._score(actions)
        rows = self._ended[: scored.n_ended]
        conditions = self._store.records(self._places[: scored.n_ended])
        outcomes: list[Info] = [
            {"performance": float(judged == 1), "trial": trial, "episode": {"r": earned, "l": last + 1}}
            for judged, trial, earned, last in zip(
                self._judged[: scored.n_ended].tolist(),
                conditions,
                self._sums[: scored.n_ended].tolist(),
                self._lasts[: scored.n_ended].tolist(),
                strict=True,
            )
        ]
        if scored.n_timed:
            for outcome, timed, ms in zip(
                outcomes, scored.timed[rows].tolist(), scored.reaction[rows].tolist(), strict=True
            ):
                if timed:
                    outcome["reaction_time"] = ms
        ended = rows.tolist()
        self._draw(scored.n_empty)
        final = None
        if scored.n_over:
            over = np.flatnonzero(self._over)
            if self._blank_ends and not scored.n_cut:
                final = np.zeros((self.num_envs, len(self.input_names)), np.float32)
            else:
                final = self._observe(scored.new_trial if self._blank_ends else self._none)[0]
            self._begin(over)
        observation, answer, period = self._observe(self._none)
        return Advance(observation, answer, period, final, scored, ended, outcomes)

    def _score(self, actions: ArrayLike) -> Scored:
        """Score actions, and go on to the next step or trial, which may have to be drawn."""
        a = np.asarray(actions)
        if not self._generators:
            raise ResetNeeded("the environments were not reset; call reset().")
        if self.autoreset_mode is AutoresetMode.DISABLED and self._over.any():
            raise ResetNeeded('an episode is over; call reset(options={"reset_mask": ...}).')
        n, store = self.num_envs, self._store
        if a.shape != (n,) or a.dtype.kind not in "iu":
            raise ValueError(f"expected {n} integer actions, got {a.dtype} of shape {a.shape}.")
        reward, performance, reaction = np.empty(n), np.empty(n), np.empty(n)
        terminated, truncated = np.empty(n, bool), np.empty(n, bool)
        new_trial, timed = np.empty(n, bool), np.empty(n, bool)
        counts = score(
            a.astype(np.int64, copy=False),
            self._mode,
            self.face.session_trials,
            self.max_episode_steps or 0,
            self.autoreset_mode is AutoresetMode.NEXT_STEP,
            self.task.dt,
            store.n_ahead,
            store.steps,
            store.rewards,
            store.flags,
            store.onset,
            store.discount,
            self._trial,
            self._t,
            self._drawn,
            self._n_done,
            self._n_taken,
            self._over,
            self._fresh,
            self._earned,
            self._empty,
            self._ended,
            self._places,
            self._lasts,
            self._judged,
            self._sums,
            reward,
            terminated,
            truncated,
            new_trial,
            performance,
            timed,
            reaction,
        )
        if counts[0] < 0:
            raise ValueError(f"actions are 0 .. {len(self.action_names) - 1}, got {a.min()} .. {a.max()}.")
        if self._reacts:
            for k in range(counts[1]):
                self._streams[self._ended[k]].note(int(self._judged[k]), float(self._sums[k]))
        return Scored(reward, terminated, truncated, new_trial, performance, timed, reaction, *counts)

    def render(self) -> Any:
        """Nothing, unless the environment was made with a `render_mode`; see `rnnpipe.environments.render`."""
        return None

    def _restart(self, scored: Scored, outcome: Info) -> tuple[NDArray[np.float32], Info]:
        """Begin new episodes in place of those that ended at this step, whose ends go into the info."""
        over, new_trial = self._over.copy(), scored.new_trial
        final, end = self._show(new_trial, new_trial if self._blank_ends else self._none)
        final[~over] = 0.0
        kept: Info = {}
        if scored.n_over == scored.n_ended and not scored.n_cut:  # every outcome is that of an episode
            for name in ("new_trial", "ground_truth", "period"):
                end[name][~over] = 0
                end[f"_{name}"] = over.copy()
            end |= outcome
        else:
            end = _restricted(end | outcome, over)
            kept = _restricted(outcome, ~over)
        self._begin(np.flatnonzero(over))
        observation, info = self._show(new_trial & ~over, self._none)
        return observation, info | kept | {
            "final_obs": final,
            "_final_obs": over,
            "final_info": end,
            "_final_info": over.copy(),
        }

    def _mask(self, options: Info | None) -> Bools:
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return np.ones(self.num_envs, bool)
        if np.shape(mask) != (self.num_envs,) or np.asarray(mask).dtype != bool:
            raise ValueError(f"reset_mask must be {self.num_envs} values of bool.")
        return np.array(mask)

    def _stream(self) -> Stream:
        return Stream(self.task, self.face.n_ahead)

    def _begin(self, rows: NDArray[np.intp]) -> None:
        """Begin new episodes."""
        self._draw(
            begin(
                rows,
                self._trial,
                self._t,
                self._drawn,
                self._n_done,
                self._n_taken,
                self._over,
                self._fresh,
                self._earned,
                self._empty,
            )
        )

    def _draw(self, n_empty: int) -> None:
        """Draw the next trials of the rows that have none left."""
        for row in self._empty[:n_empty].tolist():
            trials = self._streams[row].draw(self._generators[row])
            self._store.write(row, trials)
            self._trial[row], self._drawn[row] = 0, trials.n_trials

    def _show(self, new_trial: Bools, blank: Bools) -> tuple[NDArray[np.float32], Info]:
        """Observations and the part of the info that is always there."""
        n = self.num_envs
        observation, answer, period = self._observe(blank)
        return observation, {
            "new_trial": new_trial.copy(),
            "ground_truth": answer,
            "period": period,
            "_new_trial": np.ones(n, bool),
            "_ground_truth": np.ones(n, bool),
            "_period": np.ones(n, bool),
        }

    def _observe(self, blank: Bools) -> tuple[NDArray[np.float32], Ints, Ints]:
        """Observations, actions to take on them, and periods; nothing of each where `blank`."""
        n, store = self.num_envs, self._store
        observation = np.empty((n, store.inputs.shape[2]), np.float32)
        answer, period = np.empty(n, np.int64), np.empty(n, np.int64)
        show(store.n_ahead, store.inputs, store.steps, self._trial, self._t, blank, observation, answer, period)
        return observation, answer, period


def _restricted(info: Info, rows: Bools) -> Info:
    """The info of some rows: keys that none of them has are dropped, values of the others are zeros."""
    kept: Info = {}
    for name, values in info.items():
        if name.startswith("_") or not (mask := info[f"_{name}"] & rows).any():
            continue
        if isinstance(values, dict):
            kept[name] = _restricted(values, rows)
        else:
            kept[name] = np.where(mask, values, None if values.dtype == object else values.dtype.type(0))
        kept[f"_{name}"] = mask
    return kept
