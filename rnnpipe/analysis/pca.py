"""Principal components of activity, from samples that are read in chunks.

Reference: Kim, Li & Sejnowski (2019) PNAS 116:22811, Fig. S2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnpipe.analysis.recording import Recording


@dataclass(frozen=True)
class Components:
    """Principal components, the one of largest variance first."""

    mean: NDArray[np.float64]
    """Mean of the samples, (n_units,)."""
    axes: NDArray[np.float64]
    """Orthonormal rows, (n_units, n_units); the largest entry of each is positive."""
    variance: NDArray[np.float64]
    """Variance along each axis (divisor n - 1), (n_units,)."""

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Fraction of the total variance along each axis, (n_units,); NaN where nothing varies."""
        total = self.variance.sum()
        return self.variance / total if total > 0 else np.full_like(self.variance, np.nan)

    def project(self, values: NDArray[Any], n: int) -> NDArray[np.float64]:
        """Coordinates on the first `n` axes: (..., n_units) to (..., n)."""
        coordinates: NDArray[np.float64] = (np.asarray(values, dtype=np.float64) - self.mean) @ self.axes[:n].T
        return coordinates


def principal_components(chunks: Iterable[NDArray[Any]]) -> Components:
    """Principal components of the samples in all chunks, (n_samples, n_units) each.

    Sums are of float64 and about the mean of the first chunk, so that a large common offset costs no digits.

    Raises:
        ValueError: There are fewer than two samples.
    """
    n, origin = 0, np.zeros(0)
    total, square = np.zeros(0), np.zeros((0, 0))
    for chunk in chunks:
        if not len(chunk):
            continue
        samples = chunk.astype(np.float64)
        if n == 0:
            origin = samples.mean(axis=0)
            total, square = np.zeros_like(origin), np.zeros((len(origin), len(origin)))
        samples -= origin
        n += len(samples)
        total += samples.sum(axis=0)
        square += samples.T @ samples
    if n < 2:
        raise ValueError(f"principal components of {n} samples; expected 2 or more")
    shift = total / n
    variance, axes = np.linalg.eigh((square - n * np.outer(shift, shift)) / (n - 1))
    axes = axes.T[::-1]
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    return Components(origin + shift, axes * np.sign(largest)[:, None], np.maximum(variance[::-1], 0.0))


def samples(recording: Recording, name: str = "policy_rates", start: float = 0.0) -> Iterator[NDArray[Any]]:
    """Samples of an activity at all steps of all trials that were going on, in chunks of (n_samples, n_units).

    Args:
        recording: The activity.
        name: Which one; it has units.
        start: First time that counts, ms.
    """
    late = recording.time[:, None] >= start - 1e-6
    for _, values, mask in recording.chunks(name):
        yield values[mask & late]


def group_means(
    recording: Recording, group: ArrayLike, name: str = "policy_rates", n_groups: int | None = None
) -> NDArray[np.float64]:
    """Mean activity of each group of trials at each step, (n_groups, n_steps, n_units).

    Args:
        recording: The activity.
        group: Group of each trial, 0, 1, ...; negative for none.
        name: Which activity.
        n_groups: Number of groups; by default the largest plus one. One without trials is NaN.
    """
    group = np.asarray(group, dtype=int)
    many = n_groups or int(group.max(initial=-1)) + 1
    total = np.zeros((many, len(recording.time), recording.n_units(name)))
    count = np.zeros((many, len(recording.time)))
    for trials, values, mask in recording.chunks(name):
        for g in range(many):
            members = group[trials] == g
            going = mask[:, members]
            total[g] += np.where(going[..., None], values[:, members], 0).sum(axis=1, dtype=np.float64)
            count[g] += going.sum(axis=1)
    return total / np.where(count > 0, count, np.nan)[..., None]
