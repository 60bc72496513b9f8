"""Many trials at once as a gymnasium vector environment, without a loop over them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from rnnpipe.environments._trials import N_AHEAD, NO_PERIOD, Block, make_face
from rnnpipe.errors import SettingsError
from rnnpipe.settings import suggest
from rnnpipe.trials import FIXATE

Info = dict[str, Any]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Result = tuple[NDArray[np.float32], Floats, Bools, Bools, Info]


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

        example = Block.draw(self.task, np.random.default_rng(0))
        self._block = example.repeated(num_envs)
        self._n_steps, self._n_phases = len(example.discount), example.rewards.shape[1]
        self._generators: list[np.random.Generator] = []
        self._first = np.arange(num_envs) * N_AHEAD  # of the rows' shares of the block
        self._trial = np.full(num_envs, N_AHEAD)  # within the row's share: all of it is used up
        self._t = np.zeros(num_envs, int)
        self._n_done = np.zeros(num_envs, int)
        self._n_taken = np.zeros(num_envs, int)
        self._over = np.ones(num_envs, bool)

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
                self._trial[row] = N_AHEAD
        self._begin(np.flatnonzero(mask))
        at = self._place()
        info = self._info(at, np.zeros(self.num_envs, bool), mask)
        observation = self._block.inputs.reshape(-1, len(self.input_names))[at]
        observation[self._over] = 0.0
        return observation, info

    def step(self, actions: ArrayLike) -> Result:
        """Score one action per environment and advance by one step of `dt`.

        Raises:
            ResetNeeded: The environments were never reset, or, without autoreset, an episode is over.
            ValueError: There is no such action, or not one per environment.
        """
        a = self._check(actions)
        block, slot, t = self._block, self._first + self._trial, self._t
        dead = self._over if self.autoreset_mode is AutoresetMode.NEXT_STEP else np.zeros(self.num_envs, bool)
        row = slot * self._n_phases + block.phase.reshape(-1)[slot * self._n_steps + t]
        cell = row * len(self.action_names) + a
        reward = (block.discount[t] * block.rewards.reshape(-1)[cell]).astype(np.float64)
        stops = block.stops.reshape(-1)[cell]
        ended = stops | (t + 1 == self._n_steps)
        restarted = np.flatnonzero(dead)
        if len(restarted):
            reward[dead], ended[dead] = 0.0, False

        self._t = np.where(ended, t, t + 1)
        self._n_taken += 1
        terminated, truncated = np.zeros((2, self.num_envs), bool)
        rows, outcome = np.flatnonzero(ended), {}
        if len(rows):
            outcome = self._outcome(rows, slot[rows], t[rows], a[rows], cell[rows])
            if self.face.mode == "trial":
                terminated, truncated = ended & stops, ended & ~stops
            else:
                self._n_done[rows] += 1
                self._next_trial(rows)
                if self.face.mode == "session":
                    truncated = ended & (self._n_done == self.face.session_trials)
        if self.max_episode_steps is not None:
            truncated = truncated | ((self._n_taken >= self.max_episode_steps) & ~terminated & ~dead)
        if len(restarted):
            self._begin(restarted)
        self._over = terminated | truncated

        at = self._place()
        observation = block.inputs.reshape(-1, len(self.input_names))[at]
        info = self._info(at, ended, None)
        if len(rows) and self.face.mode == "trial":
            observation[rows] = 0.0
            info["ground_truth"][rows], info["period"][rows] = FIXATE, NO_PERIOD
        info |= outcome
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._over.any():
            observation, info = self._restart(observation, info)
        return observation, reward, terminated, truncated, info

    def render(self) -> Any:
        """Nothing, unless the environment was made with a `render_mode`; see `rnnpipe.environments.render`."""
        return None

    def _restart(self, observation: NDArray[np.float32], info: Info) -> tuple[NDArray[np.float32], Info]:
        """Begin new episodes in place of those that ended at this step, whose ends go into the info."""
        over = self._over.copy()
        final, end = observation.copy(), _restricted(info, over)
        final[~over] = 0.0
        self._begin(np.flatnonzero(over))
        at = self._place()
        observation = self._block.inputs.reshape(-1, len(self.input_names))[at]
        kept = _restricted(info, ~over)
        info = self._info(at, info["new_trial"] & ~over, None)
        info |= {k: v for k, v in kept.items() if k.removeprefix("_") not in info}
        return observation, info | {
            "final_obs": final,
            "_final_obs": over,
            "final_info": end,
            "_final_info": over.copy(),
        }

    def _check(self, actions: ArrayLike) -> NDArray[np.int64]:
        a = np.asarray(actions)
        if not self._generators:
            raise ResetNeeded("the environments were not reset; call reset().")
        if self.autoreset_mode is AutoresetMode.DISABLED and self._over.any():
            raise ResetNeeded('an episode is over; call reset(options={"reset_mask": ...}).')
        if a.shape != (self.num_envs,) or a.dtype.kind not in "iu":
            raise ValueError(f"expected {self.num_envs} integer actions, got {a.dtype} of shape {a.shape}.")
        if a.min() < 0 or a.max() >= len(self.action_names):
            raise ValueError(f"actions are 0 .. {len(self.action_names) - 1}, got {a.min()} .. {a.max()}.")
        return a.astype(np.int64, copy=False)

    def _mask(self, options: Info | None) -> Bools:
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return np.ones(self.num_envs, bool)
        if np.shape(mask) != (self.num_envs,) or np.asarray(mask).dtype != bool:
            raise ValueError(f"reset_mask must be {self.num_envs} values of bool.")
        return np.array(mask)

    def _begin(self, rows: NDArray[np.intp]) -> None:
        """Begin new episodes."""
        self._next_trial(rows)
        self._n_done[rows] = self._n_taken[rows] = 0
        self._over[rows] = False

    def _next_trial(self, rows: NDArray[np.intp]) -> None:
        self._t[rows] = 0
        self._trial[rows] += 1
        for row in rows[self._trial[rows] >= N_AHEAD]:  # one row in N_AHEAD, and the draw itself is batched
            self._block.write(self._first[row], Block.draw(self.task, self._generators[row]))
            self._trial[row] = 0

    def _place(self) -> NDArray[np.intp]:
        """Flat index (trial, step) of the observation to show."""
        return (self._first + self._trial) * self._n_steps + self._t

    def _info(self, at: NDArray[np.intp], new_trial: Bools, mask: Bools | None) -> Info:
        info: Info = {
            "new_trial": new_trial.copy(),
            "ground_truth": self._block.ground_truth.reshape(-1)[at].astype(np.int64),
            "period": self._block.period.reshape(-1)[at].astype(np.int64),
        }
        masks = {f"_{name}": np.ones(self.num_envs, bool) if mask is None else mask.copy() for name in info}
        return info | masks

    def _outcome(
        self,
        rows: NDArray[np.intp],
        slot: NDArray[np.intp],
        t: NDArray[np.intp],
        action: NDArray[np.int64],
        cell: NDArray[np.intp],
    ) -> Info:
        """How the trials of `rows` ended."""
        block = self._block
        chose = block.choices.reshape(-1)[cell]
        info = self._spread({"performance": (chose & (block.correct[slot, action] == 1)).astype(float)}, rows)
        info |= {
            "trial": self._spread({name: values[slot] for name, values in block.conditions.items()}, rows),
            "_trial": info["_performance"].copy(),
        }
        timed = chose & (action != FIXATE)
        if timed.any():
            info |= self._spread({"reaction_time": (t * self.task.dt - block.onset[slot])[timed]}, rows[timed])
        return info

    def _spread(self, values: Info, rows: NDArray[np.intp]) -> Info:
        """Arrays over all environments from those of some rows, with masks."""
        info: Info = {}
        for name, some in values.items():
            full = np.full(self.num_envs, None) if some.dtype.kind in "UOS" else np.zeros(self.num_envs, some.dtype)
            full[rows] = some
            mask = np.zeros(self.num_envs, bool)
            mask[rows] = True
            info |= {name: full, f"_{name}": mask}
        return info


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
