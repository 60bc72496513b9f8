"""Fixed points on a curve of slow states: where the speed along it changes its sign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnpipe.fixed_points.flow import Flow
from rnnpipe.fixed_points.response import Array
from rnnpipe.fixed_points.valley import along_floor, newton, onto_floor, velocity

STILL = 1e-11
"""A speed smaller than this, relative to the largest state (at least 1), is round-off."""

FINER = 8
"""Parts into which a piece of the curve is cut where its ends do not tell how many fixed points it has."""

HALVINGS = 45
"""Of a piece of the curve, to get near a fixed point that Newton's method does not reach from where it is expected."""


@dataclass(frozen=True)
class PointsOnIt:
    """Fixed points on a curve, in the order of s."""

    states: Array
    """(n, n_units)."""
    arclength: Array
    """s, (n,)."""
    eigenvalues: NDArray[np.complex128]
    """Per time unit, largest real part first, (n, n_units)."""

    @property
    def n_unstable(self) -> NDArray[np.int64]:
        """Number of eigenvalues with a positive real part, (n,): 0 of a stable point, 1 of a saddle between two."""
        return np.asarray((self.eigenvalues.real > 0).sum(1))


def by_real_part(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Eigenvalues, (..., n), largest real part first."""
    return np.take_along_axis(values, np.argsort(-values.real, axis=-1, kind="stable"), axis=-1)


def fixed_points_on(
    flow: Flow, states: Array, tangents: Array, arclength: Array, length: float, closed: bool
) -> tuple[int, PointsOnIt]:
    """Number of changes of the sign of v . t along a curve, and the fixed points found at them.

    Between two samples v . t is at first taken as the cubic through its values and slopes, t^T J t, at both: where that
    has more zeros than the samples alone tell, or touches 0, the piece is sampled more finely. Then each zero is
    refined by Newton's method on all units. There are fewer points than changes if one of these does not converge to a
    point between its neighbours, as where the curve leaves out a fold.

    Args:
        flow: The network under its input.
        states: Samples of the curve, (n, n_units); a closed one does not repeat its first.
        tangents: Unit vectors along it, (n, n_units).
        arclength: Distances s of the samples, (n,).
        length: s at the end, of a closed curve after the way back to the first sample.
        closed: Whether the last sample is followed by the first.
    """
    if closed:
        states, tangents = np.append(states, states[:1], axis=0), np.append(tangents, tangents[:1], axis=0)
        arclength = np.append(arclength, length)
    curve = _refined(flow, _Samples(states, tangents, arclength, _along(flow, states, tangents)))
    still = STILL * max(1.0, float(np.abs(states).max()))
    # a sample on a fixed point has no sign: its neighbours have
    curve = curve.chosen(np.flatnonzero(np.abs(curve.v) > still))
    if closed and len(curve.v):  # the first and the last sample were the same; they may have been left out
        curve = curve.chosen(np.append(np.arange(len(curve.v)), 0))
        curve.s[-1] += length
    changes = np.flatnonzero(curve.v[:-1] * curve.v[1:] < 0)
    found = [point for k in changes if (point := _between(flow, curve, k)) is not None]
    points = np.array([point for point, _ in found]).reshape(-1, states.shape[1])
    s = np.array([where for _, where in found])
    if closed:
        s %= length
    order = np.argsort(s)
    values = np.linalg.eigvals(flow.stability_matrix(points[order])).astype(np.complex128)
    return len(changes), PointsOnIt(points[order], s[order], by_real_part(values))


@dataclass(frozen=True)
class _Samples:
    """A curve: states, unit vectors along it, distances, and v . t."""

    y: Array
    t: Array
    s: Array
    v: Array

    def chosen(self, k: NDArray[np.int64]) -> _Samples:
        return _Samples(self.y[k], self.t[k], self.s[k], self.v[k])


def _along(flow: Flow, y: Array, t: Array) -> Array:
    return np.asarray((velocity(flow, y) * t).sum(1))


def _refined(flow: Flow, curve: _Samples) -> _Samples:
    """More samples in the pieces on which the cubic changes its sign more than once."""
    h = np.diff(curve.s)
    slope = (curve.t * (flow.stability_matrix(curve.y) @ curve.t[..., None])[..., 0]).sum(1)
    u = np.linspace(0, 1, 4 * FINER + 1)[:, None]
    cubic = (1 + 2 * u) * (1 - u) ** 2 * curve.v[:-1] + u**2 * (3 - 2 * u) * curve.v[1:]
    cubic += h * (u * (1 - u) ** 2 * slope[:-1] - u**2 * (1 - u) * slope[1:])
    doubtful = np.flatnonzero((np.diff(np.sign(cubic), axis=0) != 0).sum(0) > 1)
    if not len(doubtful):
        return curve
    part = (np.arange(1, FINER) / FINER)[:, None, None]
    before, after = doubtful, doubtful + 1
    base = ((1 - part) * curve.y[before] + part * curve.y[after]).reshape(-1, curve.y.shape[1])
    normal = np.repeat((curve.y[after] - curve.y[before])[None], FINER - 1, axis=0).reshape(base.shape)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    y, _ = onto_floor(flow, base, normal)
    t = along_floor(flow, y, normal)
    s = ((1 - part[..., 0]) * curve.s[before] + part[..., 0] * curve.s[after]).ravel()
    order = np.argsort(np.concatenate([curve.s, s]), kind="stable")
    more = _Samples(
        np.concatenate([curve.y, y]),
        np.concatenate([curve.t, t]),
        np.concatenate([curve.s, s]),
        np.concatenate([curve.v, _along(flow, y, t)]),
    )
    return more.chosen(order)


def _between(flow: Flow, curve: _Samples, k: int) -> tuple[Array, float] | None:
    """The fixed point between samples k and k + 1, and its s; None if there is none to be found."""
    a, b = curve.y[k], curve.y[k + 1]
    chord = b - a
    square = float(chord @ chord)

    def accepted(guess: Array) -> tuple[Array, float] | None:
        # without a hyperplane (its normal 0), because Newton's method alone can run away from kinks and along the curve
        y, found = newton(flow, onto_floor(flow, guess[None], np.zeros((1, len(guess))))[0])
        part = float((y[0] - a) @ chord) / square
        if not found[0] or not -0.1 <= part <= 1.1 or np.linalg.norm(y[0] - a - part * chord) > np.sqrt(square):
            return None
        return y[0], float(curve.s[k] + part * (curve.s[k + 1] - curve.s[k]))

    point = accepted(a + curve.v[k] / (curve.v[k] - curve.v[k + 1]) * chord)
    if point is not None:
        return point
    normal = (chord / np.sqrt(square))[None]
    low, high, guess = 0.0, 1.0, a
    for _ in range(HALVINGS):
        part = (low + high) / 2
        y, _ = onto_floor(flow, (a + part * chord)[None], normal)
        v = float(_along(flow, y, along_floor(flow, y, normal))[0])
        low, high, guess = (part, high, y[0]) if v * curve.v[k] > 0 else (low, part, y[0])
    return accepted(guess)
