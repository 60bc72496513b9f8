"""Activity aligned to an event of each trial, counting only steps at which the trial was still going on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Aligned:
    """Trials on a common time axis relative to an event."""

    lags: NDArray[np.float64]
    """Time from the event, ms, (n_lags,)."""
    values: NDArray[np.floating[Any]]
    """Activity, (n_lags, n_trials, ...); 0 where not valid."""
    valid: NDArray[np.bool_]
    """Whether something was recorded, (n_lags, n_trials)."""

    def __getitem__(self, trials: Any) -> Aligned:
        """Those trials only."""
        return Aligned(self.lags, self.values[:, trials], self.valid[:, trials])

    def counts(self) -> NDArray[np.intp]:
        """Trials that contribute at each lag, (n_lags,)."""
        n: NDArray[np.intp] = self.valid.sum(axis=1)
        return n

    def mean(self, min_trials: int = 1) -> NDArray[np.float64]:
        """Mean over trials, (n_lags, ...); NaN where fewer than `min_trials` contribute."""
        n = _column(self.counts(), self.values.ndim - 1)
        total = self.values.sum(axis=1, dtype=np.float64)
        mean: NDArray[np.float64] = total / np.where(n >= max(min_trials, 1), n, np.nan)
        return mean

    def sem(self, min_trials: int = 2) -> NDArray[np.float64]:
        """Standard error of the mean over trials, (n_lags, ...); NaN where fewer than two contribute."""
        n = _column(self.counts(), self.values.ndim - 1)
        n = np.where(n >= max(min_trials, 2), n, np.nan)
        deviation = (self.values - np.nan_to_num(self.mean())[:, None]) * _column(self.valid, self.values.ndim)
        error: NDArray[np.float64] = np.sqrt((deviation**2).sum(axis=1) / (n - 1) / n)
        return error

    def trial_means(self) -> NDArray[np.float64]:
        """Mean over the lags of each trial, (n_trials, ...); NaN for a trial with nothing recorded."""
        n = _column(self.valid.sum(axis=0), self.values.ndim - 1)
        mean: NDArray[np.float64] = self.values.sum(axis=0, dtype=np.float64) / np.where(n > 0, n, np.nan)
        return mean


def align(
    values: NDArray[Any],
    mask: NDArray[np.bool_],
    time: ArrayLike,
    event: ArrayLike,
    window: tuple[float, float],
    every: float | None = None,
) -> Aligned:
    """Cut a window around an event out of every trial.

    The state recorded at step k has seen the observation of step k. A stimulus that starts at step k is therefore
    aligned to `stimulus_time`, the step before: lag 0 is the last state that has not seen it. A choice made at step
    k was read from the state of step k and is aligned to the time of k itself.

    Args:
        values: Activity, (n_steps, n_trials, ...).
        mask: Whether the trial was still going on, (n_steps, n_trials).
        time: Time of each saved step from trial start, ms, (n_steps,), evenly spaced.
        event: Time of the event in each trial, ms, (n_trials,); a trial with NaN contributes nothing. Where activity
            was saved more coarsely than simulated, the saved step nearest to the event is lag 0.
        window: First and last lag, ms, both included.
        every: Distance between lags, ms, multiples of which are kept (lag 0 among them); by default every saved step.
    """
    time, event = np.asarray(time, dtype=float), np.asarray(event, dtype=float)
    n_steps, n_trials = mask.shape
    step = time[1] - time[0] if n_steps > 1 else 1.0
    stride = 1 if every is None else max(1, round(every / step))
    first, last = np.ceil(window[0] / step / stride - 1e-9), np.floor(window[1] / step / stride + 1e-9)
    offsets = stride * np.arange(int(first), int(last) + 1)
    happened = np.isfinite(event)
    origin = np.floor((np.where(happened, event, 0.0) - time[0]) / step + 0.5).astype(int)
    k = offsets[:, None] + origin
    inside = (k >= 0) & (k < n_steps) & happened
    k, trial = np.clip(k, 0, n_steps - 1), np.arange(n_trials)
    valid = inside & mask[k, trial].astype(bool)
    cut = np.where(_column(valid, values.ndim), values[k, trial], 0).astype(float)
    return Aligned(offsets * step, cut, valid)


def stimulus_time(stimulus_on: ArrayLike, dt: float) -> NDArray[np.float64]:
    """Time (ms) of the last step whose state has not seen the stimulus: one step before its onset."""
    return np.asarray(stimulus_on, dtype=float) - dt


def _column(array: NDArray[Any], ndim: int) -> NDArray[Any]:
    """The array with trailing axes of length one, up to `ndim` axes."""
    return array.reshape(array.shape + (1,) * (ndim - array.ndim))
