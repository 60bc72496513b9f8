"""Recorded activity of one evaluation, read in chunks of trials so that a large file needs little memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnpipe.analysis.alignment import Aligned, align, stimulus_time
from rnnpipe.errors import ArtefactError
from rnnpipe.io.evaluation import KIND, SCHEMA, read_table, task_of
from rnnpipe.io.hdf5 import read
from rnnpipe.tasks._base import Task

CHUNK = 256
"""Trials read at once: those of one chunk of the file."""


@dataclass(frozen=True)
class Moments:
    """Moments of the samples of several groups of trials."""

    n: NDArray[np.int64]
    """Samples, (n_groups,)."""
    mean: NDArray[np.float64]
    """(n_groups, n_units); NaN without samples."""
    variance: NDArray[np.float64]
    """Divisor n, (n_groups, n_units); NaN without samples."""


class Recording:
    """Activity of one evaluation with its trial table.

    Names of activity are those of the file: "policy_rates", "value_rates", "value", "probabilities".
    """

    def __init__(self, path: str | Path) -> None:
        """Read the trial table and check that there is activity.

        Raises:
            ArtefactError: The file is no evaluation, or holds no activity.
        """
        self.path, self.table = Path(path), read_table(path)
        with self._open() as file:
            self.time: NDArray[np.float64] = file["activity/time"][:]

    def _open(self) -> Any:
        return _Opened(self.path)

    @property
    def task(self) -> Task:
        """The task, with its settings."""
        return task_of(self.table.attrs, self.path)

    @property
    def dt(self) -> float:
        """Step of the simulation, ms."""
        return float(self.table.attrs["dt"])

    def has(self, name: str) -> bool:
        """Whether that activity was recorded."""
        with self._open() as file:
            return f"activity/{name}" in file

    def n_units(self, name: str = "policy_rates") -> int:
        """Number of units of an activity."""
        with self._open() as file:
            return int(self._dataset(file, name).shape[2])

    def chunks(self, name: str) -> Iterator[tuple[slice, NDArray[Any], NDArray[np.bool_]]]:
        """Trials, values (n_steps, n, ...) and mask (n_steps, n) of each chunk."""
        with self._open() as file:
            dataset, mask = self._dataset(file, name), file["activity/mask"]
            for start in range(0, len(self.table), CHUNK):
                trials = slice(start, min(start + CHUNK, len(self.table)))
                yield trials, dataset[:, trials], mask[:, trials].astype(bool)

    def trial(self, index: int) -> dict[str, NDArray[Any]]:
        """Every array of one trial up to its last step, (n_steps, ...), by name; and `time`, ms."""
        with self._open() as file:
            going = file["activity/mask"][:, index].astype(bool)
            names = [name for name in file["activity"] if name not in ("time", "mask")]
            arrays = {name: file[f"activity/{name}"][:, index][going] for name in names}
        return {"time": self.time[going], **arrays}

    def aligned(
        self,
        name: str,
        event: ArrayLike,
        window: tuple[float, float],
        units: int | Sequence[int] | None = None,
        every: float | None = None,
    ) -> Aligned:
        """Activity aligned to an event; see `align`.

        Args:
            name: Which activity.
            event: Time of the event in each trial, ms; NaN leaves a trial out.
            window: First and last lag, ms.
            units: Units to keep, one (whose axis is dropped) or several; by default all.
            every: Distance between lags, ms.

        Returns:
            Values of shape (n_lags, n_trials[, n_units]), float32.
        """
        event = np.asarray(event, dtype=float)
        parts = []
        for trials, values, mask in self.chunks(name):
            if units is not None:
                values = values[..., units]
            cut = align(values, mask, self.time, event[trials], window, every)
            parts.append((cut.values.astype(np.float32), cut.valid))
        return Aligned(cut.lags, *(np.concatenate(p, axis=1) for p in zip(*parts, strict=True)))

    def around(
        self, period: str, name: str, window: tuple[float, float], units: Any = None, every: float | None = None
    ) -> Aligned:
        """Activity aligned to the onset of a period: lag 0 is the last state that has not seen it."""
        return self.aligned(name, stimulus_time(self.table[f"{period}_on"], self.dt), window, units, every)

    def around_choice(
        self, name: str, window: tuple[float, float], units: Any = None, every: float | None = None
    ) -> Aligned:
        """Activity aligned to the step at which the choice was made; trials without one contribute nothing."""
        return self.aligned(name, self.table["choice_time"], window, units, every)

    def trial_means(self, name: str, start: ArrayLike, stop: ArrayLike) -> NDArray[np.float64]:
        """Mean of each trial over the steps with start <= time < stop (ms) while it was going on, (n_trials, ...).

        NaN where there is no such step.
        """
        start, stop = (np.broadcast_to(np.asarray(x, dtype=float), len(self.table)) for x in (start, stop))
        means = []
        for trials, values, mask in self.chunks(name):
            during = mask & self._between(start[trials], stop[trials])
            n = during.sum(axis=0)
            extra = (1,) * (values.ndim - 2)
            total = np.where(during.reshape(*during.shape, *extra), values, 0).sum(axis=0, dtype=np.float64)
            means.append(total / np.where(n > 0, n, np.nan).reshape(-1, *extra))
        return np.concatenate(means)

    def moments(
        self, name: str, start: ArrayLike, stop: ArrayLike, group: ArrayLike, n_groups: int | None = None
    ) -> Moments:
        """Moments of all (step, trial) samples with start <= time < stop (ms), pooled within groups of trials.

        Args:
            name: Which activity; it has units.
            start: First time, one or one per trial, ms.
            stop: Time after the last, one or one per trial, ms.
            group: Group of each trial, 0, 1, ...; negative for none.
            n_groups: Number of groups; by default the largest plus one.
        """
        group = np.asarray(group, dtype=int)
        start, stop = (np.broadcast_to(np.asarray(x, dtype=float), len(self.table)) for x in (start, stop))
        many = n_groups or int(group.max(initial=-1)) + 1
        units = self.n_units(name)
        n, total, square = np.zeros(many, np.int64), np.zeros((many, units)), np.zeros((many, units))
        origin: NDArray[np.float64] | None = None
        for trials, values, mask in self.chunks(name):
            during = mask & self._between(start[trials], stop[trials])
            for g in range(many):
                samples = values[during & (group[trials] == g)].astype(np.float64)
                if not len(samples):
                    continue
                if origin is None:  # sums of squares about a typical value, which rounding does not spoil
                    origin = samples.mean(axis=0)
                samples -= origin
                n[g] += len(samples)
                total[g] += samples.sum(axis=0)
                square[g] += (samples**2).sum(axis=0)
        count = np.where(n > 0, n, np.nan)[:, None]
        shift = total / count
        return Moments(n, shift + (0.0 if origin is None else origin), np.maximum(square / count - shift**2, 0.0))

    def _between(self, start: NDArray[np.float64], stop: NDArray[np.float64]) -> NDArray[np.bool_]:
        time = self.time[:, None]
        return (start - 1e-6 <= time) & (time < stop - 1e-6)

    def _dataset(self, file: h5py.File, name: str) -> h5py.Dataset:
        if name not in file["activity"]:
            raise ArtefactError(f"{self.path}: has no activity {name!r}; evaluate the network again.")
        return file[f"activity/{name}"]


class _Opened:
    """Context manager: the checked file of an evaluation that holds activity."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> h5py.File:
        self._context = read(self.path, KIND, SCHEMA)
        file = self._context.__enter__()
        if "activity" not in file:
            self._context.__exit__(None, None, None)
            raise ArtefactError(f"{self.path}: holds no activity; evaluate the network with --record_activity.")
        return file

    def __exit__(self, *error: Any) -> bool | None:
        return self._context.__exit__(*error)
