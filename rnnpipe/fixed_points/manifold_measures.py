r"""Shape of a slow curve, its relation to the readout, and how fast it forgets.

Shares of variance and participation ratio, (sum l)^2 / sum l^2 of the variances l along all principal components, are
of the states at equal distances along the curve. A trained line may bend: the shares say by how much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnpipe.errors import SettingsError
from rnnpipe.fixed_points.manifold import SlowManifold
from rnnpipe.fixed_points.response import Array


@dataclass(frozen=True)
class Shape:
    """Dimensions of a curve."""

    length: float
    """Along it, in units of the state."""
    variance: Array
    """Share of each principal component of the states, largest first, (n_units,)."""
    participation_ratio: float
    """Number of components that hold the variance, if all held as much."""

    @property
    def share(self) -> tuple[float, float]:
        """Of the first component, and of the first two."""
        return float(self.variance[0]), float(self.variance[:2].sum())


def shape(manifold: SlowManifold) -> Shape:
    """Dimensions of a curve.

    Raises:
        SettingsError: All its points are one.
    """
    variance = np.linalg.svd(manifold.states - manifold.states.mean(0), compute_uv=False) ** 2
    if not variance.sum() > 0:
        raise SettingsError("the curve is one point: nothing varies along it.")
    full = np.zeros(manifold.states.shape[1])
    full[: len(variance)] = variance[: len(full)] / variance.sum()
    return Shape(manifold.length, full, float(1 / (full**2).sum()))


@dataclass(frozen=True)
class ReadoutAngles:
    """Principal angles between the span of the readout and that of a curve, degrees, smallest first, (n_angles,)."""

    angles: Array
    """Of the curve."""
    low: Array
    """5th percentile over bootstrap samples of its points."""
    high: Array
    """95th percentile."""


def readout_angles(
    manifold: SlowManifold, rng: np.random.Generator, n_bootstrap: int = 200, n_components: int | None = None
) -> ReadoutAngles:
    """Principal angles between the rows of W_out and the first principal components of a curve.

    The readout acts on rates, so the components are those of the rates (in the rate form the states).

    Args:
        manifold: The curve.
        rng: Generator of the bootstrap samples.
        n_bootstrap: Samples, each of as many points as the curve has, drawn with replacement.
        n_components: Principal components of the curve; by default 1 of a line and 2 of a ring.
    """
    k = n_components or (2 if manifold.kind == "ring" else 1)
    readout = np.linalg.svd(manifold.flow.w_out, full_matrices=False)
    span = readout[2][readout[1] > 1e-12 * max(readout[1].max(initial=0), 1e-300)]
    if not len(span):
        raise SettingsError("all weights of the readout are 0: there are no angles to it.")
    rates = manifold.rates - manifold.rates.mean(0)
    # in the components that the curve occupies, all samples are small matrices
    _, singular, axes = np.linalg.svd(rates, full_matrices=False)
    axes = axes[singular > 1e-10 * singular[0]]
    scores, readout_there = rates @ axes.T, span @ axes.T
    k = min(k, len(axes))
    n = len(rates)
    drawn = scores[rng.integers(n, size=(n_bootstrap, n))]
    drawn = np.concatenate([scores[None], drawn])
    drawn = drawn - drawn.mean(1, keepdims=True)
    first = np.linalg.eigh(drawn.swapaxes(1, 2) @ drawn)[1][:, :, : -k - 1 : -1]
    angles = _principal_angles(readout_there, first, span, axes)
    low, high = np.percentile(angles[1:], [5, 95], axis=0)
    return ReadoutAngles(angles[0], low, high)


def _principal_angles(readout: Array, first: Array, span: Array, axes: Array) -> Array:
    """Angles, degrees, (n_samples, n_angles), from cosines where these are small and from sines where not.

    `readout` and `span` are the same orthonormal rows, in the components `axes` and in units.
    """
    n_angles = min(len(readout), first.shape[2])
    cosines = np.linalg.svd(readout @ first, compute_uv=False)[:, :n_angles]
    basis = np.swapaxes(axes.T @ first, 1, 2)  # (n_samples, k, n_units)
    if len(span) >= basis.shape[1]:
        rest = basis - (basis @ span.T) @ span
    else:
        rest = span - (span @ np.swapaxes(basis, 1, 2)) @ basis
    sines = np.linalg.svd(rest, compute_uv=False)[:, ::-1][:, :n_angles]
    return np.degrees(
        np.where(cosines > np.sqrt(0.5), np.arcsin(np.minimum(sines, 1)), np.arccos(np.minimum(cosines, 1)))
    )


def output_range(manifold: SlowManifold) -> tuple[Array, Array]:
    """Smallest and largest output along a curve, (n_outputs,) each."""
    return manifold.outputs.min(0), manifold.outputs.max(0)


@dataclass(frozen=True)
class Drift:
    """What becomes of states on a curve when the network is left to itself; the first axis is the point."""

    duration: float
    """How long, ms."""
    distance: Array
    """Between the beginning and the end, units of the state, (n_points,)."""
    along: Array
    """Change of s; on a ring the shorter way, (n_points,)."""
    away: Array
    """Distance from the curve at the end, (n_points,)."""
    outputs: Array
    """Change of the outputs, (n_points, n_outputs)."""


def drift(manifold: SlowManifold, duration: float) -> Drift:
    """How far the network, without noise, goes from each point of a curve in `duration` ms."""
    flow = manifold.flow
    if duration < flow.dt:
        raise SettingsError(f"a drift over {duration:g} ms: expected at least the step of the network, {flow.dt:g} ms.")
    y = manifold.states
    for _ in range(round(duration / flow.dt)):
        y = flow.step(y)
    s, away = manifold.locate(y)
    along = s - manifold.arclength
    if manifold.kind == "ring":
        along = (along + manifold.length / 2) % manifold.length - manifold.length / 2
    outputs = flow.outputs(flow.rates(y)) - manifold.outputs
    return Drift(duration, np.linalg.norm(y - manifold.states, axis=1), along, away, outputs)
