"""A table of the trials that are played in an environment, written to disk while it is used.

    from rnnpipe.environments.monitor import Monitor
    env = Monitor(gymnasium.make("rnnpipe/RDM-v0"), "trials.csv", every=1000)

`Monitor` wraps one environment, `VectorMonitor` a gymnasium vector environment; `rnnpipe.environments.sb3_monitor` has
the one of Stable-Baselines3. All count trials, not episodes, and write the same table.

Reference: Monitor of NeuroGym, whose tables hold the conditions of the trial after the one they describe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnpipe.environments._vector_api import AutoresetMode, VectorEnv, VectorWrapper
from rnnpipe.errors import SettingsError
from rnnpipe.files import whole

Info = dict[str, Any]

FORMATS = (".csv", ".h5")


class TrialTable:
    """Rows of trials, one after the other, that are written to a file every so many trials.

    Columns: `trial`, counted from 0 in the order in which trials end; `env`, the number of the environment; `n_steps`;
    `reward`, summed; `performance`; `reaction_time` (ms), NaN without a choice; and the conditions of the trial. The
    file is replaced as a whole each time, so that whoever reads it finds a complete table: `every` should not be a
    small part of all trials.
    """

    def __init__(self, path: str | Path, every: int, n_envs: int) -> None:
        """Begin a table.

        Args:
            path: File to write, `.csv`, or `.h5` with one data set for each column.
            every: It is written whenever so many trials have been added.
            n_envs: Number of environments.

        Raises:
            SettingsError: The name ends otherwise, or there is no such number of trials.
        """
        self.path, self.every = Path(path), every
        if self.path.suffix not in FORMATS:
            raise SettingsError(f"monitor: {self.path} must end with one of {', '.join(FORMATS)}.")
        if every < 1:
            raise SettingsError(f"monitor: every = {every}: must be at least 1 trial.")
        self._rows: list[Info] = []
        self._written: pd.DataFrame | None = None
        self._reward, self._n_steps = np.zeros(n_envs), np.zeros(n_envs, int)

    @property
    def n_trials(self) -> int:
        """Number of trials so far."""
        return len(self._rows) + (0 if self._written is None else len(self._written))

    def begin(self, rows: Any = slice(None)) -> None:
        """Forget what was done in trials that were not ended: those of some environments were reset."""
        self._reward[rows], self._n_steps[rows] = 0.0, 0

    def step(self, rewards: NDArray[Any]) -> None:
        """Count a step of all environments."""
        self._reward += rewards
        self._n_steps += 1

    def end(self, env: int, info: Mapping[str, Any]) -> None:
        """Add the trial of an environment that has just ended, from what is known of it."""
        row: Info = {"trial": self.n_trials, "env": env, "n_steps": int(self._n_steps[env])}
        row |= {"reward": float(self._reward[env]), "performance": float(info["performance"])}
        row["reaction_time"] = float(info.get("reaction_time", np.nan))
        self._rows.append(row | dict(info["trial"]))
        self.begin(env)
        if len(self._rows) == self.every:
            self.write()

    def frame(self) -> pd.DataFrame:
        """All trials so far."""
        new = pd.DataFrame(self._rows)
        parts = [part for part in (self._written, new) if part is not None and len(part)]
        return pd.concat(parts, ignore_index=True) if parts else new

    def write(self) -> None:
        """Write the table, if there are trials."""
        frame = self.frame()
        if frame.empty:
            return
        with whole(self.path) as part:
            if self.path.suffix == ".csv":
                frame.to_csv(part, index=False)
            else:
                _write_hdf5(part, frame)
        self._written, self._rows = frame, []


def _write_hdf5(path: Path, frame: pd.DataFrame) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, values in frame.items():
            column = values.to_numpy()
            if column.dtype.kind not in "fiub":
                column = values.astype(str).to_numpy(object)
                file.create_dataset(str(name), data=column, dtype=h5py.string_dtype())
            else:
                file.create_dataset(str(name), data=column)


class Monitor(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """One environment whose trials are written to a table."""

    def __init__(self, env: gymnasium.Env[Any, Any], path: str | Path, every: int = 1000) -> None:
        """Wrap an environment; see `TrialTable`."""
        gymnasium.utils.RecordConstructorArgs.__init__(self, path=path, every=every)
        super().__init__(env)
        self.table = TrialTable(path, every, 1)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Any, Info]:
        """Begin an episode; a trial that was not ended is not counted."""
        self.table.begin()
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Info]:
        """Act, and note the trial if it ended."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.table.step(np.array([float(reward)]))
        if info.get("new_trial"):
            self.table.end(0, info)
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Write what has not been written, and close the environment."""
        self.table.write()
        super().close()


class VectorMonitor(VectorWrapper[Any, Any, Any]):
    """A vector environment whose trials are written to a table."""

    def __init__(self, env: VectorEnv[Any, Any, Any], path: str | Path, every: int = 1000) -> None:
        """Wrap a vector environment; see `TrialTable`."""
        super().__init__(env)
        self.table = TrialTable(path, every, env.num_envs)
        self._next_step = env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP) is AutoresetMode.NEXT_STEP
        self._over = np.zeros(env.num_envs, bool)

    def reset(self, *, seed: int | Sequence[int | None] | None = None, options: Info | None = None) -> tuple[Any, Info]:
        """Begin episodes; trials that were not ended are not counted."""
        options = dict(options or {})
        mask = options.get("reset_mask", slice(None))
        self.table.begin(mask)
        self._over[mask] = False
        return self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]

    def step(self, actions: Any) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], Info]:
        """Act, and note the trials that ended."""
        observation, rewards, terminated, truncated, info = self.env.step(actions)
        over = terminated | truncated
        self.table.step(rewards)
        self.table.begin(self._over & self._next_step)  # these only began an episode
        for of, rows in ((info, ~over), (info.get("final_info", info), over)):
            ended = np.asarray(of.get("new_trial", np.zeros(len(over), bool)), bool) & rows
            for row in np.flatnonzero(ended).tolist():
                self.table.end(row, _of_row(of, row))
        self.table.begin(over)
        self._over = over
        return observation, rewards, terminated, truncated, info

    def close(self, **kwargs: Any) -> None:
        """Write what has not been written, and close the environments."""
        self.table.write()
        super().close(**kwargs)


def _of_row(info: Mapping[str, Any], row: int) -> Info:
    """What the info of a vector environment says about one of them, as that of a single one would."""
    found: Info = {}
    for name, values in info.items():
        if name.startswith("_") or (f"_{name}" in info and not info[f"_{name}"][row]):
            continue
        found[name] = _of_row(values, row) if isinstance(values, dict) else _plain(values[row])
    return found


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
