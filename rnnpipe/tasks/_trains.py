"""Random trains of events: one whole number stands for all events of a trial, as a condition must be one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnpipe.tasks._draws import Rng

N_TRAINS = 2**53
"""Trains are numbers below it, which a double holds exactly: any language reads them from a file."""


@dataclass(frozen=True)
class Train:
    """A number that stands for a train of events; `uniforms` unfolds it."""

    def __call__(self, rng: Rng, n: int) -> NDArray[np.int64]:
        if isinstance(rng, np.random.RandomState):
            return np.asarray(rng.randint(0, N_TRAINS, n, dtype=np.int64))
        return rng.integers(0, N_TRAINS, n)

    def one(self, rng: np.random.RandomState) -> int:
        return int(rng.randint(0, N_TRAINS, dtype=np.int64))


def uniforms(trains: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Independent uniform numbers in [0, 1) that each train stands for, (n_trials, *shape).

    Number j of a train is a hash of (train, j), so that all of them are made at once: the SplitMix64 generator of
    Steele, Lea & Flood (2014) OOPSLA, started from a scrambled state for each train.
    """
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is what it is made of
        start = _mixed(np.asarray(trains).astype(np.uint64) * np.uint64(0xD1342543DE82EF95) + np.uint64(1))
        index = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64).reshape(shape)
        state = start.reshape(-1, *(1 for _ in shape)) + index * np.uint64(0x9E3779B97F4A7C15)
        return np.asarray((_mixed(state) >> np.uint64(11)) * 2.0**-53)


def _mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def event_onsets(gaps: NDArray[np.integer[Any]], n_steps: int, first: bool) -> NDArray[np.int32]:
    """Onsets of events from the gaps between them.

    Args:
        gaps: Steps from one onset to the next, (n_trials, n_channels, n_events); the first gap is counted from step 0.
        n_steps: Events that would start later are none: their onset is `n_steps`.
        first: Whether there is an event at step 0, before all gaps.

    Returns:
        Onsets in steps, (n_trials, n_channels, n_events (+ 1 with `first`)).
    """
    onsets = np.minimum(np.cumsum(gaps, -1, dtype=np.int64), n_steps).astype(np.int32)
    return np.insert(onsets, 0, 0, axis=-1) if first else onsets


def since(onsets: NDArray[np.int32], n_steps: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The event that started last, and how many steps ago, at each step.

    Args:
        onsets: Onsets in steps, increasing within a channel, `n_steps` for none, (n_trials, n_channels, n_events).
        n_steps: Length of a trial.

    Returns:
        Index of the event, -1 before the first, and steps since its onset, (n_steps, n_trials, n_channels) each.
    """
    n_trials, n_channels, n_events = onsets.shape
    trial, channel, event = np.indices(onsets.shape, dtype=np.int32)
    # onset and index as one number, so that the running maximum carries both; onsets at n_steps fall off the end
    code = np.full((n_steps + 1, n_trials, n_channels), -1, np.int32)
    code[onsets, trial, channel] = onsets * n_events + event
    code = np.maximum.accumulate(code[:n_steps], axis=0)
    began, latest = np.divmod(code, np.int32(n_events))
    return np.where(code < 0, np.int32(-1), latest), np.arange(n_steps, dtype=np.int32)[:, None, None] - began


def values_of(values: NDArray[Any], latest: NDArray[np.int32]) -> NDArray[Any]:
    """What each event is worth, at each step: 0 before the first event, (n_steps, n_trials, n_channels).

    Args:
        values: Value of each event, (n_trials, n_channels, n_events).
        latest: Index of the event at each step, as `since` gives it.
    """
    n_trials, n_channels, n_events = values.shape
    first = np.arange(n_trials * n_channels, dtype=np.int32).reshape(n_trials, n_channels) * np.int32(n_events)
    return np.where(latest < 0, values.dtype.type(0), values.reshape(-1)[first + np.maximum(latest, 0)])
